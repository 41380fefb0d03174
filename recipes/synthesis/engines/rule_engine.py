"""The rule-based comparison of section 5.4: the response is the annotation in a template, no LLM writes it."""

from collections.abc import Iterable, Iterator
from typing import Any

from recipes.synthesis.engines import Response
from recipes.synthesis.plan import Request, Sampling


class RuleEngine:
    """Hands out the targets that the plan's rule templates wrote."""

    name = "rule"

    def __init__(self) -> None:
        self.identity: dict[str, Any] = {"generator": self.name}

    def generate(self, windows: Iterable[list[Request]]) -> Iterator[list[Response]]:
        """Answer every request, window by window."""
        for window in windows:
            yield [Response(each.key, each.seed, each.prompt, each.target, "stop", None, self.name) for each in window]

    def with_sampling(self, sampling: Sampling) -> "RuleEngine":
        """Rules draw nothing."""
        return self
