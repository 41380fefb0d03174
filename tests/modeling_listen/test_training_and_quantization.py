import json
from copy import deepcopy

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import BitsAndBytesConfig, FineGrainedFP8Config, GPTQConfig, Trainer, TrainingArguments

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from modeling_listen.checkpoint_listen import _sparing_the_adapter
from tests.modeling_listen.backbones import build_text_model, compose, noise


@pytest.fixture
def examples(processor):
    """Eight samples of one length, so that the default collator stacks them."""
    rows = []
    for seed in range(8):
        inputs = processor(noise(seed=seed), "Is there a dog?", response="Yes." if seed % 2 else "No.")
        rows.append({name: tensor[0] for name, tensor in inputs.items()})
    longest = max(len(row["input_ids"]) for row in rows)
    for row in rows:
        missing = longest - len(row["input_ids"])
        for name, value in (("input_ids", 0), ("attention_mask", 0), ("labels", -100)):
            row[name] = torch.nn.functional.pad(row[name], (missing, 0), value=value)
    return rows


def trainer(model, processor, examples, folder, **options) -> Trainer:
    arguments = TrainingArguments(
        folder,
        **{"max_steps": 4, "save_steps": 2, **options},
        per_device_train_batch_size=2,
        learning_rate=1e-3,
        remove_unused_columns=False,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        logging_steps=1,
    )
    return Trainer(model, arguments, train_dataset=examples, processing_class=processor)


def test_trainer_checkpoints_hold_the_adapter_and_resume_exactly(tmp_path, model, processor, examples):
    frozen = {name: tensor.clone() for name, tensor in model.state_dict().items() if ".adapter." not in name}
    before = {name: tensor.clone() for name, tensor in model.model.adapter.state_dict().items()}
    trainer(model.freeze_backbones(), processor, examples, tmp_path / "straight").train()
    checkpoint = tmp_path / "straight" / "checkpoint-2"
    saved = load_file(checkpoint / "model.safetensors")
    assert all(name.startswith("model.adapter.") for name in saved)
    assert sum(file.stat().st_size for file in checkpoint.glob("*.safetensors")) < 300_000
    for name, tensor in frozen.items():
        assert torch.equal(model.state_dict()[name], tensor), name
    assert any(not torch.equal(model.model.adapter.state_dict()[name], tensor) for name, tensor in before.items())

    resumed = ListenForConditionalGeneration.from_pretrained(checkpoint).freeze_backbones()
    trainer(resumed, processor, examples, tmp_path / "resumed").train(resume_from_checkpoint=str(checkpoint))

    for name, tensor in model.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name
    loaded = ListenForConditionalGeneration.from_pretrained(tmp_path / "resumed" / "checkpoint-4")
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    assert ListenProcessor.from_pretrained(checkpoint).num_query_tokens == processor.num_query_tokens


def test_lora_on_the_language_model_beside_the_adapter(tmp_path, model, processor, examples):
    config = LoraConfig(target_modules=r".*language_model.*(q_proj|v_proj)", modules_to_save=["adapter"], r=2)
    tuned = get_peft_model(model, config)
    batch = {name: torch.stack([row[name] for row in examples]) for name in examples[0]}
    optimizer = torch.optim.SGD([each for each in tuned.parameters() if each.requires_grad], lr=0.1)
    tuned(**batch).loss.backward()
    learned = {name for name, each in tuned.named_parameters() if each.grad is not None}
    assert all("lora_" in name or "modules_to_save" in name for name in learned)
    assert any("lora_" in name for name in learned)
    assert any("adapter.modules_to_save" in name for name in learned)
    optimizer.step()
    tuned.eval()
    with torch.no_grad():
        expected = tuned(**batch).logits
        tuned.save_pretrained(tmp_path / "lora")
        bare = ListenForConditionalGeneration.from_backbones(
            model.config.audio_model_id, model.config.text_model_id, num_query_tokens=processor.num_query_tokens
        )
        loaded = PeftModel.from_pretrained(bare, tmp_path / "lora").eval()
        torch.testing.assert_close(loaded(**batch).logits, expected)
        merged = loaded.merge_and_unload()
        torch.testing.assert_close(merged(**batch).logits, expected, atol=1e-5, rtol=1e-4)
    # What was merged is no longer what the backbone's repository holds: it is saved whole.
    merged.save_pretrained(tmp_path / "merged", include_backbones=True)
    whole = ListenForConditionalGeneration.from_pretrained(tmp_path / "merged")
    with torch.no_grad():
        torch.testing.assert_close(whole(**batch).logits, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["object", "dict"])
@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantized_language_model_leaves_the_adapter_alone(tmp_path, audio_model, processor, examples, bits, kind):
    bitsandbytes = pytest.importorskip("bitsandbytes")
    text_model = build_text_model(tmp_path / "llama", "llama", hidden_size=64, head_dim=16)
    compose(audio_model, text_model).save_pretrained(tmp_path / "checkpoint")
    quantization = BitsAndBytesConfig(**{f"load_in_{bits}bit": True})
    quantization = quantization if kind == "object" else quantization.to_dict()
    given = deepcopy(quantization)
    model = ListenForConditionalGeneration.from_pretrained(
        tmp_path / "checkpoint", quantization_config=quantization, device_map="cpu"
    )

    assert quantization == given
    kinds = {4: bitsandbytes.nn.Linear4bit, 8: bitsandbytes.nn.Linear8bitLt}
    quantized = {name for name, module in model.named_modules() if isinstance(module, kinds[bits])}
    assert quantized
    assert all(name.startswith("model.language_model.layers.") for name in quantized)
    saved = load_file(tmp_path / "checkpoint" / "model.safetensors")
    for name, tensor in model.model.adapter.state_dict().items():
        assert torch.equal(saved[f"model.adapter.{name}"], tensor), name

    model.freeze_backbones()
    batch = {name: torch.stack([row[name] for row in examples[:2]]) for name in examples[0]}
    model(**batch).loss.backward()
    assert all(each.grad is not None for each in model.model.adapter.parameters())
    model.save_pretrained(tmp_path / "again")
    assert load_file(tmp_path / "again" / "model.safetensors").keys() == saved.keys()
    assert "quantization_config" not in json.loads((tmp_path / "again" / "config.json").read_text())
    again = ListenForConditionalGeneration.from_pretrained(tmp_path / "again")
    assert not any(isinstance(module, kinds[bits]) for module in again.modules())
    inputs = processor(noise(), "Is there a dog?")
    assert model.generate(**inputs, max_new_tokens=3).shape[1] > inputs["input_ids"].shape[1]


@pytest.mark.parametrize(("given", "spared"), [(None, ["lm_head", "model.audio_tower"]), (["lm_head"], ["lm_head"])])
@pytest.mark.parametrize("kind", [BitsAndBytesConfig, FineGrainedFP8Config])
def test_every_quantization_spares_the_adapter(kind, given, spared):
    name = "llm_int8_skip_modules" if kind is BitsAndBytesConfig else "modules_to_not_convert"
    options = {name: given} | ({"load_in_8bit": True} if kind is BitsAndBytesConfig else {})
    for quantization in (kind(**options), kind(**options).to_dict()):
        sparing = _sparing_the_adapter(quantization)
        assert getattr(_sparing_the_adapter(sparing), name) == getattr(sparing, name) == [*spared, "model.adapter"]


def test_a_quantization_that_cannot_spare_the_adapter_is_refused(checkpoint):
    with pytest.raises(ValueError, match="GPTQConfig cannot spare the adapter"):
        ListenForConditionalGeneration.from_pretrained(checkpoint, quantization_config=GPTQConfig(bits=4))
