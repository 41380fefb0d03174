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

"""Checkpoints of LISTEN: the adapter's tensors, and the names of the backbones that hold all others.

The backbones are frozen, so a checkpoint that repeats them is a copy of what their repositories hold. By default
`save_pretrained` writes the adapter alone, and `from_pretrained` puts encoder, adapter and language model together;
`include_backbones=True` writes a self-contained folder. No weight is ever left at random.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PreTrainedConfig, PreTrainedModel
from transformers.quantizers import AutoQuantizationConfig
from transformers.utils import cached_file, logging

from .adapter_listen import ListenAdapter
from .configuration_listen import ListenAdapterConfig, ListenConfig
from .prompt_listen import choose_audio_token

logger = logging.get_logger(__name__)

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
ADAPTER_PREFIX = "model.adapter."
# Names of a backbone's tensors in its own repository -> names in LISTEN; the first match wins.
AUDIO_PREFIXES = {"model.encoder.": "model.audio_tower.", "encoder.": "model.audio_tower."}
TEXT_PREFIXES = {
    "model.language_model.": "model.language_model.",
    "language_model.model.": "model.language_model.",
    "language_model.lm_head.": "lm_head.",
    "lm_head.": "lm_head.",
    "model.": "model.language_model.",
    "": "model.language_model.",
}
# What `save_pretrained` of Transformers does not announce by itself.
AUTO_MAP = {"AutoModelForMultimodalLM": "modeling_listen.ListenForConditionalGeneration"}
# What a caller may pass to find a repository, as opposed to what builds the model.
HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "proxies", "token")


def _file(repository: str, name: str, revision: str | None, **hub: Any) -> str | None:
    """Path of a repository's file, fetched where it is not at hand; None where the repository has no such file."""
    try:
        return cached_file(repository, name, revision=revision, _raise_exceptions_for_missing_entries=False, **hub)
    except EntryNotFoundError:
        return None


def open_weights(repository: str, revision: str | None = None, **hub: Any) -> dict[str, Any]:
    """All tensors of a repository or folder, unread until they are used.

    Args:
        repository: Hub id or folder holding safetensors weights.
        revision: branch, tag or commit on the Hub.

    Returns:
        Tensor name -> lazy slice of the file that holds it.

    Raises:
        OSError: there are no such weights; the message names the repository.
    """
    if index := _file(repository, WEIGHTS_INDEX, revision, **hub):
        with open(index, encoding="utf-8") as file:
            shards = sorted(set(json.load(file)["weight_map"].values()))
    else:
        shards = [WEIGHTS]
    tensors = {}
    for shard in shards:
        path = _file(repository, shard, revision, **hub)
        if path is None:
            raise OSError(f"{repository} has no {shard}: LISTEN reads safetensors weights only")
        weights = safe_open(path, framework="pt")
        tensors |= {name: weights.get_slice(name) for name in weights.keys()}  # noqa: SIM118
    return tensors


def _renamed(tensors: dict[str, Any], prefixes: dict[str, str]) -> dict[str, Any]:
    renamed = {}
    for name, tensor in tensors.items():
        for prefix, new_prefix in prefixes.items():
            if name.startswith(prefix):
                renamed[new_prefix + name.removeprefix(prefix)] = tensor
                break
    return renamed


@contextmanager
def _named(repository: str) -> Iterator[None]:
    """Errors about a repository name it, and say what to do where a license stands before it."""
    try:
        yield
    except OSError as error:
        gated = isinstance(error.__cause__, GatedRepoError)
        remedy = "\nAccept its license on its page, then `hf auth login`, or pass token=..." if gated else ""
        where = "" if os.path.isdir(repository) else ", which is no folder here"
        raise OSError(f"cannot read {repository!r}{where}: {error}{remedy}") from error


def backbone_configs(
    audio_model: str, text_model: str, audio_revision: str | None, text_revision: str | None, **hub: Any
) -> tuple[PreTrainedConfig, PreTrainedConfig]:
    """Configurations of both backbones.

    Raises:
        ValueError: the audio model is not a Whisper.
        OSError: a repository or folder that cannot be read; the message names it.
    """
    with _named(audio_model):
        audio_config = AutoConfig.from_pretrained(audio_model, revision=audio_revision, **hub)
    with _named(text_model):
        text_config = AutoConfig.from_pretrained(text_model, revision=text_revision, **hub).get_text_config()
    if audio_config.model_type != "whisper":
        raise ValueError(f"{audio_model} is a {audio_config.model_type} model; the audio encoder must be a Whisper")
    for config in (audio_config, text_config):
        config.name_or_path = ""  # no path of this machine goes into a checkpoint; audio_model_id and text_model_id do
    return audio_config, text_config


