"""What a run leaves to be looked at: its history line by line while it runs, and curves at the end."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

HISTORY, CURVES = "history.jsonl", "curves.png"


class HistoryCallback(TrainerCallback):
    """Writes every line of the log to `history.jsonl`, and plots it as `curves.png` when the training ends."""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """A resumed run's file goes back to the checkpoint."""
        if state.is_world_process_zero:
            lines = [json.dumps(entry) + "\n" for entry in state.log_history]
            Path(args.output_dir, HISTORY).write_text("".join(lines), encoding="utf-8")

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Append the newest entry."""
        if state.is_world_process_zero:
            with Path(args.output_dir, HISTORY).open("a", encoding="utf-8") as file:
                file.write(json.dumps(state.log_history[-1]) + "\n")

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Plot."""
        if state.is_world_process_zero:
            plot_history(state.log_history, Path(args.output_dir, CURVES))


def plot_history(history: Sequence[dict[str, float]], path: Path) -> None:
    """Plot losses, and below them the probe's scores, over the steps of a run."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def draw(axes: Any, names: dict[str, str]) -> bool:
        drawn = False
        for name, label in names.items():
            points = [(entry["step"], entry[name]) for entry in history if entry.get(name) is not None]
            if points:
                axes.plot(
                    *zip(*points, strict=True), label=label, marker="o" if len(points) < 30 else None, markersize=3
                )
                drawn = True
        if drawn:
            axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        return drawn

    scores = {
        "eval_probe_accuracy": "accuracy",
        "eval_probe_auroc": "AUROC",
        "eval_probe_yes_rate": "yes rate",
    }
    has_probe = any(name in entry for entry in history for name in scores)
    figure = Figure(figsize=(7, 6 if has_probe else 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1 + has_probe, 1, sharex=True, squeeze=False)[:, 0]
    draw(panels[0], {"loss": "training", "eval_loss": "validation"})
    panels[0].set_ylabel("loss per response token")
    if has_probe:
        draw(panels[1], scores)
        panels[1].axhline(0.5, color="0.8", linewidth=0.8, zorder=0)
        panels[1].set(ylabel="yes/no probe", ylim=(0, 1))
    panels[-1].set_xlabel("optimizer step")
    figure.savefig(path, dpi=150)
