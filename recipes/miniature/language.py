"""The miniature language backbone: a Llama with its own tokenizer, trained on chats about the sound world."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recipes.miniature.dialogues import WORDINGS, Chat, Wording, draw_chat
from recipes.miniature.loop import train
from recipes.miniature.storage import save_half
from recipes.miniature.world import CATEGORIES, NAMES

VOCABULARY = 640
_GROUP = 8  # batches drawn together, so that chats of like length share one
BEGIN_OF_AUDIO, END_OF_AUDIO = "[Begin of audio]", "[End of audio]"
_BOS, _EOT, _PAD = "<|begin_of_text|>", "<|eot_id|>", "<|finetune_right_pad_id|>"
_RESERVED = tuple(f"<|reserved_special_token_{i}|>" for i in range(4))
_SPECIAL_TOKENS = (_BOS, "<|end_of_text|>", _PAD, "<|start_header_id|>", "<|end_header_id|>", _EOT, *_RESERVED)

# Llama 3's, with the assistant's turns marked for masks.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] | trim + '<|eot_id|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] | trim + '<|eot_id|>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Stretch:
    """A part of a language backbone's training: a part of a schedule, with an optimizer of its own.

    What a large language model would not have met, and who shows results says so: noise on the span's embeddings,
    extra weight on the names in lists, and the unlikelihood of naming a present sound as absent.
    """

    num_steps: int
    schedule: tuple[int, int]  # the step at which it begins in a schedule, and the steps of that schedule
    noise_ramp: tuple[float, float]  # when noise sets in and when it is all there, as shares of the schedule
    easy_share: float = 0.0  # of the schedule, at its beginning: more seeds are tags, fewer are unclear
    batch_size: int = 16
    learning_rate: float = 1.5e-3
    noise: float = 0.8  # uniform, over the mean norm of a token's embedding
    unclear_noise: float = 4.0  # over a seed that is to tell nothing
    name_weight: float = 3.0  # of the tokens of listed names
    late_name_weight: float = 1.3
    late: float = 0.7  # when it takes over, as a share of the schedule
    verdict_weight: float = 4.0  # of yes and no, which are one token of many in an answer
    unlikelihood: float = 1.0
    unclear_share: float = 0.3
    unclear_yes: float = 0.78
    phrasings: int | None = None  # of each class in captions; all by default

    def shares(self, progress: float) -> dict[str, float]:
        """What chats are like at a point of the training, in 0..1; options of `draw_chat`."""
        if progress < self.easy_share:
            return {"unclear_share": 0.1, "unclear_yes": self.unclear_yes, "caption_share": 0.4}
        return {"unclear_share": self.unclear_share, "unclear_yes": self.unclear_yes}


@dataclass(frozen=True)
class Recipe:
    """How a language backbone is trained: in which words, with which seed, and how."""

    stretches: tuple[Stretch, ...]
    wording: str = "llama"
    seed: int = 0

    def but(self, **changes: Any) -> "Recipe":
        """The same with changes to all stretches."""
        return replace(self, stretches=tuple(replace(stretch, **changes) for stretch in self.stretches))


_LLAMA = Recipe(
    (
        Stretch(3000, (0, 8000), noise_ramp=(0.6, 0.75)),
        Stretch(3000, (0, 3600), noise_ramp=(0.45, 0.65), easy_share=0.4),
        Stretch(3500, (3000, 6500), noise_ramp=(0.45, 0.65)),
    )
)
_OTHER = Recipe(
    (
        Stretch(8000, (0, 8000), noise_ramp=(0.6, 0.75), late=0.8),
        Stretch(3500, (0, 3500), noise_ramp=(0.45, 0.65), late=0.8, easy_share=0.4),
    ),
    wording="llama_other",
    seed=1,
)
_SEED2 = replace(_LLAMA, seed=2)
RECIPES = {
    "llama": _LLAMA,
    "llama_other": _OTHER.but(unclear_share=0.25, unclear_yes=0.7),
    # Levers of Table 3: another seed, and that one with a change.
    "llama_seed2": _SEED2,
    "llama_seed2_no_lean": _SEED2.but(unclear_yes=0.5),
    "llama_seed2_no_noise": _SEED2.but(noise=0.0),
    "llama_seed2_one_phrasing": _SEED2.but(phrasings=1),
}


def build_tokenizer(chats: list[Chat]):
    """Learn a byte-level BPE from chats and give it the chat template and special tokens of Llama 3."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    words = [f" {name}" for name in NAMES] + [f" {h}" for names in CATEGORIES.values() for h in names]
    texts = [text for chat in chats for text in _texts(chat)] + ["Yes", "No", "yes", "no"] * 50 + words * 20
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(_SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    bos = tokenizer.token_to_id(_BOS)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{_BOS} $A", special_tokens=[(_BOS, bos)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=_BOS,
        eos_token=_EOT,
        pad_token=_PAD,
        additional_special_tokens=list(_RESERVED),
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
        padding_side="left",
    )


