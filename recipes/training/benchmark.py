"""Times training steps with and without each optimisation, on random weights."""

import ctypes
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import send_to_device
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm
from transformers import LlamaConfig, WhisperConfig, WhisperFeatureExtractor

from modeling_listen import ListenAdapterConfig, ListenConfig, ListenForConditionalGeneration
from modeling_listen.attention_listen import TREE_ATTENTION
from modeling_listen.audio_listen import LogMel
from modeling_listen.branches_listen import PrefixCache
from recipes.training.benchmark_options import BenchmarkOptions
from recipes.training.last_layer import last_feed_forward_on
from recipes.training.packing import ClipTokens, pack_clips
from recipes.training.trainer import model_inputs

PREFIX_TOKENS, PROMPT_TOKENS, RESPONSE_TOKENS = 35, 21, (30, 130)
SAMPLES_OF_PAPER = 308_000  # Table 2
# Dense bfloat16 TFLOP/s, from the makers' data sheets (SXM where there are several).
PEAK_TFLOPS = {"H200": 989, "H100": 989, "A100": 312, "L40S": 362, "A6000": 155, "4090": 165, "3090": 71}


@dataclass(frozen=True)
class Geometry:
    """Sizes of a model: of its encoder, language model and adapter."""

    audio: dict[str, int]
    mel_frames_per_second: int
    text: dict[str, int]
    adapter: dict[str, int]

    @property
    def window_seconds(self) -> int:
        """What the encoder hears at once."""
        return 2 * self.audio["max_source_positions"] // self.mel_frames_per_second


def _audio(width: int, layers: int, heads: int, mel_bins: int, positions: int) -> dict[str, int]:
    return {
        "d_model": width,
        "encoder_layers": layers,
        "encoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width,
        "num_mel_bins": mel_bins,
        "max_source_positions": positions,
    }


def _text(width: int, feed_forward: int, layers: int, heads: int, key_value_heads: int, vocabulary: int) -> dict:
    return {
        "hidden_size": width,
        "intermediate_size": feed_forward,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_value_heads,
        "vocab_size": vocabulary,
    }


SIZES = {
    "miniature": Geometry(
        _audio(128, 3, 4, 64, 125), 50, _text(128, 384, 3, 4, 4, 535), {"num_query_tokens": 8, "num_hidden_layers": 1}
    ),
    "mid": Geometry(  # whisper-tiny's encoder
        _audio(384, 4, 6, 80, 1500), 100, _text(1024, 4096, 12, 16, 16, 32_000), {"num_query_tokens": 64}
    ),
    "8b": Geometry(  # whisper-small's encoder, Llama-3.1-8B
        _audio(768, 12, 12, 80, 1500), 100, _text(4096, 14336, 32, 32, 8, 128_256), {"num_query_tokens": 64}
    ),
}


@dataclass(frozen=True)
class Variant:
    """Which optimisations are on."""

    share_clips: bool = True
    prefix_cache: bool = True
    masked_head: bool = True
    fill_rows: bool = True


VARIANTS = {
    "naive": Variant(share_clips=False, prefix_cache=False, masked_head=False, fill_rows=False),
    "all": Variant(),
    "no_shared_clips": replace(Variant(), share_clips=False),
    "no_prefix_cache": replace(Variant(), prefix_cache=False),
    "no_masked_head": replace(Variant(), masked_head=False),
    "no_filled_rows": replace(Variant(), fill_rows=False),
}


@dataclass
class Batch:
    """Clips of a batch before they are laid out."""

    clips: list[ClipTokens]
    waveforms: list[np.ndarray]

    @property
    def num_samples(self) -> int:
        """Responses."""
        return sum(len(clip.samples) for clip in self.clips)


