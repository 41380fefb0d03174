"""Random and hostile inputs to the processor end in a correct result or in an error that says what is wrong."""

import random
import signal
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from tests.modeling_listen.backbones import NUM_QUERY_TOKENS, SPARE_TOKENS

PIECES = [
    SPARE_TOKENS["llama"],
    SPARE_TOKENS["llama"][:-1],
    "<|reserved_special_token_1|>",
    "<|begin_of_text|>",
    "<|eot_id|>",
    "<|start_header_id|>user<|end_header_id|>",
    "<|pad|>",
    "[Begin of audio]",
    "[End of audio]",
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "\0",
    "\x1b[31m",
    "\u202e",
    "\ud7ff",
    "\U0001f415",
    "e\u0301" * 20,
    "\r\n\t",
    "Is there a dog?",
    "",
    " ",
    "a" * 3000,
]


def random_text(chance: random.Random):
    if chance.random() < 0.1:
        return chance.choice([None, 3, 2.5, b"text", ["nested"], {"text": 1}, object(), float("nan")])
    if chance.random() < 0.3:
        return "Is there a dog?"
    if chance.random() < 0.2:
        return "".join(chr(chance.randrange(1, 0xD7FF)) for _ in range(chance.randrange(30)))
    return "".join(chance.choice(PIECES) for _ in range(chance.randrange(5)))


def random_array(chance: random.Random):
    rng = np.random.default_rng(chance.randrange(2**32))
    length = chance.choice([0, 1, 2, 100, 159, 400, 401, 5000, 32000, 32001, 70000])
    shape = chance.choice(
        [(length,)] * 5 + [(2, length), (length, 2), (1, length), (length, length % 50), (2, 2, length)]
    )
    if chance.random() < 0.02:
        shape = ()
    audio = rng.normal(size=shape) * chance.choice([0.0, 1e-30, 0.1, 0.1, 0.1, 1.0, 1e5, 1e300])
    if audio.size and chance.random() < 0.15:
        audio.reshape(-1)[chance.randrange(audio.size)] = chance.choice([np.nan, np.inf, -np.inf, 1e39])
    dtypes = ["float32"] * 5 + [
        "float64",
        "float16",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "bool",
        "complex64",
        "O",
    ]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        audio = np.asarray(audio.astype(chance.choice(dtypes)))
    if chance.random() < 0.1 and audio.dtype != object:
        return torch.from_numpy(audio)
    return audio.tolist() if chance.random() < 0.05 and audio.size < 1000 else audio


def random_audio(chance: random.Random):
    others = [
        None,
        "",
        "nowhere.wav",
        "\0",
        7,
        b"",
        b"RIFF",
        {},
        {"path": 3},
        {"bytes": "text"},
        [],
        [[]],
        object(),
        ".",
        {"array": []},
    ]
    if chance.random() < 0.15:
        return chance.choice(others)
    if chance.random() < 0.1:
        rate = chance.choice([16000, 8000, 1, 0, -5, "16000", None, 2**40, 1e4, True])
        return {"array": random_array(chance), "sampling_rate": rate}
    return random_array(chance)


def random_call(chance: random.Random):
    count = chance.choice([1, 1, 1, 2, 3])
    audio = [random_audio(chance) for _ in range(count)]
    text = [random_text(chance) for _ in range(chance.choice([count, count, count, 1, 2]))]
    if chance.random() < 0.1:
        audio = [[each] for each in audio]
    options = {}
    if chance.random() < 0.1:
        options["response"] = chance.choice(["Yes.", ["Yes."] * len(text), SPARE_TOKENS["llama"], 3, [None], ""])
    if chance.random() < 0.1:
        options["sampling_rate"] = chance.choice([16000, 8000, "16000", None, -1])
    if chance.random() < 0.1:
        options["device"] = "cpu"
    if chance.random() < 0.05:
        options |= chance.choice(
            [
                {"padding": False},
                {"truncation": True, "max_length": 8},
                {"return_tensors": "np"},
                {"rendered": True},
                {"text_kwargs": {"padding_side": "right"}},
                {"nonsense": 1},
            ]
        )
    single = chance.random() < 0.5
    return audio[0] if single else audio, text[0] if single else text, options


@contextmanager
def time_limit(seconds: int):
    def give_up(*_):
        raise AssertionError(f"took more than {seconds} s")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def check(processor, audio, text, options) -> bool:
    """Whether the call succeeded; anything but a sound result or an error that says something fails."""
    try:
        with time_limit(30):
            inputs = processor(audio, text, **options)
    except (ValueError, TypeError) as error:
        assert len(str(error)) > 10, repr(error)
        return False
    features = np.asarray(inputs.get("input_features", np.zeros((0, 16, 200))))
    assert features.shape[1:] == (16, 200)
    assert np.isfinite(features).all()
    if "input_ids" in inputs:
        placeholders = sum(int((np.asarray(row) == processor.audio_token_id).sum()) for row in inputs["input_ids"])
        assert placeholders == NUM_QUERY_TOKENS * len(features)
    if "labels" in inputs:
        assert (inputs["labels"] != processor.audio_token_id).all()
    return True


def run(processor, calls: int, seed: int) -> float:
    chance = random.Random(seed)
    succeeded = 0
    for index in range(calls):
        audio, text, options = random_call(chance)
        try:
            succeeded += check(processor, audio, text, options)
        except BaseException as error:
            raise AssertionError(f"call {index}: {audio!r:.300}, {text!r:.300}, {options}: {error!r}") from error
    return succeeded / calls


def test_five_hundred_hostile_inputs(processor):
    assert 0.1 < run(processor, 500, seed=0) < 0.9


@pytest.mark.slow
def test_ten_thousand_hostile_inputs(processor):
    assert 0.1 < run(processor, 10_000, seed=1) < 0.9
