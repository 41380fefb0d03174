"""The frozen encoder's hidden states of a small set of clips, computed once and kept in memory."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm.auto import tqdm

from modeling_listen import ListenProcessor
from recipes.training.clips import Clips, report_unreadable

if TYPE_CHECKING:
    from modeling_listen import ListenForConditionalGeneration

_CLIPS_AT_ONCE = 32
_WINDOWS_AT_ONCE = 32


class EncodedClips:
    """A `torch` data set of clips with what the encoder makes of them; those that cannot be read are left out.

    A clip is encoded once, however many entries it has; `states_size` says what that takes.

    Args:
        clips: as they are.
        model: its encoder, where it is now.
        processor: of the model.

    An item is the clip's, with `encoder_states` `(windows, audio_layers, frames, hidden)` instead of its recording.
    """

    def __init__(self, clips: Clips, model: "ListenForConditionalGeneration", processor: ListenProcessor):
        self.states: dict[int, torch.Tensor] = {}
        unreadable = {}
        indices = clips.one_entry_each()
        with tqdm(total=len(indices), desc="encoding clips", unit="clip") as bar:
            for start in range(0, len(indices), _CLIPS_AT_ONCE):
                waveforms = {}
                for index in indices[start : start + _CLIPS_AT_ONCE]:
                    try:
                        waveforms[int(clips.numbers[index])] = processor.load_audio(clips.source(index))
                    except ValueError as error:
                        unreadable[clips.id_of(index)] = str(error)
                self.states.update(zip(waveforms, _encode_all(model, processor, [*waveforms.values()]), strict=True))
                bar.update(min(_CLIPS_AT_ONCE, len(indices) - start))
        if unreadable:
            report_unreadable(unreadable, len(indices), "clips")
        self.clips = clips.select(np.flatnonzero(np.isin(clips.numbers, list(self.states))))

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        states = self.states[int(self.clips.numbers[index])]
        return {**self.clips.texts_of(index), "encoder_states": states, "unreadable": {}}


def states_size(model: "ListenForConditionalGeneration", processor: ListenProcessor, clips: Clips) -> int:
    """Bytes that the hidden states of clips take: 0.2 MB a window in the miniature, 18 MB with whisper-small."""
    audio = model.config.audio_config
    window = 4 * len(model.config.adapter_config.audio_layers) * audio.max_source_positions * audio.hidden_size
    samples = clips.seconds[clips.one_entry_each()] * processor.feature_extractor.sampling_rate
    return window * sum(map(processor.num_windows, samples.round().astype(int).tolist()))


def _encode_all(
    model: "ListenForConditionalGeneration", processor: ListenProcessor, waveforms: list[np.ndarray]
) -> Sequence[torch.Tensor]:
    """The hidden states of each clip, of few enough windows at once for a GPU."""
    windows = [window for waveform in waveforms for window in processor.cut(waveform)]
    states = []
    for start in range(0, len(windows), _WINDOWS_AT_ONCE):
        features, _ = processor.extract_features(windows[start : start + _WINDOWS_AT_ONCE], device=model.device)
        states.append(encode(model, features).cpu())
    return torch.cat(states).split([processor.num_windows(len(each)) for each in waveforms]) if states else ()


@torch.no_grad()
def encode(model: "ListenForConditionalGeneration", input_features: torch.Tensor) -> torch.Tensor:
    """What the adapter attends to: the chosen hidden states, `(windows, audio_layers, frames, hidden)`."""
    seen: list[torch.Tensor] = []
    hook = model.model.adapter.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    try:
        model.get_audio_features(input_features)
    finally:
        hook.remove()
    return seen[0].transpose(0, 1).contiguous()
