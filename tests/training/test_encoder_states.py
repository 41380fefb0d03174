"""The encoder's hidden states, computed once."""

import pytest
import torch

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from recipes.training.arguments import ModelOptions
from recipes.training.clips import Clips, load_records
from recipes.training.encoder_states import EncodedClips, encode, states_size
from recipes.training.model import load_model, load_processor
from tests.training.conftest import response_records, write_pool, write_recording


@pytest.fixture(scope="module")
def listen(backbones) -> tuple[ListenForConditionalGeneration, ListenProcessor]:
    """A LISTEN that hears 2 s at once."""
    options = ModelOptions(*backbones, num_query_tokens=4)
    return load_model(options, torch.device("cpu")), load_processor(options)


def clips_of(folder, *seconds: float, max_records: int | None = None) -> Clips:
    """Clips of two responses each."""
    records = []
    for clip, each in enumerate(seconds):
        records += response_records(clip, write_recording(folder / f"{clip}.wav", each, clip), {"positive": 2})
    clips = Clips(
        load_records(write_pool(folder / "pool", records), "responses", ""), ("prompt", "response"), None, max_records
    )
    return clips.without_unreadable("clips")


def num_bytes(encoded: EncodedClips) -> int:
    return sum({each.data_ptr(): each.nbytes for each in encoded.states.values()}.values())


def test_the_size_is_known_before(listen, tmp_path):
    """Recordings longer than a window have several."""
    clips = clips_of(tmp_path, 0.5, 7.0, 2.0, 2.1)
    encoded = EncodedClips(clips, *listen)
    assert [len(encoded[index]["encoder_states"]) for index in range(4)] == [1, 4, 1, 2]
    assert states_size(*listen, clips) == num_bytes(encoded)


def test_clips_of_one_window_are_encoded_together(listen, tmp_path):
    model, processor = listen
    clips = clips_of(tmp_path, *(0.3 + index / 50 for index in range(40)))
    encoded = EncodedClips(clips, model, processor)
    for batch in (range(32), range(32, 40)):
        features, _ = processor.extract_features(
            [processor.load_audio(clips.source(index)) for index in batch], device=model.device
        )
        for index, expected in zip(batch, encode(model, features), strict=True):
            assert torch.equal(encoded[index]["encoder_states"][0], expected)


def test_few_windows_pass_the_encoder_at_once(listen, tmp_path):
    model, processor = listen
    seen = []
    hook = model.model.adapter.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].shape[1]))
    encoded = EncodedClips(clips_of(tmp_path, 40.0, 41.0, 1.0), model, processor)
    hook.remove()
    assert seen == [32, 10]
    assert [len(encoded[index]["encoder_states"]) for index in range(3)] == [20, 21, 1]


def test_entries_of_a_clip_share_what_the_encoder_makes_of_it(listen, tmp_path):
    clips = clips_of(tmp_path, 0.5, 0.6, max_records=1)
    encoded = EncodedClips(clips, *listen)
    assert [encoded[index]["id"] for index in range(4)] == [clips.id_of(index) for index in range(4)]
    assert [len(encoded[index]["response"]) for index in range(4)] == [1, 1, 1, 1]
    assert encoded[0]["encoder_states"] is encoded[1]["encoder_states"]
    assert encoded[1]["encoder_states"] is not encoded[2]["encoder_states"]
    assert states_size(*listen, clips) == num_bytes(encoded)