class AdapterCheckpointMixin:
    """Saving and loading of a model most of whose weights live elsewhere."""

    _is_being_published = False

    @classmethod
    def from_backbones(
        cls,
        audio_model: str | os.PathLike,
        text_model: str | os.PathLike,
        *,
        audio_revision: str | None = None,
        text_revision: str | None = None,
        audio_token_id: int | None = None,
        **options: Any,
    ) -> "PreTrainedModel":
        """Compose a model from two repositories, with a new adapter between them.

        Args:
            audio_model: Hub id or folder of a Whisper of any size; its encoder is used.
            text_model: Hub id or folder of a causal language model.
            audio_revision, text_revision: their revisions on the Hub.
            audio_token_id: placeholder of the audio span; the one that `ListenProcessor.from_backbones` chooses when
                left out.
            options: fields of [`ListenAdapterConfig`], and anything that `from_pretrained` takes (`dtype`,
                `device_map`, `quantization_config`, `attn_implementation`, `token`, ...).

        Raises:
            OSError, ValueError: a backbone that cannot be read or used; the message names it.
        """
        hub = {name: options.pop(name) for name in HUB_OPTIONS if name in options}
        fields = set(ListenAdapterConfig.__dataclass_fields__) - set(PreTrainedConfig.__dataclass_fields__)
        adapter_options = {name: options.pop(name) for name in list(options) if name in fields}
        audio_model, text_model = _identify(audio_model), _identify(text_model)
        audio_config, text_config = backbone_configs(audio_model, text_model, audio_revision, text_revision, **hub)
        if audio_token_id is None:
            tokenizer = AutoTokenizer.from_pretrained(text_model, revision=text_revision, **hub)
            _, audio_token_id = choose_audio_token(tokenizer)
        config = ListenConfig(
            audio_config=audio_config,
            text_config=text_config,
            adapter_config=ListenAdapterConfig(**adapter_options),
            audio_token_id=audio_token_id,
            audio_model_id=audio_model,
            audio_model_revision=audio_revision,
            text_model_id=text_model,
            text_model_revision=text_revision,
        )
        return cls._assemble(config, None, hub, options)[0]

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike | None,
        *args: Any,
        config: PreTrainedConfig | None = None,
        audio_model_id: str | None = None,
        text_model_id: str | None = None,
        **options: Any,
    ) -> Any:
        """Load a checkpoint; one of the adapter alone fetches the backbones from their own repositories.

        Args:
            pretrained_model_name_or_path: Hub id or folder.
            audio_model_id, text_model_id: where the backbones of an adapter alone are, if not where the checkpoint
                says.
            options: those of `PreTrainedModel.from_pretrained`.

        Raises:
            OSError: a checkpoint or backbone that cannot be read; the message names it.
            ValueError: a backbone that does not fit the checkpoint, or that a self-contained one has no use for.
        """
        source = pretrained_model_name_or_path
        given = {"audio_model_id": audio_model_id, "text_model_id": text_model_id}
        if source is None or options.get("state_dict") is not None:
            if any(given.values()):
                raise ValueError("audio_model_id and text_model_id go with a checkpoint of the adapter alone")
            return super().from_pretrained(source, *args, config=config, **options)
        source = os.fspath(source)
        revision, subfolder = options.get("revision"), options.get("subfolder", "")
        hub = {name: options[name] for name in HUB_OPTIONS if name in options}
        found = {"revision": revision, "subfolder": subfolder, **hub}
        if isinstance(config, PreTrainedConfig):
            config = deepcopy(config)
            changed = _names_changed(config, _file(source, "config.json", **found))
            given = {name: value or changed.get(name) for name, value in given.items()}
        else:
            with _named(source):
                kind = cls.config_class.get_config_dict(config or source, **found)[0].get("model_type")
            if kind is None:
                raise OSError(f"cannot read {source!r}: it holds no config.json of a model; give the folder that does")
            if kind != cls.config_class.model_type:
                raise ValueError(f"{source} is a {kind} model, not a LISTEN; from_backbones makes one of it")
            config = cls.config_class.from_pretrained(config or source, **found)
        wanted = options.pop("output_loading_info", False)

        checkpoint = open_weights(source, revision, subfolder=subfolder, **hub)
        if any(not name.startswith(ADAPTER_PREFIX) for name in checkpoint):
            if any(given.values()):
                raise ValueError(f"{source} is self-contained: it takes no audio_model_id or text_model_id")
            if wanted:  # the caller judges what was loaded
                return super().from_pretrained(source, *args, config=config, output_loading_info=True, **options)
            return cls._load(source, config, source, *args, **options)[0]
        folder = os.path.join(source, subfolder)
        for name, repository in given.items():
            setattr(config, name, _identify(repository) if repository else _resolve(getattr(config, name), folder))
        for name in (*HUB_OPTIONS, "revision", "subfolder"):
            options.pop(name, None)
        model, info = cls._assemble(config, checkpoint, hub, options)
        if path := _file(source, "generation_config.json", revision, subfolder=subfolder, **hub):
            model.generation_config = GenerationConfig.from_pretrained(os.path.dirname(path))
        model.name_or_path = model.config._name_or_path = source
        return (model, info) if wanted else model

    @classmethod
    def _load(
        cls, name: str | None, config: ListenConfig, checkpoint: str, *args: Any, **options: Any
    ) -> tuple[PreTrainedModel, dict[str, Any]]:
        """The stock loader, and an error in place of its warnings about weights that it had to invent."""
        resizes = options.pop("ignore_mismatched_sizes", False)
        if options.get("quantization_config") is not None:
            options["quantization_config"] = _sparing_the_adapter(options["quantization_config"])
        model, info = super().from_pretrained(
            name, *args, config=config, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
        _check_complete(config, checkpoint, info if not resizes else {**info, "mismatched_keys": ()})
        return model, info

    @classmethod
    def _assemble(
        cls, config: ListenConfig, adapter: dict[str, Any] | None, hub: dict[str, Any], options: dict[str, Any]
    ) -> tuple[PreTrainedModel, dict[str, Any]]:
        """Put encoder, adapter and language model together, a new adapter where none is given; and what was loaded."""
        weights = {}
        for role, prefixes in (("audio", AUDIO_PREFIXES), ("text", TEXT_PREFIXES)):
            repository = getattr(config, f"{role}_model_id")
            revision = getattr(config, f"{role}_model_revision")
            try:
                weights |= _renamed(open_weights(repository, revision, **hub), prefixes)
            except OSError as error:
                raise OSError(
                    f"cannot read the {role} backbone {repository!r} of this checkpoint; pass {role}_model_id=... to "
                    f"from_pretrained if it is elsewhere. {error}"
                ) from error
        if "lm_head.bias" in weights:  # no configuration says so
            config.text_config.lm_head_bias = True
        if adapter is None:
            adapter = _new_adapter(cls, config)
        weights |= adapter
        legacy = options.pop("torch_dtype", None)
        if options.get("dtype") is None:
            options["dtype"] = legacy
        if options["dtype"] in (None, "auto"):
            options["dtype"] = config.text_config.dtype or torch.float32
        model, info = cls._load(None, config, "the checkpoint", state_dict=weights, **options)
        if (generation := _text_generation_config(config, hub)) is not None:
            model.generation_config = generation
        return model, info

    def save_pretrained(
        self, save_directory: str | os.PathLike, *args: Any, include_backbones: bool | None = None, **options: Any
    ) -> None:
        """Save the adapter, and the backbones' names; or everything.

        Args:
            save_directory: folder to write to.
            include_backbones: write a self-contained folder; the default does so only where a loader could not find
                the backbones again: where they have no names, or are published from folders of this machine. Backbone
                weights that you changed are saved by `True` alone.
            options: those of `PreTrainedModel.save_pretrained`.

        Raises:
            ValueError: an adapter alone is asked for, but nobody would know its backbones.
            OSError: the disk is full, or the folder cannot be written to.
        """
        # Named here so that its code travels too.
        from .pipeline_listen import CUSTOM_PIPELINES

        config = self.config
        if include_backbones is None:
            names = (config.audio_model_id, config.text_model_id)
            published = self._is_being_published or options.get("push_to_hub")
            include_backbones = None in names or bool(published and any(map(os.path.isdir, names)))
        elif not include_backbones and config.text_model_id is None:
            raise ValueError("this model names no backbones, so an adapter alone could not be loaded again")
        for name, value in (("auto_map", AUTO_MAP), ("custom_pipelines", CUSTOM_PIPELINES)):
            setattr(config, name, {**(getattr(config, name, None) or {}), **value})
        touched = ("audio_model_id", "text_model_id", "quantization_config")
        kept = {name: getattr(config, name) for name in touched if hasattr(config, name)}
        self._keys_to_ignore_on_save = None
        try:
            if include_backbones:
                config.audio_model_id = config.text_model_id = None
            else:
                config.audio_model_id = _relative(config.audio_model_id, save_directory)
                config.text_model_id = _relative(config.text_model_id, save_directory)
                self._keys_to_ignore_on_save = {
                    name for name in self.state_dict() if not name.startswith(ADAPTER_PREFIX)
                }
                if "quantization_config" in kept:  # the adapter itself is never quantized
                    del config.quantization_config
            super().save_pretrained(save_directory, *args, **options)
        except SafetensorError as error:
            raise OSError(f"cannot write the checkpoint to {os.fspath(save_directory)!r}: {error}") from error
        finally:
            for name, value in kept.items():
                setattr(config, name, value)

    def push_to_hub(self, *args: Any, **options: Any) -> str:
        """Publish the adapter, and the backbones' names; or everything, where the backbones are in folders.

        Args:
            args, options: those of `PreTrainedModel.push_to_hub`.
        """
        self._is_being_published = True
        try:
            return super().push_to_hub(*args, **options)
        finally:
            self._is_being_published = False


def _names_changed(config: ListenConfig, file: str | None) -> dict[str, str]:
    """Backbones in a configuration that its checkpoint does not name: the auto classes put a caller's there."""
    own = {}
    if file is not None:
        with open(file, encoding="utf-8") as stream:
            own = json.load(stream)
    names = {name: getattr(config, name) for name in ("audio_model_id", "text_model_id")}
    return {name: value for name, value in names.items() if value is not None and value != own.get(name)}


def _identify(repository: str | os.PathLike) -> str:
    repository = os.fspath(repository)
    return os.path.abspath(repository) if os.path.isdir(repository) else repository


def _resolve(repository: str, checkpoint: str) -> str:
    """A path that begins with "." is relative to the checkpoint; all else is a folder or Hub id as it stands."""
    if repository.startswith("."):
        return os.path.normpath(os.path.join(os.path.abspath(checkpoint), repository))
    return repository


def _relative(repository: str | None, save_directory: str | os.PathLike) -> str | None:
    """Folders are written relative to the checkpoint, so that both can move together."""
    if repository is None or not os.path.isabs(repository):
        return repository
    path = os.path.relpath(repository, os.path.abspath(save_directory))
    return path if path.startswith(".") else os.path.join(".", path)


def _sparing_the_adapter(quantization: Any) -> Any:
    """A copy that quantizes the language model alone: not its head, the encoder, and above all not the adapter.

    Modules that the caller spares stay as given, and the adapter is among them.

    Raises:
        ValueError: a method that cannot spare modules.
    """
    quantization = (
        AutoQuantizationConfig.from_dict({**quantization})
        if isinstance(quantization, dict)
        else deepcopy(quantization)
    )
    names = ("llm_int8_skip_modules", "modules_to_not_convert", "skip_modules")
    name = next((each for each in names if hasattr(quantization, each)), None)
    if name is None:
        raise ValueError(f"{type(quantization).__name__} cannot spare the adapter, which must not be quantized")
    adapter = ADAPTER_PREFIX.rstrip(".")
    spared = getattr(quantization, name)
    spared = ["lm_head", "model.audio_tower"] if spared is None else [each for each in spared if each != adapter]
    setattr(quantization, name, [*spared, adapter])
    return quantization


def _new_adapter(cls: type, config: ListenConfig) -> dict[str, torch.Tensor]:
    adapter = ListenAdapter(config.adapter_config)
    return {ADAPTER_PREFIX + name: tensor for name, tensor in adapter.state_dict().items()}


def _check_complete(config: ListenConfig, checkpoint: str, info: dict[str, Any]) -> None:
    """Refuse a model any of whose weights the loader had to invent, or could not place."""
    # Towers and other modalities of a backbone's repository have no place here; layers, head and adapter must have.
    unplaced = [
        name
        for name in info["unexpected_keys"]
        if (".layers." in name and not name.endswith("rotary_emb.inv_freq"))
        or name.startswith((ADAPTER_PREFIX, "lm_head."))
    ]
    mismatched = [name for name, *_ in info["mismatched_keys"]]
    for problem, found in (
        ("missing", info["missing_keys"]),
        ("of another shape", mismatched),
        ("without a place in the model", unplaced),
    ):
        if not found:
            continue
        names = sorted(found)
        owners = {"model.audio_tower.": config.audio_model_id, ADAPTER_PREFIX: None, "": config.text_model_id}
        owner = next(owner for prefix, owner in owners.items() if names[0].startswith(prefix))
        raise ValueError(
            f"{len(names)} weights that should come from {owner or checkpoint} are {problem}: "
            f"{', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
        )


def _text_generation_config(config: ListenConfig, hub: dict[str, Any]) -> GenerationConfig | None:
    try:
        return GenerationConfig.from_pretrained(config.text_model_id, revision=config.text_model_revision, **hub)
    except OSError:  # a language model without one
        return None
