"""SALMONN, 7B or 13B, by the code in its own repository; the configuration file says which.

export SALMONN_PYTHON=$HOME/salmonn/bin/python SALMONN_REPOSITORY=$HOME/SALMONN
export SALMONN_CONFIG=configs/decode_config.yaml
python recipes/evaluate_listen.py --systems SALMONN-13B=function:examples/systems/salmonn.py:answer \\
    --benchmarks audio_hallucination/random=data/hallucination
"""

import os
from argparse import Namespace

from other_environment import OtherEnvironment, serve

answer = OtherEnvironment(__file__, python="SALMONN_PYTHON", repository="SALMONN_REPOSITORY")


def load():
    """The model, as its command-line program loads it, decoding greedily instead of with four beams."""
    import torch
    from config import Config
    from models.salmonn import SALMONN
    from transformers import WhisperFeatureExtractor
    from utils import prepare_one_sample

    path = os.environ.get("SALMONN_CONFIG", "configs/decode_config.yaml")
    config = Config(Namespace(cfg_path=path, options=["generate.num_beams=1"])).config
    model = SALMONN.from_config(config.model).to("cuda").eval()
    extractor = WhisperFeatureExtractor.from_pretrained(config.model.whisper_path)

    def ask(audio_path: str, question: str) -> str:
        sample = prepare_one_sample(audio_path, extractor)
        prompt = config.model.prompt_template.format("<Speech><SpeechHere></Speech> " + question)
        with torch.no_grad(), torch.cuda.amp.autocast(dtype=torch.float16):
            response = model.generate(sample, config.generate, prompts=[prompt])[0]
        return response.replace("<s>", "").replace("</s>", "").strip()

    return ask


if __name__ == "__main__":
    serve(load)
