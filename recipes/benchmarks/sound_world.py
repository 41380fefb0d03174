"""Questions about synthetic clips, with answers that are certain: which sounds, synonyms and hypernyms are present.

- `random`, `popular`, `adversarial`: is there a sound of X, for the k classes of a clip and for k others, drawn as in
  https://arxiv.org/abs/2406.08402; each in one of its five wordings.
- `hypernym`, `synonym`: is the sound from an object that is a type, or a synonym, of X; worded as the one example in
  section 4.2.3 of the paper. Negatives are random.
- `question_answering`: natural questions ("Is it raining?") about the clip's classes and as many random others.

Half of the answers of every subset are yes. Subsets ask about the 400 test clips; each has a twin `dev_...` on as many
other clips, on which to choose settings.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import datasets
import numpy as np

from recipes.annotations import read_json_lines
from recipes.benchmarks.audio_hallucination import TEMPLATES, adversarial_negatives, popular_negatives
from recipes.benchmarks.base import BenchmarkBuilder, Question
from recipes.miniature.clips import cache_folder, render_split
from recipes.miniature.dialogues import HYPERNYM_QUESTION, SYNONYM_QUESTION
from recipes.miniature.world import CATEGORIES, EVENT_CLASSES, NAMES

NUM_CLIPS = 400
KINDS = ("random", "popular", "adversarial", "hypernym", "synonym", "question_answering")


class SoundWorld(BenchmarkBuilder):
    """The benchmark as `datasets` builder; see the module.

    Args:
        data_dir: where the clips are, or go; a folder in the cache of `datasets` by default.
        options: as for every benchmark.
    """

    BENCHMARK = "sound_world"
    DESCRIPTION = "Is a sound, a synonym or a hypernym there? Yes/no questions on synthetic clips."
    HOMEPAGE = ""
    LICENSE = "Apache-2.0"
    CITATION = ""
    SUBSETS = (*KINDS, *(f"dev_{kind}" for kind in KINDS))
    COLUMNS = {
        "seed": datasets.Value("string"),  # the clip's caption, for a language model that reads instead of listening
        "object": datasets.Value("string"),  # what is asked for: a class, a synonym or a hypernym
        "relation": datasets.Value("string"),  # "existence", "hypernym", "synonym" or "question_answering"
        "event": datasets.Value("string"),  # the class, or for hypernyms the category, behind the object
    }

    @property
    def split(self) -> str:
        """The clips that are asked about."""
        return "dev" if self.subset.startswith("dev_") else "test"

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return self.subset.removeprefix("dev_")

    def hub_folder(self) -> Path:
        """The default folder, with the clips rendered if they are not there."""
        return self._usable(cache_folder())

    def _usable(self, data_dir: str | Path | None) -> Path:
        if data_dir is None:
            return self.hub_folder()
        self._listing = render_split(self.split, NUM_CLIPS, data_dir)
        return self._listing.parent

    def annotation_files(self) -> list[Path]:
        """The list of the clips."""
        return [self._listing]

    @cached_property
    def _rows(self) -> list[dict]:
        return [row for _, row in read_json_lines(self._listing)]

    @cached_property
    def _clips(self) -> dict[str, list[str]]:
        """The classes of each clip, by file name."""
        return {row["file"]: row["tags"] for row in self._rows}

    def read_questions(self) -> Iterator[Question]:
        """For each clip, as many questions whose answer is yes as such whose answer is no."""
        negatives = self._negatives()
        captions = {row["file"]: row["caption"] for row in self._rows}
        for number, (file, events) in enumerate(self._clips.items()):
            rng = np.random.default_rng((KINDS.index(self.kind), self.split == "test", number))
            present = list(dict.fromkeys(EVENT_CLASSES[name].category for name in events))
            positives = present if self.kind == "hypernym" else events
            asked = [(name, "yes") for name in positives] + [(name, "no") for name in negatives[file]]
            for index, (name, answer) in enumerate(asked):
                question, thing, relation = self._word(name, rng)
                yield Question(
                    key=f"{Path(file).stem}-{index}",
                    names=[file],
                    question=question,
                    answer=answer,
                    columns={"seed": captions[file], "object": thing, "relation": relation, "event": name},
                )

    def _negatives(self) -> dict[str, list[str]]:
        """Classes, or categories, that a clip does not have; as many as it has."""
        if self.kind == "popular":
            return popular_negatives(self._clips)
        if self.kind == "adversarial":
            return adversarial_negatives(self._clips)
        rng, negatives = np.random.default_rng((KINDS.index(self.kind), self.split == "test")), {}
        for file, events in self._clips.items():
            own = {EVENT_CLASSES[name].category for name in events} if self.kind == "hypernym" else set(events)
            others = [name for name in (CATEGORIES if self.kind == "hypernym" else NAMES) if name not in own]
            negatives[file] = rng.choice(others, size=len(own), replace=False).tolist()
        return negatives

    def _word(self, name: str, rng: np.random.Generator) -> tuple[str, str, str]:
        """A question about a class or category, what it asks for, and the relation of that to the class."""
        if self.kind == "hypernym":
            hypernym = str(rng.choice(CATEGORIES[name]))
            return HYPERNYM_QUESTION.format(hypernym), hypernym, "hypernym"
        if self.kind == "synonym":
            synonym = str(rng.choice(EVENT_CLASSES[name].synonyms))
            return SYNONYM_QUESTION.format(synonym), synonym, "synonym"
        if self.kind == "question_answering":
            return EVENT_CLASSES[name].question, name, "question_answering"
        return str(rng.choice(TEMPLATES)).format(name), name, "existence"
