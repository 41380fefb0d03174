"""A page to try LISTEN on: drop or record a sound, ask, and see what negatives are good for.

pip install -e ".[app]"
python examples/app.py                                      # the miniature, with sounds of its own; no download
python examples/app.py --model FOLDER_OR_HUB_ID --compare FOLDER_OR_HUB_ID

Two models answer side by side: one trained with positive and negative samples, one without negatives.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from modeling_listen.branches_listen import PrefixCache
from modeling_listen.presence_listen import presence_probabilities
from recipes.miniature import ADAPTERS

matplotlib.use("agg")
QUESTION = "Is there a sound of {} in the audio?"
QUESTIONS = [QUESTION.format("a dog"), "Replay the audio.", "Identify sounds that are absent as contrasting examples."]
LABELS = "dog, rain, siren, baby crying, engine"
IDEA = """# LISTEN
**An audio language model that knows what it does *not* hear.** The language model and the audio encoder are frozen;
one small adapter between them was trained on descriptions that the language model itself wrote: of the sounds in a
clip, and, on the left, of sounds that are *not* in it.
"""


class Model(NamedTuple):
    """A loaded checkpoint."""

    title: str
    model: ListenForConditionalGeneration
    processor: ListenProcessor
    prefix: PrefixCache

    @classmethod
    def load(cls, title: str, source: str, device: str) -> "Model":
        """Load a folder or Hub id."""
        model = ListenForConditionalGeneration.from_pretrained(source).to(device).eval()
        processor = ListenProcessor.from_pretrained(source)
        return cls(title, model, processor, PrefixCache(model, processor.tokenize_prompt("").prefix))

    def answer(self, waveform: np.ndarray, question: str) -> tuple[str, dict[str, float]]:
        """The greedy answer, and the probabilities of yes and no as its first word."""
        inputs = self.processor(waveform, question).to(self.model.device)
        output = self.model.generate(**inputs, max_new_tokens=80, do_sample=False)
        text = self.processor.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        [[p_yes]] = presence_probabilities(self.model, self.processor, [waveform], [[question]], self.prefix)
        return text, {"yes": p_yes, "no": 1 - p_yes}

    def presence(self, waveform: np.ndarray, labels: list[str]) -> list[float]:
        """The probability that each sound is there."""
        questions = [QUESTION.format(label) for label in labels]
        [scores] = presence_probabilities(self.model, self.processor, [waveform], [questions], self.prefix)
        return scores


def draw_spectrogram(processor: ListenProcessor, waveform: np.ndarray) -> Figure:
    """What the encoder is given: the log-mel spectrogram of the whole recording."""
    features, _ = processor.extract_features([waveform])
    seconds = len(waveform) / processor.feature_extractor.sampling_rate
    figure = Figure(figsize=(6, 2), layout="constrained")
    axes = figure.subplots()
    window = features.shape[-1] * processor.feature_extractor.hop_length / processor.feature_extractor.sampling_rate
    picture = torch.cat(list(features), dim=-1)
    axes.imshow(picture, origin="lower", aspect="auto", cmap="magma", extent=(0, window * len(features), 0, 8))
    axes.set(xlabel="seconds", ylabel="mel band", yticks=[], xlim=(0, seconds))
    return figure


def in_words(score: float) -> str:
    """A probability of yes, and the answer that it makes."""
    return f"{score:.2f}  {'yes' if score > 0.5 else 'no'}"


def build_page(models: list[Model], sounds: list[str]) -> gr.Blocks:
    """The page: a sound and a question on top, then what each model answers, then the presence table."""
    processor = models[0].processor

    def read(audio: str | None) -> np.ndarray:
        if audio is None:
            raise gr.Error("Choose, drop or record a sound first.")
        try:
            return processor.load_audio(audio)
        except ValueError as error:
            raise gr.Error(str(error)) from error

    def ask(audio: str | None, question: str) -> list[Any]:
        if not question.strip():
            raise gr.Error("Ask something first.")
        waveform = read(audio)
        return [each for model in models for each in model.answer(waveform, question)]

    def look_for(audio: str | None, text: str) -> list[list[Any]]:
        labels = [label.strip() for label in text.split(",") if label.strip()]
        if not labels:
            raise gr.Error("Name some sounds, with commas between them.")
        waveform = read(audio)
        columns = [model.presence(waveform, labels) for model in models]
        return [[label, *map(in_words, scores)] for label, *scores in zip(labels, *columns, strict=True)]

    with gr.Blocks(title="LISTEN") as page:
        gr.Markdown(IDEA)
        with gr.Row():
            with gr.Column():
                audio = gr.Audio(type="filepath", sources=["upload", "microphone"], label="A sound")
                gr.Examples(sounds, audio, label="Sounds of the sound world")
            with gr.Column():
                spectrogram = gr.Plot(label="What the encoder is given")
        with gr.Row():
            question = gr.Textbox(QUESTIONS[0], label="A question", scale=4)
            button = gr.Button("Ask", variant="primary", scale=1)
        gr.Examples(QUESTIONS, question, label="Questions")
        outputs = []
        with gr.Row():
            for model in models:
                with gr.Column():
                    outputs.append(gr.Textbox(label=model.title, lines=3))
                    outputs.append(gr.Label(label="First word", num_top_classes=2))
        with gr.Row():
            labels = gr.Textbox(LABELS, label="Sounds to look for", scale=4)
            look = gr.Button("Look for them", scale=1)
        table = gr.Dataframe(headers=["sound", *(model.title for model in models)], label="Probability of yes")

        audio.change(lambda path: path and draw_spectrogram(processor, read(path)), audio, spectrogram)
        gr.on([button.click, question.submit], ask, [audio, question], outputs)
        gr.on([look.click, labels.submit], look_for, [audio, labels], table)
    return page


def sample_sounds(number: int = 6) -> list[str]:
    """Paths of some test clips of the sound world, which are rendered if they are not there."""
    from recipes.corpora import load_corpus

    clips = load_corpus("sound_world", split=f"test[:{number}]")
    return [clip["path"] for clip in clips["audio"]]


def main(argv: list[str] | None = None) -> None:
    """Load the models and serve the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ADAPTERS / "positive_negative"), help="trained with negatives")
    parser.add_argument("--compare", default=str(ADAPTERS / "positive_positive"), help="without; '' for none")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--share", action="store_true", help="a public address, by gradio's servers")
    arguments = parser.parse_args(argv)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    models = [Model.load("Trained with negatives", arguments.model, device)]
    if arguments.compare:
        models.append(Model.load("Trained without negatives", arguments.compare, device))
    page = build_page(models, sample_sounds())
    page.launch(server_port=arguments.port, share=arguments.share, allowed_paths=[str(Path.home() / ".cache")])


if __name__ == "__main__":
    main()
