import json

import numpy as np
import pytest
import soundfile
import torch

from recipes.miniature import AUDIO_MODEL, clips, encoder
from recipes.miniature.build_backbones import main
from recipes.miniature.captions import write_caption
from recipes.miniature.dialogues import WORDINGS, draw_chat
from recipes.miniature.encoder import (
    FRAMES,
    MELS,
    POSITIONS,
    Tagger,
    build_encoder,
    build_feature_extractor,
    build_whisper,
    draw_batch,
    mean_average_precision,
    render_features,
)
from recipes.miniature.language import RECIPES, ChatEncoder, build_model, build_tokenizer, chat_loss, train_language
from recipes.miniature.loop import train
from recipes.miniature.recordings import continue_encoder
from recipes.miniature.world import NAMES

RATE = 22_050


@pytest.fixture(scope="module")
def language():
    rng = np.random.default_rng(0)
    tokenizer = build_tokenizer([draw_chat(WORDINGS["llama"], rng) for _ in range(1500)])
    return tokenizer, ChatEncoder(tokenizer), build_model(tokenizer, seed=0)


def test_chats_are_tokenised_as_the_processor_does(language, tmp_path):
    from modeling_listen import ListenProcessor

    tokenizer, encoder, _ = language
    tokenizer.save_pretrained(tmp_path)
    processor = ListenProcessor.from_backbones(AUDIO_MODEL, tmp_path)
    rng, seen = np.random.default_rng(1), 0
    while seen < 30:
        chat = draw_chat(WORDINGS["llama"], rng)
        if chat.seed is None or len(chat.turns) > 1:
            continue
        prompt, pieces = chat.turns[0]
        tokens = processor.tokenize_prompt(prompt, "".join(piece.text for piece in pieces))
        ids = [*tokens.prefix, *processor.tokenize_seed(chat.seed), *tokens.suffix, *tokens.response]
        encoded = encoder.encode(chat)
        assert encoded.ids == ids and encoded.targets == list(range(len(ids) - len(tokens.response), len(ids)))
        assert tokenizer.decode(ids[slice(*encoded.span)]) == f" {chat.seed}"
        seen += 1


def test_listed_names_are_found_among_the_tokens(language):
    _, encoder, _ = language
    rng = np.random.default_rng(2)
    for _ in range(200):
        chat = draw_chat(WORDINGS["llama"], rng)
        absent = [piece.text for _, pieces in chat.turns for piece in pieces if piece.kind == "absent"]
        encoded = encoder.encode(chat)
        firsts = [
            encoded.ids[i] for i, kind in zip(encoded.targets, encoded.kinds, strict=True) if kind[-5:] == "first"
        ]
        assert firsts == [encoder.first_of_name[name] for name in absent]


def test_naming_a_present_sound_as_absent_costs_more(language):
    _, encoder, model = language
    rng = np.random.default_rng(3)
    chat = draw_chat(WORDINGS["llama"], rng)
    while not any(piece.kind == "absent" for piece in chat.turns[0][1]):
        chat = draw_chat(WORDINGS["llama"], rng)
    encoded = encoder.encode(chat)

    def loss() -> float:
        return chat_loss(model, [encoded], RECIPES["llama"].stretches[0], 0.0, torch.Generator().manual_seed(0)).item()

    with_events = loss()
    encoded.present = []
    assert with_events > loss()


def test_training_resumes_where_it_stopped(tmp_path):
    def run(checkpoint, stop: int | None = None, data: str = "clips") -> torch.Tensor:
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 1)

        def loss_of_step(step: int) -> torch.Tensor:
            if step == stop:
                raise KeyboardInterrupt
            return model(torch.randn(8, 4, generator=torch.Generator().manual_seed(step))).square().mean()

        train(model, loss_of_step, 600, 1e-2, checkpoint, "test", data=data)
        return model.weight.detach()

    straight = run(tmp_path / "straight.pt")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped.pt", stop=400)
    assert torch.equal(run(tmp_path / "stopped.pt"), straight)
    with pytest.raises(KeyboardInterrupt):  # a finished checkpoint of other clips is none of these
        run(tmp_path / "stopped.pt", stop=0, data="other clips")


def test_a_stretch_begins_with_easy_chats() -> None:
    first, second, _ = RECIPES["llama"].stretches
    assert first.shares(0.0)["unclear_share"] == first.unclear_share
    assert second.shares(0.0)["unclear_share"] < second.shares(0.9)["unclear_share"] == second.unclear_share


def test_levers_change_one_thing() -> None:
    assert all(stretch.noise == 0 for stretch in RECIPES["llama_seed2_no_noise"].stretches)
    same = RECIPES["llama_seed2_no_noise"].but(noise=RECIPES["llama"].stretches[0].noise)
    assert same == RECIPES["llama_seed2"]


def test_one_phrasing_of_each_class() -> None:
    rng = np.random.default_rng(0)
    captions = {write_caption("home", ["dog"], rng, phrasings=1) for _ in range(50)}
    assert len({caption.removesuffix(" at home.").removesuffix(".") for caption in captions}) == 1


def test_a_language_model_is_written(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for kind in ("llama", "llama_other"):
        train_language(kind, 3, tmp_path / kind, tmp_path / "work", num_steps=2)
        model = AutoModelForCausalLM.from_pretrained(tmp_path / kind)
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / kind)
        assert model.dtype == torch.float32 and len(tokenizer) == model.config.vocab_size
        assert (tmp_path / kind / "model.safetensors").stat().st_size < 1.6e6


def test_an_encoder_is_written(tmp_path):
    from transformers import AutoModel

    measured = build_encoder(0, 4, 2, tmp_path / "whisper", tmp_path / "work", num_held_out=4)
    assert 0 <= measured["mean_average_precision"] <= 1
    assert AutoModel.from_pretrained(tmp_path / "whisper").config.max_source_positions == POSITIONS


