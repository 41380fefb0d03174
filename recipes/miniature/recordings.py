"""Going on with the shipped encoder on recordings of one's own: it learns their tags beside the sound world's."""

from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch

from recipes.miniature import AUDIO_MODEL
from recipes.miniature.encoder import (
    POSITIONS,
    Tagger,
    draw_batch,
    mean_average_precision,
    render_features,
    tag,
    tagging_loss,
)
from recipes.miniature.loop import train
from recipes.miniature.storage import save_half
from recipes.miniature.world import CLIP_SECONDS, NAMES, SAMPLING_RATE

_WORTH_A_WINDOW = 1.0  # seconds of a recording's last window that are worth training on


def continue_encoder(
    recordings: str | Path,
    output: Path,
    work: Path,
    corpus: str | None = None,
    train_split: str = "train",
    test_split: str | None = None,
    seed: int = 0,
    num_steps: int = 350,
    num_world_clips: int = 1500,
) -> dict[str, float]:
    """Train the shipped encoder on recordings and on sound-world clips, and write a Whisper folder.

    Args:
        recordings: folder or table of recordings with tags.
        output: folder that is written.
        work: folder of features and checkpoints.
        corpus: a name of `recipes.corpora.CORPORA` that says how they are laid out; by default `esc50` where
            `meta/esc50.csv` is there, else `folder`.
        train_split: recordings to train on.
        test_split: recordings to score tagging on once training is over.
        seed: decides augmentation and the weights of the head that tags.
        num_steps: steps; each sees 16 recordings and 16 sound-world clips.
        num_world_clips: how many of the encoder's own clips it goes on with, so that it does not forget them.

    Returns:
        With `test_split`, the number of recordings `n`, `accuracy` (the tag ranked first is one of the recording's,
        among those of the training recordings) and `mean_average_precision`; else nothing.

    Raises:
        ValueError: a recording of the training split has no tags.
    """
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    if corpus is None:
        corpus = "esc50" if (Path(recordings) / "meta" / "esc50.csv").is_file() else "folder"
    extractor = WhisperFeatureExtractor.from_pretrained(AUDIO_MODEL)
    whisper = WhisperForConditionalGeneration.from_pretrained(AUDIO_MODEL)
    windows, tags, _ = _read(recordings, corpus, train_split, extractor)
    classes = [*NAMES, *sorted({name for each in tags for name in each} - set(NAMES))]
    own = sorted({classes.index(name) for each in tags for name in each})
    world, world_labels = render_features(extractor, num_world_clips, work / "world.npy")
    padding = np.zeros((*world_labels.shape[:2], len(classes) - len(NAMES)), dtype=bool)
    # Nobody said when a tag sounds, so it holds throughout, and only the loss of the whole clip looks at it.
    labels = np.repeat(_indicators(tags, classes)[:, None], POSITIONS, axis=1)
    features = np.concatenate([world, windows])
    labels = np.concatenate([np.concatenate([world_labels, padding], axis=2), labels])
    torch.manual_seed(seed)
    tagger = Tagger(whisper.model.encoder, len(classes))

    def loss_of_step(step: int) -> torch.Tensor:
        rng = np.random.default_rng((seed, step))
        real = num_world_clips + rng.integers(len(windows), size=16)
        batch, targets = draw_batch(features, labels, np.stack([real, rng.integers(len(features), size=16)]), rng)
        loss = 10 * torch.nn.functional.binary_cross_entropy_with_logits(tagger(batch)[1], targets.any(1).float())
        batch, targets = draw_batch(features, labels, rng.integers(num_world_clips, size=(2, 16)), rng)
        return loss + tagging_loss(tagger, batch, targets)

    heard = blake2b(features.tobytes() + labels.tobytes(), digest_size=16).hexdigest()
    title, checkpoint = "going on with the encoder", work / "recordings.pt"
    train(tagger, loss_of_step, num_steps, 8e-4, checkpoint, title, data=(seed, heard))
    save_half(whisper, output)
    extractor.save_pretrained(output)
    if test_split is None:
        return {}
    windows, tags, owners = _read(recordings, corpus, test_split, extractor)
    scores = np.stack([tag(tagger, windows[owners == owner])[:, own].max(0) for owner in np.unique(owners)])
    present = np.stack([_indicators(tags, classes)[owners == owner][0, own] for owner in np.unique(owners)])
    hits = present[np.arange(len(scores)), scores.argmax(1)]
    return {
        "n": len(scores),
        "accuracy": float(hits.mean()),
        "mean_average_precision": mean_average_precision(scores, present),
    }


def _indicators(tags: list[list[str]], classes: list[str]) -> np.ndarray:
    return np.array([[name in each for name in classes] for each in tags])


def _read(
    recordings: str | Path, corpus: str, split: str, extractor
) -> tuple[np.ndarray, list[list[str]], np.ndarray]:
    """Features of all windows of a split's recordings, and the tags and the recording's number of each window."""
    from tqdm import tqdm

    from modeling_listen.audio_listen import read_audio
    from recipes.corpora import load_corpus

    length, windows, tags, owners = int(CLIP_SECONDS * SAMPLING_RATE), [], [], []
    for number, row in enumerate(tqdm(load_corpus(corpus, recordings, split), desc=f"reading {split}", mininterval=2)):
        if not row["tags"]:
            raise ValueError(f"{row['audio']['path']} has no tags; the encoder learns tags, so give it some")
        wave = read_audio(row["audio"]["path"], SAMPLING_RATE)
        for start in range(0, len(wave), length):
            if start and len(wave) - start < _WORTH_A_WINDOW * SAMPLING_RATE:
                break
            windows.append(wave[start : start + length])
            tags.append(row["tags"])
            owners.append(number)
    if not windows:
        raise ValueError(f"no recording in split {split} of {recordings}; name another split")
    features = [extractor(window, sampling_rate=SAMPLING_RATE, return_tensors="np") for window in windows]
    return np.concatenate([each.input_features for each in features]).astype(np.float16), tags, np.array(owners)
