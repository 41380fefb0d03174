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
"""Is a sound there? The probability that the model's own next word is "yes", for many questions on a clip at once."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from .branches_listen import PrefixCache, Tree, pack_trees
from .processing_listen import ListenProcessor


@torch.no_grad()
def presence_probabilities(
    model: PreTrainedModel,
    processor: ListenProcessor,
    waveforms: Sequence[np.ndarray],
    questions: Sequence[Sequence[str]],
    prefix: PrefixCache | None = None,
) -> list[list[float]]:
    """P(yes) of yes/no questions, read off the first token of the answer.

    All questions of a clip share one pass of the encoder, of the adapter and of the language model over the audio.

    Args:
        waveforms: the clips, float32 `(samples,)` at the encoder's sampling rate (see `processor.load_audio`).
        questions: the questions of each clip; at least one.
        prefix: keys and values of what stands before the audio, for callers that ask often.

    Returns:
        For each clip, P(yes) / (P(yes) + P(no)) of its questions, over all spellings of both words.

    Raises:
        ValueError: not as many lists of questions as clips, or a clip without questions.
    """
    if len(waveforms) != len(questions) or not all(questions):
        raise ValueError(f"{len(waveforms)} clips need as many lists of questions, none empty; got {questions!r:.200}")
    prompts = [[processor.tokenize_prompt(question) for question in each] for each in questions]
    prefix = prefix or PrefixCache(model, prompts[0][0].prefix)
    features, num_windows = processor.extract_features(waveforms, device=model.device)
    trees = [
        [Tree(processor.audio_span(windows), [prompt.suffix for prompt in each])]
        for windows, each in zip(num_windows, prompts, strict=True)
    ]
    packed = pack_trees(trees, processor.tokenizer.pad_token_id, prefix.length)
    # The last token of a branch is followed by another branch or by padding, or ends its row.
    following = torch.nn.functional.pad(packed.branch_ids[:, 1:], (0, 1))
    ends = (packed.branch_ids > 0) & (following != packed.branch_ids)
    logits = model(
        input_ids=packed.input_ids.to(model.device),
        position_ids=packed.position_ids.to(model.device),
        attention_mask=packed.attention_mask.to(model.device),
        input_features=features,
        past_key_values=prefix.expand(len(trees)),
        logits_to_keep=ends.to(model.device),
    ).logits.float()  # (questions of all clips, vocabulary)

    answers = processor.answer_token_ids()
    log_odds = logits[:, answers["yes"]].logsumexp(-1) - logits[:, answers["no"]].logsumexp(-1)
    return [p.tolist() for p in log_odds.sigmoid().cpu().split([len(each) for each in questions])]
