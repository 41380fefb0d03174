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

"""The pipeline that LISTEN is for: which of these sounds are in this audio, and which are not."""

import os
from collections.abc import Sequence
from typing import Any

from transformers import Pipeline

from .presence_listen import presence_probabilities

TASK = "sound-presence"
# What `config.json` says of it, so that `pipeline("sound-presence", model=..., trust_remote_code=True)` finds it.
CUSTOM_PIPELINES = {TASK: {"impl": "pipeline_listen.SoundPresencePipeline", "pt": ["AutoModel"], "type": "multimodal"}}


class SoundPresencePipeline(Pipeline):
    """Says of each candidate label whether its sound is in the audio, in the model's own probability of "yes".

    Labels are judged one by one: any number of them may be present, or none.

    Example:

    ```python
    >>> from transformers import pipeline

    >>> listen = pipeline("sound-presence", model="runs/demo/model", trust_remote_code=True)
    >>> listen("street.wav", candidate_labels=["a siren", "a dog"])
    [{'label': 'a siren', 'score': 0.98, 'present': True}, {'label': 'a dog', 'score': 0.03, 'present': False}]
    ```
    """

    _load_processor = True
    _load_tokenizer = False
    _load_feature_extractor = False
    _load_image_processor = False

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.feature_extractor = None  # clips are collated unpadded; the processor has its own

    def __call__(self, audio: Any, **kwargs: Any) -> list:
        """Judge the candidate labels of a clip, or of each clip of a list.

        Args:
            audio: a path, URL, array at the encoder's sampling rate, encoded bytes, or a mapping such as
                `{"array": ..., "sampling_rate": ...}`; or a list, generator or data set of them.
            candidate_labels (`list[str]` or `str`): the sounds in question; a string holds them between commas.
            hypothesis_template (`str`, defaults to `"Is there a sound of {} in the audio?"`): the question asked.
            threshold (`float`, defaults to 0.5): score from which on a sound counts as present.
            batch_size (`int`, defaults to 1): clips that pass the model at once.

        Returns:
            Dictionaries of `label`, `score` (0 to 1) and `present`, the highest score first; for several clips a list
            of such lists.

        Raises:
            ValueError: no labels, a template without `{}`, audio that cannot be read, a threshold outside 0 to 1.
            TypeError: labels that are no strings.
        """
        return super().__call__(audio, **kwargs)

    def _sanitize_parameters(
        self,
        candidate_labels: str | Sequence[str] | None = None,
        hypothesis_template: str | None = None,
        threshold: float | None = None,
    ) -> tuple[dict, dict, dict]:
        preprocess, postprocess = {}, {}
        if candidate_labels is not None:
            if isinstance(candidate_labels, str):
                candidate_labels = [label.strip() for label in candidate_labels.split(",") if label.strip()]
            if not all(isinstance(label, str) for label in candidate_labels):
                raise TypeError(f"candidate_labels must be strings, not {candidate_labels!r:.200}")
            preprocess["candidate_labels"] = list(candidate_labels)
        if hypothesis_template is not None:
            if hypothesis_template.count("{}") != 1:
                raise ValueError(f"hypothesis_template {hypothesis_template!r} must hold {{}} once, for the label")
            preprocess["hypothesis_template"] = hypothesis_template
        if threshold is not None:
            if not 0 <= threshold <= 1:
                raise ValueError(f"threshold must be from 0 to 1, not {threshold}")
            postprocess["threshold"] = threshold
        return preprocess, {}, postprocess

    def preprocess(
        self,
        audio: Any,
        candidate_labels: Sequence[str] = (),
        hypothesis_template: str = "Is there a sound of {} in the audio?",
    ) -> dict[str, Any]:
        """Read a clip and put the questions."""
        if not candidate_labels:
            raise ValueError("candidate_labels is empty: name the sounds that are in question")
        return {
            "clip": [self.processor.load_audio(audio)],
            "labels": [candidate_labels],
            "questions": [[hypothesis_template.replace("{}", label) for label in candidate_labels]],
        }

    def _forward(self, inputs: dict[str, list]) -> dict[str, list]:
        # A batch holds one list in a list for each clip; a clip alone is not nested.
        batched = isinstance(inputs["clip"][0], list)
        clips, questions = inputs["clip"], inputs["questions"]
        if batched:
            clips, questions = [clip for (clip,) in clips], [each for (each,) in questions]
        scores = presence_probabilities(self.model, self.processor, clips, questions)
        return {"scores": [[each] for each in scores] if batched else scores, "labels": inputs["labels"]}

    def postprocess(self, outputs: dict[str, list], threshold: float = 0.5) -> list[dict[str, Any]]:
        """Name the scores and sort them."""
        pairs = zip(outputs["labels"][0], outputs["scores"][0], strict=True)
        judged = [{"label": label, "score": score, "present": score >= threshold} for label, score in pairs]
        return sorted(judged, key=lambda each: -each["score"])

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs: Any) -> None:
        """Save model and processor; `pipeline` loads the folder again."""
        self.model.save_pretrained(save_directory, **kwargs)
        self.processor.save_pretrained(save_directory, **kwargs)


__all__ = ["SoundPresencePipeline"]
