"""What is compared: the "Ours" rows of Table 3, and one controlled change at a time around them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

SELF, OTHER, RULE = "self", "other", "rule"
# Pools that differ from the self-generated one in their negatives alone.
STRANGE, CORRUPTED = "strange", "corrupted"


@dataclass(frozen=True)
class Row:
    """One way of training, run with several seeds.

    Attributes:
        name: unique, and fit for a file name.
        title: how the table calls it.
        pool: whose responses it is trained on.
        mixture: of `recipes.synthesis.mixtures.MIXTURES`.
        steps: its optimizer steps, as a multiple of the experiment's.
        options: further options of train_listen.py.
        question: the lever that it belongs to; None for rows of Table 3.
        against: name of the row that it is compared with.
        text_model, audio_model: backbones in place of the experiment's.
    """

    name: str
    title: str
    pool: str
    mixture: str
    steps: float = 1.0
    options: tuple[str, ...] = ()
    question: str | None = None
    against: str | None = "self-pn"
    text_model: str | None = None
    audio_model: str | None = None


_PP, _PN = "positive+positive", "positive+negative"
POSITIVE = Row("self-pp", "Ours (Positive + Positive)", SELF, _PP)
NEGATIVE = Row("self-pn", "Ours (Positive + Negative)", SELF, _PN, against=None)

TABLE3 = (
    Row("other-pp", "Ours (other LLM, Positive + Positive)", OTHER, _PP),
    Row("other-pn", "Ours (other LLM, Positive + Negative)", OTHER, _PN),
    Row("other-combined", "Ours (other LLM, Combined)", OTHER, "combined"),
    Row("rule", "Ours (Rule-based Template)", RULE, "rule"),
    POSITIVE,
    NEGATIVE,
    Row("self-combined", "Ours (Combined)", SELF, "combined"),
)

_FAITHFUL = "Are the negatives about this clip?"
_BUDGET = "Equal steps, or equal responses seen?"
_RESPONSES = "How many responses per clip?"
_QUERIES = "How many query tokens?"
LEVERS = (
    Row("pn-corrupted", "one sound in each list is there", CORRUPTED, _PN, question=_FAITHFUL),
    Row("pn-strange", "all negatives are another clip's", STRANGE, _PN, question=_FAITHFUL),
    Row("combined-double", "Combined, twice the steps", SELF, "combined", 2, question=_BUDGET),
    Row("pn-half", "Positive + Negative, half the steps", SELF, _PN, 0.5, question=_BUDGET),
    Row("pn-four", "two positives and two negatives", SELF, "2 positive+2 negative", question=_RESPONSES),
    Row("pn-4-queries", "4 query tokens", SELF, _PN, 1, ("--num_query_tokens", "4"), _QUERIES),
    Row("pn-16-queries", "16 query tokens", SELF, _PN, 1, ("--num_query_tokens", "16"), _QUERIES),
)


def rows_on(backbone: Path, is_encoder: bool) -> Iterable[Row]:
    """Positive + Positive and Positive + Negative on another backbone, which also writes its own data.

    Args:
        backbone: folder of the model; its name is part of the rows'.
        is_encoder: it takes the audio encoder's place, not the language model's.
    """
    name = backbone.name
    place = {"audio_model": str(backbone)} if is_encoder else {"text_model": str(backbone)}
    pool = SELF if is_encoder else f"{SELF}-{name}"
    for row in (POSITIVE, NEGATIVE):
        against = None if row is NEGATIVE else f"{NEGATIVE.name}-{name}"
        question = "Other encoders" if is_encoder else "Other language models"
        title = f"{name}, {'Positive + Negative' if row is NEGATIVE else 'Positive + Positive'}"
        yield replace(
            row, name=f"{row.name}-{name}", title=title, pool=pool, question=question, against=against, **place
        )
