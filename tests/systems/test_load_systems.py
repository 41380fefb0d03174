"""Systems from strings."""

from pathlib import Path

import pytest

from recipes.systems import KINDS, load_systems, parse_system, spell_out
from recipes.systems.answers_csv import AnswersCSV
from recipes.systems.base import fingerprint
from recipes.systems.bounds import Constant, Shuffled, Silence
from recipes.systems.function import Function
from recipes.systems.hf_audio_llm import HFAudioLLM
from recipes.systems.listen import Listen, SeedReader
from recipes.systems.openai_api import OpenAIAPI


@pytest.mark.parametrize(
    ("specification", "name", "kind"),
    [
        ("listen:runs/model", "listen:runs/model", Listen),
        ("LISTEN P+N=listen:runs/model", "LISTEN P+N", Listen),
        ("listen=runs/model", "listen=runs/model", Listen),
        ("listen:runs/a=b", "listen:runs/a=b", Listen),
        ("Qwen2-Audio=hf:Qwen/Qwen2-Audio-7B-Instruct", "Qwen2-Audio", HFAudioLLM),
        ("Gemini=api:https://example.org/v1beta/openai#gemini-1.5-pro", "Gemini", OpenAIAPI),
        ("api:http://localhost:8000/v1", "api:http://localhost:8000/v1", OpenAIAPI),
        ("function:os.path:join", "function:os.path:join", Function),
        ("SALMONN=answers:a/{subset}.csv", "SALMONN", AnswersCSV),
        ("text:meta-llama/Llama-3.1-8B-Instruct", "text:meta-llama/Llama-3.1-8B-Instruct", SeedReader),
        ("silence:hf:some/model", "silence:hf:some/model", Silence),
        ("S=shuffled:listen:runs/model", "S", Shuffled),
        ("always-yes", "always-yes", Constant),
        ("No!=always-no", "No!", Constant),
    ],
)
def test_a_system_is_named_and_made(specification: str, name: str, kind: type) -> None:
    (system,) = load_systems([specification])
    assert system.name == name
    assert type(system) is kind


def test_values_are_passed_on() -> None:
    listen, api, text = load_systems(["P=listen:runs/a=b", "api:http://localhost:8000/v1#m", "text"])
    assert listen.checkpoint == text.text_model == "runs/a=b"
    assert (api.url, api.identity()["model"]) == ("http://localhost:8000/v1", "m")


def test_only_what_stands_before_a_kind_is_a_name() -> None:
    assert parse_system("A=B=listen:runs/lr=1e-3") == ("A=B", "listen", "runs/lr=1e-3")
    assert parse_system("listen:runs/a=text") == (None, "listen", "runs/a=text")
    assert parse_system("listen=runs/model") == (None, "listen", "runs/model")


def test_bounds_are_spelled_out() -> None:
    given = ["text", "S=silence", "text:runs/b", "L=listen:runs/a=b", "hf:some/model", "always-yes"]
    spelled = ["text=text:runs/a=b", "S=silence:listen:runs/a=b", *given[2:]]
    assert spell_out(given) == spell_out(spelled) == spelled
    systems = zip(load_systems(given), load_systems(spelled), strict=True)
    assert all((one.name, one.identity()) == (other.name, other.identity()) for one, other in systems)


def test_bounds_are_those_of_the_first_model() -> None:
    systems = load_systems(["text", "silence", "shuffled", "hf:some/model", "listen:runs/model"])
    assert systems[0].text_model == "runs/model"
    assert systems[1].identity() == {"silence": systems[3].identity()}
    assert systems[2].identity()["shuffled"] == systems[3].identity()


@pytest.mark.parametrize(
    ("specifications", "message"),
    [
        (["runs/model"], "is no system"),
        (["listen"], "lacks a value"),
        (["LISTEN=listen:"], "is no system"),
        (["always-maybe"], "is no system"),
        (["text", "hf:some/model"], "none of the systems is listen"),
        (["silence"], "none of the systems is listen or hf"),
        (["silence:always-yes"], "does not listen"),
        (["A=always-yes", "A=always-no"], "several systems are called 'A'"),
        (["api:localhost:8000"], "is no URL"),
        (["api:https://key@example.org/v1"], "put keys into OPENAI_API_KEY"),
        (["function:nothing"], "names no function"),
    ],
)
def test_what_cannot_be_understood_is_refused(specifications: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_systems(specifications)


def test_every_kind_is_explained() -> None:
    assert all(KINDS.values())


def test_a_folder_s_fingerprint_is_that_of_its_content(tmp_path: Path) -> None:
    folders = [tmp_path / parent / "model" for parent in ("a", "b", "c")]
    for folder, weights in zip(folders, (b"1", b"1", b"2"), strict=True):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(weights)
    first, same, other = (fingerprint(str(folder)) for folder in folders)
    assert first == same != other
    assert fingerprint("Qwen/Qwen2-Audio-7B") == "Qwen/Qwen2-Audio-7B"
