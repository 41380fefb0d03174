import base64
import io
import struct

import numpy as np
import pytest
import soundfile
import torch
from transformers import WhisperFeatureExtractor

from modeling_listen.audio_listen import LogMel, as_waveform, read_audio
from tests.modeling_listen.backbones import SAMPLING_RATE, noise
from tests.server import serve_folder

FORMATS = {"wav": {}, "flac": {}, "ogg": {"format": "OGG", "subtype": "VORBIS"}, "mp3": {"format": "MP3"}}


def encoded(audio: np.ndarray, extension: str = "wav", rate: int = SAMPLING_RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, rate, **{"format": extension.upper(), **FORMATS[extension]})
    return buffer.getvalue()


def tone(seconds: float, rate: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


class TestReadAudio:
    @pytest.mark.parametrize("extension", FORMATS)
    def test_every_source_of_a_file_gives_the_same_waveform(self, tmp_path, extension):
        data = encoded(tone(1.0, SAMPLING_RATE), extension)
        path = tmp_path / f"clip.{extension}"
        path.write_bytes(data)
        expected = read_audio(path, SAMPLING_RATE)
        assert expected.dtype == np.float32
        assert expected.ndim == 1
        assert abs(len(expected) - SAMPLING_RATE) < 3000  # lossy formats pad
        assert np.abs(expected).max() == pytest.approx(0.5, abs=0.1)
        url = f"data:audio/{extension};base64,{base64.b64encode(data).decode()}"
        for source in (str(path), data, bytearray(data), {"path": str(path), "bytes": None}, {"bytes": data}):
            assert np.array_equal(read_audio(source, SAMPLING_RATE), expected)
        assert np.array_equal(read_audio(url, SAMPLING_RATE), expected)

    @pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
    def test_any_sampling_rate_and_stereo(self, rate):
        mono = tone(1.0, rate)
        expected = tone(1.0, SAMPLING_RATE)
        for audio in (mono, np.stack([mono, mono], axis=1)):
            heard = read_audio(encoded(audio, rate=rate), SAMPLING_RATE)
            assert len(heard) == pytest.approx(SAMPLING_RATE, abs=2)
            inside = slice(1000, 15000)
            assert np.abs(heard[inside] - expected[inside]).max() < 0.01
        array = {"array": mono, "sampling_rate": float(rate)}
        assert len(read_audio(array, SAMPLING_RATE)) == pytest.approx(SAMPLING_RATE, abs=2)

    @pytest.mark.parametrize("extension", FORMATS)
    @pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
    def test_a_truncated_file_names_itself(self, tmp_path, extension, kept):
        data = encoded(noise(3.0), extension)
        path = tmp_path / f"cut.{extension}"
        path.write_bytes(data[: int(len(data) * kept)])
        with pytest.raises(ValueError, match=rf"cut\.{extension}"):
            read_audio(path, SAMPLING_RATE)

    def test_a_server_gives_the_file_or_the_reason(self, tmp_path):
        data = encoded(tone(1.0, SAMPLING_RATE))
        (tmp_path / "clip.wav").write_bytes(data)
        (tmp_path / "cut.wav").write_bytes(data[:9000])
        with serve_folder(tmp_path) as url:
            assert np.array_equal(read_audio(f"{url}/clip.wav", SAMPLING_RATE), read_audio(data, SAMPLING_RATE))
            with pytest.raises(ValueError, match=r"audio from http.*cut\.wav is truncated"):
                read_audio(f"{url}/cut.wav", SAMPLING_RATE)
            with pytest.raises(ValueError, match=r"cannot read audio from http.*none\.wav: .*404"):
                read_audio(f"{url}/none.wav", SAMPLING_RATE)

    @pytest.mark.parametrize("url", ["data:audio/wav;base64,UklGRg==", "data:audio/wav;base64,x", "data:", "http://"])
    def test_a_url_without_audio_names_itself(self, url):
        with pytest.raises(ValueError, match=f"audio from {url}"):
            read_audio(url, SAMPLING_RATE)

    @pytest.mark.parametrize("length", [0x7FFFF000, 0x7FFFFFFE, 0x80000000, 0xFFFFFFFF, 0])
    def test_a_streamed_wav_does_not_know_its_length(self, tmp_path, length):
        data = encoded(tone(1.0, SAMPLING_RATE))
        start = data.index(b"data") + 4
        riff = min(length + start - 4, 0xFFFFFFFF) if length else 0
        data = b"RIFF" + struct.pack("<I", riff) + data[8:start] + struct.pack("<I", length) + data[start + 4 :]
        (tmp_path / "pipe.wav").write_bytes(data)
        for source in (data, tmp_path / "pipe.wav"):
            assert np.array_equal(
                read_audio(source, SAMPLING_RATE), read_audio(encoded(tone(1.0, SAMPLING_RATE)), SAMPLING_RATE)
            )

    @pytest.mark.parametrize("data", [b"", b"RIFF", b"not audio at all" * 99, bytes(5000)])
    def test_what_is_no_audio_names_itself(self, tmp_path, data):
        path = tmp_path / "page.wav"
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"page\.wav"):
            read_audio(path, SAMPLING_RATE)
        with pytest.raises(ValueError, match="bytes of audio"):
            read_audio(data, SAMPLING_RATE)

    def test_a_file_without_samples_names_itself(self, tmp_path):
        path = tmp_path / "empty.wav"
        path.write_bytes(encoded(np.zeros(0, np.float32)))
        with pytest.raises(ValueError, match=r"empty\.wav.*holds no samples"):
            read_audio(path, SAMPLING_RATE)

    @pytest.mark.parametrize("source", ["", "nowhere.wav", "a\0b.wav", ".", "http://127.0.0.1:9/clip.wav"])
    def test_a_file_that_is_not_there_names_itself(self, source):
        with pytest.raises(ValueError, match=r"does not exist|cannot read audio from http://127.0.0.1:9/clip.wav"):
            read_audio(source, SAMPLING_RATE)

    @pytest.mark.parametrize("source", [None, 3, 2.5, object(), {1, 2}, True])
    def test_what_cannot_be_audio_is_a_type_error(self, source):
        with pytest.raises(TypeError, match="audio must be"):
            read_audio(source, SAMPLING_RATE)

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ({}, "needs 'path'"),
            ({"path": None, "bytes": None}, "needs 'path'"),
            ({"array": np.zeros(99)}, "needs its 'sampling_rate'"),
            ({"array": np.zeros(99), "sampling_rate": "16000"}, "needs its 'sampling_rate'"),
            ({"array": np.zeros(99), "sampling_rate": 16000.5}, "needs its 'sampling_rate'"),
            ({"array": np.zeros(99), "sampling_rate": -1}, "sampling_rate of -1 Hz"),
            ({"array": np.zeros(99), "sampling_rate": 1}, "sampling_rate of 1 Hz"),
            ({"array": np.zeros(0), "sampling_rate": 16000}, "is empty"),
        ],
    )
    def test_a_mapping_says_what_it_lacks(self, source, message):
        with pytest.raises(ValueError, match=message):
            read_audio(source, SAMPLING_RATE)


