"""P(yes) from the logits of the first token of an answer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


def answer_token_ids(tokenizer: "PreTrainedTokenizerBase") -> dict[str, list[int]]:
    """First tokens of all spellings of "yes" and of "no"; a token that could begin both is left out."""
    first = {
        answer: {
            tokenizer(space + spelling, add_special_tokens=False)["input_ids"][0]
            for spelling in (answer, answer.capitalize(), answer.upper())
            for space in ("", " ")
        }
        for answer in ("yes", "no")
    }
    both = first["yes"] & first["no"]
    return {answer: sorted(ids - both) for answer, ids in first.items()}


def probability_of_yes(logits: "torch.Tensor", token_ids: dict[str, Sequence[int]]) -> list[float]:
    """P(yes) / (P(yes) + P(no)), each summed over the spellings.

    Args:
        logits: of the first answer token, `(questions, vocabulary)`.
        token_ids: first tokens of "yes" and of "no".

    Raises:
        ValueError: the tokenizer cannot tell yes from no by the first token.
    """
    if not token_ids["yes"] or not token_ids["no"]:
        raise ValueError("this tokenizer begins yes and no with the same token: P(yes) cannot be read from it")
    logits = logits.double()
    yes, no = (logits[:, list(token_ids[answer])].logsumexp(dim=-1) for answer in ("yes", "no"))
    return (yes - no).sigmoid().tolist()
