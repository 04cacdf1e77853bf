import os

import pytest
import torch
from flatline.diagnostics.errors import RunError
from flatline.runs import checkpoints
from flatline.runs.checkpoints import load_state, load_weights, save_checkpoint
from torch import nn


@pytest.fixture
def trained():
    model = nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 2, 5)).sum().backward()
    optimizer.step()
    return model, optimizer


def fresh():
    return nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3))


def test_weights_optimiser_and_random_state_come_back(tmp_path, trained):
    model, optimizer = trained
    save_checkpoint(tmp_path, "last", model, optimizer, 7)
    again = fresh()
    assert load_weights(tmp_path, again) == "last"
    assert all(torch.equal(again.state_dict()[key], value) for key, value in model.state_dict().items())
    state = load_state(tmp_path)
    assert state["iteration"] == 7
    torch.optim.Adam(again.parameters()).load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["last.pt", "last.safetensors"]


def test_best_goes_before_last(tmp_path, trained):
    save_checkpoint(tmp_path, "last", *trained, 7)
    save_checkpoint(tmp_path, "best", trained[0], None, 5)
    assert load_weights(tmp_path, fresh()) == "best"
    assert load_weights(tmp_path, fresh(), ("last",)) == "last"


def test_weights_that_share_memory_can_be_saved(tmp_path):
    model = nn.Module()
    shared = nn.Parameter(torch.arange(6.0))
    model.register_parameter("a", shared)
    model.register_parameter("b", shared)
    model.register_buffer("part", shared.detach()[2:])
    save_checkpoint(tmp_path, "last", model, None, 0)
    load_weights(tmp_path, model)
    assert torch.equal(model.part, torch.arange(2.0, 6.0))


def test_a_checkpoint_that_is_not_there_is_an_error_saying_what_to_do(tmp_path):
    with pytest.raises(RunError, match=r"has no checkpoint best or last under checkpoints/; train it"):
        load_weights(tmp_path, fresh())
    with pytest.raises(RunError, match=r"checkpoint last of .* cannot be read"):
        load_state(tmp_path)


def test_a_checkpoint_of_another_model_or_a_broken_one_is_named(tmp_path, trained):
    save_checkpoint(tmp_path, "last", *trained, 7)
    with pytest.raises(RunError, match=r"last\.safetensors does not fit the model of the run's recipe"):
        load_weights(tmp_path, nn.Linear(2, 2))
    for file in (tmp_path / "checkpoints").iterdir():
        file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(RunError, match=r"last\.safetensors cannot be read .*; use another checkpoint"):
        load_weights(tmp_path, fresh())
    with pytest.raises(RunError, match=r"checkpoint last of .* cannot be read"):
        load_state(tmp_path)


def test_a_kill_while_it_is_written_leaves_the_earlier_one(tmp_path, trained, monkeypatch):
    save_checkpoint(tmp_path, "last", *trained, 7)

    def killed(weights, path, metadata):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save_file", killed)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(tmp_path, "last", *trained, 8)
    assert load_weights(tmp_path, fresh()) == "last"
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["last.pt", "last.safetensors"]
    with pytest.raises(RunError, match="has weights of iteration 7 and an optimiser of iteration 8"):
        load_state(tmp_path)
