"""Transformers' auto classes come to know LISTEN when they are first imported, and not before: they import torch."""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

AUTO_CLASSES = "transformers.models.auto.configuration_auto"


def register() -> None:
    """Make `AutoConfig`, `AutoModel`, `AutoModelForMultimodalLM`, `AutoProcessor` and `pipeline` know LISTEN."""
    from transformers import AutoConfig, AutoModel, AutoModelForMultimodalLM, AutoProcessor
    from transformers.pipelines import PIPELINE_REGISTRY

    from .configuration_listen import ListenConfig
    from .modeling_listen import ListenForConditionalGeneration
    from .pipeline_listen import TASK, SoundPresencePipeline
    from .processing_listen import ListenProcessor

    AutoConfig.register("listen", ListenConfig)
    AutoModel.register(ListenConfig, ListenForConditionalGeneration)
    AutoModelForMultimodalLM.register(ListenConfig, ListenForConditionalGeneration)
    AutoProcessor.register(ListenConfig, ListenProcessor)
    PIPELINE_REGISTRY.register_pipeline(TASK, SoundPresencePipeline, pt_model=AutoModel, type="multimodal")


def register_when_used() -> None:
    """Register as soon as the auto classes are imported; at once where they are."""
    if AUTO_CLASSES in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _Watch())


class _Watch(importlib.abc.MetaPathFinder):
    """Watches the imports of Transformers' and LISTEN's modules until one that brought the auto classes is complete.

    Both packages import each other's modules and their own in circles, so what is registered can only be imported
    when the outermost of these imports has ended.
    """

    def __init__(self) -> None:
        self.depth = 0

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module as ever, and watch it being executed."""
        if not name.startswith(("transformers.", f"{__package__}.")):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def watched(module: ModuleType) -> None:
            self.depth += 1
            try:
                execute(module)
            finally:
                self.depth -= 1
            if self.depth == 0 and AUTO_CLASSES in sys.modules and self in sys.meta_path:
                sys.meta_path.remove(self)
                register()

        spec.loader.exec_module = watched
        return spec
