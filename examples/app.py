"""A page to try LISTEN on: drop or record a sound, ask, and see what negatives are good for.

pip install -e ".[app]" -c constraints.txt
python examples/app.py                                      # the miniature, with sounds of its own; no download
python examples/app.py --model FOLDER_OR_HUB_ID --compare FOLDER_OR_HUB_ID

The miniature's two models answer side by side: one trained with positive and negative samples, one without negatives.
Yours answers alone, or beside the one that you name.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

from modeling_listen import ListenForConditionalGeneration, ListenProcessor, presence_probabilities
from recipes.command_line import errors_as_messages
from recipes.miniature import ADAPTERS

matplotlib.use("agg")
QUESTION = "Is there a sound of {} in the audio?"
QUESTIONS = [QUESTION.format("a dog"), "Replay the audio.", "Identify sounds that are absent as contrasting examples."]
LABELS = "frog, crickets, crackling fire, rooster, dog, rain"
IDEA = """# LISTEN
An audio language model that knows what it does **not** hear. Encoder and language model are frozen; one small adapter
was trained on what the language model itself says of each recording's caption.
"""
SIDES = """On the left it was trained on answers about sounds that are there **and about sounds that are not**, on the
right about sounds that are there alone.
"""
MINIATURE = {
    "Trained with negatives": str(ADAPTERS / "positive_negative"),
    "Trained without negatives": str(ADAPTERS / "positive_positive"),
}
STYLE = """
.listen {--yes: #0072B2; --no: #D55E00; display: grid; gap: 1rem}
.listen section {border: 1px solid var(--border-color-primary); border-radius: 8px; padding: .8rem 1rem}
.listen h3 {margin: 0 0 .4rem; font-size: .85rem; font-weight: 600; color: var(--body-text-color-subdued)}
.listen p {margin: 0 0 .8rem; font-size: 1.15rem; min-height: 1.6em; overflow-wrap: anywhere}
.listen table {border-collapse: collapse; width: 100%}
.listen :is(table, tr, th, td) {border: 0 solid var(--border-color-primary)}
.listen :is(th, td) {padding: .35rem .6rem; text-align: left; border-bottom-width: 1px}
.listen th {font-size: .85rem; font-weight: 600; color: var(--body-text-color-subdued)}
.listen .bar {position: relative; display: block; height: 1.5rem; min-width: 6rem; border-radius: 4px;
              background: var(--background-fill-secondary); overflow: hidden}
.listen .bar i {position: absolute; inset: 0 auto 0 0; opacity: .25}
.listen .bar b {position: absolute; left: .5rem; line-height: 1.5rem; font-weight: 600}
@media (max-width: 40rem) {.listen {grid-template-columns: minmax(0, 1fr) !important}}
"""


class Model(NamedTuple):
    """A loaded checkpoint, and what the page calls it."""

    title: str
    model: ListenForConditionalGeneration
    processor: ListenProcessor

    @classmethod
    def load(cls, title: str, source: str) -> "Model":
        """Load a folder or Hub id, onto a GPU where there is one."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = ListenForConditionalGeneration.from_pretrained(source).to(device).eval()
        return cls(title, model, ListenProcessor.from_pretrained(source))

    def answer(self, waveform: np.ndarray, question: str) -> str:
        """The greedy answer."""
        inputs = self.processor(waveform, question, rendered=False).to(self.model.device)
        output = self.model.generate(**inputs, max_new_tokens=60, do_sample=False)
        return self.processor.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    def presence(self, waveform: np.ndarray, questions: list[str]) -> list[float]:
        """The probability of yes, of yes and no, as the first word of each answer."""
        [scores] = presence_probabilities(self.model, self.processor, [waveform], [questions])
        return scores


def draw_spectrogram(processor: ListenProcessor, waveform: np.ndarray) -> Figure:
    """What the encoder is given: the log-mel spectrogram of the whole recording."""
    features, _ = processor.extract_features([waveform])
    rate, hop = processor.feature_extractor.sampling_rate, processor.feature_extractor.hop_length
    picture = torch.cat(list(features), dim=-1)
    figure = Figure(figsize=(6, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.imshow(picture, origin="lower", aspect="auto", cmap="magma", extent=(0, picture.shape[-1] * hop / rate, 0, 1))
    axes.set(xlabel="seconds", ylabel="mel bands", yticks=[], xlim=(0, len(waveform) / rate))
    axes.set_title("What the encoder is given", loc="left", fontsize="medium", color="dimgray")
    return figure


def bar(score: float) -> str:
    """A probability of yes as a bar in the colour of the answer that it makes."""
    answer = "yes" if score > 0.5 else "no"
    return (
        f'<span class="bar" title="P(yes) = {score:.4f}"><i style="width: {score:.1%}; background: var(--{answer})">'
        f'</i><b style="color: var(--{answer})">{answer} {score:.2f}</b></span>'
    )


def show_answers(answers: list[tuple[str, str, float]]) -> str:
    """Title, answer and probability of yes of each model, side by side."""
    cards = [
        f"<section><h3>{escape(title)}</h3><p>{escape(answer)}</p><h3>Probability of yes as the first word</h3>"
        f"{bar(score)}</section>"
        for title, answer, score in answers
    ]
    columns = f"grid-template-columns: repeat({len(cards)}, minmax(0, 1fr))"
    return f'<div class="listen" style="{columns}">{"".join(cards)}</div>'


def show_presence(titles: list[str], labels: list[str], columns: list[list[float]]) -> str:
    """A row for each sound, a bar for each model."""
    head = "".join(f"<th>{escape(title)}</th>" for title in ["sound", *titles])
    rows = [
        f"<tr><td>{escape(label)}</td>{''.join(f'<td>{bar(score)}</td>' for score in scores)}</tr>"
        for label, *scores in zip(labels, *columns, strict=True)
    ]
    return f'<div class="listen"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def choose_models(model: str | None, compare: str | None) -> dict[str, str]:
    """Title -> folder or Hub id of each model: the miniature's two, unless others are named."""
    if model is None and compare is None:
        return MINIATURE
    titles = {}
    for source in filter(None, (model or MINIATURE["Trained with negatives"], compare)):
        name = Path(source).resolve().name if Path(source).is_dir() else source
        titles[source if name in titles else name] = source
    return titles


@contextmanager
def errors_in_page() -> Iterator[None]:
    """Show what a user can mend in the page, without a traceback at the server."""
    try:
        yield
    except ValueError as error:
        raise gr.Error(str(error), print_exception=False) from error


def build_page(models: list[Model], sounds: dict[str, str]) -> gr.Blocks:
    """The page: sound and question on top, the models' answers side by side, then the presence table.

    Args:
        models: one, or two to compare.
        sounds: description -> path of recordings to try.
    """
    processor = models[0].processor

    def read(audio: str | None) -> np.ndarray:
        if audio is None:
            raise ValueError("Choose, drop or record a sound first.")
        return processor.load_audio(audio)

    @errors_in_page()
    def ask(audio: str | None, question: str) -> str:
        if not question.strip():
            raise ValueError("Ask something first.")
        waveform = read(audio)
        answers = [(each, each.answer(waveform, question), each.presence(waveform, [question])) for each in models]
        return show_answers([(each.title, answer, score) for each, answer, [score] in answers])

    @errors_in_page()
    def look_for(audio: str | None, text: str) -> str:
        labels = [label.strip() for label in text.split(",") if label.strip()]
        if not labels:
            raise ValueError("Name some sounds, with commas between them.")
        waveform, questions = read(audio), [QUESTION.format(label) for label in labels]
        columns = [each.presence(waveform, questions) for each in models]
        return show_presence([each.title for each in models], labels, columns)

    with gr.Blocks(title="LISTEN", analytics_enabled=False) as page:
        gr.Markdown(IDEA + SIDES if [each.title for each in models] == list(MINIATURE) else IDEA)
        with gr.Row():
            with gr.Column():
                audio = gr.Audio(next(iter(sounds.values())), type="filepath", label="Sound", buttons=[])
                gr.Examples(
                    list(sounds.values()), audio, label="Sounds to try", example_labels=list(sounds), preload=False
                )
            with gr.Column():
                spectrogram = gr.Plot(show_label=False, format="png")
        with gr.Row(equal_height=True):
            question = gr.Textbox(QUESTIONS[0], label="Question", scale=1)
            button = gr.Button("Ask", variant="primary", scale=0, min_width=160)
        gr.Examples(QUESTIONS, question, label="Questions to try", preload=False)
        answers = gr.HTML(apply_default_css=False)
        with gr.Row(equal_height=True):
            labels = gr.Textbox(LABELS, label="Sounds to look for", scale=1)
            look = gr.Button("Look for them", variant="primary", scale=0, min_width=160)
        table = gr.HTML(apply_default_css=False)

        @errors_in_page()
        def draw(audio: str | None) -> tuple[Figure | None, str, str]:
            """The spectrogram of another sound; the answers about the one before go."""
            return audio and draw_spectrogram(processor, read(audio)), "", ""

        gr.on([page.load, audio.change], draw, audio, [spectrogram, answers, table], api_visibility="private")
        gr.on([button.click, question.submit], ask, [audio, question], answers, api_name="ask")
        gr.on([look.click, labels.submit], look_for, [audio, labels], table, api_name="look_for")
    return page


def sample_sounds(number: int = 6) -> dict[str, str]:
    """What is heard in some test clips of the sound world, and their paths; the richest first."""
    from recipes.corpora import load_corpus

    clips = sorted(load_corpus("sound_world", split="test", num_clips=number), key=lambda clip: -len(clip["tags"]))
    return {", ".join(clip["tags"]): clip["audio"]["path"] for clip in clips}


def main(argv: list[str] | None = None) -> None:
    """Load the models and serve the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or Hub id; the miniature trained with negatives where left out")
    parser.add_argument("--compare", help="one to set beside it; '' for none, which is the default with --model")
    parser.add_argument("--port", type=int, help="the first free one from 7860 on where left out")
    parser.add_argument("--share", action="store_true", help="a public address, by gradio's servers")
    arguments = parser.parse_args(argv)
    with errors_as_messages():
        models = [Model.load(*each) for each in choose_models(arguments.model, arguments.compare).items()]
    sounds = sample_sounds()
    theme = gr.themes.Default(primary_hue="slate", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    try:
        build_page(models, sounds).launch(
            server_port=arguments.port,
            share=arguments.share,
            allowed_paths=sorted({str(Path(path).parent) for path in sounds.values()}),
            theme=theme,
            css=STYLE,
            footer_links=["api"],
        )
    except OSError as error:
        if arguments.port is None:
            raise
        raise SystemExit(f"port {arguments.port} cannot be had: give another, or leave --port out") from error


if __name__ == "__main__":
    main()
