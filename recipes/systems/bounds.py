"""Bounds: what systems score that do not listen, or not to the recording in question."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recipes.systems.base import Answer, Clip, System, is_yes_no

if TYPE_CHECKING:
    import datasets

SHUFFLE_SEED = 0


class Constant(System):
    """Says the same to every yes/no question, and nothing to others.

    Args:
        name: how tables call it.
        answer: "yes" or "no".
    """

    hears = False

    def __init__(self, name: str, answer: str) -> None:
        self.name, self._answer = name, answer

    def identity(self) -> dict[str, Any]:
        """The answer."""
        return {"constant": self._answer}

    def answer(self, clips: Sequence[Clip]) -> list[list[Answer]]:
        """Answer the questions of several clips."""
        nothing = Answer(None, None, "not a yes/no question")
        # What it says is certain to it, so that its AUROC is that of chance.
        constant = Answer(self._answer.capitalize(), float(self._answer == "yes"))
        return [[constant if is_yes_no(each) else nothing for each in clip.questions] for clip in clips]


class _InPlaceOf(System):
    """Another system that hears something else in place of each recording."""

    def __init__(self, name: str, system: System) -> None:
        self.name, self._system = name, system

    def check(self, questions: "datasets.Dataset") -> None:
        """Look whether the other system can be asked."""
        self._system.check(questions)

    def heard(self, clip: Clip) -> Clip:
        """What the other system gets for a clip."""
        return clip

    def answer(self, clips: Sequence[Clip]) -> list[list[Answer]]:
        """Answer the questions of several clips."""
        return self._system.answer([self.heard(clip) for clip in clips])

    def answer_all(self, batches: Iterable[Sequence[Clip]]) -> Iterator[list[list[Answer]]]:
        """Answer batch after batch, in order."""
        return self._system.answer_all([self.heard(clip) for clip in batch] for batch in batches)

    def close(self) -> None:
        """Close the other system."""
        self._system.close()


class Silence(_InPlaceOf):
    """Another system that hears silence of each recording's length: what it says without listening.

    Args:
        name: how tables call it.
        system: the other system.
    """

    def identity(self) -> dict[str, Any]:
        """The other system's."""
        return {"silence": self._system.identity()}

    def heard(self, clip: Clip) -> Clip:
        """Silence, and the questions."""
        return Clip({"path": None, "bytes": None}, clip.questions, np.zeros_like(clip.waveform))


class Shuffled(_InPlaceOf):
    """Another system that hears, in place of each recording, another one of the same benchmark, always the same.

    Args:
        name: how tables call it.
        system: the other system.
    """

    def identity(self) -> dict[str, Any]:
        """The other system's, and the seed of the shuffle."""
        return {"shuffled": self._system.identity(), "seed": SHUFFLE_SEED}

    def recordings(self, recordings: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Another recording for each: the next one in a random order.

        Raises:
            ValueError: there is only one recording.
        """
        if len(recordings) < 2:
            raise ValueError("shuffling recordings needs two of them at least; the benchmark has one")
        order = np.random.default_rng(SHUFFLE_SEED).permutation(len(recordings))
        heard: list[dict[str, Any]] = [{}] * len(recordings)
        for place, successor in zip(order, np.roll(order, -1), strict=True):
            heard[place] = recordings[successor]
        return heard
