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

"""The prompt of Eq. 1 in a language model's own chat template, and the token that stands for audio in it."""

import re
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

BEGIN_OF_AUDIO = "[Begin of audio]"
END_OF_AUDIO = "[End of audio]"
# Tokens that language models keep in reserve, in the order of preference.
_SPARE_TOKENS = (
    r"<\|reserved_special_token_\d+\|>",  # Llama 3
    r"<unused\d+>",  # Gemma
    r"\[control_\d+\]|<SPECIAL_\d+>",  # Mistral
    r"<\|(vision_pad|image_pad|video_pad|box_start|extra_\d+|dummy_\d+)\|>",  # Qwen, Phi
)
_NEW_TOKEN = "<|listen_audio|>"
# Put before a language model's chat template, which takes plain text: content parts become Eq. 1.
# Llama 3's templates put in a date, by default today's: tokens before the span must stay what they were in training.
_PARTS_TEMPLATE = """\
{%- if date_string is not defined -%}{%- set date_string = '26 Jul 2024' -%}{%- endif -%}
{%- set listen = namespace(messages=[], texts=[]) -%}
{%- for message in messages -%}
    {%- if message['content'] is not defined or message['content'] is none or message['content'] is string -%}
        {%- set listen.messages = listen.messages + [message] -%}
    {%- else -%}
        {%- set listen.texts = [] -%}
        {%- for part in message['content'] -%}
            {%- if part['type'] == 'audio' -%}
                {%- set listen.texts = listen.texts + ['BEGIN_OF_AUDIOPLACEHOLDER END_OF_AUDIO'] -%}
            {%- elif part['type'] == 'seed' -%}
                {%- set listen.texts = listen.texts + ['BEGIN_OF_AUDIO ' ~ part['seed'] ~ ' END_OF_AUDIO'] -%}
            {%- elif part['type'] == 'text' -%}
                {%- set listen.texts = listen.texts + [part['text']] -%}
            {%- else -%}
                {{- raise_exception('a content part is of type audio, seed or text, not ' ~ part['type']) -}}
            {%- endif -%}
        {%- endfor -%}
        {%- set listen.messages = listen.messages + [dict(message, content=listen.texts | join(' '))] -%}
    {%- endif -%}
{%- endfor -%}
{%- set messages = listen.messages -%}
"""


class PromptTokens(NamedTuple):
    """Token ids of a prompt around its span: `prefix + span + suffix + response`."""

    prefix: list[int]
    suffix: list[int]
    response: list[int]


def choose_audio_token(tokenizer: PreTrainedTokenizerBase) -> tuple[str, int]:
    """Spelling and id of the placeholder: a reserved token where the tokenizer has one, else one added to it.

    An added one gets the next free id. No embedding is ever looked up for it, so no matrix needs to grow.
    """
    added = {token.content: index for index, token in sorted(tokenizer.added_tokens_decoder.items())}
    in_use = set(tokenizer.all_special_ids) if tokenizer.chat_template is None else {
        index for text, index in added.items() if text in str(tokenizer.chat_template)
    }  # fmt: skip
    in_use |= {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}
    for pattern in (re.escape(_NEW_TOKEN), *_SPARE_TOKENS):
        for text, index in added.items():
            if index not in in_use and re.fullmatch(pattern, text):
                return text, index
    tokenizer.add_special_tokens({"additional_special_tokens": [_NEW_TOKEN]}, replace_extra_special_tokens=False)
    return _NEW_TOKEN, tokenizer.convert_tokens_to_ids(_NEW_TOKEN)


def with_content_parts(chat_template: str, audio_token: str) -> str:
    """A language model's chat template, taking content parts of type audio, seed and text."""
    names = {"PLACEHOLDER": audio_token, "BEGIN_OF_AUDIO": BEGIN_OF_AUDIO, "END_OF_AUDIO": END_OF_AUDIO}
    return re.sub("|".join(names), lambda match: names[match[0]], _PARTS_TEMPLATE) + chat_template


__all__ = ["BEGIN_OF_AUDIO", "END_OF_AUDIO", "PromptTokens", "choose_audio_token", "with_content_parts"]
