"""What it is worth to ask all questions of a clip at once: six cost at most 0.4 of asking each alone."""

from pathlib import Path

import pytest
from torch.utils.flop_counter import FlopCounterMode

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from recipes.miniature import AUDIO_MODEL, TEXT_MODEL
from recipes.systems.base import Answer, Clip, Settings
from recipes.systems.listen import Listen
from tests.modeling_listen.backbones import build_audio_model, build_text_model, noise

QUESTIONS_PER_CLIP = 6
NUM_CLIPS = 2
OBJECTS = ("dog", "siren", "rain", "car horn", "church bell", "crying baby")


def mid_sized(folder: Path) -> tuple[Path, Path]:
    """Backbones of 22 and 34 million weights, hearing windows of 10 s."""
    audio = {"d_model": 384, "encoder_layers": 6, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536}
    text = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 10, "num_attention_heads": 8}
    return (
        build_audio_model(folder / "whisper", num_mel_bins=80, max_source_positions=500, **audio),
        build_text_model(folder / "llama", "llama", head_dim=64, **text),
    )


def miniature(folder: Path) -> tuple[Path, Path]:
    """The embedded backbones."""
    if not Path(TEXT_MODEL, "config.json").is_file():
        pytest.skip("the miniature's backbones have not been made")
    return Path(AUDIO_MODEL), Path(TEXT_MODEL)


@pytest.mark.parametrize("score", ["logits", "generate"])
@pytest.mark.parametrize("backbones", [mid_sized, miniature])
def test_six_questions_on_a_clip_cost_less_than_half(backbones, score: str, tmp_path: Path) -> None:
    audio_model, text_model = backbones(tmp_path)
    options = {"num_query_tokens": 64}
    model = ListenForConditionalGeneration.from_backbones(audio_model, text_model, **options)
    model.save_pretrained(tmp_path / "model", include_backbones=True)
    ListenProcessor.from_backbones(audio_model, text_model, **options).save_pretrained(tmp_path / "model")
    system = Listen("x", str(tmp_path / "model"), Settings(score=score, max_new_tokens=8))
    questions = [{"question": f"Is there a sound of {each} in the audio?"} for each in OBJECTS]
    waveforms = [noise(5.0, seed=number) for number in range(NUM_CLIPS)]
    # Both ways have as many questions in a batch.
    together = [Clip({}, questions, waveform) for waveform in waveforms]
    alone = [Clip({}, [question], waveform) for waveform in waveforms for question in questions]

    def counted(clips: list[Clip]) -> tuple[int, list[Answer]]:
        with FlopCounterMode(display=False) as counter:
            answers = system.answer(clips)
        return counter.get_total_flops(), [each for of_clip in answers for each in of_clip]

    shared_operations, shared = counted(together)
    separate_operations, separate = counted(alone)
    assert [each.response for each in shared] == [each.response for each in separate]
    assert [each.p_yes for each in shared] == pytest.approx([each.p_yes for each in separate], abs=1e-5)
    ratio = shared_operations / separate_operations
    print(f"\n{backbones.__name__}, {score}: {ratio:.2f} of the operations")
    assert ratio <= 0.4