def _texts(chat: Chat) -> list[str]:
    texts = [] if chat.seed is None else [f"{BEGIN_OF_AUDIO} {chat.seed}", f" {END_OF_AUDIO}"]
    for prompt, pieces in chat.turns:
        texts += [prompt, f" {prompt}", "".join(piece.text for piece in pieces), "user\n\n", "assistant\n\n"]
    return texts


def build_model(tokenizer, seed: int):
    """A Llama of 0.72 M parameters with weights at random."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        **ids,
    )
    model = LlamaForCausalLM(config)
    model.generation_config.update(pad_token_id=tokenizer.pad_token_id, **ids)
    return model


class ChatEncoder:
    """Turns chats into token ids, the span tokenised apart from what surrounds it, as the processor does."""

    def __init__(self, tokenizer) -> None:
        self.tokenizer = tokenizer
        self.ids = lru_cache(maxsize=50_000)(lambda text: tuple(tokenizer.encode(text, add_special_tokens=False)))
        opening, between, closing = tokenizer.apply_chat_template(
            [
                {"role": "user", "content": "\0"},
                {"role": "assistant", "content": "\0"},
                {"role": "user", "content": "\0"},
            ],
            tokenize=False,
            add_generation_prompt=True,
        ).split("\0")[0:3]
        self.user = opening  # begin of text, header of the user
        self.assistant = between  # end of the user's turn, header of the assistant
        self.next_user = closing.removeprefix(_EOT)  # header of the user's next turn
        self.first_of_name = {name: self.ids(f" {name}")[0] for name in NAMES}

    def encode(self, chat: Chat) -> "EncodedChat":
        """Encode a whole chat, with what its loss needs."""
        ids: list[int] = []
        responses, targets, kinds = [], [], []
        span = (0, 0)
        opening = self.user
        for turn, (prompt, pieces) in enumerate(chat.turns):
            if turn == 0 and chat.seed is not None:
                ids += self.ids(opening + BEGIN_OF_AUDIO)
                start = len(ids)
                ids += self.ids(f" {chat.seed}")
                span = (start, len(ids))
                opening = f" {END_OF_AUDIO} "
            ids += self.ids(opening + prompt + self.assistant)
            tokens, names = self._response(pieces)
            targets += range(len(ids), len(ids) + len(tokens))
            responses += [turn] * len(tokens)
            kinds += names
            ids += tokens
            opening = self.next_user
        present = [self.first_of_name[name] for name in chat.events]
        return EncodedChat(ids, span, chat.unclear, targets, responses, kinds, present)

    def _response(self, pieces) -> tuple[list[int], list[str]]:
        """Token ids of a response and, of each, the kind of its piece; "absent:first" where a listed name begins."""
        text = "".join(piece.text for piece in pieces) + _EOT
        encoding = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        edges = np.cumsum([len(piece.text) for piece in pieces])
        kinds, last = [], -1
        for _, end in encoding["offset_mapping"]:
            index = int(np.searchsorted(edges, end))  # a token belongs to the piece in which it ends
            kind = pieces[index].kind if index < len(pieces) else "words"
            kinds.append(f"{kind}:first" if kind == "absent" and index != last else kind)
            last = index
        return encoding["input_ids"], kinds


@dataclass
class EncodedChat:
    """A chat as token ids; `targets` are the positions of response tokens, `responses` and `kinds` run beside them."""

    ids: list[int]
    span: tuple[int, int]
    unclear: bool
    targets: list[int]
    responses: list[int]
    kinds: list[str]
    present: list[int]


def chat_loss(
    model, chats: list[EncodedChat], stretch: Stretch, progress: float, generator: torch.Generator
) -> torch.Tensor:
    """The loss of a batch: length-normalised per response, names weighted, present sounds unlikely among absent ones.

    Args:
        model: the language model.
        chats: the batch.
        stretch: weights and noise.
        progress: how much of it is done, in 0..1.
        generator: what the noise is drawn with.
    """
    length = max(len(chat.ids) for chat in chats)
    ids = torch.full((len(chats), length), model.config.pad_token_id)
    for row, chat in enumerate(chats):
        ids[row, : len(chat.ids)] = torch.tensor(chat.ids)
    embeddings = model.get_input_embeddings()(ids)

    scale = torch.zeros(ids.shape)
    norm = model.get_input_embeddings().weight.detach().norm(dim=-1).mean()
    begin, end = stretch.noise_ramp
    level = stretch.noise * min(1.0, max(0.0, (progress - begin) / (end - begin)))
    for row, chat in enumerate(chats):
        drawn = torch.rand((), generator=generator) * level
        scale[row, chat.span[0] : chat.span[1]] = stretch.unclear_noise if chat.unclear else drawn
    noise = torch.rand(embeddings.shape, generator=generator) * 2 - 1
    noise = noise * (3 / embeddings.shape[-1]) ** 0.5  # of norm 1 on average
    embeddings = embeddings + noise * scale[..., None] * norm

    hidden = model.model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
    rows = torch.tensor([row for row, chat in enumerate(chats) for _ in chat.targets])
    columns = torch.tensor([target for chat in chats for target in chat.targets])
    log_probs = model.lm_head(hidden[rows, columns - 1]).log_softmax(-1)
    losses = -log_probs.gather(1, ids[rows, columns][:, None]).squeeze(1)

    name_weight = stretch.late_name_weight if progress > stretch.late else stretch.name_weight
    kinds = [kind for chat in chats for kind in chat.kinds]
    weight_of = {"words": 1.0, "verdict": stretch.verdict_weight}
    weights = torch.tensor([weight_of.get(kind, name_weight) for kind in kinds])
    responses = [(row, response) for row, chat in enumerate(chats) for response in chat.responses]
    _, group, size = np.unique(np.array(responses), axis=0, return_inverse=True, return_counts=True)
    weights = weights / torch.from_numpy(size)[torch.from_numpy(group.reshape(-1))]
    loss = (losses * weights).sum() / len(size)

    firsts = torch.tensor([i for i, kind in enumerate(kinds) if kind == "absent:first"], dtype=torch.long)
    if len(firsts):
        present = torch.zeros(len(chats), log_probs.shape[-1], dtype=torch.bool)
        for row, chat in enumerate(chats):
            present[row, chat.present] = True
        wrong = (log_probs[firsts].exp() * present[rows[firsts]]).sum(-1).clamp(max=0.9999)
        loss = loss - stretch.unlikelihood * torch.log1p(-wrong).mean()
    return loss


def train_language(kind: str, seed: int, output: Path, work: Path, num_steps: int | None = None) -> None:
    """Train a language backbone and write its Hugging Face folder.

    Args:
        kind: a key of `RECIPES`.
        seed: decides weights, chats and noise.
        output: folder that is written, in float16.
        work: folder of the checkpoints that an interrupted training goes on from.
        num_steps: steps of each stretch instead of the recipe's.

    Raises:
        ValueError: the tokenizer's vocabulary is too small to tell the classes apart.
    """
    recipe = RECIPES[kind]
    wording = WORDINGS[recipe.wording]
    rng = np.random.default_rng([seed, 1])
    tokenizer = build_tokenizer([draw_chat(wording, rng) for _ in range(4000)])
    model = build_model(tokenizer, seed)
    encoder = ChatEncoder(tokenizer)
    if len(set(encoder.first_of_name.values())) < len(NAMES):
        raise ValueError(f"two class names share their first token: {encoder.first_of_name}; enlarge VOCABULARY")
    for number, stretch in enumerate(recipe.stretches, start=1):
        stretch = replace(stretch, num_steps=num_steps or stretch.num_steps)
        _train_stretch(model, encoder, wording, stretch, [seed, number + 1], work / f"{output.name}-{number}.pt")
    save_half(model, output)
    tokenizer.save_pretrained(output)


def _train_stretch(
    model, encoder: ChatEncoder, wording: Wording, stretch: Stretch, seeds: list[int], checkpoint: Path
) -> None:
    def progress(step: int) -> float:
        return (stretch.schedule[0] + step) / stretch.schedule[1]

    @lru_cache(maxsize=1)
    def batches_of(group: int) -> list[list[EncodedChat]]:
        rng = np.random.default_rng([*seeds, group])
        options = {**stretch.shares(progress(group * _GROUP)), "phrasings": stretch.phrasings}
        count = stretch.batch_size * _GROUP
        drawn = [encoder.encode(draw_chat(wording, rng, **options)) for _ in range(count)]
        chats = sorted(drawn, key=lambda chat: len(chat.ids))
        batches = [chats[i * stretch.batch_size : (i + 1) * stretch.batch_size] for i in range(_GROUP)]
        return [batches[i] for i in rng.permutation(_GROUP)]

    def loss_of_step(step: int) -> torch.Tensor:
        chats = batches_of(step // _GROUP)[step % _GROUP]
        generator = torch.Generator().manual_seed(seeds[0] * 1_000_003 + step)
        return chat_loss(model, chats, stretch, progress(step), generator)

    def report(_: int) -> str:
        return f"{yes_no_accuracy(model, encoder, wording, 300):.1%} of yes/no right"

    title = f"training {checkpoint.stem}"
    train(
        model,
        loss_of_step,
        stretch.num_steps,
        stretch.learning_rate,
        checkpoint,
        title,
        report,
        stretch.schedule,
        data=(seeds, stretch, wording),
    )


@torch.no_grad()
def yes_no_accuracy(model, encoder: ChatEncoder, wording, count: int) -> float:
    """The share of first questions on clear seeds whose first response token is right, over `count` fixed chats."""
    rng, right, total = np.random.default_rng(0), 0, 0
    while total < count:
        chat = draw_chat(wording, rng, unclear_share=0)
        if chat.seed is None or chat.turns[0][1][0].kind != "verdict":
            continue
        encoded = encoder.encode(chat)
        first = encoded.targets[0]
        logits = model(input_ids=torch.tensor([encoded.ids[:first]]), use_cache=False).logits[0, -1]
        right += int(logits.argmax()) == encoded.ids[first]
        total += 1
    return right / total