class Bench:
    """A random model, and steps on it.

    Args:
        options: those of `benchmark_training.py`.

    Raises:
        ValueError: a GPU is asked for, and there is none.
    """

    def __init__(self, options: BenchmarkOptions):
        self.options, self.geometry = options, SIZES[options.size]
        device = options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"device is {device}, and PyTorch finds no GPU here")
        automatic = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.dtype = automatic if options.dtype == "auto" else getattr(torch, options.dtype)
        torch.manual_seed(options.seed)
        self.random = np.random.default_rng(options.seed)
        text = {**self.geometry.text, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
        config = ListenConfig(
            audio_config=WhisperConfig(**self.geometry.audio),
            text_config=LlamaConfig(**text),
            adapter_config=ListenAdapterConfig(**self.geometry.adapter),
            audio_token_id=text["vocab_size"] - 1,
        )
        with self.device:
            self.model = ListenForConditionalGeneration._from_config(config, dtype=self.dtype)
        self.model.model.adapter.float()
        self.model.freeze_backbones().train()
        self.model.set_attn_implementation({"text_config": TREE_ATTENTION})
        # A learning rate of zero costs what any other does, and leaves every variant the same weights.
        self.optimizer = torch.optim.AdamW(self.model.model.adapter.parameters(), lr=0.0, weight_decay=0.0)
        audio = self.geometry.audio
        extractor = WhisperFeatureExtractor(
            feature_size=audio["num_mel_bins"],
            hop_length=16_000 // self.geometry.mel_frames_per_second,
            chunk_length=self.geometry.window_seconds,
        )
        self.log_mel = LogMel(extractor).to(self.device)
        self.prefix_ids = self._ids(PREFIX_TOKENS)
        self.prefix = PrefixCache(self.model, self.prefix_ids)

    def _ids(self, count: int) -> list[int]:
        return self.random.integers(3, self.geometry.text["vocab_size"] - 1, size=count).tolist()

    def batch(self) -> Batch:
        """Random clips with responses."""
        span = [self.model.config.audio_token_id] * self.geometry.adapter["num_query_tokens"]
        samples = int(16_000 * min(self.options.seconds, self.geometry.window_seconds))
        clips, waveforms = [], []
        for _ in range(self.options.clips):
            lengths = self.random.integers(*RESPONSE_TOKENS, endpoint=True, size=self.options.responses_per_clip)
            clips.append(ClipTokens(span, [(self._ids(PROMPT_TOKENS), self._ids(length)) for length in lengths]))
            waveforms.append(self.random.normal(scale=0.1, size=samples).astype(np.float32))
        return Batch(clips, waveforms)

    def step(self, batch: Batch, variant: Variant) -> tuple[float, float]:
        """One optimizer step.

        Returns:
            The loss, and the share of padding among the positions of the rows.
        """
        rows = pack_clips(
            batch.clips,
            self.prefix_ids,
            0,
            share_clips=variant.share_clips,
            prefix_cache=variant.prefix_cache,
            fill_rows=variant.fill_rows,
        )
        tensors = send_to_device(rows._asdict(), self.device)
        features = self.log_mel([batch.waveforms[index] for index in rows.audio_order])
        audio = {"input_ids": tensors["input_ids"], "input_features": features}
        inputs = model_inputs(tensors, audio, self.prefix if variant.prefix_cache else None, variant.masked_head)
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)
        with autocast, last_feed_forward_on(self.model, inputs.get("logits_to_keep")):
            loss = self.model(**inputs).loss
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item(), 1 - _num_tokens(batch, variant) / rows.input_ids.numel()


def _num_tokens(batch: Batch, variant: Variant) -> int:
    """Positions of the rows that are not padding."""
    head = 0 if variant.prefix_cache else PREFIX_TOKENS
    total = 0
    for clip in batch.clips:
        trunks = 1 if variant.share_clips else len(clip.samples)
        total += trunks * (head + len(clip.span)) + sum(len(prompt) + len(ids) - 1 for prompt, ids in clip.samples)
    return total


