"""Questions of presence from C.-Y. Kuan et al.: object hallucination (Interspeech 2024) and its ICASSP 2025 sequel.

**Interspeech 2024** (https://arxiv.org/abs/2406.08402): 957 AudioCaps test clips; five wordings of "is there a sound
of X"; X is a label of the clip, or one that it does not have, drawn by one of three strategies. As published:

- `random`: 30,220 questions, 15,110 of each answer; sound.
- `popular`, `adversarial`: 31,376 and 31,047 questions, damaged upstream: in wordings 2 to 5 nine in ten of the "Yes"
  objects belong to other clips, and a quarter of the Popular "No" objects are labels of the clip.
- `popular_repaired`, `adversarial_repaired`: rebuilt by the paper's rule, 30,220 questions each. A clip's labels are
  its positives in `random`; it gets as many negatives as it has labels, the same for every wording. Popular: the
  labels of most clips. Adversarial: the labels that occur most often beside the clip's labels in the other clips
  (summed over the clip's labels), ties going to the label of more clips. What still ties goes by first appearance in
  `random`. AudioSet's labels are not closed under its ontology, so a negative may be a kind or a part of a positive
  ("vehicle" for a car); that is the paper's rule too.

**ICASSP 2025** (https://arxiv.org/abs/2410.16130): `object_existence` (AudioCaps, ESC-50 and VocalSound mixed),
`temporal_order` and `object_attribute` (CompA). Rows 2i and 2i+1 ask the same of a clip of which it is true and one of
which it is not; `pair` holds i.

Recordings, anywhere below `data_dir`: AudioCaps as `Y<youtube_id>`, `<youtube_id>`, and, where AudioCaps' own
`test.csv` lies there too, `<youtube_id>_<start>` or `<audiocap_id>`; CompA below the folders that its names begin
with.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets

from recipes.annotations import AnnotationError, file_name_of, find_annotation, read_csv, text_of
from recipes.benchmarks.base import BenchmarkBuilder, Question
from recipes.benchmarks.hub import copy_repository, read_parquet, unpack, write_recordings

OWNER = "kuanhuggingface"
TEMPLATES = (
    "Is there a sound of {} in the audio?",
    "Does the audio contain the sound of {}?",
    "Have you noticed the sound of {} in the audio?",
    "Can you hear the sound of {} in the audio?",
    "Can you detect the sound of a {} in the audio?",
)
AUDIOCAPS_REPOSITORIES = {
    strategy.lower(): f"AudioHallucination_AudioCaps-{strategy}" for strategy in ("Random", "Popular", "Adversarial")
}
PAIRED_REPOSITORIES = {
    "object_existence": "Audio-Hallucination_Object-Existence_AudioCaps-ESC50-VocalSound",
    "temporal_order": "Audio-Hallucination_Temporal-Order_CompA-Order",
    "object_attribute": "Audio-Hallucination_Object-Attribute_CompA-Attribute",
}


class AudioHallucination(BenchmarkBuilder):
    """The benchmark as `datasets` builder; see the module."""

    BENCHMARK = "audio_hallucination"
    DESCRIPTION = "Is a sound there? Yes/no questions on AudioCaps, ESC-50, VocalSound and CompA clips."
    HOMEPAGE = "https://huggingface.co/kuanhuggingface"
    LICENSE = "none stated"
    CITATION = "Kuan, Huang, Lee (Interspeech 2024), arXiv 2406.08402; Kuan, Lee (ICASSP 2025), arXiv 2410.16130"
    SUBSETS = (*AUDIOCAPS_REPOSITORIES, "popular_repaired", "adversarial_repaired", *PAIRED_REPOSITORIES)
    COLUMNS = {
        "entry_id": datasets.Value("int64"),
        "audio_index": datasets.Value("string"),  # the official scripts' name of the clip
        "object": datasets.Value("string"),  # null where the question names none
        "attribute": datasets.Value("string"),  # "positive" or "negative"
        "sampling": datasets.Value("string"),  # how the negatives were drawn; null for the paired sets
        "pair": datasets.Value("int64"),  # null for the AudioCaps sets
        "seed": datasets.Value("string"),  # the clip's labels, for a model that reads instead; null for paired sets
    }

    @property
    def _repository(self) -> str:
        if self.subset in PAIRED_REPOSITORIES:
            return PAIRED_REPOSITORIES[self.subset]
        # The repaired sets are made from the labels in the Random one.
        return AUDIOCAPS_REPOSITORIES.get(self.subset, AUDIOCAPS_REPOSITORIES["random"])

    def hub_folder(self) -> Path:
        """A copy of the subset's repository, with the recordings that the Hub has, in the `datasets` cache."""
        parent = Path(datasets.config.HF_DATASETS_CACHE) / "listen" / self.BENCHMARK
        copy_repository(f"{OWNER}/{self._repository}", parent, ["data/*.parquet"])
        if self.subset == "object_existence":
            folder = copy_repository(f"{OWNER}/BEAF-Audio", parent, ["BEAF_Audio.tar"])
            unpack(folder / "BEAF_Audio.tar", folder)
        elif self.subset not in PAIRED_REPOSITORIES:
            folder = copy_repository(f"{OWNER}/audiocaps_hallucination", parent, ["data/*.parquet"])
            write_recordings(sorted(folder.glob("data/*.parquet")), "youtube_id", folder / "audio")
        return parent

    def annotation_files(self) -> list[Path]:
        """The subset's Parquet file, and AudioCaps' list of test clips where it is there."""
        return [self._parquet, *([self._audiocaps] if self._audiocaps else [])]

    @cached_property
    def _parquet(self) -> Path:
        names = (self._repository, f"{self._repository}-v2")
        return self.find([f"{name}/{folder}*.parquet" for name in names for folder in ("data/", "")], self.subset)

    @cached_property
    def _audiocaps(self) -> Path | None:
        if self.subset in PAIRED_REPOSITORIES:
            return None
        folders = ("", "dataset/", "audiocaps/", "audiocaps/dataset/")
        return find_annotation([self.data_dir], [f"{folder}test.csv" for folder in folders])

    def read_questions(self) -> Iterator[Question]:
        """The subset's questions, as published or rebuilt."""
        if self.subset in PAIRED_REPOSITORIES:
            yield from self._read_paired()
            return
        names, labels = _AudioCapsNames(self._audiocaps), _read_labels(self._parquet)
        repaired = self.subset.endswith("_repaired")
        own = ("entry_id", "audio_index", "object", "attribute", "sampling")
        for row in _rebuild(labels, self.subset.removesuffix("_repaired")) if repaired else _read(self._parquet):
            where = f"{self._parquet}, row {row['entry_id']}"
            yield Question(
                key=str(row["entry_id"]),
                names=names.of(file_name_of(row["audio_index"], where)),
                question=text_of(row["prompt_text"], "question", where),
                answer=_answer(row["label"], where),
                columns={name: row[name] for name in own} | {"seed": "; ".join(labels.get(row["audio_index"], []))},
            )

    def _read_paired(self) -> Iterator[Question]:
        for index, row in enumerate(read_parquet(self._parquet, ["audio", "query", "ground_truth"])):
            where = f"{self._parquet}, row {index}"
            answer = _answer(row["ground_truth"], where)
            question = text_of(row["query"], "question", where)
            yield Question(
                key=str(index),
                names=[file_name_of(row["audio"], where)],
                question=question,
                answer=answer,
                columns={
                    "entry_id": row.get("entry_id", index),
                    "audio_index": row["audio"],
                    "object": row.get("object") or object_in(question),
                    "attribute": row.get("attribute") or {"yes": "positive", "no": "negative"}[answer],
                    "pair": index // 2,
                },
            )


