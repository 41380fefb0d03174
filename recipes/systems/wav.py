"""Waveforms as WAV files, for systems that take files."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.systems.base import SAMPLING_RATE

if TYPE_CHECKING:
    import numpy as np


def wav_base64(waveform: "np.ndarray") -> str:
    """A waveform at `SAMPLING_RATE` as a 16-bit WAV file in base 64."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, waveform, SAMPLING_RATE, format="WAV", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode("ascii")


def write_wav(path: Path, waveform: "np.ndarray") -> None:
    """Write a waveform at `SAMPLING_RATE` as a 16-bit WAV file."""
    import soundfile

    soundfile.write(path, waveform, SAMPLING_RATE, format="WAV", subtype="PCM_16")
