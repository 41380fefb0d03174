"""The voices of the sound world: one function per event class, from a generator and a length to a waveform.

Pitch, rate, timbre and envelope are drawn anew for every call; levels are set by the mixer.
"""

from collections.abc import Callable

import numpy as np

from recipes.miniature.signals import (
    Rng,
    add,
    arch,
    band_noise,
    between,
    curve,
    decay,
    repeat,
    rolloff,
    samples,
    tone,
    wander,
)
from recipes.miniature.world import SAMPLING_RATE

_PENTATONIC = (0, 2, 4, 7, 9, 12, 14, 16)


def _dog(rng: Rng, length: int) -> np.ndarray:
    pitch, bark = between(rng, 220, 650), rng.uniform(0.1, 0.24)
    partials = rolloff(12, rng.uniform(0.6, 1.2), rng)

    def make(_: int) -> np.ndarray:
        n = samples(bark * rng.uniform(0.8, 1.2))
        voice = tone(pitch * curve((0.8, 1.25, 1.1, 0.7), n), n, partials) * arch(n, 0.015, 0.08)
        return voice + 0.5 * band_noise(rng, n, 500, 2500) * arch(n, 0.01, 0.1)

    return repeat(rng, length, rng.uniform(0.35, 0.8), 0.35, make)


def _rooster(rng: Rng, length: int) -> np.ndarray:
    pitch, partials = between(rng, 520, 900), rolloff(8, rng.uniform(0.3, 0.8), rng)
    speed = rng.uniform(0.8, 1.2)
    out, at = np.zeros(length), 0.0
    while at < length / SAMPLING_RATE - 0.4:
        for seconds, level in ((0.18, 0.9), (0.16, 1.15), (0.3, 1.3), (rng.uniform(0.5, 0.9), 1.5)):
            n = samples(seconds * speed)
            course = curve((0.85, 1.05, 1.0, 0.75 if seconds > 0.4 else 0.95), n)
            add(out, tone(pitch * level * course, n, partials) * arch(n, 0.03, 0.06), at)
            at += seconds * speed + 0.04
        at += rng.uniform(0.5, 1.5)
    return out


def _cat(rng: Rng, length: int) -> np.ndarray:
    pitch = between(rng, 380, 750)

    def make(_: int) -> np.ndarray:
        n = samples(rng.uniform(0.5, 1.0))
        course = pitch * curve((0.75, 1.1, 1.2, 1.0, 0.7), n)
        nasal, open_ = tone(course, n, (0.3, 1, 0.2, 0.1)), tone(course, n, (1, 0.5, 0.7, 0.6, 0.3, 0.2))
        mix = curve((0, 1, 0.6, 0), n)
        return ((1 - mix) * nasal + mix * open_) * arch(n, 0.1, 0.25)

    return repeat(rng, length, rng.uniform(0.9, 1.8), 0.3, make)


def _cow(rng: Rng, length: int) -> np.ndarray:
    pitch, partials = between(rng, 85, 170), rolloff(18, rng.uniform(0.5, 0.9), rng)

    def make(_: int) -> np.ndarray:
        n = samples(rng.uniform(1.0, 1.8))
        course = pitch * curve((0.8, 1.0, 1.15, 1.1, 0.85), n) * wander(rng, n, 20, 0.02)
        return tone(course, n, partials) * curve((0, 0.6, 1, 0.9, 0), n)

    return repeat(rng, length, rng.uniform(1.6, 2.6), 0.2, make)


def _bird(rng: Rng, length: int) -> np.ndarray:
    pitch, span = between(rng, 2400, 5200), rng.uniform(0.75, 1.4)
    seconds, shape = rng.uniform(0.04, 0.14), rng.permutation((1.0, span, 0.5 + span / 2))

    def make(_: int) -> np.ndarray:
        n = samples(seconds * rng.uniform(0.8, 1.3))
        return tone(pitch * rng.uniform(0.93, 1.07) * curve(shape, n), n, (1, 0.1)) * arch(n, 0.01, 0.02)

    return repeat(rng, length, rng.uniform(0.12, 0.4), 0.6, make)


def _frog(rng: Rng, length: int) -> np.ndarray:
    pitch, rate = between(rng, 450, 1300), between(rng, 28, 65)

    def make(_: int) -> np.ndarray:
        n = samples(rng.uniform(0.2, 0.45))
        pulses = np.maximum(0, tone(rate * curve((0.8, 1.2), n), n)) ** 2
        return tone(pitch * curve((0.9, 1.1), n), n, (1, 0.5, 0.25)) * pulses * arch(n, 0.02, 0.05)

    return repeat(rng, length, rng.uniform(0.5, 1.0), 0.3, make)


