"""The backbone in this process: section 3.1's self-generated data, or any other LLM's."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipes.synthesis.engines import Response
from recipes.synthesis.plan import Request, Sampling, digest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from modeling_listen import ListenProcessor

PROBE = "Replay the audio."
HASH_BYTES_AT_ONCE = 1 << 24


class TransformersEngine:
    """Answers requests with a causal LM of Transformers; the prompt is the processor's (Eq. 1).

    Responses do not depend on where a run was interrupted: the requests of one window are computed together, by a
    schedule that depends on nothing else, and are handed out together. Across machines, batch sizes and numbers of
    threads they are the same up to rounding, because each response's random numbers are its own.

    Args:
        model: the LLM, in evaluation mode.
        processor: renders the prompts.
        sampling: how responses are drawn.
        name: the `generator` column.
        fingerprint: what tells these weights from any others.
        batch_size: responses in flight.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        processor: "ListenProcessor",
        sampling: Sampling,
        name: str,
        fingerprint: str,
        batch_size: int = 32,
    ) -> None:
        from recipes.synthesis.engines.batched_decoding import SharedPrefixDecoder

        self.model, self.processor, self.sampling, self.name = model, processor, sampling, name
        self.fingerprint, self.batch_size = fingerprint, batch_size
        probe = processor.tokenize_prompt(PROBE)
        template = digest([list(probe.prefix), list(probe.suffix)])
        self.identity: dict[str, Any] = {"model": fingerprint, "dtype": str(model.dtype), "template": template}
        self._decoder = SharedPrefixDecoder(
            model,
            list(probe.prefix),
            end_token_ids(model, processor),
            batch_size,
            sampling.max_new_tokens,
            sampling.temperature,
            sampling.top_p,
        )

    @classmethod
    def from_pretrained(
        cls, text_model: str, sampling: Sampling, batch_size: int = 32, device: str = "auto", dtype: str = "auto"
    ) -> "TransformersEngine":
        """Load a causal LM and its tokenizer from a folder or from the Hub.

        Args:
            text_model: the folder, or the name on the Hub.
            sampling: how responses are drawn.
            batch_size: responses in flight.
            device: `auto` is the accelerator where there is one, else the CPU.
            dtype: `auto` is the checkpoint's.

        Raises:
            OSError, ValueError: there is no such model or device; the message names it.
        """
        import torch
        from transformers import AutoModelForCausalLM

        if device == "auto":
            accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
            device = str(accelerator or "cpu")
        if torch.device(device).type == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"device is {device}, and PyTorch finds no GPU here")
        model = AutoModelForCausalLM.from_pretrained(text_model, dtype=dtype).to(device).eval()
        fingerprint = fingerprint_of(text_model, model)
        name = f"{Path(text_model).name if Path(text_model).is_dir() else text_model}@{fingerprint[:12]}"
        return cls(model, load_processor(text_model), sampling, name, fingerprint, batch_size)

    def with_sampling(self, sampling: Sampling) -> "TransformersEngine":
        """The same LLM, drawing in another way."""
        return type(self)(self.model, self.processor, sampling, self.name, self.fingerprint, self.batch_size)

    def generate(self, windows: Iterable[list[Request]]) -> Iterator[list[Response]]:
        """Answer every request, window by window."""
        for window in windows:
            yield list(self._generate(window))

    def _generate(self, window: list[Request]) -> Iterator[Response]:
        from recipes.synthesis.engines.batched_decoding import Row

        spans = {seed: tuple(self.processor.tokenize_seed(seed)) for seed in {each.seed for each in window}}
        suffixes = {
            prompt: tuple(self.processor.tokenize_prompt(prompt).suffix) for prompt in {each.prompt for each in window}
        }
        rows = [
            Row(index, spans[each.seed], suffixes[each.prompt], self._uniforms(each))
            for index, each in enumerate(window)
        ]
        for row in self._decoder.decode(rows):
            request = window[row.index]
            text = self.processor.tokenizer.decode(row.response, skip_special_tokens=True).strip()
            tokens = len(row.response)
            yield Response(request.key, request.seed, request.prompt, text, row.finish_reason, tokens, self.name)

    def _uniforms(self, request: Request) -> np.ndarray | None:
        if self.sampling.greedy:
            return None
        return np.random.Generator(np.random.Philox(request.engine_seed)).random(self.sampling.max_new_tokens)


def load_processor(text_model: str) -> "ListenProcessor":
    """What renders the prompts of a text model. No audio passes here: the miniature's feature extractor stands in."""
    from modeling_listen import ListenProcessor
    from recipes.miniature import AUDIO_MODEL

    return ListenProcessor.from_backbones(AUDIO_MODEL, text_model)


def end_token_ids(model: "PreTrainedModel", processor: "ListenProcessor") -> list[int]:
    """The tokens that end a response: the generation configuration's, and the tokenizer's own."""
    configured = model.generation_config.eos_token_id
    configured = configured if isinstance(configured, list) else [configured]
    return sorted({token for token in [*configured, processor.tokenizer.eos_token_id] if token is not None})


def fingerprint_of(text_model: str, model: "PreTrainedModel") -> str:
    """The commit of a model from the Hub, or a hash of the weights in a folder (seconds for an 8B model).

    Raises:
        ValueError: the folder holds no weights.
    """
    folder = Path(text_model)
    if not folder.is_dir():
        return str(model.config._commit_hash)
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if not files:
        raise ValueError(f"{folder} holds no *.safetensors and no *.bin: give a model's folder or its name on the Hub")
    checksum = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(HASH_BYTES_AT_ONCE):
                checksum.update(block)
    return checksum.hexdigest()
