"""The folder of a run."""

import pytest

from recipes.training.arguments import DataOptions, TrainingOptions
from recipes.training.run import claim_output_dir, last_checkpoint, locked


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
    options, data = TrainingOptions(output_dir=str(tmp_path / "run")), {"digest": "a"}
    assert claim_output_dir(options, DataOptions(), data=data)
    assert claim_output_dir(options, DataOptions(), data=data)
    with pytest.raises(ValueError, match=r"mixture 'positive\+negative', not 'combined': choose another output_dir"):
        claim_output_dir(options, DataOptions(mixture="combined"), data=data)
    with pytest.raises(ValueError, match=r"digest 'a', not 'b': choose another output_dir"):
        claim_output_dir(options, DataOptions(), data={"digest": "b"})
    (tmp_path / "run" / "trainer_state.json").write_text("{}")
    assert not claim_output_dir(options, DataOptions(), data=data)
    assert not claim_output_dir(options, DataOptions(), data=data, write=False)
    (tmp_path / "run" / "checkpoint-5").mkdir()
    again = TrainingOptions(output_dir=str(tmp_path / "run"), overwrite=True)
    assert claim_output_dir(again, DataOptions(mixture="combined"), data=data)
    assert not (tmp_path / "run" / "checkpoint-5").exists()
    assert claim_output_dir(options, DataOptions(mixture="combined"), data=data)  # which is resumed without it


@pytest.mark.parametrize("content", ["", "max_steps: [", "- 3"])
def test_options_that_cannot_be_read_name_their_file(tmp_path, content):
    (tmp_path / "training.yaml").write_text(content)
    with pytest.raises(ValueError, match=r"training\.yaml cannot be read: choose another output_dir"):
        claim_output_dir(TrainingOptions(output_dir=str(tmp_path)), data={})


def test_one_process_at_a_time(tmp_path):
    with locked(tmp_path), pytest.raises(ValueError, match="another process trains into"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