def _crickets(rng: Rng, length: int) -> np.ndarray:
    out = np.zeros(length)
    for _ in range(rng.integers(1, 4)):
        pitch, rate, group = between(rng, 3800, 6200), between(rng, 22, 45), between(rng, 1.5, 4)
        pulses = np.maximum(0, tone(rate, length, phase=rng.uniform(0, 6))) ** 2
        groups = (tone(group, length, phase=rng.uniform(0, 6)) > rng.uniform(-0.8, 0.2)).astype(float)
        out += rng.uniform(0.4, 1) * tone(pitch * wander(rng, length, 2, 0.005), length) * pulses * groups
    return out


def _crying_baby(rng: Rng, length: int) -> np.ndarray:
    pitch, partials = (
        between(rng, 330, 560),
        np.array((0.6, 1, 0.9, 0.5, 0.5, 0.4, 0.25, 0.15)) * rng.uniform(0.6, 1.4, 8),
    )

    def make(_: int) -> np.ndarray:
        n = samples(rng.uniform(0.5, 1.1))
        vibrato = 1 + 0.03 * tone(rng.uniform(5, 9), n)
        voice = tone(pitch * curve((0.8, 1.15, 1.2, 1.05, 0.8), n) * vibrato, n, partials)
        return (voice + 0.25 * band_noise(rng, n, 1500, 5000)) * arch(n, 0.08, 0.15)

    return repeat(rng, length, rng.uniform(0.9, 1.4), 0.2, make)


def _sneezing(rng: Rng, length: int) -> np.ndarray:
    low = between(rng, 700, 1600)

    def make(_: int) -> np.ndarray:
        intake, burst = samples(rng.uniform(0.25, 0.5)), samples(rng.uniform(0.3, 0.5))
        voice = tone(between(rng, 180, 380) * curve((1.3, 0.8), burst), burst, rolloff(10, 0.8)) * decay(burst, 0.07)
        blast = band_noise(rng, burst, low, 6500) * decay(burst, rng.uniform(0.06, 0.13))
        inhale = 0.12 * band_noise(rng, intake, 800, 3000) * curve((0, 0.3, 1), intake)
        return np.concatenate((inhale, blast + 0.4 * voice))

    return repeat(rng, length, rng.uniform(1.2, 2.4), 0.3, make)


def _clapping(rng: Rng, length: int) -> np.ndarray:
    out = np.zeros(length)
    rate = between(rng, 14, 60)
    claps = [band_noise(rng, 900, 700 * k, 2600 * k) * decay(900, 0.008) for k in rng.uniform(0.7, 1.4, 8)]
    for _ in range(round(rate * length / SAMPLING_RATE)):
        add(out, claps[rng.integers(8)], rng.uniform(0, length / SAMPLING_RATE), rng.uniform(0.3, 1))
    return out


def _footsteps(rng: Rng, length: int) -> np.ndarray:
    thud, scuff = between(rng, 70, 140), between(rng, 900, 2800)
    roughness = rng.uniform(0.15, 0.5)

    def make(index: int) -> np.ndarray:
        n = samples(0.22)
        heel = tone(thud * (1.1 if index % 2 else 1) * curve((1.3, 0.8), n), n) * decay(n, 0.035)
        sole = np.roll(band_noise(rng, n, scuff / 2, scuff * 2) * decay(n, 0.03), samples(0.05))
        return heel + roughness * sole

    return repeat(rng, length, rng.uniform(0.4, 0.7), 0.08, make)


def _melody(
    rng: Rng, length: int, root: float, seconds: float, make: Callable[[float, int], np.ndarray]
) -> np.ndarray:
    """Notes of a pentatonic scale over `root` Hz, each about `seconds` long; `make` is given frequency and length."""

    def note(_: int) -> np.ndarray:
        return make(root * 2 ** (_PENTATONIC[rng.integers(len(_PENTATONIC))] / 12), samples(seconds * 1.1))

    return repeat(rng, length, seconds, 0.25, note)


