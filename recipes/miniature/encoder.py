"""The miniature audio backbone: a Whisper for 5 s windows whose encoder is trained to tag sound-world clips over time.

The decoder that a Whisper checkpoint must have is as small as can be, untrained, and used by nobody.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from recipes.miniature.clips import WORLD_VERSION, draw_clip, render_clip
from recipes.miniature.loop import train
from recipes.miniature.storage import save_half
from recipes.miniature.world import CLIP_SECONDS, NAMES, SAMPLING_RATE

MELS, HOP, WIDTH = 64, 320, 128
FRAMES = int(CLIP_SECONDS * SAMPLING_RATE) // HOP
POSITIONS = FRAMES // 2


def build_feature_extractor():
    """The front end: 64 mel bins every 20 ms, 5 s windows."""
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor(
        feature_size=MELS, sampling_rate=SAMPLING_RATE, hop_length=HOP, chunk_length=int(CLIP_SECONDS), n_fft=400
    )


def build_whisper(seed: int):
    """A Whisper whose encoder has 0.57 M parameters, at random."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    torch.manual_seed(seed)
    config = WhisperConfig(
        vocab_size=8,
        num_mel_bins=MELS,
        d_model=WIDTH,
        encoder_layers=3,
        encoder_attention_heads=4,
        encoder_ffn_dim=384,
        max_source_positions=POSITIONS,
        decoder_layers=1,
        decoder_attention_heads=4,
        decoder_ffn_dim=8,
        max_target_positions=8,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        decoder_start_token_id=1,
        begin_suppress_tokens=None,
        suppress_tokens=None,
        dropout=0.0,
    )
    return WhisperForConditionalGeneration(config)


