"""Any OpenAI-compatible server: a vLLM cluster, `transformers serve`, or another LLM's API (section 5.4)."""

import asyncio
import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urlsplit

from recipes.synthesis.engines import EngineError, Response
from recipes.synthesis.plan import Request, Sampling, digest

if TYPE_CHECKING:
    import openai

logger = logging.getLogger(__name__)

KEY_VARIABLE = "OPENAI_API_KEY"
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
KEEP_EVERY, KEEP_SECONDS = 64, 1.0
RESET_HEADERS = ("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


class OpenAIEngine:
    """Answers requests through a server's `/chat/completions`, many in flight.

    What can pass (no connection, no or a malformed answer, 408, 409, 429, 5xx) is tried again with exponential backoff
    and jitter, not before the time that the server names. What cannot (no access, no such model, a server that stays
    away) ends the run; a request that the server turns down is counted and the others go on.

    Args:
        url: the API's base, such as `http://localhost:8000/v1`, with `#MODEL` where it serves several models. The key
            is read from the environment variable OPENAI_API_KEY and kept nowhere.
        sampling: how responses are drawn; each request sends its own seed.
        render_prompt: (prompt, seed) to chat messages; the processor's.
        concurrency: requests in flight.
        retries: further attempts for a request.
        timeout: seconds for one attempt.

    Raises:
        ValueError: the URL cannot be used.
        EngineError: the server does not say which model to use.
    """

    def __init__(
        self,
        url: str,
        sampling: Sampling,
        render_prompt: Callable[[str, str], list[dict[str, Any]]],
        concurrency: int = 64,
        retries: int = 8,
        timeout: float = 300.0,
    ) -> None:
        self.url, model = urldefrag(url)
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no URL of a server; it looks like http://localhost:8000/v1")
        if parts.username or parts.password or parts.query:
            raise ValueError(f"the URL of {parts.hostname} holds a name, key or query: put keys into {KEY_VARIABLE}")
        self.sampling, self.render_prompt = sampling, render_prompt
        self.concurrency, self.retries, self.timeout = concurrency, retries, timeout
        self.name = model or self._only_model()
        template = digest(render_prompt("<prompt>", "<seed>"))
        self.identity: dict[str, Any] = {"model": self.name, "template": template}
        self._send_seed = not sampling.greedy
        self._resume_at = 0.0  # no request is sent before; the clock is time.monotonic

    def generate(self, windows: Iterable[list[Request]]) -> Iterator[list[Response]]:
        """Answer every request; yields what has arrived every second or every 64 responses.

        Raises:
            EngineError: some requests have no answer; raised after the last response has been handed out.
        """
        loop = asyncio.new_event_loop()
        client = self._client()
        requests = chain.from_iterable(windows)
        flying: set[asyncio.Task[Response]] = set()
        arrived: list[Response] = []
        answered, in_a_row, last_kept = 0, 0, time.monotonic()
        failures: list[_RequestFailedError] = []
        fatal: EngineError | None = None
        try:
            while fatal is None:
                while len(flying) < self.concurrency and (request := next(requests, None)) is not None:
                    flying.add(loop.create_task(self._answer(client, request)))
                if not flying:
                    break
                done, flying = loop.run_until_complete(asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED))
                for task in done:
                    error = task.exception()
                    if error is None:
                        arrived.append(task.result())
                        in_a_row = 0
                    elif isinstance(error, _RequestFailedError):
                        failures.append(error)
                        in_a_row += 1
                    elif isinstance(error, EngineError):
                        fatal = error
                    else:
                        raise error
                if in_a_row >= self.concurrency:
                    fatal = EngineError(f"{self.url}: {in_a_row} requests in a row failed: {failures[-1]}")
                if len(arrived) >= KEEP_EVERY or time.monotonic() - last_kept >= KEEP_SECONDS or not flying or fatal:
                    answered, last_kept = answered + len(arrived), time.monotonic()
                    if arrived:
                        yield arrived
                    arrived = []
        finally:
            for task in flying:
                task.cancel()
            if flying:
                loop.run_until_complete(asyncio.wait(flying))
            loop.run_until_complete(client.close())
            loop.close()
        if fatal or failures:
            reason = fatal or f"{self.url}: the first failure was: {failures[0]}"
            raise EngineError(
                f"{reason}. {answered} requests were answered and kept, {len(failures)} failed; "
                "run the same command again to make what is missing"
            )

    def with_sampling(self, sampling: Sampling) -> "OpenAIEngine":
        """The same server and model, drawing in another way."""
        url = f"{self.url}#{self.name}"
        return type(self)(url, sampling, self.render_prompt, self.concurrency, self.retries, self.timeout)

    async def _answer(self, client: "openai.AsyncOpenAI", request: Request) -> Response:
        import openai

        attempt = 0
        while True:
            while (wait := self._resume_at - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            with_seed = self._send_seed
            try:
                return await self._attempt(client, request, with_seed)
            except openai.APIStatusError as error:
                reason = _reason(error)
                if error.status_code in (401, 403, 404) or error.code == "insufficient_quota":
                    raise EngineError(f"{self.url} refuses model {self.name!r}: {reason}{_remedy(error)}") from error
                if error.status_code in (400, 422) and with_seed and "seed" in str(error.message).lower():
                    if self._send_seed:
                        logger.warning("%s takes no seed; requests go on without: %s", self.url, reason)
                    self._send_seed = False
                    continue
                if error.status_code not in (408, 409, 429) and error.status_code < 500:
                    raise _RequestFailedError(reason) from error
                server_wait = retry_after(error.response.headers)
                if error.status_code in (429, 503):
                    self._resume_at = max(self._resume_at, time.monotonic() + server_wait)
            except (openai.APIError, ValueError) as error:  # no connection, or an answer that is none
                reason, server_wait = _reason(error), 0.0
            if attempt == self.retries:
                raise _RequestFailedError(f"no answer in {self.retries + 1} attempts; the last: {reason}")
            backoff = min(LONGEST_DELAY, FIRST_DELAY * 2**attempt) * random.uniform(0.5, 1)
            await asyncio.sleep(max(backoff, server_wait))
            attempt += 1

    async def _attempt(self, client: "openai.AsyncOpenAI", request: Request, with_seed: bool) -> Response:
        sampling = self.sampling
        options: dict[str, Any] = {"temperature": sampling.temperature, "max_tokens": sampling.max_new_tokens}
        if not sampling.greedy:
            options["top_p"] = sampling.top_p
        if with_seed:
            options["seed"] = request.engine_seed
        messages = self.render_prompt(request.prompt, request.seed)
        completion = await client.chat.completions.create(model=self.name, messages=messages, **options)
        choices = getattr(completion, "choices", None)
        if not choices or choices[0].message is None or not choices[0].finish_reason:
            raise ValueError(f"the answer is not a chat completion: {str(completion)[:200]!r}")
        choice, usage = choices[0], completion.usage
        # Halves of surrogate pairs, which JSON can carry, have no UTF-8 form.
        text = (choice.message.content or "").encode("utf-8", "replace").decode().strip()
        tokens = usage.completion_tokens if usage else None
        return Response(request.key, request.seed, request.prompt, text, choice.finish_reason, tokens, self.name)

    def _client(self) -> "openai.AsyncOpenAI":
        import openai

        key = os.environ.get(KEY_VARIABLE) or "none"
        return openai.AsyncOpenAI(base_url=self.url, api_key=key, max_retries=0, timeout=self.timeout)

    def _only_model(self) -> str:
        import openai

        key = os.environ.get(KEY_VARIABLE) or "none"
        try:
            with openai.OpenAI(base_url=self.url, api_key=key, timeout=30.0) as client:
                models = sorted(model.id for model in client.models.list())
        except (openai.APIError, ValueError) as error:
            reason = f"{_reason(error)}{_remedy(error)}"
            raise EngineError(f"cannot ask {self.url} which model it serves: {reason}") from error
        if len(models) != 1:
            listed = ", ".join(models[:10]) + (", ..." if len(models) > 10 else "")
            raise EngineError(f"{self.url} serves {listed or 'no model'}: name one as {self.url}#MODEL")
        return models[0]


class _RequestFailedError(Exception):
    """One request has no answer; others may have."""


def retry_after(headers: Any) -> float:
    """Seconds that a server asks to wait: by `Retry-After` (seconds or a date), else by its limits' reset, else 0."""
    if value := headers.get("retry-after-ms"):
        return _number(value) / 1000
    if value := headers.get("retry-after"):
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except ValueError:
            return _number(value)
    resets = [headers.get(name) or "" for name in RESET_HEADERS]
    return max(sum(float(n) * UNITS[unit] for n, unit in re.findall(r"([\d.]+)(ms|s|m|h)", reset)) for reset in resets)


def _number(value: str) -> float:
    try:
        return max(0.0, float(value))
    except ValueError:
        return 0.0


def _reason(error: Exception) -> str:
    cause = f" ({error.__cause__})" if error.__cause__ else ""
    return f"{type(error).__name__}: {str(error)[:300]}{cause}"


def _remedy(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        state = "holds a key that it does not take" if os.environ.get(KEY_VARIABLE) else "is not set"
        return f"; the environment variable {KEY_VARIABLE} {state}"
    if status == 404:
        return "; the URL mostly ends in /v1, and #MODEL names one of its models"
    if status is None:
        return "; is the server running there?"
    return ""
