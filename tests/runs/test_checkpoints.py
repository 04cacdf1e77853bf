import itertools
import os
from contextlib import suppress

import pytest
import torch
from flatline.diagnostics.errors import RunError
from flatline.runs import checkpointing
from flatline.runs.checkpointing import Checkpoints, spread
from flatline.runs.checkpoints import Facts, checkpoints_of, find, load_state, load_weights
from safetensors.torch import save_file
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


def save(checkpoints, trained, iteration, **facts):
    state = {"optimizer": trained[1].state_dict(), "random": torch.get_rng_state()}
    return checkpoints.save(trained[0], state, Facts(iteration, **facts))


def names(run):
    return sorted(os.listdir(run / "checkpoints"))


def test_weights_optimiser_and_random_state_come_back(tmp_path, trained):
    model, _ = trained
    save(Checkpoints(tmp_path), trained, 7)
    again = fresh()
    assert load_weights(tmp_path, again) == "last"
    assert all(torch.equal(again.state_dict()[key], value) for key, value in model.state_dict().items())
    state = load_state(tmp_path)
    assert state["iteration"] == 7
    torch.optim.Adam(again.parameters()).load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    assert names(tmp_path) == ["000000007.pt", "000000007.safetensors"]


def test_best_is_the_one_that_the_newest_names_and_goes_before_last(tmp_path, trained):
    checkpoints = Checkpoints(tmp_path, keep=1)
    best = save(checkpoints, trained, 5, best=5)
    for iteration in (7, 9, 11):
        save(checkpoints, trained, iteration, best=5)
    assert find(tmp_path, "best") == [best]
    assert load_weights(tmp_path, fresh()) == "best"
    assert load_weights(tmp_path, fresh(), ("last",)) == "last"
    assert [checkpoint.iteration for checkpoint in checkpoints_of(tmp_path)] == [5, 11]


def test_one_can_be_loaded_by_its_iteration_and_one_that_is_not_there_names_those_that_are(tmp_path, trained):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, trained, 5)
    with torch.no_grad():
        trained[0][0].weight.zero_()
    save(checkpoints, trained, 10)
    model = fresh()
    assert load_weights(tmp_path, model, (5,)) == "5"
    assert model[0].weight.all()
    assert load_state(tmp_path, 5)["iteration"] == 5
    with pytest.raises(RunError, match=r"no checkpoint 6 under checkpoints/ \(there are those of iterations 5, 10\)"):
        load_weights(tmp_path, fresh(), (6,))


def test_those_that_stay_are_healthy_and_the_further_apart_the_older_they_are(tmp_path, trained):
    checkpoints = Checkpoints(tmp_path, keep=5)
    for iteration in range(0, 1050, 50):
        save(checkpoints, trained, iteration, healthy=iteration != 950, best=0)
    kept = [checkpoint.iteration for checkpoint in checkpoints_of(tmp_path)]
    assert (kept[0], kept[-2:], len(kept)) == (0, [900, 1000], 5)
    gaps = [after - before for before, after in itertools.pairwise(kept)]
    assert gaps == sorted(gaps, reverse=True)


def test_an_unhealthy_one_is_last_until_the_next_and_one_in_passing_makes_way(tmp_path, trained):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, trained, 10)
    save(checkpoints, trained, 13, kept=False)
    assert [(c.iteration, c.healthy) for c in checkpoints_of(tmp_path)] == [(10, True), (13, True)]
    with torch.no_grad():
        trained[0][0].weight[0] = torch.nan
    save(checkpoints, trained, 20)
    assert [(c.iteration, c.healthy) for c in checkpoints_of(tmp_path)] == [(10, True), (20, False)]
    save(checkpoints, trained, 30, kept=False)
    assert [c.iteration for c in checkpoints_of(tmp_path)] == [10, 30]


