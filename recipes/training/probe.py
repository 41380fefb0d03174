"""Yes/no questions about held-out clips, asked while the model is trained: does it hallucinate less, or only more?"""

import math
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import gather_object

from modeling_listen import ListenProcessor
from modeling_listen.branches_listen import PrefixCache, Tree, pack_trees
from recipes.benchmarks.metrics import PresenceMetric
from recipes.training.clips import Clips
from recipes.training.packing import fill_rows

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import PreTrainedModel

SCORES = ("accuracy", "yes_rate", "auroc", "f1_yes", "f1_no")


class Probe:
    """Asks a model about clips: the first token of the answer, yes or no, whichever is likelier.

    Args:
        clips: with columns `question` and `answer`.
        processor: of the model.
        batch_size: clips in a batch.
        attention_length: see `fill_rows`.
    """

    def __init__(self, clips: Clips, processor: ListenProcessor, batch_size: int, attention_length: int = 0):
        self.clips, self.processor = clips, processor
        self.batch_size, self.attention_length = batch_size, attention_length
        self.answer_ids = processor.answer_token_ids()
        if not all(self.answer_ids.values()):
            raise ValueError("the tokenizer begins yes and no with the same token; set questions to null")

    def __call__(
        self, model: "PreTrainedModel", accelerator: "Accelerator", prefix: PrefixCache | None = None
    ) -> dict[str, float | None]:
        """Scores of the model's answers; every process asks about some of the clips."""
        was_training = model.training
        model.eval()
        mine = range(accelerator.process_index, len(self.clips), accelerator.num_processes)
        answered = []
        for start in range(0, len(mine), self.batch_size):
            batch = [self.clips[index] for index in mine[start : start + self.batch_size]]
            answered += self._ask(model, batch, prefix)
        model.train(was_training)
        if accelerator.num_processes > 1:
            answered = gather_object(answered)
        p_yes, answers = zip(*answered, strict=True)
        if not all(map(math.isfinite, p_yes)):
            raise FloatingPointError("the model's logits are not finite in the evaluation; lower learning_rate")
        predictions = ["yes" if p > 0.5 else "no" for p in p_yes]
        scores = PresenceMetric().compute(predictions=predictions, references=list(answers), p_yes=list(p_yes))
        return {name: scores[name] for name in SCORES}

    @torch.no_grad()
    def _ask(
        self, model: "PreTrainedModel", batch: list[dict[str, Any]], prefix: PrefixCache | None
    ) -> list[tuple[float, str]]:
        """P(yes) / (P(yes) + P(no)) and the true answer of every question in a batch."""
        waveforms = [self.processor.load_audio(clip["audio"]) for clip in batch]
        trees, answers = [], []
        for clip, waveform in zip(batch, waveforms, strict=True):
            prompts = [self.processor.tokenize_prompt(question) for question in clip["question"]]
            head = [] if prefix is not None else prompts[0].prefix
            span = self.processor.audio_span(self.processor.num_windows(len(waveform)))
            trees.append(Tree([*head, *span], [prompt.suffix for prompt in prompts]))
            answers.append(clip["answer"])
        rows = fill_rows([len(tree.trunk) + sum(map(len, tree.branches)) for tree in trees], self.attention_length)
        length = prefix.length if prefix is not None else 0
        packed = pack_trees([[trees[i] for i in row] for row in rows], self.processor.tokenizer.pad_token_id, length)
        following = torch.nn.functional.pad(packed.branch_ids, (0, 1))[:, 1:]
        last = (packed.branch_ids > 0) & (packed.branch_ids != following)  # where a branch's answer is predicted

        order = [index for row in rows for index in row]
        features, _ = self.processor.extract_features([waveforms[i] for i in order], device=model.device)
        logits = model(
            input_ids=packed.input_ids.to(model.device),
            position_ids=packed.position_ids.to(model.device),
            attention_mask=packed.attention_mask.to(model.device),
            input_features=features,
            past_key_values=prefix.expand(len(rows)) if prefix is not None else None,
            use_cache=prefix is not None,
            logits_to_keep=last.to(model.device),
        ).logits.double()
        yes, no = (logits[:, self.answer_ids[answer]].logsumexp(-1) for answer in ("yes", "no"))
        return list(zip((yes - no).sigmoid().tolist(), [a for i in order for a in answers[i]], strict=True))
