"""What is compared: the "Ours" rows of Table 3, and one controlled change at a time around the row that won there."""

from dataclasses import dataclass

SELF, OTHER, RULE = "self", "other", "rule"
# Pools that differ from the self-generated one in their negatives alone.
STRANGE, HALF_STRANGE = "strange", "half-strange"


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
    """

    name: str
    title: str
    pool: str
    mixture: str
    steps: float = 1.0
    options: tuple[str, ...] = ()
    question: str | None = None


POSITIVE = Row("self-pp", "Ours (Positive + Positive)", SELF, "positive+positive")
NEGATIVE = Row("self-pn", "Ours (Positive + Negative)", SELF, "positive+negative")

TABLE3 = (
    Row("other-pp", "Ours (other LLM, Positive + Positive)", OTHER, "positive+positive"),
    Row("other-pn", "Ours (other LLM, Positive + Negative)", OTHER, "positive+negative"),
    Row("other-combined", "Ours (other LLM, Combined)", OTHER, "combined"),
    Row("rule", "Ours (Rule-based Template)", RULE, "rule"),
    POSITIVE,
    NEGATIVE,
    Row("self-combined", "Ours (Combined)", SELF, "combined"),
)

_FAITHFUL = "Are the negatives about this clip?"
_BUDGET = "Equal steps, or equal responses seen?"
_QUERIES = "How many query tokens?"
_PN = "positive+negative"
LEVERS = (
    Row("pn-half-strange", "half of the negatives are another clip's", HALF_STRANGE, _PN, question=_FAITHFUL),
    Row("pn-strange", "all negatives are another clip's", STRANGE, _PN, question=_FAITHFUL),
    Row("combined-double", "Combined, twice the steps", SELF, "combined", 2, question=_BUDGET),
    Row("pp-half", "Positive + Positive, half the steps", SELF, "positive+positive", 0.5, question=_BUDGET),
    Row("pn-half", "Positive + Negative, half the steps", SELF, _PN, 0.5, question=_BUDGET),
    Row("pn-4-queries", "4 query tokens", SELF, _PN, 1, ("--num_query_tokens", "4"), _QUERIES),
    Row("pn-16-queries", "16 query tokens", SELF, _PN, 1, ("--num_query_tokens", "16"), _QUERIES),
)
