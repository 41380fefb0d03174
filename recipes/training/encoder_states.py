"""The frozen encoder's hidden states of a small set of clips, computed once and kept in memory."""

from typing import TYPE_CHECKING, Any

import torch
from tqdm.auto import tqdm

from modeling_listen import ListenProcessor
from recipes.training.clips import Clips, report_unreadable

if TYPE_CHECKING:
    from modeling_listen import ListenForConditionalGeneration

_CLIPS_AT_ONCE = 32


class EncodedClips:
    """A `torch` data set of clips with what the encoder makes of them; those that cannot be read are left out.

    Each window takes `states_size` bytes: 0.2 MB in the miniature, 18 MB with whisper-small.

    Args:
        clips: as they are.
        model: its encoder, where it is now.
        processor: of the model.

    An item is the clip's, with `encoder_states` `(windows, audio_layers, frames, hidden)` instead of its recording.
    """

    def __init__(self, clips: Clips, model: "ListenForConditionalGeneration", processor: ListenProcessor):
        self.states: list[torch.Tensor] = []
        readable, unreadable = [], {}
        with tqdm(total=len(clips), desc="encoding clips", unit="clip") as bar:
            for start in range(0, len(clips), _CLIPS_AT_ONCE):
                waveforms = []
                for index in range(start, min(start + _CLIPS_AT_ONCE, len(clips))):
                    try:
                        waveforms.append(processor.load_audio(clips.source(index)))
                    except ValueError as error:
                        unreadable[clips.ids[index]] = str(error)
                    else:
                        readable.append(index)
                if waveforms:
                    features, windows = processor.extract_features(waveforms, device=model.device)
                    self.states += encode(model, features).cpu().split(windows)
                bar.update(min(_CLIPS_AT_ONCE, len(clips) - start))
        if unreadable:
            report_unreadable(unreadable, len(clips), "clips")
        self.clips = clips.select(readable)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**self.clips.texts_of(index), "encoder_states": self.states[index], "unreadable": {}}


def states_size(model: "ListenForConditionalGeneration") -> int:
    """Bytes that the hidden states of one window take."""
    audio = model.config.audio_config
    return 4 * len(model.config.adapter_config.audio_layers) * audio.max_source_positions * audio.hidden_size


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
