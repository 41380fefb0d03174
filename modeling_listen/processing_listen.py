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

"""Processor of LISTEN: audio, and the one place where the prompt of Eq. 1 is rendered.

`[Begin of audio] <span> [End of audio] P_gen` is the user turn of the language model's own chat template. While data
is made, the seed's text stands in the span; in training and use, placeholders for the audio embeddings do. Whatever
stands in the span, the tokens around it are the same.
"""

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, BatchFeature, PreTrainedTokenizerBase, WhisperFeatureExtractor
from transformers.processing_utils import (
    AudioKwargs,
    ImagesKwargs,
    MultiModalData,
    ProcessingKwargs,
    ProcessorMixin,
    TextKwargs,
    Unpack,
    VideosKwargs,
)

from .audio_listen import LogMel, is_waveform, read_audio
from .prompt_listen import BEGIN_OF_AUDIO, END_OF_AUDIO, PromptTokens, choose_audio_token, with_content_parts

_PADDING_OPTIONS = {"padding", "max_length", "pad_to_multiple_of", "truncation"}
# Every keyword that some processor of Transformers knows: generic code passes those of other modalities along.
_KNOWN_KEYWORDS = {
    name
    for group in (TextKwargs, ImagesKwargs, VideosKwargs, AudioKwargs, ProcessingKwargs)
    for name in group.__annotations__
} | {"images", "videos", "common_kwargs", "return_tensors"}