class Tagger(torch.nn.Module):
    """An encoder with a head that tells, for every 40 ms, which classes sound.

    Args:
        encoder: a `WhisperEncoder`.
        num_classes: outputs of the head.
    """

    def __init__(self, encoder: torch.nn.Module, num_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = torch.nn.Linear(encoder.config.d_model, num_classes)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits over time (batch, positions, classes) and of the whole clip (batch, classes)."""
        frames = self.head(self.encoder(features).last_hidden_state)
        # A soft maximum: the loudest few positions decide.
        clip = torch.logsumexp(frames, dim=1) - torch.logsumexp(torch.zeros_like(frames[0, :, 0]), dim=0) / 2
        return frames, clip


def build_encoder(
    seed: int, num_clips: int, num_steps: int, output: Path, work: Path, num_held_out: int = 600
) -> dict[str, float]:
    """Train the encoder and write its Whisper folder.

    Args:
        seed: decides weights and augmentation.
        num_clips: clips of the split `encoder` to train on.
        num_steps: steps of batch 32.
        output: folder that is written, in float16.
        work: folder of features and the checkpoint that an interrupted training goes on from.
        num_held_out: further clips of the split, on which the tagger is scored.

    Returns:
        `mean_average_precision` of the tagger on held-out clips of the split `encoder`.
    """
    extractor, whisper = build_feature_extractor(), build_whisper(seed)
    features, labels = render_features(extractor, num_clips + num_held_out, work / "features.npy")
    tagger = Tagger(whisper.model.encoder, len(NAMES))
    held_out = slice(num_clips, num_clips + num_held_out)

    def loss_of_step(step: int) -> torch.Tensor:
        rng = np.random.default_rng((seed, step))
        batch, targets = draw_batch(features, labels, rng.integers(num_clips, size=(2, 32)), rng)
        return tagging_loss(tagger, batch, targets)

    def score() -> float:
        return mean_average_precision(tag(tagger, features[held_out]), labels[held_out].any(1))

    train(
        tagger,
        loss_of_step,
        num_steps,
        1.5e-3,
        work / f"{output.name}.pt",
        "training the encoder",
        lambda _: f"mean average precision {score():.3f}",
        data=(seed, WORLD_VERSION, num_clips),
    )
    save_half(whisper, output)
    extractor.save_pretrained(output)
    return {"mean_average_precision": score()}


def render_features(extractor, count: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Log-mel features and labels over time of the encoder's clips.

    The features are (count, mels, frames) in float16, the labels (count, positions, classes). Every second clip
    mixes classes regardless of scenes, so that the encoder cannot infer one from another. The features are kept in
    `path`, with the world's version added to its name.
    """
    from tqdm import tqdm

    path = path.with_stem(f"{path.stem}-v{WORLD_VERSION}")
    labels = np.stack([_labels(draw_clip("encoder", index, scattered=index % 2 == 0)) for index in range(count)])
    if path.is_file():
        features = np.load(path, mmap_mode="r")
        if len(features) >= count:
            return features[:count], labels
    path.parent.mkdir(parents=True, exist_ok=True)
    jobs = [range(start, min(start + 16, count)) for start in range(0, count, 16)]
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(_features_of, [extractor] * len(jobs), jobs)
        parts = list(tqdm(done, total=len(jobs), desc="rendering the encoder's clips", unit="16 clips"))
    partial = path.with_suffix(".partial.npy")
    np.save(partial, np.concatenate(parts))
    partial.replace(path)
    return np.load(path, mmap_mode="r"), labels


def _features_of(extractor, indices: range) -> np.ndarray:
    clips = [render_clip(draw_clip("encoder", index, scattered=index % 2 == 0)) for index in indices]
    return extractor(clips, sampling_rate=SAMPLING_RATE, return_tensors="np").input_features.astype(np.float16)


def _labels(clip) -> np.ndarray:
    labels = np.zeros((POSITIONS, len(NAMES)), dtype=bool)
    for name, (onset, offset) in zip(clip.events, clip.times, strict=True):
        start, stop = (round(time / CLIP_SECONDS * POSITIONS) for time in (onset, offset))
        labels[start : max(stop, start + 1), NAMES.index(name)] = True
    return labels


def draw_batch(
    features: np.ndarray, labels: np.ndarray, indices: np.ndarray, rng: np.random.Generator, mix_share: float = 0.5
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw augmented examples: mixed with another clip, rolled in time, tilted, masked.

    Args:
        features: log-mel features as `WhisperFeatureExtractor` scales them, (clips, mels, frames).
        labels: what sounds when, (clips, positions, classes).
        indices: (2, batch): the clips, and the clips mixed into some of them.
        rng: what the augmentation is drawn with.
        mix_share: the share of examples that are mixed.
    """
    batch, targets = features[indices[0]].astype(np.float32), labels[indices[0]].copy()
    for row, other in enumerate(indices[1]):
        if rng.random() < mix_share:
            # Features are (log10 power + 4) / 4, so that mixing adds powers.
            second = features[other].astype(np.float32) - rng.uniform(0, 0.25)
            batch[row] = np.logaddexp(batch[row] * _LOG, second * _LOG) / _LOG
            targets[row] |= labels[other]
        shift = int(rng.integers(POSITIONS))
        batch[row] = np.roll(batch[row], 2 * shift, axis=-1)
        targets[row] = np.roll(targets[row], shift, axis=0)
        batch[row] += rng.uniform(-0.2, 0.2) + np.linspace(-1, 1, MELS, dtype=np.float32)[:, None] * rng.uniform(
            -0.15, 0.15
        )
        low, start = rng.integers(MELS), rng.integers(FRAMES)
        batch[row, low : low + rng.integers(9)] = batch[row].mean()
        batch[row, :, start : start + rng.integers(26)] = batch[row].mean()
    return torch.from_numpy(batch), torch.from_numpy(targets)


_LOG = 4 * float(np.log(10))


def tagging_loss(tagger: Tagger, features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of the classes over time and in the whole clip."""
    frames, clip = tagger(features)
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    return 10 * (loss(frames, targets.float()) + loss(clip, targets.any(1).float()))


@torch.no_grad()
def tag(tagger: Tagger, features: np.ndarray) -> np.ndarray:
    """Clip logits (clips, classes)."""
    tagger.eval()
    batches = [torch.from_numpy(features[i : i + 50].astype(np.float32)) for i in range(0, len(features), 50)]
    return torch.cat([tagger(batch)[1] for batch in batches]).numpy()


def mean_average_precision(scores: np.ndarray, present: np.ndarray) -> float:
    """The mean over classes of the average precision of their ranking; classes that never occur are left out."""
    values = []
    for column in range(present.shape[1]):
        hits = present[np.argsort(-scores[:, column], kind="stable"), column]
        if hits.any():
            values.append((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())
    return float(np.mean(values))
