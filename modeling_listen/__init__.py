"""LISTEN: audio large language models that know what they do not hear."""

from transformers import AutoConfig, AutoModel, AutoModelForMultimodalLM, AutoProcessor

from .configuration_listen import ListenAdapterConfig, ListenConfig
from .modeling_listen import ListenAdapter, ListenForConditionalGeneration, ListenModel
from .processing_listen import ListenProcessor, PromptTokens

AutoConfig.register("listen", ListenConfig)
AutoModel.register(ListenConfig, ListenForConditionalGeneration)
AutoModelForMultimodalLM.register(ListenConfig, ListenForConditionalGeneration)
AutoProcessor.register(ListenConfig, ListenProcessor)

__all__ = [
    "ListenAdapter",
    "ListenAdapterConfig",
    "ListenConfig",
    "ListenForConditionalGeneration",
    "ListenModel",
    "ListenProcessor",
    "PromptTokens",
]
