"""What every system is: something that answers the questions asked about recordings."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import datasets
    import numpy as np
    import torch

SAMPLING_RATE = 16000
SCORES = ("generate", "logits")
_MOST_BYTES_READ = 1 << 30  # larger files are told apart by their size and date


class Answer(NamedTuple):
    """One answer of a system.

    Attributes:
        response: what it said; None where it gave no answer.
        p_yes: the probability that it gives to yes, as opposed to no; None where it does not say.
        error: why there is no response.
    """

    response: str | None
    p_yes: float | None = None
    error: str | None = None


@dataclass
class Clip:
    """A recording and questions about it.

    Attributes:
        audio: `{"path", "bytes"}`, one of them None.
        questions: records of `recipes.records.QUESTION_FEATURES`.
        waveform: float32 `(samples,)`, mono, at `SAMPLING_RATE`; None for systems that do not hear.
        error: why the recording cannot be read; then no system is asked.
    """

    audio: dict[str, Any]
    questions: list[dict[str, Any]]
    waveform: "np.ndarray | None" = None
    error: str | None = None


@dataclass(frozen=True)
class Settings:
    """How systems answer.

    Attributes:
        score: "generate", greedy decoding as in the paper, or "logits": yes/no questions are answered by the more
            probable of the two as first token. Only systems whose logits can be seen make the difference.
        max_new_tokens: a response is cut there.
        device: "auto" is the first accelerator, or else the CPU.
        dtype: of the weights; "auto" is the checkpoint's.
        concurrency: requests in flight, for systems behind a URL.
    """

    score: str = "generate"
    max_new_tokens: int = 64
    device: str = "auto"
    dtype: str = "auto"
    concurrency: int = 16

    def resolve_device(self) -> "torch.device":
        """The device that is meant."""
        import torch

        if self.device != "auto":
            return torch.device(self.device)
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return accelerator or torch.device("cpu")


class System:
    """Something that answers. Making one is cheap; what is expensive is loaded at the first question.

    Attributes:
        name: how tables call it.
        hears: whether it needs waveforms. A recording that cannot be read gives unanswered questions then.
    """

    name: str
    hears: bool = True

    def identity(self) -> dict[str, Any]:
        """Everything that its answers depend on, as JSON values; answers of another identity are not gone on with."""
        raise NotImplementedError

    def identity_for(self, questions: "datasets.Dataset") -> dict[str, Any]:
        """The identity, as far as the answers to these questions depend on it."""
        return self.identity()

    def check(self, questions: "datasets.Dataset") -> None:
        """Look whether it can be asked these questions, before anybody is asked anything.

        Raises:
            ValueError: it cannot; the message says why and what to do.
        """

    def recordings(self, recordings: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What is heard in place of each of a benchmark's recordings: mostly the recording itself."""
        return recordings

    def answer(self, clips: Sequence[Clip]) -> list[list[Answer]]:
        """Answer the questions of several clips: one list for each clip, in the order of its questions."""
        raise NotImplementedError

    def answer_all(self, batches: Iterable[Sequence[Clip]]) -> Iterator[list[list[Answer]]]:
        """Answer batch after batch, in order."""
        for batch in batches:
            yield self.answer(batch) if batch else []

    def close(self) -> None:
        """Let go of memory, processes and connections."""


def is_yes_no(question: dict[str, Any]) -> bool:
    """Whether the question wants a yes or a no."""
    return question.get("answer_type", "yes_no") == "yes_no"


@cache
def check_model(model: str) -> None:
    """Look whether Transformers finds a model, without loading its weights.

    Raises:
        ValueError: it does not.
    """
    from transformers import AutoConfig

    import modeling_listen  # noqa: F401  (registers the architecture)

    try:
        AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise ValueError(f"{model!r} is no model that Transformers can load: {error}") from error


@cache
def fingerprint(model: str) -> str:
    """What tells a model from another one: its name on the Hub; of a folder, its name and what its files hold."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return model
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".jinja", ".py"):
            state = path.stat()
            small = state.st_size <= _MOST_BYTES_READ
            content = path.read_bytes() if small else f"{state.st_size} {state.st_mtime_ns}".encode()
            digest.update(path.name.encode() + content)
    return f"{folder.absolute().name}@{digest.hexdigest()}"
