"""LISTEN, and its language model reading seeds: systems that answer all questions of a clip at once."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from recipes.systems.base import Answer, Clip, Settings, System, check_model, fingerprint, is_yes_no

if TYPE_CHECKING:
    import datasets

    from modeling_listen import ListenProcessor
    from recipes.systems.shared_clips import SharedClipDecoder


class Listen(System):
    """A checkpoint of LISTEN: encoder, adapter and audio span are run once for all questions of a clip.

    Args:
        name: how tables call it.
        checkpoint: a folder written by training, or a Hub id.
        settings: how it answers.
    """

    def __init__(self, name: str, checkpoint: str, settings: Settings) -> None:
        self.name, self.checkpoint, self.settings = name, checkpoint, settings

    def identity(self) -> dict[str, Any]:
        """The checkpoint and the way of answering."""
        settings = self.settings
        return {
            "listen": fingerprint(self.checkpoint),
            "score": settings.score,
            "max_new_tokens": settings.max_new_tokens,
            "dtype": settings.dtype,
        }

    def check(self, questions: "datasets.Dataset") -> None:
        """Look whether the checkpoint is there."""
        check_model(self.checkpoint)

    @cached_property
    def _decoder(self) -> "SharedClipDecoder":
        from modeling_listen.branches_listen import PrefixCache
        from recipes.systems.shared_clips import SharedClipDecoder

        model, processor = load_listen(self.checkpoint, self.settings)
        prefix = PrefixCache(model, processor.tokenize_prompt("Yes or no?").prefix)
        return SharedClipDecoder(model, processor, self.settings.max_new_tokens, prefix)

    def answer(self, clips: Sequence[Clip]) -> list[list[Answer]]:
        """Answer the questions of several clips in one batch."""
        processor = self._decoder.processor
        device = self._decoder.model.device
        features, windows = processor.extract_features(
            [clip.waveform for clip in clips], device=None if device.type == "cpu" else device
        )
        spans = [processor.audio_span(count) for count in windows]
        return answer_branches(self._decoder, spans, clips, self.settings.score, features)

    def close(self) -> None:
        """Let the model go."""
        self.__dict__.pop("_decoder", None)


class SeedReader(System):
    """The text bound: the language model reads the seed where LISTEN hears the recording.

    Args:
        name: how tables call it.
        text_model: a causal LM (folder or Hub id), or a checkpoint of LISTEN, whose language model is taken.
        settings: how it answers.
    """

    hears = False

    def __init__(self, name: str, text_model: str, settings: Settings) -> None:
        self.name, self.text_model, self.settings = name, text_model, settings

    def identity(self) -> dict[str, Any]:
        """The language model and the way of answering."""
        settings = self.settings
        return {
            "text": fingerprint(self.text_model),
            "score": settings.score,
            "max_new_tokens": settings.max_new_tokens,
            "dtype": settings.dtype,
        }

    @cached_property
    def _decoder(self) -> "SharedClipDecoder":
        from transformers import AutoConfig

        import modeling_listen  # noqa: F401  (registers the architecture)
        from recipes.systems.shared_clips import SharedClipDecoder

        if AutoConfig.from_pretrained(self.text_model).model_type == "listen":
            model, processor = load_listen(self.text_model, self.settings)
        else:
            model, processor = load_text_model(self.text_model, self.settings)
        return SharedClipDecoder(model, processor, self.settings.max_new_tokens)

    def check(self, questions: "datasets.Dataset") -> None:
        """Look whether the model is there, and whether every question has a seed."""
        check_model(self.text_model)
        if "seed" not in questions.column_names or not all(questions["seed"]):
            benchmark = "/".join(questions[0][key] for key in ("benchmark", "subset"))
            raise ValueError(
                f"the system {self.name!r} reads the seed of each clip, but questions of {benchmark} have none (no "
                "column `seed`): leave it out, or ask about a corpus with tags, as --benchmarks presence/CORPUS=FOLDER"
            )

    def answer(self, clips: Sequence[Clip]) -> list[list[Answer]]:
        """Answer the questions of several clips in one batch."""
        processor = self._decoder.processor
        prefix = processor.tokenize_prompt("Yes or no?").prefix
        spans = [prefix + processor.tokenize_seed(clip.questions[0]["seed"]) for clip in clips]
        return answer_branches(self._decoder, spans, clips, self.settings.score)

    def close(self) -> None:
        """Let the model go."""
        self.__dict__.pop("_decoder", None)


def answer_branches(
    decoder: "SharedClipDecoder",
    trunks: list[list[int]],
    clips: Sequence[Clip],
    score: str,
    input_features: Any = None,
) -> list[list[Answer]]:
    """Answer the questions of clips whose trunks are given.

    Args:
        decoder: of the model.
        trunks: token ids of each clip before its questions.
        clips: the questions.
        score: one of `SCORES`; "logits" holds for yes/no questions, others are generated in any case.
        input_features: of the trunks' placeholders.
    """
    from modeling_listen.branches_listen import Tree
    from recipes.systems.yes_no import probability_of_yes

    processor = decoder.processor
    trees = [
        Tree(trunk, [processor.tokenize_prompt(each["question"]).suffix for each in clip.questions])
        for trunk, clip in zip(trunks, clips, strict=True)
    ]
    generate = [[score == "generate" or not is_yes_no(each) for each in clip.questions] for clip in clips]
    token_ids = processor.answer_token_ids()
    answers = []
    for clip, wanted, branches in zip(clips, generate, decoder.decode(trees, generate, input_features), strict=True):
        of_clip = []
        for question, generated, branch in zip(clip.questions, wanted, branches, strict=True):
            p_yes = probability_of_yes(branch.logits[None], token_ids)[0] if is_yes_no(question) else None
            if generated:
                response = processor.tokenizer.decode(branch.tokens, skip_special_tokens=True).strip()
            else:
                response = "Yes" if p_yes > 0.5 else "No"
            of_clip.append(Answer(response, p_yes))
        answers.append(of_clip)
    return answers


def load_listen(checkpoint: str, settings: Settings) -> tuple[Any, "ListenProcessor"]:
    """The model, in evaluation mode on its device, and the processor of a checkpoint."""
    from modeling_listen import ListenForConditionalGeneration, ListenProcessor

    model = ListenForConditionalGeneration.from_pretrained(checkpoint, dtype=settings.dtype)
    return model.to(settings.resolve_device()).eval(), ListenProcessor.from_pretrained(checkpoint)


def load_text_model(text_model: str, settings: Settings) -> tuple[Any, "ListenProcessor"]:
    """A causal LM, in evaluation mode on its device, and a processor that renders its prompts."""
    from transformers import AutoModelForCausalLM

    from modeling_listen import ListenProcessor
    from recipes.miniature import AUDIO_MODEL

    model = AutoModelForCausalLM.from_pretrained(text_model, dtype=settings.dtype, attn_implementation="sdpa")
    # No audio passes here, so any audio model's processor will do.
    return model.to(settings.resolve_device()).eval(), ListenProcessor.from_backbones(AUDIO_MODEL, text_model)
