# Copyright 2026 The LISTEN team. All rights reserved.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Audio in: files, URLs, bytes and arrays to mono waveforms, waveforms to log-mel windows."""

import io
import os
import re
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import torch

# PCM integers and the value that stands for full scale.
_FULL_SCALE = {np.dtype("int16"): 2.0**15, np.dtype("int32"): 2.0**31}
# Louder than any waveform in [-1, 1]: integer samples stored as floats.
_MAX_PEAK = 100.0
_MAX_CHANNELS = 32
# Lengths from here on are declared by WAVs that are streamed, whose length is not known: SoX takes the smallest.
_UNKNOWN_LENGTH = 0x7FFF0000
# Hz; beyond these a header or an argument is wrong, and resampling would take for ever.
_SAMPLING_RATES = range(1000, 1_000_001)
# Seconds without a byte after which a server is given up.
_PATIENCE = 60
# Characters of a URL in messages: `data:` ones hold the whole file.
_SHOWN = 200


def is_waveform(audio: Any) -> bool:
    """Whether `audio` is one clip as an array, a tensor or a plain list of numbers."""
    if isinstance(audio, np.ndarray | torch.Tensor):
        return True
    return isinstance(audio, Sequence) and len(audio) > 0 and isinstance(audio[0], int | float | np.number)


def read_audio(source: Any, sampling_rate: int) -> np.ndarray:
    """One clip as a mono waveform.

    Args:
        source: a path, an `http(s)` or `data:` URL, encoded bytes, a waveform at `sampling_rate` (mono, or with
            channels on the shorter of two axes), or a mapping with `path`, `bytes` or both (as
            `datasets.Audio(decode=False)` gives), or with `array` and `sampling_rate`, which is resampled.
        sampling_rate: wanted rate in Hz.

    Returns:
        float32 `(samples,)`.

    Raises:
        ValueError: missing, empty, truncated or undecodable audio (the message names the file), values that are not a
            waveform.
        TypeError: something that is no audio at all.
    """
    if isinstance(source, Mapping):
        return _read_mapping(source, sampling_rate)
    if isinstance(source, bytes | bytearray):
        return _decode(io.BytesIO(source), f"{len(source)} bytes of audio", sampling_rate)
    if isinstance(source, os.PathLike):
        source = os.fspath(source)
    if isinstance(source, str):
        if re.match(r"(https?://|data:)", source):
            return _decode(io.BytesIO(_fetch(source)), f"audio from {source[:_SHOWN]}", sampling_rate)
        if not source or "\0" in source or not os.path.isfile(source):
            raise ValueError(f"audio file {source!r} does not exist")
        return _decode(source, f"audio file {source!r}", sampling_rate)
    if is_waveform(source) or isinstance(source, list | tuple):
        return as_waveform(source)
    raise TypeError(f"audio must be a path, URL, bytes, array or mapping, not {type(source).__name__}")


def as_waveform(audio: Any, name: str = "the waveform") -> np.ndarray:
    """Check an array and make it a mono float32 waveform `(samples,)`.

    Raises:
        ValueError: empty, more than two axes, not finite, not PCM or floats in [-1, 1].
    """
    if isinstance(audio, torch.Tensor):
        audio = audio.detach().cpu()
        audio = (audio.float() if audio.dtype == torch.bfloat16 else audio).numpy()
    try:
        audio = np.asarray(audio)
    except ValueError as error:
        raise ValueError(f"{name} is a ragged list; give each clip as one flat array") from error
    if audio.size == 0:
        raise ValueError(f"{name} is empty: it has shape {audio.shape}")
    if audio.dtype in _FULL_SCALE:
        audio = audio / _FULL_SCALE[audio.dtype]
    elif audio.dtype == np.uint8:
        audio = (audio.astype(np.float32) - 128.0) / 128.0
    elif audio.dtype.kind != "f":
        raise ValueError(
            f"{name} holds {audio.dtype} values; wanted are floats in [-1, 1], or int16, int32 or uint8 PCM samples"
        )
    if audio.ndim == 2:
        channels = int(np.argmin(audio.shape))
        if audio.shape[channels] > _MAX_CHANNELS:
            raise ValueError(f"{name} has shape {audio.shape}; give one clip, mono or (channels, samples)")
        with np.errstate(over="ignore", invalid="ignore"):
            audio = audio.mean(axis=channels)
    if audio.ndim != 1:
        raise ValueError(f"{name} has shape {audio.shape}; wanted is (samples,) or (channels, samples)")
    with np.errstate(over="ignore"):
        audio = audio.astype(np.float32)
    peak = np.abs(audio).max()
    if not np.isfinite(peak):
        raise ValueError(f"{name} holds NaN or infinite values")
    if peak > _MAX_PEAK:
        raise ValueError(f"{name} peaks at {peak:.6g}; floats must be in [-1, 1] (int16 samples: divide by 32768)")
    return audio


def _read_mapping(source: Mapping, sampling_rate: int) -> np.ndarray:
    if source.get("array") is not None:
        waveform = as_waveform(source["array"])
        rate = source.get("sampling_rate")
        if not isinstance(rate, int | np.integer) and not (isinstance(rate, float) and rate.is_integer()):
            raise ValueError(f"audio given as an array needs its 'sampling_rate' in Hz beside it, not {rate!r}")
        return _resampled(waveform, int(rate), sampling_rate, "the waveform")
    if source.get("bytes") is not None:
        name = f"audio file {source['path']!r}" if source.get("path") else f"{len(source['bytes'])} bytes of audio"
        return _decode(io.BytesIO(source["bytes"]), name, sampling_rate)
    for key in ("path", "url"):
        if source.get(key) is not None:
            return read_audio(source[key], sampling_rate)
    raise ValueError(f"a mapping of audio needs 'path', 'bytes', 'url' or 'array'; this one has {sorted(source)}")


