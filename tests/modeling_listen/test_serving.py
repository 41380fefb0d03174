"""Transformers' own ways of asking a model, from a saved folder, in processes that lack the package."""

import base64
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
import soundfile

from tests.modeling_listen.backbones import SAMPLING_RATE, noise
from tests.modeling_listen.conftest import WITHOUT_PACKAGE

pytestmark = pytest.mark.slow


def test_any_to_any_answers_about_a_sound(checkpoint, model, processor, fresh_python):
    inputs = processor(noise(), "Is there a dog?")
    answer = model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    expected = processor.tokenizer.decode(answer, skip_special_tokens=True)
    code = """
        import json, sys
        import numpy as np
        from transformers import pipeline
        ask = pipeline("any-to-any", model=sys.argv[1], trust_remote_code=True, device="cpu")
        audio = (np.random.default_rng(0).normal(size=16000) * 0.1).astype(np.float32)
        parts = [{"type": "audio", "audio": audio}, {"type": "text", "text": "Is there a dog?"}]
        chat = [{"role": "user", "content": parts}]
        options = {"max_new_tokens": 6, "generate_kwargs": {"do_sample": False}, "return_full_text": False}
        heard = []
        ask.model.model.audio_tower.register_forward_hook(lambda *_: heard.append(1))
        answer = ask(text=chat, **options)
        print(json.dumps([answer[0]["generated_text"], len(heard)]))
    """
    answer, heard = json.loads(fresh_python(code, checkpoint).stdout.splitlines()[-1])
    assert heard == 1
    assert answer == expected


@pytest.fixture
def server(checkpoint, tmp_path):
    """`transformers serve` on a free port of the loopback interface; its address."""
    pytest.importorskip("fastapi", reason="transformers serve needs the extra listen-audio[serving]")
    pytest.importorskip("uvicorn", reason="transformers serve needs the extra listen-audio[serving]")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = WITHOUT_PACKAGE + "from transformers.cli.transformers import main\nmain()\n"
    arguments = ["serve", str(checkpoint), "--device", "cpu", "--trust-remote-code", "--port", str(port)]
    log = tmp_path / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", code, *arguments],
            cwd=tmp_path,
            env=os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            assert process.poll() is None, log.read_text()[-4000:]
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1)
                break
            except (urllib.error.URLError, TimeoutError):
                time.sleep(1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def test_transformers_serve_answers_about_a_sound(server, checkpoint, model, processor):
    inputs = processor(noise(), "Is there a dog?")
    answer = model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    expected = processor.tokenizer.decode(answer, skip_special_tokens=True)
    wav = io.BytesIO()
    soundfile.write(wav, noise(), SAMPLING_RATE, format="WAV", subtype="FLOAT")
    data = base64.b64encode(wav.getvalue()).decode()
    for audio in (
        {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
        {"type": "audio_url", "audio_url": {"url": f"data:audio/wav;base64,{data}"}},
    ):
        content = [audio, {"type": "text", "text": "Is there a dog?"}]
        body = {
            "model": str(checkpoint),
            "messages": [{"role": "user", "content": content}],
            "max_tokens": 6,
            "temperature": 0.0,
            "stream": False,
        }
        request = urllib.request.Request(
            f"{server}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            reply = json.load(response)
        assert reply["choices"][0]["message"]["content"] == expected