class TestAsWaveform:
    @pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int16", "int32", "uint8"])
    def test_every_kind_of_sample(self, dtype):
        audio = tone(0.1, SAMPLING_RATE)
        scaled = {"int16": audio * 32768, "int32": audio.astype(float) * 2**31, "uint8": audio * 128 + 128}
        waveform = as_waveform(np.asarray(scaled.get(dtype, audio)).astype(dtype))
        assert waveform.dtype == np.float32
        assert np.abs(waveform - audio).max() < 0.01

    def test_tensors_lists_and_channels(self):
        audio = tone(0.1, SAMPLING_RATE)
        assert np.array_equal(as_waveform(torch.from_numpy(audio)), audio)
        assert np.abs(as_waveform(torch.from_numpy(audio).bfloat16()) - audio).max() < 0.01
        assert np.array_equal(as_waveform(audio.tolist()), audio)
        for stereo in (np.stack([audio, -audio]), np.stack([audio, -audio], axis=1)):
            assert np.abs(as_waveform(stereo)).max() == 0
        assert np.array_equal(as_waveform(audio[None]), audio)

    @pytest.mark.parametrize(
        ("audio", "message"),
        [
            (np.zeros(0), "is empty"),
            (np.array([0.1, np.nan]), "NaN"),
            (np.array([0.1, np.inf]), "infinite"),
            (np.zeros((2, 3, 4)), "has shape"),
            (np.zeros((40, 50)), "one clip"),
            (np.array(0.5), "has shape"),
            (np.array([1, 2, 3]), "int64 values"),
            (np.array([True]), "bool values"),
            (np.array(["a"]), "values"),
            (np.array([1j]), "complex"),
            (np.array([30000.0, 2.0]), "peaks at 30000"),
            ([[0.1], [0.1, 0.2]], "ragged"),
        ],
    )
    def test_what_is_no_waveform_says_why(self, audio, message):
        with pytest.raises(ValueError, match=message):
            as_waveform(audio)


class TestLogMel:
    @pytest.mark.parametrize("chunk_length", [2, 30])
    @pytest.mark.parametrize("feature_size", [80, 128])
    def test_equals_the_feature_extractor_at_every_length(self, chunk_length, feature_size):
        feature_extractor = WhisperFeatureExtractor(feature_size=feature_size, chunk_length=chunk_length)
        log_mel = LogMel(feature_extractor)
        longest = feature_extractor.n_samples
        lengths = [
            1,
            100,
            159,
            160,
            161,
            399,
            400,
            401,
            5000,
            16000,
            longest - 401,
            longest - 200,
            longest - 1,
            longest,
        ]
        for length in lengths:
            clip = noise(length / SAMPLING_RATE + 1e-6, seed=length)[:length]
            expected = feature_extractor(clip, sampling_rate=SAMPLING_RATE, return_tensors="pt")["input_features"]
            torch.testing.assert_close(log_mel([clip]), expected, atol=1e-4, rtol=0, msg=f"{length} samples")

    def test_equals_the_feature_extractor_on_batches_and_on_silence(self):
        feature_extractor = WhisperFeatureExtractor(chunk_length=2)
        clips = [noise(0.3), np.zeros(5000, np.float32), tone(1.9, SAMPLING_RATE), 1e-6 * noise(1.0)]
        expected = feature_extractor(clips, sampling_rate=SAMPLING_RATE, return_tensors="pt")["input_features"]
        torch.testing.assert_close(LogMel(feature_extractor)(clips), expected, atol=1e-4, rtol=0)
