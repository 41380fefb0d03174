"""Synonym and hypernym test: does a system know what else the thing that it hears is called, and what kind it is of?

**A reconstruction.** LISTEN takes the test from Coban, Mandel and Devaney (arXiv 2406.04615), whose items, classes and
rules were never published; LISTEN itself shows one question ("Is the sound from an object that is a type of chordate?"
for a songbird: yes). Figures on these items compare systems with each other, not with the paper's Table 3.

Subsets: `esc50` (all 2,000 clips) and `fsd50k` (the clips of its evaluation set that have exactly one class without
subclasses, and that one mapped). Each class is mapped by hand to a WordNet 3.0 synset, and to what else is heard or
takes part (`synonym_hypernym_synsets.yaml`); the terms are frozen in `synonym_hypernym_terms.json` (license:
`wordnet_license.md`). For each clip and relation (`synonym`, `hypernym`):

- two yes questions on terms of its class, drawn at random (one where there is only one);
- three no questions (one or two where there was one yes) on terms of other classes, drawn class first, so that terms
  are about as frequent among the no questions as among the yes ones. No term is above or below a meaning that the map
  gives for any label of the clip, or a word for one that is above it.

So two answers in five are yes, about the share that the paper's figures imply. Draws depend on the clip's name only.
`depth` is the number of steps from the class up to the hypernym, in the class that the term is from.

`data_dir`: ESC-50 (`meta/esc50.csv`, `audio/`), or FSD50K (`FSD50K.ground_truth/eval.csv`, `FSD50K.eval_audio/`).
"""

import json
import random
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import datasets

from recipes.annotations import AnnotationError, file_name_of, read_csv
from recipes.benchmarks.base import BenchmarkBuilder, Question

TERMS = Path(__file__).with_name("synonym_hypernym_terms.json")
RELATIONS = ("synonym", "hypernym")
# By relation: the end of "Is the sound from an object that is ...?"
_PHRASES = {"synonym": "a synonym of {}", "hypernym": "a type of {}"}
_KINDS = {"object": "an object", "other": "something"}
_CSV = {
    "esc50": ("meta/esc50.csv", "esc50.csv", "*/meta/esc50.csv"),
    "fsd50k": ("FSD50K.ground_truth/eval.csv", "eval.csv", "labels/eval.csv", "*/FSD50K.ground_truth/eval.csv"),
}


class SynonymHypernym(BenchmarkBuilder):
    """The benchmark as `datasets` builder; see the module."""

    BENCHMARK = "synonym_hypernym"
    DESCRIPTION = "Yes/no questions on synonyms and hypernyms of what ESC-50 and FSD50K clips hold (reconstructed)."
    HOMEPAGE = "https://github.com/karolpiczak/ESC-50 (esc50) or https://zenodo.org/records/4060432 (fsd50k)"
    LICENSE = "terms: WordNet 3.0 license; audio: CC BY-NC 3.0 (ESC-50), CC BY 4.0 and each clip's own (FSD50K)"
    CITATION = "after Coban, Mandel, Devaney: What do LLMs hear? (2024), arXiv 2406.04615; WordNet 3.0 (2006)"
    SUBSETS = ("esc50", "fsd50k")
    COLUMNS = {
        "label": datasets.Value("string"),  # the clip's class
        "seed": datasets.Value("string"),  # all its labels, for a model that reads instead
        "relation": datasets.Value("string"),  # one of RELATIONS
        "term": datasets.Value("string"),
        "synset": datasets.Value("string"),  # the term's meaning
        "depth": datasets.Value("int64"),  # 0 for synonyms
    }

    @cached_property
    def _csv(self) -> Path:
        return self.find(_CSV[self.subset], f"the clips of {self.subset}")

    def annotation_files(self) -> list[Path]:
        """The corpus' list of clips and the terms."""
        return [self._csv, TERMS]

    def read_questions(self) -> Iterator[Question]:
        """The questions on each clip, synonyms before hypernyms, yes before no."""
        lexicon = Lexicon(self.subset)
        clips = self._read_esc50() if self.subset == "esc50" else self._read_fsd50k(lexicon)
        for where, name, file_name, labels in clips:
            if not lexicon.knows(labels[0]):
                raise AnnotationError(f"{where}: {labels[0]!r} is no class of {self.subset}")
            for index, (term, answer) in enumerate(draw_terms(lexicon, labels, f"{self.subset}/{name}")):
                kind = _KINDS[lexicon.kind(labels[0])]
                phrase = _PHRASES[term["relation"]].format(term["term"])
                yield Question(
                    key=f"{name}/{index}",
                    names=[file_name],
                    question=f"Is the sound from {kind} that is {phrase}?",
                    answer=answer,
                    columns={"label": labels[0], "seed": "; ".join(labels).replace("_", " "), **term},
                )

    def _read_esc50(self) -> Iterator[tuple[str, str, str, list[str]]]:
        for where, row in read_csv(self._csv, ["filename", "category"]):
            file_name = file_name_of(row["filename"], where)
            yield where, Path(file_name).stem, file_name, [row["category"]]

    def _read_fsd50k(self, lexicon: "Lexicon") -> Iterator[tuple[str, str, str, list[str]]]:
        for where, row in read_csv(self._csv, ["fname", "labels"]):
            name, labels = file_name_of(row["fname"], where), row["labels"].split(",")
            for label in labels:
                if not lexicon.knows(label):
                    raise AnnotationError(f"{where}: {label!r} is no class of FSD50K")
            # The class comes first; the others are its parents or more that is heard.
            leaves = [label for label in labels if lexicon.is_leaf(label)]
            if len(leaves) == 1 and lexicon.terms(leaves[0]):
                yield where, name, f"{name}.wav", [leaves[0], *(label for label in labels if label != leaves[0])]


