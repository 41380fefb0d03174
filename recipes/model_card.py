"""The card of a trained model: `model_card.md` filled from what the run left behind.

    python recipes/model_card.py --model runs/demo/model --results runs/demo/results.json \\
        --system "LISTEN positive+negative"

writes README.md into the model's folder, which is what the Hub shows. Everything in it comes from the checkpoint's
configuration, the run's options and data and the results of an evaluation; what a run cannot know (carbon)
is left for you to fill in.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from recipes.command_line import errors_as_messages, option, parse_options
from recipes.training.description import is_written_by
from recipes.training.run import DATA, OPTIONS

TEMPLATE = Path(__file__).resolve().parents[1] / "model_card.md"
UNKNOWN = "[not recorded: please fill in]"


@dataclass
class CardOptions:
    """What the card is about."""

    model: str = option("runs/demo/model", "folder of a trained model, as train_listen.py writes it")
    results: str | None = option(None, "results.json of an evaluation of this model, to be shown in the card")
    system: str | None = option(None, "name of the model among the results, where several systems are in them")
    repository: str | None = option(None, "Hub id that the model will have; its folder's name if left out")


def write_model_card(
    model: str | Path, results: str | Path | None = None, system: str | None = None, repository: str | None = None
) -> Path:
    """Fill the template and write it as the model's README.md.

    Args:
        model: folder of a trained model.
        results: results.json of an evaluation.
        system: the model's name in it, where several systems are.
        repository: Hub id.

    Raises:
        FileNotFoundError: the folder holds no model, or there are no such results.
        ValueError: the results are not of one system, or not of that one; the message names those that are there.
    """
    from huggingface_hub import ModelCard, ModelCardData

    folder = Path(model)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no config.json: give the folder of a trained model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") != "listen":
        raise ValueError(f"{folder} holds a {config.get('model_type')} model, not a LISTEN")
    options, data = (_read(folder / name) for name in (OPTIONS, DATA))
    rows = _results(results, system)
    repository = repository or folder.name
    names = {role: _name(config, options, role) for role in ("audio", "text")}
    card = ModelCard.from_template(
        ModelCardData(
            language="en",
            library_name="transformers",
            pipeline_tag="audio-text-to-text",
            tags=["audio", "listen", "hallucination"],
            base_model=[name for name in names.values() if "/" in name] or None,
            model_name=repository,
            eval_results=_eval_results(rows) or None,
        ),
        template_path=str(TEMPLATE),
        name=repository.split("/")[-1],
        repository=repository,
        audio_model=names["audio"],
        text_model=names["text"],
        audio_revision=_revision(config, options, "audio"),
        text_revision=_revision(config, options, "text"),
        lora_rank=options.get("lora_rank"),
        adapter=config["adapter_config"],
        num_parameters=_count_parameters(folder),
        window_seconds=_window_seconds(folder),
        writers=_writers(data.get("generators", {}), names["text"]),
        mixture=options.get("mixture", UNKNOWN),
        corpora=_corpora(data.get("corpora", {})),
        training_options=yaml.safe_dump(_without_folders(options), sort_keys=False).strip() if options else UNKNOWN,
        results=_table(rows),
        limits=_limits(names),
        unknown=UNKNOWN,
    )
    path = folder / "README.md"
    card.save(path)
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _without_folders(value: Any) -> Any:
    """Options with the names of this machine's folders cut to their last part."""
    if isinstance(value, dict):
        return {name: _without_folders(each) for name, each in value.items()}
    return Path(value).name if isinstance(value, str) and value.startswith(("/", ".", "~")) else value


def _name(config: dict[str, Any], options: dict[str, Any], role: str) -> str:
    """A backbone's name: the checkpoint's, or where it holds the backbone itself, the run's."""
    name = config.get(f"{role}_model_id") or options.get(f"{role}_model") or "inside this checkpoint"
    return _without_folders(name)


def _revision(config: dict[str, Any], options: dict[str, Any], role: str) -> str:
    revision = config.get(f"{role}_model_revision") or options.get(f"{role}_revision")
    return f", revision {revision}" if revision else ""


def _writers(generators: dict[str, int], text_model: str) -> str:
    """Who wrote the responses, and from what."""
    if not generators:
        return f"Writer of the responses: {UNKNOWN}."
    if set(generators) == {"rule"}:
        return "The responses were written by templates, from each recording's tags."
    asked = "read each recording's caption or tags where the audio stands now, and was asked what it holds or lacks."
    if all(is_written_by(name, text_model) for name in generators):
        return f"The language model itself wrote the responses: it {asked}"
    return f"The responses were written by {', '.join(generators)}, which {asked}"


def _count_parameters(folder: Path) -> int:
    """Parameters of the adapter, from the shapes in the checkpoint."""
    from math import prod

    from modeling_listen.checkpoint_listen import ADAPTER_PREFIX, open_weights

    tensors = open_weights(str(folder))
    return sum(prod(tensor.get_shape()) for name, tensor in tensors.items() if name.startswith(ADAPTER_PREFIX))


def _window_seconds(folder: Path) -> float:
    config = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
    return config["feature_extractor"]["chunk_length"]


def _corpora(counts: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """Clips and responses of each corpus that was trained on, with the license of its recordings."""
    from importlib import import_module

    from recipes.corpora import CORPORA

    rows = []
    for name, count in counts.items():
        license_text = UNKNOWN
        if name in CORPORA:
            module, builder = CORPORA[name].split(":")
            license_text = getattr(import_module(module), builder).LICENSE or UNKNOWN
        rows.append({"name": name, "license": license_text, **count})
    return rows


def _results(path: str | Path | None, system: str | None) -> list[dict[str, Any]]:
    if path is None:
        return []
    rows = json.loads(Path(path).read_text(encoding="utf-8"))
    names = list(dict.fromkeys(row["system"] for row in rows))
    if system is None and len(names) == 1:
        system = names[0]
    if system not in names:
        raise ValueError(f"{path} has results of {', '.join(names) or 'no system'}: name the model's by --system")
    return [row for row in rows if row["system"] == system]


def _table(rows: list[dict[str, Any]]) -> str:
    from recipes.report.tables import results_markdown

    return results_markdown(rows) if rows else ""


def _eval_results(rows: list[dict[str, Any]]) -> list[Any]:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="audio-text-to-text",
            dataset_type=row["benchmark"],
            dataset_name=f"{row['benchmark']}/{row['subset']}",
            dataset_config=row["subset"],  # without it the Hub takes subsets for one
            metric_type=metric,
            metric_value=row[metric],
        )
        for row in rows
        for metric in ("accuracy", "f1_no", "auroc")
        if row.get(metric) is not None
    ]


def _limits(names: dict[str, str]) -> list[str]:
    """Limits that hold for some backbones only."""
    from recipes.miniature import AUDIO_MODEL, TEXT_MODEL

    if {Path(AUDIO_MODEL).name, Path(TEXT_MODEL).name} & set(names.values()):
        return ["The backbones are LISTEN's miniature: they know a small synthetic world of sounds and little else."]
    return []


def main(argv: list[str] | None = None) -> None:
    """Write the card and say where it is."""
    (options,) = parse_options(CardOptions, description=__doc__, argv=argv)
    with errors_as_messages():
        print(write_model_card(options.model, options.results, options.system, options.repository))


if __name__ == "__main__":
    main()
