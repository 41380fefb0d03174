"""LISTEN: audio large language models that know what they do not hear."""

from transformers import AutoConfig, AutoModel, AutoModelForMultimodalLM, AutoProcessor
from transformers.pipelines import PIPELINE_REGISTRY

from .configuration_listen import ListenAdapterConfig, ListenConfig
from .modeling_listen import ListenAdapter, ListenForConditionalGeneration, ListenModel
from .pipeline_listen import TASK, SoundPresencePipeline
from .presence_listen import presence_probabilities
from .processing_listen import ListenProcessor, PromptTokens

AutoConfig.register("listen", ListenConfig)
AutoModel.register(ListenConfig, ListenForConditionalGeneration)
AutoModelForMultimodalLM.register(ListenConfig, ListenForConditionalGeneration)
AutoProcessor.register(ListenConfig, ListenProcessor)
PIPELINE_REGISTRY.register_pipeline(TASK, SoundPresencePipeline, pt_model=AutoModel, type="multimodal")

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
