"""From clips with their responses to a batch: tokens through the processor, rows through the packing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from modeling_listen import ListenProcessor
from recipes.training.packing import ClipTokens, pack_clips

_MEMO_SIZE = 20_000


@dataclass
class ClipCollator:
    """Makes a batch of items of `WaveformClips` or `EncodedClips`; see `pack_clips` for the switches.

    A batch holds the tensors of `Rows`; `waveforms`, a list of float32 arrays in the order of their spans, or
    `encoder_states` `(windows, audio_layers, frames, hidden)` in that order; `ids`, the clips in it; and `unreadable`,
    clips passed over, and why.
    """

    processor: ListenProcessor
    share_clips: bool = True
    prefix_cache: bool = True
    fill_rows: bool = True
    _memo: dict[tuple[str, str], tuple[list[int], list[int]]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.prefix = self.processor.tokenize_prompt("").prefix

    def __call__(self, clips: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Collate clips of `id`, `prompt`, `response` (lists of texts), `unreadable` and their audio."""
        tokens = [
            ClipTokens(
                self.processor.audio_span(self._num_windows(clip)),
                [self._sample(*sample) for sample in zip(clip["prompt"], clip["response"], strict=True)],
            )
            for clip in clips
        ]
        rows = pack_clips(
            tokens,
            self.prefix,
            self.processor.tokenizer.pad_token_id,
            share_clips=self.share_clips,
            prefix_cache=self.prefix_cache,
            fill_rows=self.fill_rows,
        )
        batch: dict[str, Any] = rows._asdict()
        in_order = [clips[index] for index in batch.pop("audio_order")]
        if "encoder_states" in clips[0]:
            batch["encoder_states"] = torch.cat([clip["encoder_states"] for clip in in_order])
        else:
            batch["waveforms"] = [clip["waveform"] for clip in in_order]
        batch["ids"] = [clip["id"] for clip in clips]
        batch["unreadable"] = {name: why for clip in clips for name, why in clip["unreadable"].items()}
        return batch

    def _num_windows(self, clip: dict[str, Any]) -> int:
        if "encoder_states" in clip:
            return len(clip["encoder_states"])
        return self.processor.num_windows(len(clip["waveform"]))

    def _sample(self, prompt: str, response: str) -> tuple[list[int], list[int]]:
        """Ids behind the span and of the response; kept, because rendering a chat template is slow."""
        if (prompt, response) not in self._memo:
            if len(self._memo) >= _MEMO_SIZE:
                self._memo.clear()
            tokens = self.processor.tokenize_prompt(prompt, response)
            self._memo[prompt, response] = tokens.suffix, tokens.response
        return self._memo[prompt, response]
