import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForMultimodalLM, AutoProcessor, WhisperFeatureExtractor

from modeling_listen import ListenForConditionalGeneration, ListenModel, ListenProcessor
from tests.modeling_listen.backbones import NUM_QUERY_TOKENS, build_audio_model, build_text_model, compose, noise

CODE = {
    "adapter_listen.py",
    "attention_listen.py",
    "audio_listen.py",
    "branches_listen.py",
    "checkpoint_listen.py",
    "configuration_listen.py",
    "modeling_listen.py",
    "pipeline_listen.py",
    "presence_listen.py",
    "processing_listen.py",
    "prompt_listen.py",
}


def tensor_names(folder: Path) -> set[str]:
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        return set(file.keys())


def assert_same_weights(left: torch.nn.Module, right: torch.nn.Module) -> None:
    ours, theirs = left.state_dict(), right.state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def test_a_checkpoint_holds_the_adapter_alone_and_loads_whole(checkpoint, model, processor):
    assert tensor_names(checkpoint) == {f"model.adapter.{name}" for name in model.model.adapter.state_dict()}
    assert {path.suffix for path in checkpoint.iterdir()} <= {".json", ".py", ".safetensors", ".jinja"}

    loaded = ListenForConditionalGeneration.from_pretrained(checkpoint)

    assert_same_weights(model, loaded)
    assert not loaded.training
    inputs = processor(noise(), "Is there a dog?")
    assert torch.equal(loaded.generate(**inputs), model.generate(**inputs))


def test_a_self_contained_checkpoint_needs_no_backbones(tmp_path):
    audio_model = build_audio_model(tmp_path / "whisper")
    text_model = build_text_model(tmp_path / "llama", "llama")
    model = compose(audio_model, text_model)
    processor = ListenProcessor.from_backbones(audio_model, text_model, num_query_tokens=NUM_QUERY_TOKENS)
    inputs = processor(noise(), "Is there a dog?")
    with torch.no_grad():
        model.lm_head.weight.mul_(2)  # what is saved is the model, not what its backbones hold
    expected = model(**inputs).logits
    model.save_pretrained(tmp_path / "whole", include_backbones=True)
    shutil.rmtree(audio_model)
    shutil.rmtree(text_model)

    loaded = ListenForConditionalGeneration.from_pretrained(tmp_path / "whole")

    assert_same_weights(model, loaded)
    assert torch.equal(loaded(**inputs).logits, expected)
    assert loaded.config.text_model_id is None  # and is saved whole again
    loaded.save_pretrained(tmp_path / "again")
    assert tensor_names(tmp_path / "again") == tensor_names(tmp_path / "whole")


