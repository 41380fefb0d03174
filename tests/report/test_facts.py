"""What the settings of runs say."""

from pathlib import Path

from recipes.report.facts import model_names, read_settings


def test_models_are_those_of_evaluations(tmp_path: Path) -> None:
    systems = ["L=listen:runs/lr=1e-3", "listen=runs/unnamed", "text", "no system", 3]
    (tmp_path / "evaluation.yaml").write_text(f"systems: {systems}\n")
    assert model_names(read_settings([tmp_path])) == {Path("runs/lr=1e-3").resolve(): "L"}
