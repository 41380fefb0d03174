"""LTU-AS, by the code in its own repository, which brings forks of Transformers and PEFT.

export LTU_AS_PYTHON=$HOME/ltu_as/bin/python LTU_AS_REPOSITORY=$HOME/ltu/src/ltu_as
python recipes/evaluate_listen.py --systems LTU-AS=function:examples/systems/ltu_as.py:answer \\
    --benchmarks audio_hallucination/random=data/hallucination
"""

from other_environment import OtherEnvironment, serve

answer = OtherEnvironment(__file__, python="LTU_AS_PYTHON", repository="LTU_AS_REPOSITORY")
WEIGHTS = "../../pretrained_mdls"  # where its installation puts them


def load():
    """The models, as its demo loads them, decoding greedily: by itself it would draw at a temperature of 0.1."""
    import skimage.measure
    import torch
    import whisper_at
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM, LlamaTokenizer
    from utils.prompter import Prompter
    from whisper.model import ModelDimensions, Whisper

    transcriber = whisper_at.load_model("large-v2", device="cuda")
    checkpoint = torch.load(f"{WEIGHTS}/large-v1.pt", map_location="cpu")
    encoder = Whisper(ModelDimensions(**checkpoint["dims"]))
    encoder.load_state_dict(checkpoint["model_state_dict"], strict=False)
    encoder.to("cuda")

    tokenizer = LlamaTokenizer.from_pretrained(f"{WEIGHTS}/vicuna_ltuas/")
    model = LlamaForCausalLM.from_pretrained(f"{WEIGHTS}/vicuna_ltuas/", device_map="auto", torch_dtype=torch.float16)
    for name, parameter in model.named_parameters():
        if "audio_encoder" in name and "ln" in name:
            parameter.data = parameter.data.float()
    targets = ["q_proj", "v_proj"]
    model = get_peft_model(
        model, LoraConfig(r=8, lora_alpha=16, target_modules=targets, bias="none", task_type="CAUSAL_LM")
    )
    model.load_state_dict(torch.load(f"{WEIGHTS}/ltuas_long_noqa_a6.bin", map_location="cpu"), strict=False)
    model.eval()
    prompter = Prompter("alpaca_short")

    def hear(audio_path: str):
        """Features of every encoder layer, twenty frames to one, and what is said."""
        transcript = transcriber.transcribe(audio_path)["text"].strip()
        features = encoder.transcribe_audio(audio_path)[1][0].permute(2, 0, 1).detach().cpu().numpy()
        pooled = skimage.measure.block_reduce(features, (1, 20, 1), lambda block, axis: block.mean(axis=axis))
        return torch.from_numpy(pooled[1:]).float()[None].half().to("cuda"), transcript

    def ask(audio_path: str, question: str) -> str:
        audio, transcript = hear(audio_path)
        prompt = prompter.generate_prompt(question, transcript)
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"].to("cuda")
        with torch.no_grad():
            output = model.generate(
                input_ids=ids,
                audio_input=audio,
                do_sample=False,
                repetition_penalty=1.1,
                max_new_tokens=400,
                bos_token_id=1,
                eos_token_id=2,
                pad_token_id=0,
            )
        text = tokenizer.decode(output[0], skip_special_tokens=True)
        return text.partition("### Response:\n")[2].strip()

    return ask


if __name__ == "__main__":
    serve(load)
