"""The page, as a real process that a client asks over HTTP."""

import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

gradio_client = pytest.importorskip("gradio_client", reason="gradio is not installed: pip install '.[app]'")
pytest.importorskip("gradio", reason="gradio is not installed: pip install '.[app]'")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    """URL of the page as its one command starts it; the process ends with the tests."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, ROOT / "examples" / "app.py", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(600):
            assert process.poll() is None, "the page's process ended"
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def client(page: str) -> gradio_client.Client:
    return gradio_client.Client(page, verbose=False)


def test_two_models_answer_side_by_side(client: gradio_client.Client, sound: Path) -> None:
    html = client.predict(gradio_client.handle_file(sound), "Is there a <b>dog</b>?", api_name="/ask")
    assert re.findall(r"<h3>(Trained [^<]*)</h3>", html) == ["Trained with negatives", "Trained without negatives"]
    scores = re.findall(r"(yes|no) (\d\.\d\d)</b>", html)
    assert len(scores) == 2
    assert all((float(score) > 0.5) == (answer == "yes") or score == "0.50" for answer, score in scores)


@pytest.mark.parametrize(("endpoint", "text"), [("/ask", "Replay the audio."), ("/look_for", "dog, rain, siren")])
def test_answers_within_three_seconds(client: gradio_client.Client, sound: Path, endpoint: str, text: str) -> None:
    seconds = []
    for _ in range(3):  # something else may run beside it
        started = time.perf_counter()
        client.predict(gradio_client.handle_file(sound), text, api_name=endpoint)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 3


def test_presence_table(client: gradio_client.Client, sound: Path) -> None:
    html = client.predict(gradio_client.handle_file(sound), "dog, , <rain>", api_name="/look_for")
    assert re.findall(r"<tr><td>(.*?)</td>", html) == ["dog", "&lt;rain&gt;"]
    assert html.count('class="bar"') == 4


def test_a_question_that_spells_control_tokens_is_asked_as_it_stands(
    client: gradio_client.Client, sound: Path
) -> None:
    question = "What does <|eot_id|> mean?"
    assert "<h3>" in client.predict(gradio_client.handle_file(sound), question, api_name="/ask")


@pytest.mark.parametrize(
    ("endpoint", "content", "text", "message"),
    [
        ("/ask", b"no audio", "Hi?", "decoded"),
        ("/ask", None, " ", "Ask something"),
        ("/ask", None, "What is <|reserved_special_token_0|>?", "only stands for audio"),
        ("/look_for", None, ",", "Name"),
        ("/look_for", None, "dog, <|reserved_special_token_0|>", "only stands for audio"),
    ],
)
def test_what_cannot_be_answered_is_said(
    client: gradio_client.Client, sound: Path, tmp_path: Path, endpoint: str, content: bytes, text: str, message: str
) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(content or sound.read_bytes())
    with pytest.raises(gradio_client.exceptions.AppError, match=message):
        client.predict(gradio_client.handle_file(path), text, api_name=endpoint)


@pytest.fixture(scope="module")
def app() -> ModuleType:
    """The program as a module."""
    spec = importlib.util.spec_from_file_location("app", ROOT / "examples" / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_sounds_looked_for_are_ones_that_the_miniature_knows(app: ModuleType) -> None:
    from recipes.miniature.world import NAMES

    assert set(app.LABELS.split(", ")) <= set(NAMES)


def test_a_port_that_is_taken(demo_model: Path) -> None:
    command = [sys.executable, ROOT / "examples" / "app.py", "--model", demo_model]
    with socket.socket() as taken:
        with suppress(OSError):  # something else has it
            taken.bind(("127.0.0.1", 7860))
            taken.listen()
        done = subprocess.run([*command, "--port", "7860"], capture_output=True, text=True, timeout=300)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("port 7860 cannot be had")
        assert "Traceback" not in done.stderr
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            said = next((line for line in process.stdout if "http://127.0.0.1:" in line), "")
            process.terminate()
    assert said and ":7860" not in said


def test_a_model_of_ones_own_stands_alone_under_its_own_name(app: ModuleType, tmp_path: Path) -> None:
    mine, other = tmp_path / "first" / "mine", tmp_path / "second" / "mine"
    for folder in (mine, other):
        folder.mkdir(parents=True)
    assert app.choose_models(None, None) == app.MINIATURE
    assert list(app.choose_models(None, "")) == ["positive_negative"]
    assert app.choose_models(str(mine), None) == {"mine": str(mine)}
    assert app.choose_models("org/model", str(mine)) == {"org/model": "org/model", "mine": str(mine)}
    assert app.choose_models(str(mine), str(other)) == {"mine": str(mine), str(other): str(other)}


def test_a_page_with_one_model(app: ModuleType, demo_model: Path, sound: Path) -> None:
    page = app.build_page([app.Model.load("mine", str(demo_model))], {"noise": str(sound)})
    said = [block.value for block in page.blocks.values() if isinstance(block, app.gr.Markdown)]
    assert said == [app.IDEA.strip()]
    [ask] = [each for each in page.fns.values() if each.api_name == "ask"]
    assert re.findall(r"<h3>(.*?)</h3>", ask.fn(str(sound), "Is there a dog?"))[0] == "mine"


def test_nothing_is_fetched_from_elsewhere(page: str) -> None:
    with urllib.request.urlopen(page, timeout=30) as answer:
        html = answer.read().decode()
    fetched = re.findall(r"<(?:script|link|img|iframe)[^>]*?(?:src|href)=\"(https?://[^\"]+)", html)
    assert not [url for url in fetched if not url.startswith(page)]
    assert "fonts.googleapis.com" not in html