class ListenProcessor(ProcessorMixin):
    """Turns audio and text into what the model takes.

    Args:
        feature_extractor (`WhisperFeatureExtractor`): of the audio encoder.
        tokenizer (`PreTrainedTokenizerBase`): of the language model.
        chat_template (`str`, *optional*): the language model's, in Jinja.
        audio_token (`str`): spelling of the placeholder.
        num_query_tokens (`int`): embeddings that the adapter makes of one window.

    Example:

    ```python
    >>> inputs = processor("street.wav", "Is there a siren?")
    >>> answer = model.generate(**inputs)
    ```
    """

    text_kwargs = {"padding": True, "padding_side": "left", "add_special_tokens": False, "return_tensors": "pt"}
    audio_kwargs = {"sampling_rate": 16000, "return_tensors": "pt"}

    def __init__(
        self,
        feature_extractor: WhisperFeatureExtractor,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | None = None,
        audio_token: str = "<|reserved_special_token_0|>",
        num_query_tokens: int = 64,
    ):
        self.audio_token = audio_token
        self.audio_token_id = tokenizer.convert_tokens_to_ids(audio_token)
        self.num_query_tokens = num_query_tokens
        super().__init__(feature_extractor, tokenizer, chat_template=chat_template)
        if self.audio_token_id in (None, tokenizer.unk_token_id):
            raise ValueError(f"the tokenizer has no token {audio_token!r} to stand for audio")
        if tokenizer.pad_token_id is None:  # Llama has none; what pads is masked
            tokenizer.pad_token = tokenizer.eos_token
        tokenizer.padding_side = "left"  # prompts end where answers begin
        self._log_mel: LogMel | None = None

    @classmethod
    def from_backbones(
        cls,
        audio_model: str | os.PathLike,
        text_model: str | os.PathLike,
        *,
        num_query_tokens: int = 64,
        audio_revision: str | None = None,
        text_revision: str | None = None,
        chat_template: str | None = None,
        **hub: Any,
    ) -> "ListenProcessor":
        """Compose a processor from the repositories, or folders, of a Whisper and of a language model.

        Raises:
            OSError: one of them cannot be read; the message names it.
            ValueError: the language model has no chat template and none is given.
        """
        feature_extractor = WhisperFeatureExtractor.from_pretrained(audio_model, revision=audio_revision, **hub)
        tokenizer = AutoTokenizer.from_pretrained(text_model, revision=text_revision, **hub)
        chat_template = chat_template or tokenizer.chat_template
        if isinstance(chat_template, dict):  # one by name: for tools, for retrieval, ...
            chat_template = chat_template.get("default")
        if chat_template is None:
            raise ValueError(
                f"{text_model} has no chat template: take an instruction-tuned model or pass chat_template"
            )
        audio_token, _ = choose_audio_token(tokenizer)
        chat_template = with_content_parts(chat_template, audio_token)
        return cls(feature_extractor, tokenizer, chat_template, audio_token, num_query_tokens)

    # The prompt

    def tokenize_prompt(self, prompt: str, response: str | None = None, system: str | None = None) -> PromptTokens:
        """Token ids around the span of one clip's prompt (Eq. 1).

        Args:
            prompt: P_gen, a generation prompt or a question.
            response: what the language model answered; its ids end with the end of its turn. None gives no ids.
            system: a system message to stand before.

        Raises:
            ValueError: a text that spells the placeholder.
        """
        content = [{"type": "audio"}, {"type": "text", "text": self._checked(prompt)}]
        messages = [{"role": "user", "content": content}]
        if system is not None:
            messages.insert(0, {"role": "system", "content": self._checked(system)})
        rendered = self.apply_chat_template(messages, add_generation_prompt=True)
        ids = self._tokenize(rendered)
        start = ids.index(self.audio_token_id)
        answered = []
        if response is not None:
            answered = [*self._continue(rendered, self._checked(response)), self._end_of_turn[0]]
        return PromptTokens(ids[:start], ids[start + 1 :], answered)

    def tokenize_seed(self, seed: str) -> list[int]:
        """Token ids of a seed, as they stand in the span while data is made."""
        return self._continue(BEGIN_OF_AUDIO, f" {self._checked(seed)}")

    def audio_span(self, num_windows: int = 1) -> list[int]:
        """Placeholder ids, as they stand in the span of a clip of `num_windows` windows."""
        return [self.audio_token_id] * (self.num_query_tokens * num_windows)

    def render_prompt(self, prompt: str, seed: str) -> list[dict[str, str]]:
        """The prompt with a seed in its span, as messages for a server that renders chat templates itself."""
        return [{"role": "user", "content": f"{BEGIN_OF_AUDIO} {seed} {END_OF_AUDIO} {prompt}"}]

    def answer_token_ids(self) -> dict[str, list[int]]:
        """First tokens of all spellings of "yes" and of "no"; a token that could begin both is left out."""
        first = {
            answer: {
                self._tokenize(space + spelling)[0]
                for spelling in (answer, answer.capitalize(), answer.upper())
                for space in ("", " ")
            }
            for answer in ("yes", "no")
        }
        both = first["yes"] & first["no"]
        return {answer: sorted(ids - both) for answer, ids in first.items()}

    def _tokenize(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _continue(self, context: str, text: str) -> list[int]:
        """Ids of `text` where it follows `context`; on its own where the two would share a token."""
        before, both = self._tokenize(context), self._tokenize(context + text)
        return both[len(before) :] if both[: len(before)] == before else self._tokenize(text)

    @cached_property
    def _end_of_turn(self) -> tuple[int, str]:
        """Id and spelling of the token with which the language model ends its turn."""
        answer = "Yes"
        messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": answer}]
        rendered = self.apply_chat_template(messages)
        tail = self._tokenize(rendered[rendered.rindex(answer) + len(answer) :].lstrip())
        index = tail[0] if tail else self.tokenizer.eos_token_id
        return index, self.tokenizer.decode([index])

    def _checked(self, text: str) -> str:
        if not isinstance(text, str):
            raise TypeError(f"text must be a string, not {type(text).__name__}")
        if self.audio_token in text:
            raise ValueError(f"the text spells {self.audio_token}, which only stands for audio: {text[:200]!r}")
        return text

    # Audio

    def load_audio(self, source: Any) -> np.ndarray:
        """One clip as a mono float32 waveform `(samples,)` at the encoder's sampling rate; see `read_audio`."""
        return read_audio(source, self.feature_extractor.sampling_rate)

    def num_windows(self, num_samples: int) -> int:
        """Windows that a clip of so many samples is heard in."""
        return -(-num_samples // self.feature_extractor.n_samples)

    def cut(self, waveform: np.ndarray) -> list[np.ndarray]:
        """Windows of a clip `(samples,)`, the last of which ends with it.

        A clip longer than a window is heard in whole ones: the last reaches back into the one before it, where a
        remainder filled up with silence would be heard as sounds that are not there.
        """
        length = self.feature_extractor.n_samples
        last = max(len(waveform) - length, 0)
        starts = (min(index * length, last) for index in range(self.num_windows(len(waveform))))
        return [waveform[start : start + length] for start in starts]

    def extract_features(
        self, waveforms: Sequence[np.ndarray], device: str | torch.device | None = None, **options: Any
    ) -> tuple[torch.Tensor, list[int]]:
        """Log-mel spectrograms of clips, those longer than the encoder's window in several windows; see `cut`.

        Args:
            waveforms: float32 `(samples,)` each, at the encoder's sampling rate.
            device: compute there, and leave the result there; on the CPU by `WhisperFeatureExtractor` when left out.

        Returns:
            `(windows, mel_bins, frames)`, and the number of windows of each clip.
        """
        windows = [window for waveform in waveforms for window in self.cut(waveform)]
        counts = [self.num_windows(len(waveform)) for waveform in waveforms]
        if device is not None:
            if self._log_mel is None:
                self._log_mel = LogMel(self.feature_extractor)
            return self._log_mel.to(device)(windows), counts
        # Windows are always filled up: the encoder hears whole ones.
        options = {name: value for name, value in options.items() if name not in _PADDING_OPTIONS}
        options |= {"sampling_rate": self.feature_extractor.sampling_rate, "return_tensors": "pt"}
        return self.feature_extractor(windows, **options)["input_features"], counts

    def _process_audio(self, audio: list[np.ndarray], **options: Any) -> tuple[dict, list[str]]:
        features, counts = self.extract_features(audio, **options)
        inputs = {"input_features": features, "num_windows": counts}
        return inputs, [self.replace_audio_token(inputs, index) for index in range(len(audio))]

    def replace_audio_token(self, audio_inputs: dict, audio_idx: int, **_: Any) -> str:
        """The placeholders that one clip's placeholder becomes."""
        return self.audio_token * (self.num_query_tokens * audio_inputs["num_windows"][audio_idx])

    @property
    def unused_input_names(self) -> list[str]:
        """What the model does not take."""
        return ["num_windows"]

    def _get_num_multimodal_tokens(self, audio_lengths: list[int] | None = None, **_: Any) -> MultiModalData:
        lengths = audio_lengths or []
        return MultiModalData(num_audio_tokens=[self.num_query_tokens * self.num_windows(n) for n in lengths])

    # Both

    def __call__(
        self,
        audio: Any = None,
        text: str | list[str] | None = None,
        response: str | list[str] | None = None,
        rendered: bool | None = None,
        **kwargs: Unpack[ProcessingKwargs],
    ) -> BatchFeature:
        """Prepare audio and text for the model.

        Args:
            audio: a clip (see `load_audio`), a list of clips, or a list of clips or such lists, one for each text.
            text: a plain question, which is rendered in the chat template behind its clips; or a prompt that already
                holds a placeholder for each clip; or a list of them.
            response: what the model should answer, for training: appended to the prompt, with `labels` on its tokens.
            rendered: whether a chat template made `text`; when left out, it did if the text spells control tokens. A
                text that none made cannot spell the placeholder.
            kwargs: `sampling_rate` (of arrays given, in Hz), `device` (where to compute spectrograms), and all that
                tokenizer and feature extractor take.

        Returns:
            `input_ids`, `attention_mask` `(batch, positions)`, left-padded; `input_features`
            `(windows, mel_bins, frames)`; `labels` where responses are given.

        Raises:
            ValueError: audio that cannot be read, a sampling rate that is not the encoder's, clips and placeholders
                that differ in number.
            TypeError: a keyword or an input of a kind that is not known.
        """
        if audio is None and text is None:
            raise ValueError("give audio, text or both")
        if unknown := sorted(set(kwargs) - _KNOWN_KEYWORDS):
            raise TypeError(f"unknown keywords: {', '.join(unknown)}; audio goes by `audio`")
        if seen := [name for name in ("images", "videos") if kwargs.get(name) is not None]:
            raise TypeError(f"LISTEN takes audio and text, no {' or '.join(seen)}")
        clips, groups = (None, None) if audio is None else self._read(audio, kwargs)
        kwargs = self._with_defaults(kwargs)
        if text is None:
            if response is not None:
                raise ValueError("a response needs the text that it responds to")
            if not clips:
                raise ValueError("the list of audio is empty")
            return super().__call__(audio=clips, **kwargs)

        texts = [text] if isinstance(text, str) else text
        if not isinstance(texts, list | tuple) or not texts or not all(isinstance(each, str) for each in texts):
            raise TypeError(f"text must be a string or a list of strings, not {text!r:.200}")
        texts = self._with_spans(list(texts), clips, groups, rendered)
        clips = clips or None
        if response is None:
            return super().__call__(audio=clips, text=texts, **kwargs)
        responses = [response] if isinstance(response, str) else list(response)
        if len(responses) != len(texts):
            raise ValueError(f"{len(texts)} texts, but {len(responses)} responses")
        responses = [self._checked(each) + self._end_of_turn[1] for each in responses]
        lengths = [len(self._continue(*each)) for each in zip(texts, responses, strict=True)]
        answered = [prompt + each for prompt, each in zip(texts, responses, strict=True)]
        inputs = super().__call__(audio=clips, text=answered, **kwargs)
        inputs["labels"] = _labels_of_last(inputs, lengths)
        return inputs

    def apply_chat_template(self, conversation: Any, *args: Any, **kwargs: Any) -> Any:
        """Render a conversation, or a list of them, in the language model's chat template.

        A message's content is a string or a list of parts: `{"type": "text", "text": ...}`, `{"type": "audio", "audio"
        | "path" | "url": ...}`, or `{"type": "seed", "seed": ...}` with the text that stands for audio. All else is as
        in `ProcessorMixin.apply_chat_template`.

        Raises:
            ValueError: an empty conversation, a part of another type, or one that the language model's template
                refuses.
        """
        from jinja2 import TemplateError

        if not conversation or any(isinstance(each, list | tuple) and not each for each in conversation):
            raise ValueError("the conversation is empty")
        if kwargs.get("tokenize"):
            conversation = self._with_audio(conversation)
            kwargs["processor_kwargs"] = {**(kwargs.get("processor_kwargs") or {}), "rendered": True}
        try:
            return super().apply_chat_template(conversation, *args, **kwargs)
        except TemplateError as error:
            raise ValueError(f"the chat template refuses this conversation: {error}") from error

    def _with_audio(self, conversation: Any) -> Any:
        """A copy of a conversation, or of a part of one, with its audio read."""
        if isinstance(conversation, list | tuple):
            return [self._with_audio(each) for each in conversation]
        if not isinstance(conversation, dict):
            return conversation
        if isinstance(conversation.get("content"), list | tuple):
            return {**conversation, "content": self._with_audio(conversation["content"])}
        if conversation.get("type") == "audio":
            source = conversation.get("audio")
            return {"type": "audio", "audio": self.load_audio(conversation if source is None else source)}
        return conversation

    def _with_defaults(self, kwargs: dict) -> dict:
        """The class's defaults where caller and tokenizer say nothing; some releases of Transformers skip them."""
        groups = {"text_kwargs": self.text_kwargs, "audio_kwargs": self.audio_kwargs}
        said = kwargs.keys() | self.tokenizer.init_kwargs.keys()
        return kwargs | {
            group: {name: defaults[name] for name in defaults.keys() - said} | (kwargs.get(group) or {})
            for group, defaults in groups.items()
        }

    def _read(self, audio: Any, kwargs: dict) -> tuple[list[np.ndarray], list[int] | None]:
        """All clips in a row, and how many belong to each text where the caller says so."""
        rate = kwargs.get("sampling_rate", (kwargs.get("audio_kwargs") or {}).get("sampling_rate"))
        wanted = self.feature_extractor.sampling_rate
        if rate is not None and rate != wanted:
            raise ValueError(
                f"the encoder hears {wanted} Hz, not {rate} Hz; give {{'array': ..., 'sampling_rate': {rate}}} to "
                "have it resampled"
            )
        if is_waveform(audio) or not isinstance(audio, list | tuple):
            return [self.load_audio(audio)], None
        if not audio:
            raise ValueError("the list of audio is empty")
        grouped = [isinstance(each, list | tuple) and not is_waveform(each) for each in audio]
        if any(grouped):  # a clip beside lists of clips is a list of one
            groups = [each if is_group else [each] for each, is_group in zip(audio, grouped, strict=True)]
            return [self.load_audio(clip) for group in groups for clip in group], [len(group) for group in groups]
        return [self.load_audio(clip) for clip in audio], None

    def _with_spans(
        self, texts: list[str], clips: list | None, groups: list[int] | None, rendered: bool | None
    ) -> list[str]:
        """Prompts that hold a placeholder for each clip; plain questions are rendered behind theirs."""
        counts = [text.count(self.audio_token) for text in texts]
        clips = clips or []
        if groups is None:
            one_each = [len(clips)] if len(texts) == 1 else [1] * len(texts)
            groups = counts if any(counts) or not clips else one_each
        if len(groups) != len(texts) or sum(groups) != len(clips):
            raise ValueError(
                f"{len(clips)} clips and {len(texts)} texts with {sum(counts)} placeholders do not match: audio "
                "tokens in the prompts should be the same as the number of clips, unless the texts are plain "
                "questions on one clip each, or one question on all"
            )
        prompts = []
        for text, count, wanted in zip(texts, counts, groups, strict=True):
            if rendered is False:
                self._checked(text)
            # Plain questions spell no control tokens.
            spelled = sorted(token for token in self._control_tokens if token in text) if rendered is None else []
            is_plain = not (spelled or rendered)
            if count == 0 and is_plain:
                if wanted == 0:
                    raise ValueError(
                        f"a question without audio: {text[:200]!r}; to ask the language model alone, render the "
                        "question by apply_chat_template"
                    )
                content = [*[{"type": "audio"}] * wanted, {"type": "text", "text": text}]
                text = self.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
            elif count != wanted:
                taken = f"the text spells control tokens ({', '.join(spelled)}), so it is taken for rendered; "
                remedy = "; pass rendered=False if it is a plain question"
                raise ValueError(
                    f"{taken if spelled else ''}a prompt holds {count} audio placeholders for its {wanted} clips: "
                    f"{text[:200]!r}{remedy if spelled and not count else ''}"
                )
            prompts.append(text)
        return prompts

    @cached_property
    def _control_tokens(self) -> tuple[str, ...]:
        special = {token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        return tuple((special | set(self.tokenizer.all_special_tokens)) - {self.audio_token})


def _labels_of_last(inputs: BatchFeature, lengths: list[int]) -> Any:
    """Labels `(batch, positions)` on the last tokens of each row, wherever its padding stands."""
    input_ids = inputs["input_ids"]
    mask = torch.as_tensor(inputs["attention_mask"])
    from_end = mask.flip(-1).cumsum(-1).flip(-1)  # 1 at a row's last token, 2 before it, ...
    kept = (from_end <= torch.tensor(lengths)[:, None]) & mask.bool()
    labels = torch.as_tensor(input_ids).masked_fill(~kept, -100)
    return labels.numpy() if isinstance(input_ids, np.ndarray) else labels


ListenProcessor.register_for_auto_class("AutoProcessor")

__all__ = ["ListenProcessor"]