def test_a_second_one_at_an_iteration_stands_beside_the_first_until_it_is_whole(tmp_path, trained, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    first = save(checkpoints, trained, 7, kept=False)
    with monkeypatch.context() as patch:
        patch.setattr(checkpointing, "save_file", raising(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            save(checkpoints, trained, 7)
    assert find(tmp_path, "last") == [first]
    second = save(checkpoints, trained, 7)
    assert find(tmp_path, "last") == [second]
    assert names(tmp_path) == ["000000007.2.pt", "000000007.2.safetensors"]


def raising(kind):
    def write(weights, path, metadata):
        path.write_bytes(b"half")
        raise kind

    return write


@pytest.mark.parametrize("at", ["save_file", "save", "replace", "unlink"])
def test_a_kill_at_any_write_leaves_weights_and_state_of_one_iteration(tmp_path, trained, monkeypatch, at):
    """What a kill -9 leaves: nothing is cleaned up after it."""
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, trained, 7, kept=False)
    place = {"save_file": checkpointing, "save": torch, "replace": os, "unlink": checkpointing.Path}[at]
    for nth in range(4):
        with monkeypatch.context() as patch:
            calls = iter(range(10))
            real = getattr(place, at)

            def killed(*args, calls=calls, nth=nth, real=real, **kwargs):
                if next(calls) >= nth:
                    raise KeyboardInterrupt
                return real(*args, **kwargs)

            patch.setattr(place, at, killed)
            patch.setattr(checkpointing.Path, "unlink", killed if at == "unlink" else raising_unlink)
            with suppress(KeyboardInterrupt):
                save(checkpoints, trained, 8 + nth, kept=False)
        load_weights(tmp_path, fresh(), ("last",))
        assert load_state(tmp_path)["iteration"] in (7, *range(8, 9 + nth))
        assert all(path.with_suffix(".pt").is_file() for path in find(tmp_path, "last"))
    save(checkpoints, trained, 20)
    assert names(tmp_path) == ["000000020.pt", "000000020.safetensors"]


def raising_unlink(path, missing_ok=False):
    raise KeyboardInterrupt


def test_what_cannot_be_written_is_an_os_error_and_the_earlier_one_stands(tmp_path, trained):
    checkpoints = Checkpoints(tmp_path)
    first = save(checkpoints, trained, 7)
    (tmp_path / "checkpoints" / ".000000008.pt").mkdir()
    with pytest.raises(OSError, match="000000008"):
        save(checkpoints, trained, 8)
    assert find(tmp_path, "last") == [first]


def test_weights_that_share_memory_can_be_saved(tmp_path):
    model = nn.Module()
    shared = nn.Parameter(torch.arange(6.0))
    model.register_parameter("a", shared)
    model.register_parameter("b", shared)
    model.register_buffer("part", shared.detach()[2:])
    Checkpoints(tmp_path).save(model, {}, Facts(0))
    load_weights(tmp_path, model)
    assert torch.equal(model.part, torch.arange(2.0, 6.0))


def test_a_checkpoint_that_is_not_there_is_an_error_saying_what_to_do(tmp_path):
    with pytest.raises(RunError, match=r"has no checkpoint best or last under checkpoints/; train it"):
        load_weights(tmp_path, fresh())
    with pytest.raises(RunError, match=r"has no checkpoint last under checkpoints/; train it"):
        load_state(tmp_path)
    assert checkpoints_of(tmp_path) == []


def test_a_checkpoint_of_another_model_or_a_broken_one_is_named(tmp_path, trained):
    save(Checkpoints(tmp_path), trained, 7)
    with pytest.raises(RunError, match=r"000000007\.safetensors does not fit the model of the run's recipe"):
        load_weights(tmp_path, nn.Linear(2, 2))
    for file in (tmp_path / "checkpoints").iterdir():
        file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(RunError, match=r"000000007\.safetensors cannot be read .*; use another checkpoint"):
        load_weights(tmp_path, fresh())
    with pytest.raises(RunError, match=r"checkpoint .*000000007\.safetensors cannot be read"):
        load_state(tmp_path)
    assert checkpoints_of(tmp_path) == []


@pytest.fixture
def old(tmp_path, trained):
    """As version 0.1.0 wrote them."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name, iteration in (("best", 5), ("last", 7)):
        save_file(trained[0].state_dict(), folder / f"{name}.safetensors", metadata={"iteration": str(iteration)})
    state = {"iteration": 7, "optimizer": trained[1].state_dict(), "random": torch.get_rng_state()}
    torch.save(state, folder / "last.pt")
    return tmp_path


def test_checkpoints_of_an_earlier_version_still_load(old):
    assert load_weights(old, fresh()) == "best"
    assert load_weights(old, fresh(), ("last",)) == "last"
    assert load_weights(old, fresh(), (5,)) == "5"
    assert load_state(old)["iteration"] == 7
    assert [checkpoint.iteration for checkpoint in checkpoints_of(old)] == [5, 7]


def test_an_earlier_versions_pair_of_two_iterations_is_refused(old, trained):
    save_file(trained[0].state_dict(), old / "checkpoints" / "last.safetensors", metadata={"iteration": "6"})
    with pytest.raises(RunError, match="has weights of iteration 6 and an optimiser of iteration 7"):
        load_state(old)


def test_few_are_spread_as_well_as_many():
    assert spread("abc", [1, 2, 3], 1) == ["c"]
    assert spread("abc", [1, 2, 3], 2) == ["a", "c"]
    assert spread("abc", [1, 2, 3], 3) == ["a", "b", "c"]
    assert spread("", [], 8) == []
