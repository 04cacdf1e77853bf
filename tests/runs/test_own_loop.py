import flatline
import pytest
import torch
from flatline.diagnostics.errors import FlatlineError
from flatline.runs.run import Run


def recorded(path, **given):
    """One recorded iteration of a loop without a recipe."""
    torch.manual_seed(31)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with flatline.Recorder(model, optimizer, log=path, **{"loss": "bce-with-logits", **given}) as recorder:
        loss = model(torch.ones(4, 3)).square().mean()
        loss.backward()
        optimizer.step()
        recorder.step(loss=loss)
    return Run(path)


def test_run_json_of_a_loop_without_a_recipe_says_so_and_has_seed_and_device(tmp_path):
    info = recorded(tmp_path / "mine").info
    assert (info["recipe"], info["seed"], info["device"]) == (None, 31, "cpu")


def test_a_recorder_that_is_refused_leaves_the_run_that_stood_there_in_its_place(tmp_path):
    recorded(tmp_path / "mine")
    with pytest.raises(FlatlineError, match="bcee"):
        recorded(tmp_path / "mine", loss="bcee")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (Run(tmp_path / "mine").status, len(Run(tmp_path / "mine"))) == ("finished", 1)
