"""LISTEN: audio large language models that know what they do not hear."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from .registration_listen import register_when_used

if TYPE_CHECKING:
    from .adapter_listen import ListenAdapter
    from .configuration_listen import ListenAdapterConfig, ListenConfig
    from .modeling_listen import ListenForConditionalGeneration, ListenModel
    from .pipeline_listen import SoundPresencePipeline
    from .presence_listen import presence_probabilities
    from .processing_listen import ListenProcessor
    from .prompt_listen import PromptTokens

# Where each name is defined: what imports torch is imported when it is used.
_MODULES = {
    "ListenAdapter": "adapter_listen",
    "ListenAdapterConfig": "configuration_listen",
    "ListenConfig": "configuration_listen",
    "ListenForConditionalGeneration": "modeling_listen",
    "ListenModel": "modeling_listen",
    "ListenProcessor": "processing_listen",
    "PromptTokens": "prompt_listen",
    "SoundPresencePipeline": "pipeline_listen",
    "presence_probabilities": "presence_listen",
}


def _check_transformers(oldest: tuple[int, int] = (5, 20)) -> None:
    """Say what is wrong where Transformers is absent or too old, before one of its names is found missing."""
    try:
        installed = version("transformers")
    except PackageNotFoundError:
        installed = "none"
    if installed == "none" or tuple(map(int, installed.split(".")[:2])) < oldest:
        wanted = ".".join(map(str, oldest))
        raise ImportError(
            f"LISTEN needs transformers {wanted} or newer, and {installed} is installed: "
            f"pip install --upgrade 'transformers>={wanted}'"
        )


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})


_check_transformers()
register_when_used()

__all__ = [
    "ListenAdapter",
    "ListenAdapterConfig",
    "ListenConfig",
    "ListenForConditionalGeneration",
    "ListenModel",
    "ListenProcessor",
    "PromptTokens",
    "SoundPresencePipeline",
    "presence_probabilities",
]
