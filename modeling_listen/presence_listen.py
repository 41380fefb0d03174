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

"""How probable the model holds it that a sound is there: its own "yes" against its own "no"."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel, ProcessorMixin

from .branches_listen import PrefixCache, Tree, pack_trees

# Questions that share one row: beyond this, attention between branches that do not see each other costs more than
# another run of the trunk.
QUESTIONS_PER_ROW = 32


@torch.no_grad()
def presence_probabilities(
    model: PreTrainedModel, processor: ProcessorMixin, clips: Sequence[Any], questions: Sequence[Sequence[str]]
) -> list[list[float]]:
    """Probability of "yes" as the answer to questions about clips.

    The probability of all spellings of "yes" as the first token of the answer, out of those of "yes" and "no". A clip
    passes the encoder once, and the questions on it share what stands before them.

    Args:
        model: a `ListenForConditionalGeneration` with sdpa or eager attention.
        processor: its `ListenProcessor`.
        clips: audio as `processor.load_audio` reads it; all of them are one batch.
        questions: those on each clip.

    Returns:
        P(yes) / (P(yes) + P(no)) of each question on each clip.

    Raises:
        ValueError: clips and questions differ in number; audio that cannot be read.
    """
    if len(clips) != len(questions):
        raise ValueError(f"{len(clips)} clips, but questions on {len(questions)}")
    asked = [index for index, each in enumerate(questions) if each]
    if not asked:
        return [[] for _ in questions]
    features, windows = processor.extract_features([processor.load_audio(clips[index]) for index in asked])
    embeds = model.get_audio_features(features.to(model.device), return_dict=True).pooler_output
    spans = embeds.split(windows)  # (windows, queries, hidden) of each clip

    trees, row_spans = [], []
    prefix: list[int] = []
    for index, span, num_windows in zip(asked, spans, windows, strict=True):
        prompts = [processor.tokenize_prompt(question) for question in questions[index]]
        prefix = prompts[0].prefix
        for start in range(0, len(prompts), QUESTIONS_PER_ROW):
            branches = [prompt.suffix for prompt in prompts[start : start + QUESTIONS_PER_ROW]]
            trees.append(Tree(processor.audio_span(num_windows), branches))
            row_spans.append(span.flatten(0, 1))

    packed = pack_trees(trees, processor.tokenizer.pad_token_id, len(prefix))
    following = torch.nn.functional.pad(packed.branch_ids, (0, 1))[:, 1:]
    ends = (packed.branch_ids > 0) & (packed.branch_ids != following)  # in the order of the questions
    input_ids = packed.input_ids.to(model.device)
    logits = model(
        inputs_embeds=model.model.embed(input_ids, torch.cat(row_spans)),
        position_ids=packed.position_ids.to(model.device),
        attention_mask=packed.attention_mask.to(model.device),
        past_key_values=PrefixCache(model, prefix).expand(len(trees)),
        use_cache=bool(prefix),
        logits_to_keep=ends.to(model.device),
    ).logits
    answers = processor.answer_token_ids()
    yes, no = (logits[:, answers[answer]].float().logsumexp(-1) for answer in ("yes", "no"))
    probabilities = iter((yes - no).sigmoid().tolist())
    return [[next(probabilities) for _ in each] for each in questions]


__all__ = ["presence_probabilities"]