def _whistling(rng: Rng, length: int) -> np.ndarray:
    def make(frequency: float, n: int) -> np.ndarray:
        course = frequency * (1 + 0.012 * tone(rng.uniform(4, 7), n)) * curve((0.93, 1, 1, 1), n)
        return (tone(course, n) + 0.03 * band_noise(rng, n, 1000, 4000)) * arch(n, 0.05, 0.06)

    return _melody(rng, length, between(rng, 950, 1500), rng.uniform(0.25, 0.5), make)


def _rain(rng: Rng, length: int) -> np.ndarray:
    out = band_noise(rng, length, between(rng, 700, 2000), 7500, rng.uniform(-3, 1)) * wander(rng, length, 1, 0.15)
    drop = decay(240, 0.002) * tone(between(rng, 1500, 4000), 240)
    for at in rng.uniform(0, length / SAMPLING_RATE, rng.integers(60, 300)):
        add(out, drop, at, rng.uniform(0.5, 3))
    return out


def _sea_waves(rng: Rng, length: int) -> np.ndarray:
    swell = 0.5 + 0.5 * tone(rng.uniform(0.18, 0.45), length, phase=rng.uniform(0, 6))
    deep = band_noise(rng, length, 60, between(rng, 400, 900), -3)
    foam = band_noise(rng, length, 500, between(rng, 2000, 4500), -4)
    return (0.25 + 0.75 * swell) * deep + swell**2 * foam


def _crackling_fire(rng: Rng, length: int) -> np.ndarray:
    out = 0.25 * band_noise(rng, length, 40, between(rng, 200, 500), -4) * wander(rng, length, 3, 0.5)
    pops = [band_noise(rng, 320, 900 * k, 5000) * decay(320, 0.0025 * k) for k in rng.uniform(0.5, 2.0, 8)]
    for at in rng.uniform(0, length / SAMPLING_RATE, round(between(rng, 8, 35) * length / SAMPLING_RATE)):
        add(out, pops[rng.integers(8)], at, rng.exponential(0.8))
    return out


def _wind(rng: Rng, length: int) -> np.ndarray:
    gust = wander(rng, length, rng.uniform(0.5, 1.5), 0.8) ** 2
    out = gust * band_noise(rng, length, 80, between(rng, 300, 700), -3)
    howl = between(rng, 300, 800)
    return out + gust**2 * 0.35 * band_noise(rng, length, howl * 0.93, howl * 1.07)


def _thunder(rng: Rng, length: int) -> np.ndarray:
    rumble = band_noise(rng, length, 25, between(rng, 90, 220), -3)
    rolls = wander(rng, length, rng.uniform(4, 8), 0.9) * decay(length, rng.uniform(0.7, 1.8))
    n = min(length, samples(0.4))
    out = rumble * rolls
    out[:n] += rng.uniform(0.1, 0.7) * band_noise(rng, n, 100, 3000, -4) * decay(n, 0.08)
    return out


def _helicopter(rng: Rng, length: int) -> np.ndarray:
    rate = between(rng, 9, 19) * wander(rng, length, 0.5, 0.04)
    blades = np.maximum(0, tone(rate, length)) ** rng.uniform(2, 5)
    thump = band_noise(rng, length, 50, between(rng, 250, 700), -2)
    turbine = 0.1 * tone(between(rng, 900, 2400), length, (1, 0.4)) + 0.12 * band_noise(rng, length, 500, 4000, -3)
    return (blades * thump + turbine) * curve(rng.uniform(0.5, 1, 3), length)


def _siren(rng: Rng, length: int) -> np.ndarray:
    low, high = between(rng, 480, 750), between(rng, 1000, 1600)
    sweep = tone(between(rng, 0.25, 3), length, phase=rng.uniform(0, 6))
    sweep = np.sign(sweep) if rng.random() < 0.3 else sweep
    return tone(low + (high - low) * (0.5 + 0.5 * sweep), length, rolloff(5, rng.uniform(0.8, 1.6), rng))


def _car_horn(rng: Rng, length: int) -> np.ndarray:
    pitch, ratio = between(rng, 300, 480), rng.uniform(1.18, 1.3)
    partials = np.array((0.8, 1, 0.9, 0.8, 0.6, 0.5, 0.4, 0.3)) * rng.uniform(0.6, 1.4, 8)

    def make(_: int) -> np.ndarray:
        n = samples(between(rng, 0.15, 0.9))
        return (tone(pitch, n, partials) + tone(pitch * ratio, n, partials)) * arch(n, 0.01, 0.03)

    return repeat(rng, length, rng.uniform(0.7, 1.3), 0.4, make)


