"""What synthesis and training leave behind is found and counted."""

import json

import numpy as np
import pyarrow
import pytest
import torch
from pyarrow import parquet

from modeling_listen import ListenConfig, ListenForConditionalGeneration
from recipes.records import RESPONSE_FEATURES
from recipes.report.traces import backbones, checkpoints, count_responses, histories, layer_weights


def write_responses(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    blank = dict.fromkeys(RESPONSE_FEATURES)
    table = pyarrow.Table.from_pylist([{**blank, **row} for row in rows], schema=RESPONSE_FEATURES.arrow_schema)
    parquet.write_table(table, path)


def test_each_clip_counts_once(tmp_path):
    captions = [
        {"id": f"{clip}-{caption}", "corpus": "clotho", "audio": {"path": f"{clip}.wav"}, "duration": 18.0}
        for clip in range(100)
        for caption in range(5)
    ]
    rows = [{**row, "sample_type": kind} for row in captions for kind in ("positive", "negative")]
    rows += [{"id": "a", "corpus": "tags", "duration": None, "sample_type": "rule"}]
    write_responses(tmp_path / "responses" / "data" / "train.parquet", rows)
    clotho, tags = count_responses([tmp_path, tmp_path / "responses"])
    assert (clotho.corpus, clotho.clips, clotho.hours) == ("clotho", 100, pytest.approx(0.5))
    assert clotho.samples == {"positive": 500, "negative": 500}
    assert tags.hours is None and tags.samples == {"rule": 1}


def test_history(tmp_path):
    lines = [
        {"step": 1, "loss": 2.0},
        {"step": 2, "loss": float("nan")},
        {"step": 2, "eval_probe_auroc": 0.7},
        {"loss": 1},
    ]
    (tmp_path / "history.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    (found,) = histories([tmp_path], {tmp_path: "LISTEN"})
    assert found.name == "LISTEN"
    assert found.scores == {"loss": [(1, 2.0)], "eval_probe_auroc": [(2, 0.7)]}
    (tmp_path / "history.jsonl").write_text("{")
    with pytest.raises(ValueError, match=r"history\.jsonl"):
        histories([tmp_path], {})


@pytest.fixture
def checkpoint(tmp_path):
    """A tiny checkpoint whose third layer weighs most, with a language model that was measured."""
    width = {"d_model": 16, "encoder_layers": 4, "encoder_attention_heads": 2, "encoder_ffn_dim": 16}
    width |= {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16}
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = ListenConfig(
        audio_config={"model_type": "whisper", **width},
        text_config={"model_type": "llama", "vocab_size": 32, "num_key_value_heads": 2, **text},
        adapter_config={"num_query_tokens": 3, "num_hidden_layers": 1, "audio_layers": [1, 2, 4]},
        audio_token_id=31,
    )
    model = ListenForConditionalGeneration(config)
    with torch.no_grad():
        model.model.adapter.layer_weights.copy_(torch.tensor([[0.0, 1.0, 2.0]] * 3))
    model.save_pretrained(tmp_path / "run" / "model", include_backbones=True)
    (tmp_path / "backbones" / "llama").mkdir(parents=True)
    measured = {"llama": {"measured": {"yes_no": 0.98}, "gates": {"yes_no": 0.97}}, "whisper": {"seed": 0}}
    (tmp_path / "backbones" / "gates.json").write_text(json.dumps(measured))
    path = tmp_path / "run" / "model" / "config.json"
    content = json.loads(path.read_text())
    path.write_text(
        json.dumps({**content, "text_model_id": "../../backbones/llama", "audio_model_id": "openai/whisper-small"})
    )
    return path.parent


def test_layer_weights_are_read_from_the_adapter_alone(checkpoint):
    found = layer_weights(checkpoint, "LISTEN")
    expected = np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum()
    assert found.layers == [1, 2, 4]
    np.testing.assert_allclose(found.weights, np.repeat(expected[:, None], 3, axis=1), rtol=1e-5)


def test_checkpoints_and_what_their_backbones_could_do(checkpoint, tmp_path):
    (checkpoint / "checkpoint-5").mkdir()
    (checkpoint / "checkpoint-5" / "config.json").write_text((checkpoint / "config.json").read_text())
    assert checkpoints([tmp_path]) == [checkpoint]
    (found,) = backbones({checkpoint: "A", checkpoint / "checkpoint-5" / "..": "B"})
    assert found.names == ["A", "B"]
    assert found.audio_model == "openai/whisper-small"
    assert found.text_model == str(tmp_path / "backbones" / "llama")
    assert found.text_notes["measured"] == {"yes_no": 0.98}
    assert found.audio_notes == {}  # a model of that name on the Hub is another one
