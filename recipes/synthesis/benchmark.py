"""What the in-process engine is worth: its greedy responses against those of plain padded `generate`, in one run."""

import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from recipes.synthesis.plan import Plan, Request

if TYPE_CHECKING:
    from recipes.synthesis.engines.transformers_engine import TransformersEngine

REPEATS = 2


@dataclass(frozen=True)
class Comparison:
    """Seconds are the lesser of `REPEATS` runs, both ways taking turns.

    Attributes:
        requests, distinct: how many responses, and how many different requests they come from.
        tokens: in all responses.
        equal: responses that are the same both ways.
        generate_seconds: `generate` on batches of the same size in corpus order, padded to the longest.
        engine_seconds: the engine.
    """

    requests: int
    distinct: int
    tokens: int
    equal: int
    generate_seconds: float
    engine_seconds: float

    @property
    def ratio(self) -> float:
        """How many times as fast the engine is."""
        return self.generate_seconds / self.engine_seconds

    def __str__(self) -> str:
        counts = f"{self.requests} responses, {self.distinct} distinct requests, {self.tokens} tokens"
        lines = [f"{counts}; {self.equal} responses are the same both ways"]
        for way, seconds in (("padded generate", self.generate_seconds), ("engine", self.engine_seconds)):
            lines.append(f"{way:16} {seconds:8.2f} s {self.requests / seconds:8.1f} responses/s")
        return "\n".join([*lines, f"{'ratio':16} {self.ratio:8.2f}"])


def compare(engine: "TransformersEngine", plan: Plan, count: int, window: int) -> Comparison:
    """Answer the first `count` requests of a plan both ways.

    Args:
        engine: draws greedily.
        plan: of greedy requests.
        count: how many of its requests, in its order.
        window: requests that the engine computes together.
    """
    requests = [sample.request for sample in islice(plan.iterate(), count)]
    engine_seconds, generate_seconds = [], []
    for _ in range(REPEATS):
        started = time.perf_counter()
        plain = _generate(engine, requests)
        generate_seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        distinct = list({request.key: request for request in requests}.values())
        windows = [distinct[start : start + window] for start in range(0, len(distinct), window)]
        responses = {each.key: each for answered in engine.generate(windows) for each in answered}
        engine_seconds.append(time.perf_counter() - started)
    return Comparison(
        requests=len(requests),
        distinct=len(responses),
        tokens=sum(responses[request.key].response_tokens for request in requests),
        equal=sum(responses[each.key].response == text for each, text in zip(requests, plain, strict=True)),
        generate_seconds=min(generate_seconds),
        engine_seconds=min(engine_seconds),
    )


def _generate(engine: "TransformersEngine", requests: list[Request]) -> list[str]:
    """Responses of `generate`, a batch at a time, in the order of the requests."""
    import torch

    from recipes.synthesis.engines.transformers_engine import end_token_ids

    processor, model, texts = engine.processor, engine.model, []
    ends = end_token_ids(model, processor)
    for start in range(0, len(requests), engine.batch_size):
        prompts = []
        for request in requests[start : start + engine.batch_size]:
            tokens = processor.tokenize_prompt(request.prompt)
            prompts.append([*tokens.prefix, *processor.tokenize_seed(request.seed), *tokens.suffix])
        width = max(map(len, prompts))
        padded = [[ends[0]] * (width - len(prompt)) + prompt for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        with torch.inference_mode():
            generated = model.generate(
                input_ids=torch.tensor(padded, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                do_sample=False,
                max_new_tokens=engine.sampling.max_new_tokens,
                eos_token_id=ends,
                pad_token_id=ends[0],
            )
        for row in generated[:, width:].tolist():
            length = next((place for place, token in enumerate(row) if token in ends), len(row))
            texts.append(processor.tokenizer.decode(row[:length], skip_special_tokens=True).strip())
    return texts