class Lexicon:
    """What the frozen terms say about the classes of one corpus."""

    def __init__(self, subset: str) -> None:
        content = json.loads(TERMS.read_text(encoding="utf-8"))
        self._leaves: dict[str, Any] = content["classes"][subset]
        self._parents: dict[str, Any] = content["classes"].get(f"{subset}_parents", {})
        self._synsets: dict[str, dict[str, list[str]]] = content["synsets"]
        self._vague: dict[str, list[str]] = content["vague"]
        self.above = cache(self._above)
        self.other_terms = cache(self._other_terms)

    def knows(self, label: str) -> bool:
        """Whether a label is a class of the corpus."""
        return label in self._leaves or label in self._parents

    def is_leaf(self, label: str) -> bool:
        """Whether a class has no subclasses, so that questions may be made from it."""
        return label in self._leaves

    def terms(self, label: str) -> list[dict[str, Any]]:
        """The class' terms; none where it is not mapped."""
        entry = self._leaves.get(label)
        return entry["terms"] if entry else []

    def kind(self, label: str) -> str:
        """Whether the class' synset is an "object", or "other"."""
        return self._leaves[label]["kind"]

    def _above(self, synset: str) -> frozenset[str]:
        """A synset and all above it."""
        return frozenset({synset}).union(*(self.above(each) for each in self._synsets[synset]["above"]))

    def _other_terms(self, labels: tuple[str, ...], relation: str) -> tuple[tuple[dict[str, Any], ...], ...]:
        """For each class of the first label's kind, those of its terms that are true of none of the labels."""
        entries = [self._leaves.get(label) or self._parents.get(label) for label in labels]
        meanings = {synset for entry in entries if entry for synset in entry["synsets"]}
        above = frozenset().union(*(self.above(meaning) for meaning in meanings))
        words = {lemma.casefold() for synset in above for lemma in self._synsets[synset]["lemmas"]}
        vague = {synset for kind, synsets in self._vague.items() if kind in above for synset in synsets}

        def is_absent(term: dict[str, Any]) -> bool:
            return (
                term["synset"] not in above | vague
                and meanings.isdisjoint(self.above(term["synset"]))
                and term["term"].casefold() not in words
            )

        classes = (
            tuple(term for term in entry["terms"] if term["relation"] == relation and is_absent(term))
            for entry in self._leaves.values()
            if entry and entry["kind"] == self.kind(labels[0])
        )
        return tuple(terms for terms in classes if terms)


def draw_terms(lexicon: Lexicon, labels: list[str], seed: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The terms asked for on one clip, with their answers; the same for the same seed.

    Args:
        lexicon: of the corpus.
        labels: the clip's labels, the class that is asked for first.
        seed: what the draws depend on.
    """
    generator = random.Random(seed)
    for relation in RELATIONS:
        true = [term for term in lexicon.terms(labels[0]) if term["relation"] == relation]
        true = generator.sample(true, min(2, len(true)))
        wanted = {0: 0, 1: generator.choice((1, 2)), 2: 3}[len(true)]
        classes = [list(terms) for terms in lexicon.other_terms(tuple(labels), relation)]
        false: list[dict[str, Any]] = []
        while classes and len(false) < wanted:
            of_class = generator.choice(classes)
            term = of_class.pop(generator.randrange(len(of_class)))
            classes = [each for each in classes if each]
            if term["term"] not in {each["term"] for each in false}:
                false.append(term)
        for answer, terms in (("yes", true), ("no", false)):
            for term in terms:
                yield term, answer
