"""The folder of a run."""

import pytest

from recipes.training.arguments import DataOptions, TrainingOptions
from recipes.training.run import claim_output_dir, last_checkpoint


def test_a_checkpoint_that_was_not_finished_is_passed_over(tmp_path):
    assert last_checkpoint(tmp_path / "nowhere") is None
    for step in (5, 20, 100):
        (tmp_path / f"checkpoint-{step}").mkdir()
    assert last_checkpoint(tmp_path) is None
    (tmp_path / "checkpoint-5" / "trainer_state.json").write_text("{}")
    (tmp_path / "checkpoint-20" / "trainer_state.json").write_text('{"global_step": 20}')
    (tmp_path / "checkpoint-100" / "trainer_state.json").write_text('{"global_step": 1')  # cut
    (tmp_path / "checkpoint-other").mkdir()
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-20")


def test_a_folder_belongs_to_one_run(tmp_path):
    options = TrainingOptions(output_dir=str(tmp_path / "run"))
    assert claim_output_dir(options, DataOptions())
    assert claim_output_dir(options, DataOptions())
    with pytest.raises(ValueError, match=r"mixture 'positive\+negative', not 'combined': choose another output_dir"):
        claim_output_dir(options, DataOptions(mixture="combined"))
    (tmp_path / "run" / "trainer_state.json").write_text("{}")
    assert not claim_output_dir(options, DataOptions())
    assert not claim_output_dir(options, DataOptions(), write=False)
    (tmp_path / "run" / "checkpoint-5").mkdir()
    again = TrainingOptions(output_dir=str(tmp_path / "run"), overwrite=True)
    assert claim_output_dir(again, DataOptions(mixture="combined"))
    assert not (tmp_path / "run" / "checkpoint-5").exists()
