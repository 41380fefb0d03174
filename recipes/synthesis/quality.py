"""How good a run's responses are, and which of them training may use."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from typing import Any

QUANTILES = (0.05, 0.5, 0.95)
_LLM = (
    r"an? (?:large(?:-scale)? )?(?:ai|llm|(?:artificial|virtual|language|text(?:[- ](?:based|only))?)"
    r"(?: (?:ai|llm|large|language|intelligence|model|assistant|chatbot|program|system))+)\b"
)
# An LLM that answers about itself instead of the audio. "I cannot hear a dog in the audio" is no refusal, nor is
# "Sorry is said by a man" or "As a large truck passes by, a dog barks".
REFUSAL = re.compile(
    r"^\W*(?:(?:(?:i'?m|i am) (?:so )?)?sorry\b(?!,?[\"”]| (?:is|was|being|says|said)\b)|i apologi[sz]e\b"
    rf"|unfortunately,? i\b|as {_LLM}|(?:i'?m|i am) (?:just |only )?{_LLM}"
    r"|(?:i'?m|i am) (?:not able|unable) to\b"
    r"|i (?:can(?:'|no)?t|do(?: not|n't) have the ability to|am not able to) (?:actually |directly |physically )?"
    r"(?:replay|play|listen|access|process|help|assist|comply|fulfil|provide"
    r"|hear (?:the |any |actual )?(?:audio|sounds?)\b(?! of\b)))",
    re.IGNORECASE,
)
ABSENCE = re.compile(
    r"\b(?:absent|absence|missing|contrast\w*|lack\w*|without|no|not|never|nor|none|cannot)\b|n't\b", re.IGNORECASE
)
LIST_MARKER = re.compile(r"(?:^|\s)\d{1,2}[.)]\s+(?=\S)|^\s*[-*•]\s+")
SENTENCE_END = re.compile(r"(?<=[a-z)'\"][.!?;])\s+")
LIST_OPENER = re.compile(r".*(?::|\b(?:hear|features?|contains?|includes?|are|is)\b)\s+(?=\S)", re.IGNORECASE)
SEPARATOR = re.compile(r",\s+(?:and |or )?|;\s+|\s+(?:and|or)\s+")
UNSAID = re.compile(r"^(?:(?:the|a|an|any|some|these|(?:sounds?|noises?|recordings?) of)\s+)+|\s+(?:sounds?|noises?)$")


def is_refusal(response: str) -> bool:
    """Whether the LLM declined, or spoke of itself, instead of answering for the audio."""
    return bool(REFUSAL.match(response.replace("’", "'")))


def usable(row: Mapping[str, Any]) -> bool:
    """Whether training may use a response: it ended by itself, is not empty and, unless of a rule, no refusal."""
    refused = row["sample_type"] != "rule" and is_refusal(row["response"])
    return row["finish_reason"] == "stop" and bool(row["response"].strip()) and not refused


def named_sounds(response: str) -> tuple[list[str], list[str]]:
    """The sounds that a response lists as present and as absent, in lower case and without articles.

    A heuristic for lists (`1. A dog barking 2. Rain`, `absent: a dog barking, rain.`, one item a line). Sounds that a
    response tells of in other ways are not found, so what is counted with it is a lower bound.
    """
    present: list[str] = []
    absent: list[str] = []
    target = present
    for line in response.replace("’", "'").splitlines():
        opening, *items = LIST_MARKER.split(line)
        for sentence in SENTENCE_END.split(opening.strip()):
            if not sentence:
                continue
            target = absent if ABSENCE.search(sentence) else present
            opener = LIST_OPENER.match(sentence)
            if opener and not sentence.endswith(":"):
                target += filter(None, map(_normal, SEPARATOR.split(sentence[opener.end() :])))
        for item in items:
            if item.rstrip(" *").endswith(":"):  # a heading that follows the last item on the same line
                target = absent if ABSENCE.search(item) else present
            elif name := _normal(re.split(r":| - | – | \(", item)[0]):
                target.append(name)
    return present, absent


def _normal(sound: str) -> str:
    return UNSAID.sub("", re.sub(r"[\s*\"]+", " ", sound).strip(" .,;:!?'()").lower()).strip()


@dataclass
class _Group:
    """Counts over the responses of one kind from one corpus."""

    rows: int = 0
    usable: int = 0
    truncated: int = 0
    refused: int = 0
    empty: int = 0
    duplicates: int = 0
    words: Counter[int] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        counts = {name: value for name, value in vars(self).items() if name != "words"}
        return {**counts, "words": _quantiles(self.words)}


def measure(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Count what a run made; memory stays flat but for one number for each distinct response.

    Args:
        records: response records, those of one seed next to each other.

    Returns:
        `rows` and `usable`.
        `groups`: for each corpus and sample type, how many responses there are, how many of them training may use, how
            many are cut (`truncated`), `refused`, `empty`, or repeat an earlier one for the same seed text and prompt
            (`duplicates`), and quantiles of their length in words.
        `contradictions`: how many negative or combined responses list as absent a sound that the seed's tags name
            (`tagged`), or that a response for the same seed lists as present (`listed_present`).
    """
    groups: dict[tuple[str, str], _Group] = defaultdict(_Group)
    contradictions = {"tagged": 0, "listed_present": 0}
    seen: set[bytes] = set()
    for _, of_seed in groupby(records, key=lambda row: (row["corpus"], row["id"])):
        rows = list(of_seed)
        for row in rows:
            _count(row, groups[row["corpus"], row["sample_type"]], seen)
        _count_contradictions(rows, contradictions)
    by_corpus: dict[str, dict[str, Any]] = defaultdict(dict)
    for (corpus, sample_type), group in groups.items():
        by_corpus[corpus][sample_type] = group.as_dict()
    return {
        "rows": sum(group.rows for group in groups.values()),
        "usable": sum(group.usable for group in groups.values()),
        "groups": dict(by_corpus),
        "contradictions": contradictions,
    }