def _fetch(url: str) -> bytes:
    try:
        with urlopen(Request(url, headers={"User-Agent": "LISTEN"}), timeout=_PATIENCE) as response:
            return response.read()
    except (OSError, ValueError, HTTPException) as error:
        raise ValueError(f"cannot read audio from {url[:_SHOWN]}: {error}") from error


def _decode(file: str | io.BytesIO, name: str, sampling_rate: int) -> np.ndarray:
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            expected, rate, header, container = sound.frames, sound.samplerate, sound.extra_info, sound.format
            samples = sound.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, TypeError) as error:
        raise ValueError(f"{name} cannot be decoded (wav, flac, ogg and mp3 can): {error}") from error
    # libsndfile mends the length of a WAV cut short, but notes it.
    declared = re.search(r"^\s*data\s*:\s*(\d+) \(should be", header, re.MULTILINE)
    cut_short = len(samples) < expected or (declared and int(declared[1]) < _UNKNOWN_LENGTH)
    if cut_short or (container == "OGG" and not _has_last_page(file)):
        raise ValueError(f"{name} is truncated: it ends before the end that its headers declare")
    if len(samples) == 0:
        if mended := _with_unknown_length(file):
            return _decode(mended, name, sampling_rate)
        raise ValueError(f"{name} holds no samples")
    return _resampled(as_waveform(samples, name), rate, sampling_rate, name)


def _with_unknown_length(file: str | io.BytesIO) -> io.BytesIO | None:
    """A WAV that was streamed with lengths of 0 before samples, declared as others are; None for all else."""
    if isinstance(file, str):
        with open(file, "rb") as stream:
            return _with_unknown_length(io.BytesIO(stream.read()))
    data = file.getvalue()
    length = data.find(b"data\0\0\0\0") + 4
    if not data.startswith(b"RIFF\0\0\0\0") or length < 4 or len(data) <= length + 4:
        return None
    return io.BytesIO(data[:length] + b"\xff" * 4 + data[length + 4 :])


def _has_last_page(file: str | io.BytesIO) -> bool:
    """Whether an Ogg stream ends with a whole page that is marked as its last (RFC 3533, section 6)."""
    if isinstance(file, str):
        with open(file, "rb") as stream:
            return _has_last_page(io.BytesIO(stream.read()))
    data = file.getvalue()
    start = data.rfind(b"OggS")
    page = data[start:]
    if len(page) < 27 or not page[5] & 0x04:
        return False
    num_segments = page[26]
    return len(page) >= 27 + num_segments + sum(page[27 : 27 + num_segments])


def _resampled(waveform: np.ndarray, rate: int, wanted: int, name: str) -> np.ndarray:
    if rate == wanted:
        return waveform
    if rate not in _SAMPLING_RATES:
        raise ValueError(f"{name} has a sampling_rate of {rate} Hz; wanted is 1000 to 1000000 Hz")
    import soxr

    return soxr.resample(waveform, rate, wanted).astype(np.float32)


class LogMel(torch.nn.Module):
    """Whisper's log-mel spectrogram on any device; what `WhisperFeatureExtractor` computes, to 1e-4.

    The transform runs over the longest clip of a batch, not over the whole padded window: what lies beyond is silence,
    whose value is known.
    """

    def __init__(self, feature_extractor: Any):
        super().__init__()
        self.n_fft = feature_extractor.n_fft
        self.hop_length = feature_extractor.hop_length
        self.window_samples = feature_extractor.n_samples
        filters = torch.from_numpy(np.asarray(feature_extractor.mel_filters, dtype=np.float32))
        self.register_buffer("mel_filters", filters.T.contiguous(), persistent=False)  # (mel_bins, frequencies)
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)

    @torch.no_grad()
    def forward(self, waveforms: Sequence[np.ndarray]) -> torch.Tensor:
        """Spectrograms of clips no longer than a window.

        Args:
            waveforms: float32 `(samples,)` each.

        Returns:
            float32 `(clips, mel_bins, frames)` on the module's device.
        """
        frames = self.window_samples // self.hop_length
        # A frame that no sample reaches is silent: half a transform beyond the longest clip.
        longest = max(map(len, waveforms)) + self.n_fft
        padded_length = min(self.window_samples, -(-longest // self.hop_length) * self.hop_length)
        batch = torch.zeros(len(waveforms), padded_length)
        for row, waveform in zip(batch, waveforms, strict=True):
            row[: len(waveform)] = torch.from_numpy(waveform)
        spectrum = torch.stft(
            batch.to(self.window.device), self.n_fft, self.hop_length, window=self.window, return_complex=True
        )
        power = spectrum[..., :-1].abs().square()
        log_mel = (self.mel_filters @ power).clamp(min=1e-10).log10()
        log_mel = torch.nn.functional.pad(log_mel, (0, frames - log_mel.shape[-1]), value=-10.0)
        log_mel = torch.maximum(log_mel, log_mel.amax(dim=(1, 2), keepdim=True) - 8.0)
        return (log_mel + 4.0) / 4.0