def test_a_self_contained_checkpoint_may_be_sharded(tmp_path, model):
    model.save_pretrained(tmp_path, include_backbones=True, max_shard_size="100KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    assert_same_weights(model, ListenForConditionalGeneration.from_pretrained(tmp_path))


def test_sharded_backbones_are_read(tmp_path, audio_model, model):
    from transformers import AutoModelForCausalLM

    text_model = build_text_model(tmp_path / "llama", "llama")
    AutoModelForCausalLM.from_pretrained(text_model).save_pretrained(text_model, max_shard_size="50KB")
    (text_model / "model.safetensors").unlink()
    assert_same_weights(model, compose(audio_model, text_model))


def test_the_model_without_its_head_loads_whole_or_not_at_all(tmp_path, checkpoint, model):
    with pytest.raises(ValueError, match="holds the adapter alone"):
        ListenModel.from_pretrained(checkpoint)
    model.save_pretrained(tmp_path / "whole", include_backbones=True)
    assert_same_weights(model.model, ListenModel.from_pretrained(tmp_path / "whole"))


def test_the_model_without_its_head_is_saved_whole(tmp_path, model):
    model.model.save_pretrained(tmp_path)
    assert_same_weights(model.model, ListenModel.from_pretrained(tmp_path))


def test_a_model_without_named_backbones_is_saved_whole(tmp_path, model):
    composed = ListenForConditionalGeneration(model.config.__class__.from_dict(model.config.to_dict()))
    composed.config.audio_model_id = composed.config.text_model_id = None
    composed.save_pretrained(tmp_path / "whole")
    assert_same_weights(composed, ListenForConditionalGeneration.from_pretrained(tmp_path / "whole"))
    with pytest.raises(ValueError, match="names no backbones"):
        composed.save_pretrained(tmp_path / "slim", include_backbones=False)


def test_a_folder_with_backbones_inside_can_move(tmp_path):
    project = tmp_path / "project"
    model = compose(build_audio_model(project / "whisper"), build_text_model(project / "llama", "llama"))
    model.save_pretrained(project / "runs" / "first")
    shutil.move(project, tmp_path / "elsewhere")

    loaded = ListenForConditionalGeneration.from_pretrained(tmp_path / "elsewhere" / "runs" / "first")

    assert_same_weights(model, loaded)
    saved = json.loads((tmp_path / "elsewhere" / "runs" / "first" / "config.json").read_text())
    assert (saved["audio_model_id"], saved["text_model_id"]) == ("../../whisper", "../../llama")


def test_a_loaded_checkpoint_is_saved_elsewhere_and_still_finds_its_backbones(tmp_path, checkpoint):
    loaded = ListenForConditionalGeneration.from_pretrained(checkpoint)
    loaded.save_pretrained(tmp_path / "deep" / "er" / "checkpoint")
    again = ListenForConditionalGeneration.from_pretrained(tmp_path / "deep" / "er" / "checkpoint")
    assert_same_weights(loaded, again)


def test_no_path_of_this_machine_is_saved(checkpoint, tmp_path, model):
    loaded = ListenForConditionalGeneration.from_pretrained(checkpoint)
    loaded.save_pretrained(tmp_path / "again")
    model.save_pretrained(tmp_path / "whole", include_backbones=True)
    ListenForConditionalGeneration.from_pretrained(tmp_path / "whole").save_pretrained(tmp_path / "whole_again")
    AutoProcessor.from_pretrained(checkpoint).save_pretrained(tmp_path / "again")
    for folder in (checkpoint, tmp_path / "again", tmp_path / "whole", tmp_path / "whole_again"):
        for path in folder.glob("*config.json"):
            assert not re.search(r'"/[^"]', path.read_text()), path
        config = json.loads((folder / "config.json").read_text())
        for key in ("audio_model_id", "text_model_id"):
            assert config[key] is None or config[key].startswith("."), config[key]


@pytest.mark.parametrize("role", ["audio", "text"])
def test_a_backbone_that_is_gone_names_itself_and_may_be_given_anew(tmp_path, role):
    audio_model = build_audio_model(tmp_path / "whisper")
    text_model = build_text_model(tmp_path / "llama", "llama")
    model = compose(audio_model, text_model)
    model.save_pretrained(tmp_path / "checkpoint")
    gone = {"audio": audio_model, "text": text_model}[role]
    gone.rename(tmp_path / "moved")

    with pytest.raises(OSError, match=gone.name) as error:
        ListenForConditionalGeneration.from_pretrained(tmp_path / "checkpoint")
    assert f"{role}_model_id=" in str(error.value)

    found = {f"{role}_model_id": str(tmp_path / "moved")}
    assert_same_weights(model, ListenForConditionalGeneration.from_pretrained(tmp_path / "checkpoint", **found))


@pytest.mark.parametrize("loader", [ListenForConditionalGeneration, AutoModel])
def test_a_backbone_given_by_a_relative_path_is_found_again_from_elsewhere(tmp_path, monkeypatch, loader):
    model = compose(build_audio_model(tmp_path / "whisper"), build_text_model(tmp_path / "llama", "llama"))
    model.save_pretrained(tmp_path / "first")
    monkeypatch.chdir(tmp_path)
    given = {"audio_model_id": "whisper", "text_model_id": "./llama"}
    loader.from_pretrained("first", **given).save_pretrained("runs/second")
    monkeypatch.chdir(tmp_path / "runs")
    assert_same_weights(model, ListenForConditionalGeneration.from_pretrained(tmp_path / "runs" / "second"))


@pytest.mark.parametrize("loader", [ListenForConditionalGeneration, AutoModel])
def test_a_self_contained_checkpoint_takes_no_backbones(tmp_path, model, loader):
    model.save_pretrained(tmp_path, include_backbones=True)
    with pytest.raises(ValueError, match="is self-contained: it takes no audio_model_id"):
        loader.from_pretrained(tmp_path, text_model_id="elsewhere")
    with pytest.raises(ValueError, match="go with a checkpoint of the adapter alone"):
        ListenForConditionalGeneration.from_pretrained(
            None, config=model.config, state_dict=model.state_dict(), audio_model_id="elsewhere"
        )


def test_a_folder_around_a_checkpoint_is_told_from_one(checkpoint):
    with pytest.raises(OSError, match=r"holds no config\.json of a model"):
        ListenForConditionalGeneration.from_pretrained(checkpoint.parent)


def test_relative_backbones_of_a_subfolder(tmp_path):
    model = compose(build_audio_model(tmp_path / "whisper"), build_text_model(tmp_path / "llama", "llama"))
    model.save_pretrained(tmp_path / "run" / "deep" / "model")
    loaded = ListenForConditionalGeneration.from_pretrained(tmp_path / "run", subfolder="deep/model")
    assert_same_weights(model, loaded)


def test_a_backbone_of_another_size_is_refused(tmp_path, checkpoint):
    larger = build_text_model(tmp_path / "larger", "llama", hidden_size=96, head_dim=24)
    with pytest.raises(ValueError, match="larger"):
        ListenForConditionalGeneration.from_pretrained(checkpoint, text_model_id=str(larger))
    deeper = build_audio_model(tmp_path / "deeper", encoder_layers=5)
    shallow = build_audio_model(tmp_path / "shallow", encoder_layers=1)
    with pytest.raises(ValueError, match="shallow"):
        ListenForConditionalGeneration.from_pretrained(checkpoint, audio_model_id=str(shallow))
    with pytest.raises(ValueError, match="deeper"):
        ListenForConditionalGeneration.from_pretrained(checkpoint, audio_model_id=str(deeper))


def test_a_backbone_of_another_family_is_refused(tmp_path, checkpoint):
    other = build_text_model(tmp_path / "qwen", "qwen3")
    with pytest.raises(ValueError, match="qwen"):
        ListenForConditionalGeneration.from_pretrained(checkpoint, text_model_id=str(other))


def test_a_checkpoint_that_lacks_a_tensor_is_refused(checkpoint):
    tensors = load_file(checkpoint / "model.safetensors")
    del tensors["model.adapter.projection.weight"]
    save_file(tensors, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"the checkpoint are missing: model\.adapter\.projection\.weight"):
        ListenForConditionalGeneration.from_pretrained(checkpoint)


def test_a_head_with_more_than_the_model_takes_is_refused(tmp_path, audio_model):
    text_model = build_text_model(tmp_path / "llama", "llama")
    tensors = load_file(text_model / "model.safetensors")
    save_file(
        {**tensors, "lm_head.scales": torch.ones(3)}, text_model / "model.safetensors", metadata={"format": "pt"}
    )
    with pytest.raises(ValueError, match=r"llama are without a place in the model: lm_head\.scales"):
        compose(audio_model, text_model)


def test_a_tensor_of_another_shape_is_refused(checkpoint):
    tensors = load_file(checkpoint / "model.safetensors")
    tensors["model.adapter.projection.weight"] = torch.zeros(3, 3)
    save_file(tensors, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises((ValueError, RuntimeError), match=r"projection"):
        ListenForConditionalGeneration.from_pretrained(checkpoint)


def test_weights_are_read_from_safetensors_alone(tmp_path, audio_model):
    text_model = build_text_model(tmp_path / "llama", "llama")
    (text_model / "model.safetensors").unlink()
    torch.save({}, text_model / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        compose(audio_model, text_model)


def test_a_whisper_is_wanted_as_encoder(text_model):
    with pytest.raises(ValueError, match="must be a Whisper"):
        compose(text_model, text_model)


def test_a_folder_that_does_not_exist_names_itself(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        ListenForConditionalGeneration.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(OSError, match="nowhere"):
        compose(tmp_path / "nowhere", tmp_path / "nowhere")


def test_the_generation_configuration_is_the_language_models_and_is_kept(checkpoint, model):
    assert (model.generation_config.max_new_tokens, model.generation_config.repetition_penalty) == (7, 1.5)
    model.generation_config.max_new_tokens = 11
    model.save_pretrained(checkpoint)
    loaded = ListenForConditionalGeneration.from_pretrained(checkpoint)
    assert (loaded.generation_config.max_new_tokens, loaded.generation_config.repetition_penalty) == (11, 1.5)


def test_freezing_is_a_decision_after_loading(checkpoint):
    loaded = ListenForConditionalGeneration.from_pretrained(checkpoint)
    assert any(parameter.requires_grad for parameter in loaded.model.language_model.parameters())
    loaded.freeze_backbones()
    assert {name for name, parameter in loaded.named_parameters() if parameter.requires_grad} == {
        f"model.adapter.{name}" for name, _ in loaded.model.adapter.named_parameters()
    }


def test_dtype_and_loading_info(checkpoint):
    loaded, info = ListenForConditionalGeneration.from_pretrained(
        checkpoint, dtype=torch.bfloat16, output_loading_info=True
    )
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]


def test_the_older_name_of_dtype(checkpoint, audio_model, text_model):
    models = [
        ListenForConditionalGeneration.from_pretrained(checkpoint, torch_dtype=torch.bfloat16),
        ListenForConditionalGeneration.from_pretrained(checkpoint, torch_dtype="bfloat16"),
        compose(audio_model, text_model, torch_dtype=torch.bfloat16),
    ]
    assert {each.dtype for each in models} == {torch.bfloat16}
    assert compose(audio_model, text_model, torch_dtype=torch.bfloat16, dtype=torch.float32).dtype == torch.float32


def test_auto_classes_give_the_generating_class(checkpoint):
    for auto_class in (AutoModel, AutoModelForMultimodalLM):
        assert isinstance(auto_class.from_pretrained(checkpoint), ListenForConditionalGeneration)
    assert isinstance(AutoProcessor.from_pretrained(checkpoint), ListenProcessor)


def test_every_module_and_auto_class_travels_with_a_checkpoint(checkpoint):
    assert {path.name for path in checkpoint.glob("*.py")} >= CODE
    config = json.loads((checkpoint / "config.json").read_text())
    assert config["auto_map"].keys() == {"AutoConfig", "AutoModel", "AutoModelForMultimodalLM"}
    assert json.loads((checkpoint / "processor_config.json").read_text())["auto_map"].keys() == {"AutoProcessor"}
    assert config["architectures"] == ["ListenForConditionalGeneration"]


def test_a_fresh_process_without_the_package_gives_the_same_tokens(checkpoint, model, processor, fresh_python):
    inputs = processor(noise(), "Is there a dog?")
    expected = model.generate(**inputs, do_sample=False)[0].tolist()
    code = """
        import json, sys
        import numpy as np
        from transformers import AutoConfig, AutoModel, AutoModelForMultimodalLM, AutoProcessor
        folder = sys.argv[1]
        audio = (np.random.default_rng(0).normal(size=16000) * 0.1).astype(np.float32)
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
        assert AutoConfig.from_pretrained(folder, trust_remote_code=True).model_type == "listen"
        answers = []
        for auto_class in (AutoModel, AutoModelForMultimodalLM):
            model = auto_class.from_pretrained(folder, trust_remote_code=True)
            assert type(model).__module__.startswith("transformers_modules."), type(model)
            answers.append(model.generate(**processor(audio, "Is there a dog?"), do_sample=False)[0].tolist())
        model.save_pretrained(folder + "_again")
        processor.save_pretrained(folder + "_again")
        model = AutoModel.from_pretrained(folder + "_again", trust_remote_code=True)
        answers.append(model.generate(**processor(audio, "Is there a dog?"), do_sample=False)[0].tolist())
        print(json.dumps(answers))
    """
    answers = json.loads(fresh_python(code, checkpoint).stdout.splitlines()[-1])
    assert answers == [expected] * 3


def test_processor_round_trip(checkpoint, processor):
    loaded = ListenProcessor.from_pretrained(checkpoint)
    assert isinstance(loaded.feature_extractor, WhisperFeatureExtractor)
    assert (loaded.audio_token, loaded.audio_token_id, loaded.num_query_tokens) == (
        processor.audio_token,
        processor.audio_token_id,
        NUM_QUERY_TOKENS,
    )
    expected, inputs = (each(noise(), "Is there a dog?") for each in (processor, loaded))
    assert inputs.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, inputs[name]), name
