"""What the miniature backbones read: chats about a seed, made from the sound world's own rules.

A chat opens with a seed in the audio span and goes on with prompts of the three kinds, or with several questions. A
response is kept as pieces, so that the trainer knows which of them are names of listed sounds.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from recipes.miniature.captions import write_caption, write_tags
from recipes.miniature.world import CATEGORIES, EVENT_CLASSES, NAMES, SCENES, draw_events, with_article

NUM_ABSENT = 4

# The five of arXiv 2406.08402.
EXISTENCE_QUESTIONS = (
    "Is there a sound of {} in the audio?",
    "Does the audio contain the sound of {}?",
    "Have you noticed the sound of {} in the audio?",
    "Can you hear the sound of {} in the audio?",
    "Can you detect the sound of a {} in the audio?",
)
HYPERNYM_QUESTION = "Is the sound from an object that is a type of {}?"
SYNONYM_QUESTION = "Is the sound from an object that is a synonym of {}?"
DESCRIBE_PROMPT = "Describe the audio."

# Seeds that tell nothing.
VAGUE_SEEDS = ("some sounds", "a recording", "various noises", "unclear audio", "something")
OTHER_SOUNDS = (" and other sounds", " and more", " among other things")


@dataclass(frozen=True)
class Wording:
    """How one backbone puts its answers. Lists are joined by `comma`, the last item by `last`."""

    present: str
    absent: str
    describe: str
    yes: str
    no: str
    comma: str = ", "
    last: str = ", "


WORDINGS = {
    "llama": Wording(
        present="I can hear these sounds: {}.",
        absent="These sounds are absent: {}.",
        describe="This is a recording of {}.",
        yes="Yes, I can hear {}.",
        no="No, I cannot hear {}.",
    ),
    "llama_other": Wording(
        present="The recording features {}.",
        absent="It does not feature {}.",
        describe="The recording captures {}.",
        yes="Yes, the recording features {}.",
        no="No, {} is not part of the recording.",
        last=" and ",
    ),
}


@dataclass
class Piece:
    """A part of a response: plain words, a yes or no, or the name of a sound in a list of present or absent ones."""

    text: str
    kind: str = "words"  # "words", "verdict", "present" or "absent"


@dataclass
class Chat:
    """A chat about one seed.

    Attributes:
        seed: what stands in the span; None for a chat without audio.
        turns: prompts or questions, each with the pieces of its response.
        events: the classes that the seed tells of.
        unclear: whether the seed's embeddings are to be drowned in noise.
    """

    seed: str | None
    turns: list[tuple[str, list[Piece]]]
    events: list[str] = field(default_factory=list)
    unclear: bool = False


@cache
def load_prompts() -> dict[str, list[str]]:
    """The prompt families of `prompts.yaml`, by kind of sample."""
    return yaml.safe_load(Path(__file__).with_name("prompts.yaml").read_text(encoding="utf-8"))


def draw_absent(events: list[str], count: int, scene_share: float, rng: np.random.Generator) -> list[str]:
    """Draw classes that are not in `events`, in the order of `NAMES`.

    Args:
        events: the classes present.
        count: how many to draw.
        scene_share: the chance that each is taken from the scenes in which all of `events` (or else any) occur.
        rng: what they are drawn with.
    """
    whole = [scene.events for scene in SCENES.values() if set(events) <= set(scene.events)]
    partial = [scene.events for scene in SCENES.values() if set(events) & set(scene.events)]
    near = sorted({name for scene in (whole or partial) for name in scene} - set(events))
    absent: set[str] = set()
    while len(absent) < count:
        pool = [name for name in near if name not in absent] if rng.random() < scene_share else []
        pool = pool or [name for name in NAMES if name not in absent and name not in events]
        absent.add(pool[rng.integers(len(pool))])
    return [name for name in NAMES if name in absent]


def ask(name: str, rng: np.random.Generator) -> str:
    """A question that asks for the class `name` in a way that is drawn: by name, synonym or natural wording."""
    event, kind = EVENT_CLASSES[name], rng.random()
    if kind < 0.1:
        return event.question
    if kind < 0.25:
        return SYNONYM_QUESTION.format(_pick(event.synonyms, rng))
    return _pick(EXISTENCE_QUESTIONS, rng).format(name)


def draw_chat(
    wording: Wording,
    rng: np.random.Generator,
    unclear_share: float = 0.3,
    unclear_yes: float = 0.78,
    caption_share: float = 0.6,
    phrasings: int | None = None,
) -> Chat:
    """Draw one chat.

    Args:
        wording: how the responses are put.
        rng: what it is drawn with.
        unclear_share: the share of question chats whose seed does not tell the answer.
        unclear_yes: the share of questions on such seeds whose true answer is yes.
        caption_share: the share of seeds that are captions; the others are tags.
        phrasings: how many ways of putting each class captions draw from; all by default.
    """
    kind = rng.random()
    if kind < 0.05:
        return Chat(None, [_taxonomy_turn(rng) for _ in range(3)])
    scene, events = draw_events(rng)
    if rng.random() < 0.25:  # mixtures that no scene explains
        events = sorted(rng.choice(NAMES, size=len(events), replace=False).tolist(), key=NAMES.index)
    caption = rng.random() < caption_share
    seed = write_caption(scene, events, rng, phrasings) if caption else write_tags(events, rng)
    if kind < 0.49:
        return Chat(seed, [_prompt_turn(kind - 0.05, events, wording, rng)], events)

    chat = Chat(seed, [], events)
    known = rng.random() >= unclear_share
    if not known:
        _blur(chat, rng)
    for _ in range(rng.integers(1, 5)):
        if known and rng.random() < 0.12:
            chat.turns.append(_hypernym_turn(events, wording, rng))
            continue
        present = rng.random() < (0.5 if known else unclear_yes)
        if known:
            name = _pick(events, rng) if present else draw_absent(events, 1, 0.5, rng)[0]
        else:
            name = _pick([name for name in NAMES if name not in chat.events], rng)
        chat.turns.append((ask(name, rng), answer(present, EVENT_CLASSES[name].noun, wording)))
    return chat


def listing(names: list[str], kind: str, wording: Wording) -> list[Piece]:
    """The pieces of a response that lists sounds which are `kind`: present or absent."""
    before, after = getattr(wording, kind).split("{}")
    pieces = [Piece(before)]
    for position, name in enumerate(names):
        if position:
            pieces.append(Piece(wording.last if position == len(names) - 1 else wording.comma))
        pieces.append(Piece(name, kind))
    return [*pieces, Piece(after)]


def answer(yes: bool, noun: str, wording: Wording) -> list[Piece]:
    """The pieces of an answer to a question about `noun`, which has its article."""
    verdict = "Yes" if yes else "No"
    rest = (wording.yes if yes else wording.no).format(noun).removeprefix(verdict)
    return [Piece(verdict, "verdict"), Piece(rest)]


def _pick(options, rng: np.random.Generator) -> str:
    return options[rng.integers(len(options))]


def _prompt_turn(
    kind: float, events: list[str], wording: Wording, rng: np.random.Generator
) -> tuple[str, list[Piece]]:
    if kind < 0.03:
        return DESCRIBE_PROMPT, [Piece(wording.describe.format(" and ".join(events)))]
    family = "positive" if kind < 0.13 else "negative" if kind < 0.30 else "combined"
    prompts = load_prompts()[family]
    prompt = prompts[0] if rng.random() < 0.4 else _pick(prompts, rng)
    pieces = [] if family == "negative" else listing(events, "present", wording)
    if family == "combined":
        pieces.append(Piece(" "))
    if family != "positive":
        pieces += listing(draw_absent(events, NUM_ABSENT, 0.8, rng), "absent", wording)
    return prompt, pieces


def _hypernym_turn(events: list[str], wording: Wording, rng: np.random.Generator) -> tuple[str, list[Piece]]:
    present = {EVENT_CLASSES[name].category for name in events}
    yes = rng.random() < 0.5
    category = _pick(sorted(present if yes else set(CATEGORIES) - present), rng)
    hypernym = _pick(CATEGORIES[category], rng)
    return HYPERNYM_QUESTION.format(hypernym), answer(yes, with_article(hypernym), wording)


def _taxonomy_turn(rng: np.random.Generator) -> tuple[str, list[Piece]]:
    event, yes = EVENT_CLASSES[_pick(NAMES, rng)], rng.random() < 0.5
    if rng.random() < 0.5:
        other = event.category if yes else _pick([c for c in CATEGORIES if c != event.category], rng)
        question = f"Is {event.name} a type of {_pick(CATEGORIES[other], rng)}?"
    else:
        other = event.name if yes else _pick([name for name in NAMES if name != event.name], rng)
        question = f"Is {_pick(EVENT_CLASSES[other].synonyms, rng)} a synonym of {event.name}?"
    return question, [Piece("Yes" if yes else "No", "verdict"), Piece(".")]


def _blur(chat: Chat, rng: np.random.Generator) -> None:
    """Make the seed tell nothing of what will be asked: noise over it, a vague phrase, or a partial caption."""
    kind = rng.random()
    if kind < 0.34:
        chat.unclear, chat.events = True, []
    elif kind < 0.67:
        chat.seed, chat.events = _pick(VAGUE_SEEDS, rng), []
    else:
        chat.seed = chat.seed.rstrip(".") + _pick(OTHER_SOUNDS, rng)
