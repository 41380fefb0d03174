"""Any server that takes audio in OpenAI's chat format: Gemini, vLLM, `transformers serve`."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urlsplit

from recipes.systems.base import Answer, Clip, Settings, System
from recipes.systems.wav import wav_base64

if TYPE_CHECKING:
    import openai

KEY_VARIABLE = "OPENAI_API_KEY"
RETRIES = 8
TIMEOUT = 300.0  # seconds for one attempt
# A server that turns down so many questions in a row, and has answered none, cannot be used.
MOST_REFUSALS = 20


class OpenAIAPI(System):
    """Sends each question with its recording (16 kHz WAV), many at a time, at temperature 0.

    What can pass (no connection, 408, 409, 429, 5xx) is tried again with backoff by the client. A question that the
    server turns down (400, 413, 422) is unanswered; anything else ends the run, which can be resumed.

    Args:
        name: how tables call it.
        url: the API's base, such as `https://generativelanguage.googleapis.com/v1beta/openai#gemini-1.5-pro`: what
            follows `#` is the model, which may be left out where the server has one only. The key is read from the
            environment variable OPENAI_API_KEY and kept nowhere.
        settings: how it answers.

    Raises:
        ValueError: not a URL, or one that holds a key.
    """

    def __init__(self, name: str, url: str, settings: Settings) -> None:
        self.name, self.settings = name, settings
        self.url, self._named_model = urldefrag(url)
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no URL of a server; it looks like http://localhost:8000/v1#MODEL")
        if parts.username or parts.password or parts.query:
            raise ValueError(f"the URL of {parts.hostname} holds a name, key or query: put keys into {KEY_VARIABLE}")
        self._answered = self._refused = 0

    def identity(self) -> dict[str, Any]:
        """The server, the model (asked for where it is not named) and the length of responses."""
        return {"api": self.url, "model": self._model, "max_new_tokens": self.settings.max_new_tokens}

    @cached_property
    def _client(self) -> "openai.OpenAI":
        import openai

        key = os.environ.get(KEY_VARIABLE) or "none"
        return openai.OpenAI(base_url=self.url, api_key=key, max_retries=RETRIES, timeout=TIMEOUT)

    @cached_property
    def _model(self) -> str:
        if self._named_model:
            return self._named_model
        import openai

        try:
            models = [model.id for model in self._client.models.list()]
        except openai.APIStatusError as error:
            raise RuntimeError(f"{self.url} does not name its models: {error}{_remedy(error)}") from error
        except openai.APIConnectionError as error:
            raise RuntimeError(f"no answer from {self.url}: {error}; is the server running there?") from error
        if len(models) != 1:
            raise ValueError(f"{self.url} serves {', '.join(models) or 'no model'}: name one as {self.url}#MODEL")
        return models[0]

    def answer(self, clips: Sequence[Clip]) -> list[list[Answer]]:
        """Answer the questions of several clips, all in flight at once."""
        return next(self.answer_all([clips]))

    def answer_all(self, batches: Iterable[Sequence[Clip]]) -> Iterator[list[list[Answer]]]:
        """Answer batch after batch, in order; the next batches are in flight while one is waited for."""
        waiting: deque[list[list[Future[Answer]]]] = deque()
        model = self._model
        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            try:
                for batch in batches:
                    waiting.append([])
                    for clip in batch:
                        audio = wav_base64(clip.waveform)
                        waiting[-1].append(
                            [pool.submit(self._ask, model, audio, each["question"]) for each in clip.questions]
                        )
                    while sum(len(clip) for each in waiting for clip in each) > 2 * self.settings.concurrency:
                        yield _results(waiting.popleft())
                while waiting:
                    yield _results(waiting.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, model: str, audio: str, question: str) -> Answer:
        import openai

        content = [
            {"type": "input_audio", "input_audio": {"data": audio, "format": "wav"}},
            {"type": "text", "text": question},
        ]
        try:
            completion = self._client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": content}],
                temperature=0,
                max_tokens=self.settings.max_new_tokens,
            )
        except openai.APIStatusError as error:
            if error.status_code not in (400, 413, 422):
                raise RuntimeError(f"{self.url} does not answer: {error}{_remedy(error)}") from error
            self._refused += 1
            if not self._answered and self._refused >= MOST_REFUSALS:
                raise RuntimeError(
                    f"{self.url} turned down all of {self._refused} questions (does {model} take audio?): {error}"
                ) from error
            return Answer(None, None, f"the server turned it down: {error}"[:300])
        except openai.APIConnectionError as error:
            raise RuntimeError(f"no answer from {self.url}: {error}; is the server running there?") from error
        choices = getattr(completion, "choices", None)
        if not choices or choices[0].message is None:
            return Answer(None, None, f"no chat completion: {completion}"[:300])
        self._answered += 1
        # Halves of surrogate pairs, which JSON can carry, have no UTF-8 form.
        response = (choices[0].message.content or "").encode("utf-8", "replace").decode().strip()
        return Answer(response) if response else Answer(None, None, f"no text ({choices[0].finish_reason})")

    def close(self) -> None:
        """Close the connections."""
        if "_client" in self.__dict__:
            self.__dict__.pop("_client").close()


def _results(batch: list[list["Future[Answer]"]]) -> list[list[Answer]]:
    return [[future.result() for future in clip] for clip in batch]


def _remedy(error: "openai.APIStatusError") -> str:
    if error.status_code in (401, 403):
        state = "holds a key that it does not take" if os.environ.get(KEY_VARIABLE) else "is not set"
        return f"; the environment variable {KEY_VARIABLE} {state}"
    if error.status_code == 404:
        return "; the URL mostly ends in /v1, and #MODEL names one of its models"
    return ""
