"""What a language backbone must be able to do from text alone before anything is built on it."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from recipes.miniature.captions import write_tags
from recipes.miniature.clips import draw_clip
from recipes.miniature.dialogues import (
    EXISTENCE_QUESTIONS,
    HYPERNYM_QUESTION,
    SYNONYM_QUESTION,
    draw_absent,
    load_prompts,
)
from recipes.miniature.world import CATEGORIES, EVENT_CLASSES, NAMES

# The least that passes, as shares.
GATES = {"yes_no": 0.97, "positives_right": 0.98, "positives_complete": 0.98, "negatives_absent": 0.98}
_NAME = re.compile(r"\b(" + "|".join(sorted(NAMES, key=len, reverse=True)) + r")\b")


@dataclass
class Measured:
    """What was measured on captions and tags of development clips; all are shares.

    Attributes:
        yes_no: existence questions answered right, half of them yes, negatives half random, half from the scene.
        hypernym, synonym, question_answering: the same for questions of these kinds.
        positives_right: of the sounds in responses to positive prompts, those that the seed has.
        positives_complete: of the sounds that the seed has, those in the response.
        negatives_absent: of the sounds named absent, those that the seed does not have.
        negatives_absent_blind: the same where the list belongs to another seed; the yardstick for the one above.
        *_greedy: decoded greedily instead of at the temperature of synthesis.
    """

    yes_no: float
    hypernym: float
    synonym: float
    question_answering: float
    positives_right: float
    positives_complete: float
    negatives_absent: float
    negatives_absent_blind: float
    positives_right_greedy: float
    positives_complete_greedy: float
    negatives_absent_greedy: float

    def failed(self) -> list[str]:
        """The gates that are missed."""
        return [name for name, least in GATES.items() if asdict(self)[name] < least]


def measure(folder: str | Path, audio_model: str | Path, num_seeds: int = 400, temperature: float = 0.6) -> Measured:
    """Measure a language backbone as it is stored.

    Args:
        folder: its Hugging Face folder.
        audio_model: any Whisper folder; the processor, which renders the prompts, needs one.
        num_seeds: development clips of whose seeds it is asked, captions and tags in turn.
        temperature: of sampling; each positive and negative prompt family is met with the paper's prompt and others.
    """
    from transformers import AutoModelForCausalLM

    from modeling_listen import ListenProcessor

    processor = ListenProcessor.from_backbones(audio_model, folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    rng = np.random.default_rng(7)
    clips = [draw_clip("dev", index) for index in range(num_seeds)]
    events = [list(clip.events) for clip in clips]
    seeds = [clip.caption if i % 2 else write_tags(events[i], rng) for i, clip in enumerate(clips)]

    def respond(kind: str, temperature: float | None) -> list[list[str]]:
        prompts = load_prompts()[kind]
        pairs = [(seed, prompts[0 if i % 2 else i // 2 % len(prompts)]) for i, seed in enumerate(seeds)]
        return [_NAME.findall(text) for text in _generate(model, processor, pairs, temperature)]

    torch.manual_seed(7)
    values = {}
    for suffix, degree in (("", temperature), ("_greedy", None)):
        present, absent = respond("positive", degree), respond("negative", degree)
        values["positives_right" + suffix] = _share(
            name in own for own, names in zip(events, present, strict=True) for name in names
        )
        values["positives_complete" + suffix] = _share(
            name in names for own, names in zip(events, present, strict=True) for name in own
        )
        values["negatives_absent" + suffix] = _share(
            name not in own for own, names in zip(events, absent, strict=True) for name in names
        )
        if degree is not None:
            others = [absent[i] for i in np.roll(np.arange(num_seeds), 1)]
            values["negatives_absent_blind"] = _share(
                name not in own for own, names in zip(events, others, strict=True) for name in names
            )
    for kind in ("yes_no", "hypernym", "synonym", "question_answering"):
        pairs, answers = _questions(kind, seeds, events, rng)
        texts = _generate(model, processor, pairs, None, max_new_tokens=3)
        values[kind] = _share(text.startswith(answer) for text, answer in zip(texts, answers, strict=True))
    return Measured(**values)


def _share(hits) -> float:
    hits = list(hits)
    return round(sum(hits) / max(1, len(hits)), 4)


def _questions(
    kind: str, seeds: list[str], events: list[list[str]], rng: np.random.Generator
) -> tuple[list[tuple[str, str]], list[str]]:
    """Pairs of seed and question, and the beginning of the right answer; one yes and one no for each seed."""
    pairs, answers = [], []
    for seed, own in zip(seeds, events, strict=True):
        asked = {"Yes": str(rng.choice(own)), "No": draw_absent(own, 1, 0.5, rng)[0]}
        if kind == "hypernym":
            present = {EVENT_CLASSES[name].category for name in own}
            asked = {
                "Yes": str(rng.choice(sorted(present))),
                "No": str(rng.choice(sorted(set(CATEGORIES) - present))),
            }
        for answer, name in asked.items():
            if kind == "hypernym":
                question = HYPERNYM_QUESTION.format(rng.choice(CATEGORIES[name]))
            elif kind == "synonym":
                question = SYNONYM_QUESTION.format(rng.choice(EVENT_CLASSES[name].synonyms))
            elif kind == "question_answering":
                question = EVENT_CLASSES[name].question
            else:
                question = str(rng.choice(EXISTENCE_QUESTIONS)).format(name)
            pairs.append((seed, question))
            answers.append(answer)
    return pairs, answers


@torch.no_grad()
def _generate(
    model, processor, pairs: list[tuple[str, str]], temperature: float | None, max_new_tokens: int = 60
) -> list[str]:
    """Responses to pairs of seed and prompt; greedy without a temperature."""
    from tqdm import tqdm

    pad, texts = processor.tokenizer.pad_token_id, []
    sampling = (
        {"do_sample": False} if temperature is None else {"do_sample": True, "temperature": temperature, "top_k": 0}
    )
    for start in tqdm(range(0, len(pairs), 64), desc="measuring gates", leave=False, mininterval=2):
        prompts = []
        for seed, prompt in pairs[start : start + 64]:
            around = processor.tokenize_prompt(prompt)
            prompts.append(torch.tensor([*around.prefix, *processor.tokenize_seed(seed), *around.suffix]))
        ids = torch.nn.utils.rnn.pad_sequence(prompts, batch_first=True, padding_value=pad, padding_side="left")
        out = model.generate(
            input_ids=ids, attention_mask=(ids != pad).long(), max_new_tokens=max_new_tokens, **sampling
        )
        texts += processor.tokenizer.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)
    return texts
