"""The adapters that are shipped."""

import re
from pathlib import Path

import pytest
from transformers import AutoModel, AutoProcessor, pipeline

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from recipes.miniature import ADAPTERS

FOLDERS = sorted(path for path in ADAPTERS.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_configuration_announces_code_that_is_not_shipped(folder: Path) -> None:
    for path in folder.glob("*.json"):
        assert not re.search(r'"(auto_map|custom_pipelines)"', path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_auto_classes_and_the_pipeline_load_them(folder: Path, remote: bool, sound: Path) -> None:
    options = {"trust_remote_code": remote}
    assert isinstance(AutoModel.from_pretrained(folder, **options), ListenForConditionalGeneration)
    assert isinstance(AutoProcessor.from_pretrained(folder, **options), ListenProcessor)
    judged = pipeline("sound-presence", model=str(folder), **options)(str(sound), candidate_labels="dog, siren")
    assert {each["label"] for each in judged} == {"dog", "siren"}