def object_in(question: str) -> str | None:
    """The object that a question of presence asks for; None where the question has another form."""
    match = re.search(r"sound of (.+?)(?: in the audio)?\?", question)
    return match[1] if match else None


def _read(parquet: Path) -> Iterator[dict[str, Any]]:
    columns = ["entry_id", "audio_index", "prompt_text", "object", "attribute", "label", "sampling"]
    yield from read_parquet(parquet, columns)


def _read_labels(parquet: Path) -> dict[str, list[str]]:
    """Each clip's labels: what the yes questions in the first wording, which is sound everywhere, ask for."""
    labels: dict[str, dict[str, None]] = defaultdict(dict)
    for row in _read(parquet):
        where = f"{parquet}, row {row['entry_id']}"
        if _answer(row["label"], where) == "yes" and row["prompt_text"] == TEMPLATES[0].format(row["object"]):
            labels[row["audio_index"]][text_of(row["object"], "object", where)] = None
    return {clip: list(own) for clip, own in labels.items()}


def _rebuild(labels: dict[str, list[str]], sampling: str) -> Iterator[dict[str, Any]]:
    """The rows of a repaired subset, grouped as published: clip, wording, positives before negatives."""
    negatives = {"popular": popular_negatives, "adversarial": adversarial_negatives}[sampling](labels)
    entry_id = 0
    for clip, positives in labels.items():
        for template in TEMPLATES:
            for attribute, label, objects in (("positive", "Yes", positives), ("negative", "No", negatives[clip])):
                for each in objects:
                    yield {
                        "entry_id": entry_id,
                        "audio_index": clip,
                        "prompt_text": template.format(each),
                        "object": each,
                        "attribute": attribute,
                        "label": label,
                        "sampling": sampling,
                    }
                    entry_id += 1


