"""What writes responses: a backbone in this process, an OpenAI-compatible server, or rule templates.

An engine has `name` (the `generator` column), `identity` (what, besides the request, determines a response) and
`generate(windows)`, which takes lists of requests and yields lists of responses, each list to be kept all or none.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from recipes.synthesis.plan import Request, Sampling


@dataclass(frozen=True, slots=True)
class Response:
    """A line of the journal.

    Attributes:
        key, seed, prompt: the request's.
        response: R_LLM, the training target, without surrounding blanks.
        finish_reason: `stop`, or `length` where `max_new_tokens` cut it; servers may say others.
        response_tokens: its length, None where the engine does not know it.
        generator: who wrote it.
    """

    key: str
    seed: str
    prompt: str
    response: str
    finish_reason: str
    response_tokens: int | None
    generator: str


class EngineError(RuntimeError):
    """Some requests have no answer; the message counts them and says what to do."""


class Engine(Protocol):
    """What the three engines have in common."""

    name: str
    identity: dict[str, Any]

    def generate(self, windows: Iterable[list[Request]]) -> Iterator[list[Response]]:
        """Answer every request of every window once."""
        ...

    def with_sampling(self, sampling: Sampling) -> "Engine":
        """The same generator, drawing in another way."""
        ...
