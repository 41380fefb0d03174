"""Building blocks of synthetic sounds: tones, filtered noise, envelopes. All are float arrays at 16 kHz."""

from collections.abc import Callable, Sequence

import numpy as np

from recipes.miniature.world import SAMPLING_RATE

Rng = np.random.Generator
_FFT_STEP = 800  # lengths that are multiples of it are transformed fast


def samples(seconds: float) -> int:
    """The number of samples in a duration, at least one."""
    return max(1, round(seconds * SAMPLING_RATE))


def between(rng: Rng, low: float, high: float) -> float:
    """A frequency, rate or other positive quantity, uniform in its logarithm."""
    return float(low * (high / low) ** rng.random())


def band_noise(rng: Rng, length: int, low: float, high: float, tilt: float = 0.0) -> np.ndarray:
    """Noise of unit power between two frequencies (Hz) with soft edges; `tilt` is its slope in dB an octave."""
    padded = -(-length // _FFT_STEP) * _FFT_STEP
    frequencies = np.fft.rfftfreq(padded, 1 / SAMPLING_RATE)
    frequencies[0] = frequencies[1]
    gain = 1 / np.sqrt((1 + _power8(low / frequencies)) * (1 + _power8(frequencies / high)))
    if tilt:
        gain *= (frequencies / np.sqrt(low * high)) ** (tilt / 6.02)
    spectrum = gain * rng.standard_normal(2 * len(gain)).view(complex)
    noise = np.fft.irfft(spectrum, padded)[:length]
    return noise / (noise.std() + 1e-9)


def _power8(ratio: np.ndarray) -> np.ndarray:
    square = ratio * ratio
    return (square * square) ** 2


def curve(points: Sequence[float], length: int) -> np.ndarray:
    """A curve through equally spaced points."""
    return np.interp(np.linspace(0, len(points) - 1, length), np.arange(len(points)), points)


def wander(rng: Rng, length: int, rate: float, depth: float) -> np.ndarray:
    """A slow random course around 1 with about `rate` turns a second and deviations up to `depth`."""
    count = max(2, round(rate * length / SAMPLING_RATE) + 2)
    return curve(1 + depth * rng.uniform(-1, 1, count), length)


def tone(
    frequency: np.ndarray | float, length: int, partials: Sequence[float] = (1.0,), phase: float = 0.0
) -> np.ndarray:
    """A harmonic tone; `frequency` in Hz may vary over time, `partials` are the amplitudes of its harmonics."""
    steps = np.broadcast_to(np.asarray(frequency, dtype=float), (length,))
    angle = phase + 2 * np.pi * np.cumsum(steps) / SAMPLING_RATE
    top = SAMPLING_RATE / 2 / float(steps.max())
    if len(partials) == 1:
        return partials[0] * np.sin(angle)
    out, first = np.zeros(length), np.exp(1j * angle)
    harmonic = np.ones(length, dtype=complex)
    for number, amplitude in enumerate(partials, start=1):
        if number >= top:
            break
        harmonic *= first  # far cheaper than another sine
        out += amplitude * harmonic.imag
    return out


def rolloff(count: int, power: float, rng: Rng | None = None) -> np.ndarray:
    """Amplitudes of `count` harmonics that fall as 1 / n^power, jittered where `rng` is given."""
    amplitudes = np.arange(1, count + 1, dtype=float) ** -power
    return amplitudes if rng is None else amplitudes * rng.uniform(0.5, 1.5, count)


def arch(length: int, attack: float = 0.02, release: float = 0.05) -> np.ndarray:
    """An envelope that rises over `attack` seconds, stays, and falls over `release` seconds."""
    time = np.arange(length) / SAMPLING_RATE
    return np.clip(time / attack, 0, 1) * np.clip((length / SAMPLING_RATE - time) / release, 0, 1)


def decay(length: int, seconds: float) -> np.ndarray:
    """An exponential decay with a time constant, after an onset of 1 ms."""
    time = np.arange(length) / SAMPLING_RATE
    return np.exp(-time / seconds) * np.clip(time / 0.001, 0, 1)


def add(out: np.ndarray, sound: np.ndarray, at: float, gain: float = 1.0) -> None:
    """Add a sound to `out` from `at` seconds on; what passes the end is cut."""
    start = samples(at) if at > 0 else 0
    stop = min(len(out), start + len(sound))
    if start < stop:
        out[start:stop] += gain * sound[: stop - start]


def repeat(
    rng: Rng, length: int, every: float, jitter: float, make: Callable[[int], np.ndarray], count: int | None = None
) -> np.ndarray:
    """Place `make(i)` about every `every` seconds, at most `count` times, with jittered times and levels."""
    out, at, index = np.zeros(length), 0.0, 0
    while at * SAMPLING_RATE < length - 400 and (count is None or index < count):
        add(out, make(index), at, rng.uniform(0.7, 1.0))
        at += every * (1 + jitter * rng.uniform(-1, 1))
        index += 1
    return out
