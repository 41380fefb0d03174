"""Clips of the sound world: drawn by split and index, rendered, and cached as 16-bit WAV files."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipes.miniature.captions import write_caption
from recipes.miniature.signals import arch, band_noise, between
from recipes.miniature.sounds import VOICES
from recipes.miniature.world import CLIP_SECONDS, NAMES, SAMPLING_RATE, SPLITS, draw_events

# Raise it whenever a clip would sound or read otherwise, so that no cache of an older world is taken for the new one.
WORLD_VERSION = 1
LENGTH = int(CLIP_SECONDS * SAMPLING_RATE)
_MIN_EVENT_SECONDS = 1.2
_THREADS = 2


@dataclass(frozen=True)
class Clip:
    """One clip: where it comes from, what happens in it and when (seconds), and how a person captions it."""

    split: str
    index: int
    scene: str
    events: tuple[str, ...]
    times: tuple[tuple[float, float], ...]
    caption: str

    @property
    def id(self) -> str:
        """A name that is unique in the sound world."""
        return f"{self.split}-{self.index:06d}"


def _generator(split: str, index: int, purpose: int) -> np.random.Generator:
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r} of the sound world; one of {', '.join(SPLITS)}")
    return np.random.default_rng((WORLD_VERSION, SPLITS.index(split), index, purpose))


def draw_clip(split: str, index: int, scattered: bool = False) -> Clip:
    """Draw what happens in a clip; the same split and index always give the same clip.

    Args:
        split: one of `world.SPLITS`; clips of different splits are disjoint.
        index: the clip's number in its split.
        scattered: draw the events regardless of scenes, for an encoder that is not to rely on them.
    """
    rng = _generator(split, index, 0)
    scene, events = draw_events(rng)
    if scattered:
        events = sorted(rng.choice(NAMES, len(events), replace=False).tolist(), key=NAMES.index)
    times = []
    for _ in events:
        seconds = rng.uniform(_MIN_EVENT_SECONDS, CLIP_SECONDS)
        onset = rng.uniform(0, CLIP_SECONDS - seconds)
        times.append((onset, onset + seconds))
    caption = write_caption(scene, events, _generator(split, index, 2))
    return Clip(split, index, scene, tuple(events), tuple(times), caption)


def render_clip(clip: Clip) -> np.ndarray:
    """Render a clip as float32 samples in [-1, 1], 5 s mono at 16 kHz."""
    rng = _generator(clip.split, clip.index, 1)
    mixture = np.zeros(LENGTH)
    for name, (onset, offset) in zip(clip.events, clip.times, strict=True):
        start, stop = int(onset * SAMPLING_RATE), int(offset * SAMPLING_RATE)
        sound = VOICES[name](rng, stop - start) * arch(stop - start, 0.005, 0.05)
        quarter = len(sound) // 4
        loud = np.sqrt(np.partition(sound**2, -quarter)[-quarter:].mean())  # of its loudest quarter
        mixture[start:stop] += sound / loud * 10 ** (-rng.uniform(0, 9) / 20)
    floor = between(rng, 0.002, 0.04) * band_noise(rng, LENGTH, 50, 7000, rng.uniform(-5, -1))
    mixture = (mixture + floor) / np.abs(mixture).max() * rng.uniform(0.25, 0.95)
    return np.clip(mixture, -1, 1).astype(np.float32)


def cache_folder() -> Path:
    """Where clips are rendered to unless another folder is named: in the cache of `datasets`."""
    import datasets

    return Path(datasets.config.HF_DATASETS_CACHE) / "listen" / "sound_world" / f"v{WORLD_VERSION}"


def render_split(split: str, num_clips: int, root: str | Path) -> Path:
    """Render the first clips of a split to `root/split/`; files that exist are kept, so an interrupted run resumes.

    Args:
        split: one of `world.SPLITS`.
        num_clips: how many.
        root: folder of the sound world.

    Returns:
        A JSON Lines file beside the clips, with `file`, `caption`, `tags`, `scene` and `times` of each.

    Raises:
        ValueError: `num_clips` is not positive.
    """
    from tqdm import tqdm

    if num_clips < 1:
        raise ValueError(f"num_clips is {num_clips}; at least 1 is needed")
    folder = Path(root).expanduser().absolute() / split
    listing = folder / f"clips-{num_clips}.jsonl"
    clips = [draw_clip(split, index) for index in range(num_clips)]
    existing = set(os.listdir(folder)) if folder.is_dir() else set()
    missing = [clip for clip in clips if f"{clip.id}.wav" not in existing]
    folder.mkdir(parents=True, exist_ok=True)
    # Threads do: nearly all of the work is in NumPy, which lets others run meanwhile.
    with ThreadPoolExecutor(_THREADS) as pool:
        done = pool.map(_write, missing, [folder] * len(missing))
        for _ in tqdm(done, total=len(missing), desc=f"rendering {split} clips", mininterval=2, disable=not missing):
            pass
    if listing.name not in existing:
        rows = [
            {
                "file": f"{clip.id}.wav",
                "caption": clip.caption,
                "tags": clip.events,
                "scene": clip.scene,
                "times": clip.times,
            }
            for clip in clips
        ]
        partial = listing.with_suffix(f".{os.getpid()}.partial")
        partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        partial.replace(listing)
    return listing


def _write(clip: Clip, folder: Path) -> None:
    import soundfile

    partial = folder / f"{clip.id}.{os.getpid()}.partial"
    soundfile.write(partial, render_clip(clip), SAMPLING_RATE, subtype="PCM_16", format="WAV")
    partial.replace(folder / f"{clip.id}.wav")