def _count(row: Mapping[str, Any], group: _Group, seen: set[bytes]) -> None:
    text = row["response"].strip()
    content = "\0".join((row["corpus"], row["sample_type"], row["seed"], row["prompt"], text))
    fingerprint = blake2b(content.encode(), digest_size=8).digest()
    group.rows += 1
    group.usable += usable(row)
    group.truncated += row["finish_reason"] == "length"
    group.empty += not text
    refused = row["sample_type"] != "rule" and is_refusal(text)
    group.refused += refused or row["finish_reason"] not in ("stop", "length")
    group.duplicates += fingerprint in seen
    group.words[len(text.split())] += 1
    seen.add(fingerprint)


def _count_contradictions(rows: list[Mapping[str, Any]], counts: dict[str, int]) -> None:
    named = [(row, *named_sounds(row["response"])) for row in rows if row["sample_type"] != "rule"]
    tags = {_normal(tag) for tag in rows[0]["tags"] or []}
    present = {sound for _, sounds, _ in named for sound in sounds}
    for row, _, absent in named:
        if row["sample_type"] != "positive":
            counts["tagged"] += not tags.isdisjoint(absent)
            counts["listed_present"] += not present.isdisjoint(absent)


def _quantiles(counts: Counter[int]) -> dict[str, int]:
    total, reached, result = counts.total(), 0, {}
    waiting = list(QUANTILES)
    for value in sorted(counts):
        reached += counts[value]
        while waiting and reached >= waiting[0] * total:
            result[f"p{round(100 * waiting.pop(0))}"] = value
    return result


def format_report(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    columns = ("rows", "usable", "truncated", "refused", "empty", "duplicates")
    lines = [
        f"## Quality\n\n{report['usable']:,} of {report['rows']:,} responses are usable: they ended by themselves, "
        "are not empty and are no refusals. The others are kept here and left out of training.\n",
        f"| corpus | kind | {' | '.join(columns)} | words (5%, median, 95%) |",
        "|" + "---|" * (len(columns) + 3),
    ]
    for corpus, kinds in report["groups"].items():
        for kind, group in kinds.items():
            cells = [f"{group[name]:,}" for name in columns]
            words = ", ".join(str(value) for value in group["words"].values())
            lines.append(f"| {corpus} | {kind} | {' | '.join(cells)} | {words} |")
    tagged, listed = (report["contradictions"][name] for name in ("tagged", "listed_present"))
    lines.append(
        f"\nNegative and combined responses that list as absent a sound that the seed's tags name: {tagged:,}; that "
        f"another response for the same seed, or the same response, lists as present: {listed:,} (lower bounds)."
    )
    if judged := report.get("judge"):
        lines.append(
            f"\nJudge: by the generator's own greedy answers, {judged['contradicted']:,} of {judged['sounds']:,} "
            f"sounds listed as absent contradict the seed; {judged['unclear']:,} answers were neither yes nor no."
        )
    return "\n".join(lines)