def popular_negatives(labels: dict[str, list[str]]) -> dict[str, list[str]]:
    """For each clip, as many labels as it has, those of most clips, none of them its own.

    Args:
        labels: each clip's labels, every label once.
    """
    clips = Counter(label for each in labels.values() for label in each)
    ranked = [label for label, _ in clips.most_common()]  # stable: ties in order of first appearance
    return {clip: [label for label in ranked if label not in own][: len(own)] for clip, own in labels.items()}


def adversarial_negatives(labels: dict[str, list[str]]) -> dict[str, list[str]]:
    """For each clip, as many labels as it has, those most often beside its labels elsewhere, none of them its own.

    Args:
        labels: each clip's labels, every label once.
    """
    clips = Counter(label for each in labels.values() for label in each)
    beside: dict[str, Counter[str]] = defaultdict(Counter)
    for own in labels.values():
        for label in own:
            beside[label].update(other for other in own if other != label)
    negatives = {}
    for clip, own in labels.items():
        score = sum((beside[label] for label in own), Counter())
        ranked = sorted((label for label in clips if label not in own), key=lambda x: (-score[x], -clips[x]))
        negatives[clip] = ranked[: len(own)]
    return negatives


class _AudioCapsNames:
    """The file names under which copies of AudioCaps hold a clip."""

    def __init__(self, clips: Path | None) -> None:
        self._others: dict[str, list[str]] = defaultdict(list)
        if clips is not None:
            for _, row in read_csv(clips, ["audiocap_id", "youtube_id", "start_time"]):
                self._others[row["youtube_id"]] += [f"{row['youtube_id']}_{row['start_time']}", row["audiocap_id"]]

    def of(self, audio_index: str) -> list[str]:
        youtube_id = audio_index.removeprefix("Y")
        return list(dict.fromkeys([f"{audio_index}.wav", youtube_id, *self._others[youtube_id]]))


def _answer(label: Any, where: str) -> str:
    answer = label.lower() if isinstance(label, str) else label
    if answer not in ("yes", "no"):
        raise AnnotationError(f"{where}: the answer is {label!r}; Yes or No is needed")
    return answer
