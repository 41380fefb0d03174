import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from recipes.miniature.captions import write_caption, write_tags
from recipes.miniature.clips import LENGTH, draw_clip, render_clip, render_split
from recipes.miniature.sounds import VOICES
from recipes.miniature.world import CATEGORIES, EVENT_CLASSES, NAMES, SCENES, SPLITS, draw_events

ESC10 = {
    *("dog", "rooster", "rain", "sea waves", "crackling fire"),
    *("crying baby", "sneezing", "clock tick", "helicopter", "chainsaw"),
}


def test_the_world_is_closed():
    assert len(NAMES) >= 30 and set(NAMES) >= ESC10
    assert {event.category for event in EVENT_CLASSES.values()} == set(CATEGORIES)
    assert {name for scene in SCENES.values() for name in scene.events} == set(NAMES) == set(VOICES)


def test_no_name_means_two_things():
    words = [word for event in EVENT_CLASSES.values() for word in (event.name, *event.synonyms)]
    assert len(words) == len(set(words))
    clauses = [clause for event in EVENT_CLASSES.values() for clause in event.clauses]
    assert len(clauses) == len(set(clauses))
    questions = [event.question for event in EVENT_CLASSES.values()]
    assert len(questions) == len(set(questions))


def test_some_classes_are_popular_and_some_go_together():
    rng = np.random.default_rng(0)
    drawn = [draw_events(rng)[1] for _ in range(3000)]
    counts = {name: sum(name in events for events in drawn) for name in NAMES}
    assert min(counts.values()) > 0 and max(counts.values()) > 3 * min(counts.values())
    with_rooster = [events for events in drawn if "rooster" in events]
    assert sum("cow" in events for events in with_rooster) / len(with_rooster) > 2 * counts["cow"] / len(drawn)
    assert {len(events) for events in drawn} == {1, 2, 3}


@pytest.mark.parametrize("name", NAMES)
def test_voices_sound_and_vary(name):
    first, second = (VOICES[name](np.random.default_rng(seed), 32_000) for seed in (0, 1))
    assert first.shape == (32_000,) and np.isfinite(first).all() and first.std() > 0
    spectra = [np.abs(np.fft.rfft(sound / np.linalg.norm(sound))) for sound in (first, second)]
    assert np.abs(spectra[0] - spectra[1]).sum() / spectra[0].sum() > 0.05


def test_captions_name_every_event():
    rng = np.random.default_rng(1)
    for _ in range(300):
        scene, events = draw_events(rng)
        caption = write_caption(scene, events, rng).lower()
        for name in events:
            assert any(clause in caption for clause in EVENT_CLASSES[name].clauses)
        named = {n for n, event in EVENT_CLASSES.items() if any(clause in caption for clause in event.clauses)}
        assert named == set(events)
    assert write_tags(["dog", "rain"]) == "dog; rain"


def test_clips_are_audible_and_in_range():
    for split in SPLITS:
        for index in range(8):
            wave = render_clip(draw_clip(split, index))
            assert wave.shape == (LENGTH,) and wave.dtype == np.float32
            assert 0.2 < np.abs(wave).max() <= 1 and wave.std() > 1e-3


def test_events_end_inside_the_clip():
    for index in range(200):
        clip = draw_clip("dev", index)
        assert len(clip.times) == len(clip.events)
        assert all(0 <= onset < offset <= 5 for onset, offset in clip.times)


def test_splits_are_disjoint():
    digests = {
        hashlib.sha256(render_clip(draw_clip(split, index)).tobytes()).hexdigest()
        for split in SPLITS
        for index in range(10)
    }
    assert len(digests) == 10 * len(SPLITS)


def test_unknown_split():
    with pytest.raises(ValueError, match=r"'validation'.*encoder, train, dev, test"):
        draw_clip("validation", 0)


def test_other_processes_render_the_same():
    code = (
        "import hashlib; from recipes.miniature.clips import draw_clip, render_clip; c = draw_clip('train', 7);"
        "print(c.caption, hashlib.sha256(render_clip(c).tobytes()).hexdigest())"
    )
    clip = draw_clip("train", 7)
    here = f"{clip.caption} {hashlib.sha256(render_clip(clip).tobytes()).hexdigest()}"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


def test_rendering_resumes(tmp_path):
    listing = render_split("dev", 6, tmp_path)
    rows = [json.loads(line) for line in listing.read_text().splitlines()]
    files = {row["file"]: (tmp_path / "dev" / row["file"]).read_bytes() for row in rows}
    lost, kept = rows[2]["file"], tmp_path / "dev" / rows[1]["file"]
    (tmp_path / "dev" / lost).unlink()
    written = kept.stat().st_mtime_ns
    assert render_split("dev", 6, tmp_path) == listing
    assert (tmp_path / "dev" / lost).read_bytes() == files[lost] and kept.stat().st_mtime_ns == written
    assert not list(tmp_path.rglob("*.partial"))
    info = soundfile.info(kept)
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (16_000, 1, 80_000, "PCM_16")
    with pytest.raises(ValueError, match="num_clips is 0"):
        render_split("dev", 0, tmp_path)
