"""Any audio LLM of Transformers: Qwen2-Audio, Audio Flamingo 3, Granite Speech and their like.

Tests run these three. Voxtral, whose tokenizer needs mistral-common, is asked as its documentation says, untested.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from recipes.systems.base import SAMPLING_RATE, Answer, Clip, Settings, System, check_model, fingerprint, is_yes_no
from recipes.systems.wav import wav_base64
from recipes.systems.yes_no import answer_token_ids, probability_of_yes

if TYPE_CHECKING:
    import datasets
    import numpy as np
    from transformers import BatchFeature, PreTrainedModel, ProcessorMixin


class HFAudioLLM(System):
    """A model that Transformers loads by itself, asked in its own chat template.

    Args:
        name: how tables call it.
        model: a folder or a Hub id.
        settings: how it answers.
    """

    def __init__(self, name: str, model: str, settings: Settings) -> None:
        self.name, self.model_id, self.settings = name, model, settings

    def identity(self) -> dict[str, Any]:
        """The model and the way of answering."""
        settings = self.settings
        return {
            "hf": fingerprint(self.model_id),
            "score": settings.score,
            "max_new_tokens": settings.max_new_tokens,
            "dtype": settings.dtype,
        }

    def check(self, questions: "datasets.Dataset") -> None:
        """Look whether the model is there."""
        check_model(self.model_id)

    @cached_property
    def _processor(self) -> "ProcessorMixin":
        from transformers import AutoProcessor

        processor = AutoProcessor.from_pretrained(self.model_id)
        if getattr(processor, "tokenizer", None) is None:
            raise ValueError(f"{self.model_id} has no processor of audio and text: it is no audio LLM")
        if processor.tokenizer.pad_token is None:
            processor.tokenizer.pad_token = processor.tokenizer.eos_token
        return processor

    @property
    def _extractor(self) -> Any:
        processor = self._processor
        return getattr(processor, "feature_extractor", None) or processor.audio_processor

    @property
    def _has_windows(self) -> bool:
        from transformers import WhisperFeatureExtractor

        return isinstance(self._extractor, WhisperFeatureExtractor)

    @cached_property
    def _model(self) -> "PreTrainedModel":
        import transformers
        from transformers.models.auto.modeling_auto import MODEL_FOR_MULTIMODAL_LM_MAPPING

        loader = transformers.AutoModelForMultimodalLM
        config = transformers.AutoConfig.from_pretrained(self.model_id)
        if type(config) not in MODEL_FOR_MULTIMODAL_LM_MAPPING:  # Audio Flamingo 3 is listed elsewhere
            loader = getattr(transformers, (config.architectures or [""])[0], loader)
        model = loader.from_pretrained(self.model_id, dtype=self.settings.dtype)
        return model.to(self.settings.resolve_device()).eval()

    def answer(self, clips: Sequence[Clip]) -> list[list[Answer]]:
        """Answer the questions of several clips, as many in a batch as can be without changing the answers."""
        asked = [(clip.waveform, question) for clip in clips for question in clip.questions]
        groups: dict[tuple[bool, int], list[int]] = {}
        for row, (waveform, question) in enumerate(asked):
            by_logits = self.settings.score == "logits" and is_yes_no(question)
            # Other encoders than Whisper's (Granite Speech's) may hear the padding of shorter recordings.
            length = 0 if self._has_windows else len(waveform)
            groups.setdefault((by_logits, length), []).append(row)
        answers: dict[int, Answer] = {}
        for (by_logits, _), rows in groups.items():
            answers |= zip(rows, self._answer([asked[row] for row in rows], by_logits), strict=True)
        rows_left = iter(range(len(asked)))
        return [[answers[next(rows_left)] for _ in clip.questions] for clip in clips]

    def _answer(self, asked: list[tuple["np.ndarray", dict[str, Any]]], by_logits: bool) -> list[Answer]:
        import torch

        inputs = self._prepare([waveform for waveform, _ in asked], [question["question"] for _, question in asked])
        inputs = inputs.to(self._model.device, dtype=self._model.dtype)
        with torch.inference_mode():
            output = self._model.generate(
                **inputs,
                max_new_tokens=1 if by_logits else self.settings.max_new_tokens,
                do_sample=False,
                num_beams=1,
                pad_token_id=self._processor.tokenizer.pad_token_id,
                output_logits=True,
                return_dict_in_generate=True,
            )
        p_yes = probability_of_yes(output.logits[0].float(), answer_token_ids(self._processor.tokenizer))
        if by_logits:
            return [Answer("Yes" if each > 0.5 else "No", each) for each in p_yes]
        tokens = output.sequences[:, inputs["input_ids"].shape[1] :]
        responses = self._processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [
            Answer(response.strip(), each if is_yes_no(question) else None)
            for response, each, (_, question) in zip(responses, p_yes, asked, strict=True)
        ]

    def _prepare(self, waveforms: list["np.ndarray"], questions: list[str]) -> "BatchFeature":
        """The model's inputs for one question on each waveform."""
        processor = self._processor
        if type(processor.tokenizer).__name__.startswith("MistralCommon"):  # Voxtral's renders tokens, not text
            return processor.apply_chat_template(
                [_voxtral_chat(*each) for each in zip(waveforms, questions, strict=True)]
            )
        prompts = [self._render(question) for question in questions]
        bos = processor.tokenizer.bos_token
        text_kwargs = {"padding": True, "padding_side": "left"}
        if bos and prompts[0].startswith(bos):
            text_kwargs["add_special_tokens"] = False
        return processor(
            text=prompts,
            audio=[self._resampled(waveform) for waveform in waveforms],
            text_kwargs=text_kwargs,
            return_tensors="pt",
        )

    def _render(self, question: str) -> str:
        """The prompt, with one placeholder for the recording before the question.

        Raises:
            ValueError: the chat template takes audio neither as part of a message nor as a placeholder in its text.
        """
        import jinja2

        processor = self._processor
        template = processor.chat_template or processor.tokenizer.chat_template
        for content in (
            [{"type": "audio"}, {"type": "text", "text": question}],
            f"{processor.audio_token}{question}",
        ):
            messages = [{"role": "user", "content": content}]
            try:
                prompt = processor.apply_chat_template(
                    messages, chat_template=template, add_generation_prompt=True, tokenize=False
                )
            except (jinja2.TemplateError, TypeError):  # the template wants plain text
                continue
            if prompt.count(processor.audio_token) == 1:
                return prompt
        raise ValueError(
            f"the chat template of {self.model_id} gives no prompt with one {processor.audio_token} for {question!r}"
        )

    def _resampled(self, waveform: "np.ndarray") -> "np.ndarray":
        from modeling_listen.audio_listen import read_audio

        rate = getattr(self._extractor, "sampling_rate", None) or SAMPLING_RATE
        return read_audio({"array": waveform, "sampling_rate": SAMPLING_RATE}, rate)

    def close(self) -> None:
        """Let the model go."""
        self.__dict__.pop("_model", None)


def _voxtral_chat(waveform: "np.ndarray", question: str) -> list[dict[str, Any]]:
    audio = {"data": wav_base64(waveform), "format": "wav"}
    content = [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": question}]
    return [{"role": "user", "content": content}]