def measure(options: BenchmarkOptions) -> list[dict[str, Any]]:
    """Time every variant; see `BenchmarkOptions`.

    Returns:
        For each variant: `samples_per_second`, `supervised_tokens_per_second` (response tokens), `speedup` over the
        naive step on the same batch, `peak_memory_bytes` (of the process on CPUs, of the allocator on GPUs), `padding`
        (share of positions), `tflop_per_sample`, `mfu` (null where the device's peak is unknown), `minutes_per_epoch`
        of the paper's data, `loss`, and the setting.
    """
    bench = Bench(options)
    batches = [bench.batch() for _ in range(options.repeats)]
    tokens = [sum(len(ids) for clip in batch.clips for _, ids in clip.samples) for batch in batches]
    results = {name: {"seconds": [], "loss": [], "padding": [], "memory": 0} for name in VARIANTS}
    for name, variant in VARIANTS.items():
        with FlopCounterMode(display=False) as counter:
            bench.step(batches[0], variant)  # also the warm-up
        results[name]["flop"] = counter.get_total_flops()

    names = list(VARIANTS)
    bar = tqdm(total=len(batches) * len(names), desc=f"{options.size} on {bench.device}", unit="step")
    for turn, batch in enumerate(batches):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            seconds, memory, (loss, padding) = _timed(lambda: bench.step(batch, VARIANTS[name]), bench.device)  # noqa: B023
            results[name]["seconds"].append(seconds)
            results[name]["loss"].append(loss)
            results[name]["padding"].append(padding)
            results[name]["memory"] = max(results[name]["memory"], memory)
            bar.update()
    bar.close()

    samples = batches[0].num_samples
    rates = {name: statistics.median(samples / each for each in results[name]["seconds"]) for name in VARIANTS}
    peak = _peak_flops(bench.device)
    setting = {
        "size": options.size,
        "responses_per_clip": options.responses_per_clip,
        "clips": options.clips,
        "repeats": options.repeats,
        "device": torch.cuda.get_device_name(bench.device) if bench.device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "dtype": str(bench.dtype).removeprefix("torch."),
    }
    return [
        {
            "variant": name,
            **asdict(VARIANTS[name]),
            "samples_per_second": rates[name],
            "supervised_tokens_per_second": statistics.median(
                count / seconds for count, seconds in zip(tokens, found["seconds"], strict=True)
            ),
            "speedup": statistics.median(
                naive / seconds for naive, seconds in zip(results["naive"]["seconds"], found["seconds"], strict=True)
            ),
            "peak_memory_bytes": found["memory"],
            "padding": statistics.mean(found["padding"]),
            "tflop_per_sample": found["flop"] / samples / 1e12,
            "mfu": rates[name] * found["flop"] / samples / peak if peak else None,
            "minutes_per_epoch": SAMPLES_OF_PAPER / rates[name] / 60,
            "loss": statistics.mean(found["loss"]),
            **setting,
        }
        for name, found in results.items()
    ]


def _timed(step: Callable[[], Any], device: torch.device) -> tuple[float, int, Any]:
    """Seconds and peak memory in bytes of a step, and what it returns."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    else:
        _reset_peak_memory()
    start = time.perf_counter()
    result = step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - start
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _peak_memory()
    return seconds, memory, result


def _reset_peak_memory() -> None:
    """Forget the process's highest memory so far, on Linux; elsewhere a variant's peak is that of all before it."""
    if Path("/proc/self/clear_refs").exists():
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_memory() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _peak_flops(device: torch.device) -> float | None:
    """Dense bfloat16 FLOP/s of a GPU, where they are known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((tflops * 1e12 for model, tflops in PEAK_TFLOPS.items() if model in name), None)


def format_results(results: list[dict[str, Any]]) -> str:
    """A table for the terminal."""
    lines = [
        f"{'variant':<18}{'samples/s':>10}{'speedup':>9}{'tokens/s':>10}{'GiB':>7}{'padding':>9}{'MFU':>6}{'loss':>13}"
    ]
    for row in results:
        mfu = "" if row["mfu"] is None else f"{row['mfu']:.0%}"
        lines.append(
            f"{row['variant']:<18}{row['samples_per_second']:>10.2f}{row['speedup']:>8.2f}x"
            f"{row['supervised_tokens_per_second']:>10.1f}{row['peak_memory_bytes'] / 2**30:>7.2f}"
            f"{row['padding']:>9.1%}{mfu:>6}{row['loss']:>13.7f}"
        )
    return "\n".join(lines)
