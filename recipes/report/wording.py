"""The sentences of a report that depend on what was run: what systems are, and what cannot be compared, and why."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipes.report.inputs import Inputs
from recipes.report.traces import Backbones

IDEA = (
    "Give a language model ears, and it tends to hear whatever it is asked about. LISTEN trains nothing but a small "
    "adapter between an audio encoder and a language model, both of which stay as they are. The language model writes "
    "the training data itself: it reads a caption and tells what can be heard and, which is new, what cannot. The "
    "adapter learns to make it say the same when audio stands in the caption's place. The questions here show whether "
    "that works: half of them ask for something that is not there."
)

# Systems that are bounds, by their names in recipes/evaluate_listen.py.
SYSTEMS = {
    "text": "the language model reads the caption or tags in place of the audio: what it could know at best",
    "silence": "a system is given silence in place of the recording: what it answers without hearing",
    "shuffled": "a system is given the recording of another question: what it answers from hearing the wrong thing",
    "always-yes": "says yes to everything",
    "always-no": "says no to everything",
}

_MINIATURE_BACKBONE = (
    "The small language model of this run was made for the purpose, with means that no large one has met: noise on "
    "the embeddings where audio will stand; captions that do not tell the answer, to which yes is mostly right; and, "
    "so that the sounds that it names as absent are absent, extra weight on listed names and an unlikelihood term "
    "against naming a present one. What negatives as faithful as these do need not be what a large model's do."
)


def explain_system(name: str) -> str:
    """What a bound is; "" for other systems."""
    return SYSTEMS.get(name.split(" (")[0].strip().lower().replace("_", "-").replace(" ", "-"), "")


def caveats(inputs: Inputs, backbones: Sequence[Backbones]) -> list[tuple[str, str]]:
    """What must be known before any number here is held against the paper's: headings and sentences."""
    asked = {(result.benchmark, result.subset) for result in inputs.results}
    benchmarks = {benchmark for benchmark, _ in asked}
    found = []
    if "sound_world" in benchmarks:
        found.append(
            (
                "Other sounds",
                "The sound world is made by a program: short clips of a few dozen kinds of sounds. The "
                "paper's recordings are from AudioCaps and other collections of real sound, with hundreds of labels. "
                "Scores on the two are not on one scale.",
            )
        )
    if any(subset.startswith("dev_") for _, subset in asked):
        found.append(
            (
                "Development questions",
                "Subsets called dev are there to choose settings on. Scores on them are better than they should be as "
                "far as anything was chosen.",
            )
        )
    if any(each.text_notes for each in backbones):
        found.append(
            (
                "A small model",
                "The paper's backbones are whisper-small and Llama-3.1-8B-Instruct. Those of this run are small, made "
                "for it, and know the sound world only. What can be compared is the order of systems in this run, "
                "not a number here with a number there.",
            )
        )
        found.append(("A backbone made for it", _MINIATURE_BACKBONE))
    if benchmarks - {"sound_world"} or not found:
        found.append(
            (
                "The paper's questions are not known",
                "It cites two sets of hallucination questions and does not say which of them, or which part, Table 3 "
                "is measured on. Its figures fit a set of which exactly half is yes.",
            )
        )
    if {("audio_hallucination", "popular"), ("audio_hallucination", "adversarial")} & asked:
        found.append(
            (
                "Damaged questions",
                "As published, most of the popular and adversarial questions take their present sounds from another "
                "clip. The subsets called repaired ask for the clip's own.",
            )
        )
    if "synonym_hypernym" in benchmarks:
        found.append(
            (
                "A test made anew",
                "The synonym and hypernym test that the paper uses is not public. Ours is made from WordNet after its "
                "description and one example.",
            )
        )
    found.append(
        (
            "Unreadable answers",
            "Here they are wrong and their share is shown. The paper does not say how it counts them; its figures fit "
            "only if they count as no.",
        )
    )
    found.append(
        (
            "One training run for each row",
            "Another seed of training moves scores by a point or two, another backbone by more. Neither is in the "
            "confidence intervals. The paper gives no intervals and no AUROC.",
        )
    )
    return found


def name_model(model: str) -> str:
    """A model as readers may see it: a Hub name, or the end of a folder's path."""
    return "/".join(Path(model).parts[-2:]) if Path(model).is_absolute() else model


def list_notes(notes: dict[str, Any]) -> list[tuple[str, str]]:
    """What the builder of a backbone noted, but for `measured` and `gates`, which have a table: names and values."""
    listed = []
    for name, value in notes.items():
        if isinstance(value, dict):
            listed += list_notes(value) if name not in ("measured", "gates") else []
        else:
            values = value if isinstance(value, list) else [value]
            texts = [f"{each:.4g}" if isinstance(each, float) else str(each) for each in values]
            listed.append((name.replace("_", " "), "; ".join(texts)))
    return listed