def _train(rng: Rng, length: int) -> np.ndarray:
    out = 0.5 * band_noise(rng, length, 50, between(rng, 250, 600), -3)
    gap, ring = rng.uniform(0.1, 0.2), between(rng, 500, 1400)

    def make(_: int) -> np.ndarray:
        clack = np.zeros(samples(2 * gap + 0.15))
        for at in (0, gap):
            n = samples(0.12)
            hit = band_noise(rng, n, 200, 2500, -2) * decay(n, 0.025) + 0.4 * tone(ring, n, (1, 0, 0.5)) * decay(
                n, 0.04
            )
            add(clack, hit, at)
        return 1.5 * clack

    return out + repeat(rng, length, rng.uniform(0.45, 0.9), 0.03, make)


def _clock_tick(rng: Rng, length: int) -> np.ndarray:
    pitch, body = between(rng, 1800, 4500), between(rng, 400, 1000)

    def make(index: int) -> np.ndarray:
        n = samples(0.06)
        click = band_noise(rng, n, pitch * 0.7, pitch * 1.6) * decay(n, 0.004)
        return click + 0.4 * tone((1 if index % 2 else 1.2) * body, n) * decay(n, 0.01)

    return repeat(rng, length, rng.choice((0.25, 0.5, 0.5, 1.0)) * rng.uniform(0.9, 1.1), 0.01, make)


def _door_knock(rng: Rng, length: int) -> np.ndarray:
    pitch, every, knocks = between(rng, 130, 380), rng.uniform(0.14, 0.26), int(rng.integers(2, 6))

    def make(_: int) -> np.ndarray:
        def knock(_: int) -> np.ndarray:
            n = samples(0.14)
            wood = tone(pitch * rng.uniform(0.97, 1.03), n, (1, 0, 0.4, 0.2)) * decay(n, 0.03)
            return wood + 0.3 * band_noise(rng, n, 300, 2500) * decay(n, 0.006)

        return repeat(rng, samples(every * (knocks + 1)), every, 0.06, knock, knocks)

    return repeat(rng, length, every * knocks + rng.uniform(0.5, 1.2), 0.2, make)


def _telephone(rng: Rng, length: int) -> np.ndarray:
    low, ratio, rate = between(rng, 900, 1700), rng.uniform(1.15, 1.4), between(rng, 14, 28)

    def make(_: int) -> np.ndarray:
        n = samples(rng.uniform(0.7, 1.1))
        bell = np.where(tone(rate, n) > 0, tone(low, n, (1, 0.3, 0.2)), tone(low * ratio, n, (1, 0.3, 0.2)))
        return bell * arch(n, 0.01, 0.05)

    return repeat(rng, length, rng.uniform(1.2, 1.9), 0.05, make)


def _vacuum_cleaner(rng: Rng, length: int) -> np.ndarray:
    motor = between(rng, 170, 340) * wander(rng, length, 1, 0.03)
    air = band_noise(rng, length, between(rng, 400, 900), between(rng, 3500, 7000), -2)
    return (tone(motor, length, rolloff(9, 0.6, rng)) + rng.uniform(0.6, 1.2) * air) * arch(length, 0.3, 0.3)


def _glass(rng: Rng, length: int) -> np.ndarray:
    def shard(ring: float) -> np.ndarray:
        n = samples(0.35)
        out = np.zeros(n)
        for frequency in rng.uniform(2200, 7600, 4):
            out += tone(frequency, n) * decay(n, between(rng, 0.02, ring))
        return out

    def make(_: int) -> np.ndarray:
        out = np.zeros(samples(rng.uniform(0.8, 1.3)))
        n = samples(0.08)
        add(out, 6 * band_noise(rng, n, 1500, 7500) * decay(n, 0.015), 0)
        for at in rng.exponential(0.2, rng.integers(6, 14)):
            add(out, shard(0.09), at, np.exp(-2.5 * at) * rng.uniform(0.3, 1))
        return out

    return repeat(rng, length, rng.uniform(1.4, 3.0), 0.3, make)


def _chainsaw(rng: Rng, length: int) -> np.ndarray:
    revs = curve(rng.uniform(0.75, 1.6, rng.integers(3, 7)), length)
    pitch = between(rng, 65, 125) * revs * wander(rng, length, 25, 0.03)
    rasp = band_noise(rng, length, 800, 6000, -2) * (0.4 + 0.6 * np.maximum(0, tone(pitch, length)))
    return (tone(pitch, length, rolloff(24, rng.uniform(0.25, 0.6), rng)) + rng.uniform(0.5, 1.2) * rasp) * revs