def test_mixing_adds_labels_and_power():
    features = np.full((2, MELS, FRAMES), -0.5, dtype=np.float16)
    features[1] = 0.5
    labels = np.zeros((2, POSITIONS, len(NAMES)), dtype=bool)
    labels[0, :, 3], labels[1, :, 7] = True, True
    rng = np.random.default_rng(0)
    batch, targets = draw_batch(features, labels, np.array([[0] * 8, [1] * 8]), rng, mix_share=1.0)
    assert targets[:, :, [3, 7]].all() and targets.any(1).sum() == 16
    alone, _ = draw_batch(features, labels, np.array([[0] * 8, [1] * 8]), rng, mix_share=0.0)
    assert batch.mean() > alone.mean() + 0.5


def test_average_precision():
    scores = np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]])
    present = np.array([[True, False], [False, False], [True, False]])
    assert mean_average_precision(scores, present) == pytest.approx((1 + 2 / 3) / 2)


def test_the_tagger_tells_clips_from_silence():
    tagger = Tagger(build_whisper(0).model.encoder, 5)
    frames, clip = tagger(torch.zeros(2, MELS, FRAMES))
    assert frames.shape == (2, POSITIONS, 5) and clip.shape == (2, 5)


def write_recordings(folder) -> None:
    """Two folds of noises and tones in ESC-50's layout, at another rate and of other lengths."""
    (folder / "audio").mkdir(parents=True)
    (folder / "meta").mkdir()
    rng, rows = np.random.default_rng(0), ["filename,fold,target,category,esc10,src_file,take"]
    for index in range(8):
        length = int(RATE * (3 + index))
        kind = ("rain", "whale_song")[index % 2]
        wave = rng.standard_normal(length) if kind == "rain" else np.sin(np.arange(length) / 20)
        name = f"{index // 4 + 1}-{index}-A-{index % 2}.ogg"
        soundfile.write(folder / "audio" / name, 0.3 * wave / np.abs(wave).max(), RATE)
        rows.append(f"{name},{index // 4 + 1},{index % 2},{kind},True,{index},A")
    (folder / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")


def test_going_on_with_recordings(tmp_path):
    from transformers import AutoModel

    write_recordings(tmp_path / "esc")
    score = continue_encoder(
        tmp_path / "esc",
        tmp_path / "whisper",
        tmp_path / "work",
        train_split="fold1",
        test_split="fold2",
        num_steps=2,
        num_world_clips=8,
    )
    assert score["n"] == 4 and 0 <= score["accuracy"] <= 1
    before, after = (
        AutoModel.from_pretrained(path).encoder.state_dict() for path in (AUDIO_MODEL, tmp_path / "whisper")
    )
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_recordings_are_gone_on_with_in_another_process_and_other_ones_begin_anew(tmp_path, caplog):
    def weights(split: str, work: str, seed: int = 0) -> bytes:
        torch.seed()  # as every process begins
        options = {"train_split": split, "seed": seed, "num_steps": 1, "num_world_clips": 8}
        continue_encoder(tmp_path / "esc", tmp_path / "whisper", tmp_path / work, **options)
        return (tmp_path / "whisper" / "model.safetensors").read_bytes()

    write_recordings(tmp_path / "esc")
    first = weights("fold1", "shared")
    assert weights("fold1", "shared") == weights("fold1", "apart") == first
    assert not caplog.records
    other = weights("fold2", "shared")
    assert other == weights("fold2", "other") != first
    assert weights("fold2", "shared", seed=5) not in (first, other)
    assert [record.message.endswith("another training, which this one will replace") for record in caplog.records] == [
        True, True
    ]  # fmt: skip


def test_features_are_those_of_the_world_as_it_is(tmp_path, monkeypatch):
    def features() -> np.ndarray:
        return np.array(render_features(build_feature_extractor(), 2, tmp_path / "features.npy")[0])

    first = features()
    assert np.array_equal(features(), first)
    for module in (clips, encoder):
        monkeypatch.setattr(module, "WORLD_VERSION", 0)
    assert not np.array_equal(features(), first)


def test_recordings_without_tags(tmp_path):
    (tmp_path / "mine").mkdir()
    soundfile.write(tmp_path / "mine" / "a.wav", np.zeros(RATE), RATE)
    (tmp_path / "mine" / "metadata.csv").write_text("file,caption\na.wav,Silence.\n")
    with pytest.raises(ValueError, match=r"a\.wav has no tags"):
        continue_encoder(tmp_path / "mine", tmp_path / "out", tmp_path / "work")


def test_the_command_line_refuses_what_it_cannot_do(tmp_path):
    with pytest.raises(SystemExit, match="'decoder'"):
        main(["--only", "decoder", "--output", str(tmp_path)])
    with pytest.raises(SystemExit, match="--output"):
        main(["--recordings", str(tmp_path)])


def test_what_is_measured_is_noted(tmp_path):
    from recipes.miniature.build_backbones import _note

    _note(tmp_path, "encoder", {"steps": 1})
    _note(tmp_path, "llama", {"steps": 2})
    assert json.loads((tmp_path / "gates.json").read_text()) == {"llama": {"steps": 2}, "whisper": {"steps": 1}}


def test_recordings_that_are_not_there_are_a_message(tmp_path):
    output = ["--output", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    with pytest.raises(SystemExit, match="nowhere"):
        main(["--recordings", str(tmp_path / "nowhere"), *output])
    with pytest.raises(SystemExit, match="recordings are for the encoder, not for --only llama"):
        main(["--only", "llama", "--recordings", str(tmp_path), *output])
