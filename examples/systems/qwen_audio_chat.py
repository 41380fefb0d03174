"""Qwen-Audio-Chat, by the code in its own repository on the Hub, which wants Transformers 4.32.

export QWEN_AUDIO_PYTHON=$HOME/qwen_audio/bin/python
python recipes/evaluate_listen.py --systems Qwen-Audio-Chat=function:examples/systems/qwen_audio_chat.py:answer \\
    --benchmarks audio_hallucination/random=data/hallucination
"""

from other_environment import OtherEnvironment, serve

answer = OtherEnvironment(__file__, python="QWEN_AUDIO_PYTHON")


def load():
    """The model, as its README loads it, decoding greedily: by itself it would draw."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    name = "Qwen/Qwen-Audio-Chat"
    tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=True)
    model = AutoModelForCausalLM.from_pretrained(name, device_map="cuda", trust_remote_code=True).eval()
    model.generation_config.do_sample = False

    def ask(audio_path: str, question: str) -> str:
        query = tokenizer.from_list_format([{"audio": audio_path}, {"text": question}])
        return model.chat(tokenizer, query=query, history=None)[0]

    return ask


if __name__ == "__main__":
    serve(load)
