"""Yes/no questions about held-out clips, asked while the model is trained: does it hallucinate less, or only more?"""

import logging
import math
from typing import TYPE_CHECKING

from accelerate.utils import gather_object

from modeling_listen import ListenProcessor, presence_probabilities
from recipes.benchmarks.metrics import PresenceMetric
from recipes.training.clips import Clips, WaveformClips

if TYPE_CHECKING:
    from accelerate import Accelerator

    from modeling_listen import ListenForConditionalGeneration

logger = logging.getLogger(__name__)

SCORES = ("accuracy", "yes_rate", "auroc", "f1_yes", "f1_no")
_CLIPS_AT_ONCE = 8


class Probe:
    """Asks a model about clips; its answer is yes or no, whichever is likelier as the first token.

    Clips that turn out not to be readable are left out, and named once.

    Args:
        clips: with columns `question` and `answer`.
        processor: of the model.
    """

    def __init__(self, clips: Clips, processor: ListenProcessor):
        self.clips, self.processor = WaveformClips(clips, processor.load_audio), processor
        self.unreadable: set[str] = set()
        if not all(processor.answer_token_ids().values()):
            raise ValueError("the tokenizer begins yes and no with the same token; set questions to null")

    def __call__(self, model: "ListenForConditionalGeneration", accelerator: "Accelerator") -> dict[str, float | None]:
        """Scores (`SCORES`) of the model's answers; every process asks about some of the clips.

        Raises:
            FloatingPointError: a probability is not a number.
            ValueError: not one clip can be read.
        """
        was_training = model.training
        model.eval()
        # All processes run equally many passes, as a sharded model wants: some ask about a clip again, or about a
        # stand-in for one that cannot be read, and forget it.
        each = -(-len(self.clips) // accelerator.num_processes)
        mine = range(accelerator.process_index, each * accelerator.num_processes, accelerator.num_processes)
        answered: list[tuple[float, str]] = []
        for start in range(0, each, _CLIPS_AT_ONCE):
            indices = mine[start : start + _CLIPS_AT_ONCE]
            clips = [self.clips[index % len(self.clips)] for index in indices]
            asked = [clip["waveform"] for clip in clips], [clip["question"] for clip in clips]
            probabilities = presence_probabilities(model, self.processor, *asked)
            for index, clip, p_yes in zip(indices, clips, probabilities, strict=True):
                if index >= len(self.clips):
                    continue
                if clip["unreadable"]:
                    self._note_unreadable(*next(iter(clip["unreadable"].items())))  # the one that was wanted
                else:
                    answered += zip(p_yes, map(str.lower, clip["answer"]), strict=True)
        model.train(was_training)
        if accelerator.num_processes > 1:
            answered = gather_object(answered)
        p_yes, answers = zip(*answered, strict=True)
        if not all(map(math.isfinite, p_yes)):
            raise FloatingPointError("the model's logits are not finite in the evaluation; lower learning_rate")
        predictions = ["yes" if p > 0.5 else "no" for p in p_yes]
        scores = PresenceMetric().compute(predictions=predictions, references=list(answers), p_yes=list(p_yes))
        return {name: scores[name] for name in SCORES}

    def _note_unreadable(self, name: str, why: str) -> None:
        if name not in self.unreadable:
            self.unreadable.add(name)
            logger.warning("probe: the questions on clip %s are left out: %s", name, why)