def _hammer(rng: Rng, length: int) -> np.ndarray:
    partials = between(rng, 700, 1800) * np.array((1, 1.58, 2.24, 2.92)) * rng.uniform(0.95, 1.05, 4)
    ring = rng.uniform(0.03, 0.1)

    def make(_: int) -> np.ndarray:
        n = samples(0.3)
        metal = sum(tone(partial, n) * decay(n, ring / (1 + k / 2)) for k, partial in enumerate(partials))
        return metal + 2 * band_noise(rng, n, 200, 4000) * decay(n, 0.006)

    return repeat(rng, length, rng.uniform(0.3, 0.75), 0.12, make)


def _drill(rng: Rng, length: int) -> np.ndarray:
    pitch = between(rng, 380, 850)

    def make(_: int) -> np.ndarray:
        n = samples(rng.uniform(0.9, 2.2))
        course = pitch * curve((0.4, 1, 1, rng.uniform(0.8, 1), 0.95, 0.5), n) * wander(rng, n, 12, 0.01)
        whine = tone(course, n, rolloff(9, rng.uniform(0.3, 0.8), rng))
        return (whine + 0.5 * band_noise(rng, n, 1500, 7000)) * arch(n, 0.1, 0.15)

    return repeat(rng, length, rng.uniform(1.6, 2.6), 0.2, make)


def _piano(rng: Rng, length: int) -> np.ndarray:
    partials = rolloff(7, rng.uniform(1.0, 1.7), rng)

    def make(frequency: float, _: int) -> np.ndarray:
        n = samples(0.9)
        chord = tone(frequency, n, partials)
        if rng.random() < 0.35:
            chord = chord + tone(frequency * 1.5, n, partials)
        return chord * decay(n, rng.uniform(0.25, 0.4))

    return _melody(rng, length, between(rng, 180, 420), rng.uniform(0.16, 0.4), make)


def _drum(rng: Rng, length: int) -> np.ndarray:
    kick, snare = between(rng, 50, 95), between(rng, 700, 1800)
    pattern = rng.integers(0, 3, 8)

    def make(index: int) -> np.ndarray:
        n = samples(0.2)
        if pattern[index % 8] == 1:
            return 0.7 * band_noise(rng, n, snare / 2, snare * 4) * decay(n, 0.05) + tone(190, n) * decay(n, 0.04)
        strike = tone(kick * curve((2.5, 1.1, 1, 1), n), n) * decay(n, 0.08)
        return strike * (1.6 if pattern[index % 8] == 0 or index % 8 == 0 else 0.5)

    return repeat(rng, length, rng.uniform(0.14, 0.3), 0.02, make)


def _flute(rng: Rng, length: int) -> np.ndarray:
    def make(frequency: float, n: int) -> np.ndarray:
        course = frequency * (1 + 0.006 * tone(rng.uniform(4.5, 6), n))
        breath = 0.12 * band_noise(rng, n, frequency, 5000)
        return (tone(course, n, (1, 0.55, 0.3, 0.12)) + breath) * arch(n, 0.06, 0.08)

    return _melody(rng, length, between(rng, 480, 760), rng.uniform(0.3, 0.6), make)


VOICES: dict[str, Callable[[Rng, int], np.ndarray]] = {
    "dog": _dog,
    "rooster": _rooster,
    "cat": _cat,
    "cow": _cow,
    "bird": _bird,
    "frog": _frog,
    "crickets": _crickets,
    "crying baby": _crying_baby,
    "sneezing": _sneezing,
    "clapping": _clapping,
    "footsteps": _footsteps,
    "whistling": _whistling,
    "rain": _rain,
    "sea waves": _sea_waves,
    "crackling fire": _crackling_fire,
    "wind": _wind,
    "thunder": _thunder,
    "helicopter": _helicopter,
    "siren": _siren,
    "car horn": _car_horn,
    "train": _train,
    "clock tick": _clock_tick,
    "door knock": _door_knock,
    "telephone": _telephone,
    "vacuum cleaner": _vacuum_cleaner,
    "glass": _glass,
    "chainsaw": _chainsaw,
    "hammer": _hammer,
    "drill": _drill,
    "piano": _piano,
    "drum": _drum,
    "flute": _flute,
}
