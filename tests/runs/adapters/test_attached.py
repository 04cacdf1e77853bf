"""What holds for every adapter, with its library or without."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import flatline
import pytest
import torch
from flatline.diagnostics.errors import AttachError
from flatline.runs.adapters.attached import Attached, guarded, status_after
from flatline.runs.adapters.given import kept, on_cpu, part_of, pooled

ADAPTERS = Path(flatline.__file__).parent / "runs" / "adapters"

LIBRARIES = {
    "lightning": ("lightning", "pytorch_lightning"),
    "huggingface": ("transformers",),
    "skorch": ("skorch",),
}


def python(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


@pytest.mark.parametrize("path", sorted(ADAPTERS.glob("*.py")), ids=lambda path: path.stem)
def test_an_adapter_is_thin(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 80


@pytest.mark.parametrize("name", LIBRARIES)
def test_an_adapter_without_its_library_says_what_to_install(name):
    missing = "".join(f"sys.modules[{library!r}] = None\n" for library in LIBRARIES[name])
    done = python(f"import sys\n{missing}import flatline.runs.adapters.{name}")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert f"flatline.runs.adapters.{name} needs " in last
    assert f"pip install {LIBRARIES[name][0]}" in last


def test_flatline_imports_no_adapters_library():
    libraries = {library for names in LIBRARIES.values() for library in names}
    done = python(f"import sys, flatline; flatline.Recorder, flatline.Run; print({libraries} & set(sys.modules))")
    assert done.stdout.strip() == "set()", done.stderr


def test_pooled_batches_keep_what_each_has_and_weigh_the_loss_by_clips():
    one = {"logits": torch.zeros(1, 2), "target": torch.zeros(1, 2), "loss": torch.tensor(4.0)}
    three = {"logits": torch.ones(3, 2), "target": torch.ones(3, 2), "loss": torch.tensor(0.0)}
    whole = pooled([one, three])
    assert whole["logits"].tolist() == [[0, 0], [1, 1], [1, 1], [1, 1]]
    assert whole["loss"] == 1.0
    assert set(pooled([one, {"target": one["target"]}])) == {"target"}
    assert pooled([]) == {}


@pytest.mark.parametrize(
    ("kind", "status"),
    [(None, "finished"), (RuntimeError, "failed"), (KeyboardInterrupt, "interrupted"), (SystemExit, "interrupted")],
)
def test_a_fits_end_gives_the_runs_status(kind, status):
    assert status_after(kind) == status


def test_a_copy_that_is_pickled_during_a_fit_records_nothing():
    model = torch.nn.Linear(2, 1)
    attached = Attached()
    with attached:
        attached.attach(model, torch.optim.SGD(model.parameters()), hook=lambda *args: None, log=[])
        copy = pickle.loads(pickle.dumps(attached))
        assert copy.recorder_ is None
        assert copy.hook_ is None
        assert attached.recorder_ is not None


def test_what_a_batch_gave_is_kept_as_a_copy_without_history():
    given = torch.ones(2, requires_grad=True)
    held = kept(logits=given * 1, target="none")
    assert held.keys() == {"logits"}
    assert not held["logits"].requires_grad
    assert kept(loss=given)["loss"].data_ptr() != given.data_ptr()
    assert on_cpu(loss=given, target=None).keys() == {"loss"}


def test_a_part_that_is_not_there_is_refused_with_those_that_are():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    assert part_of(model, "") is model
    assert part_of(model, "1") is model[1]
    with pytest.raises(AttachError, match=r"no module 'nope' in the Sequential .*; known: 0, 1$"):
        part_of(model, "nope")


class Hooked(Attached):
    @guarded
    def on_batch(self, error):
        raise error

    @guarded
    def on_row(self, **given):
        self.row(3, given, loss=1.0)


@pytest.fixture
def hooked():
    model, rows = torch.nn.Linear(2, 2), []
    attached = Hooked()
    attached.attach(model, torch.optim.SGD(model.parameters()), hook=lambda *args: {}["on purpose"], log=rows)
    attached.model, attached.rows = model, rows
    yield attached
    attached.detach()


def test_a_fault_in_a_hook_is_told_once_and_an_exit_is_none(hooked, told):
    for _ in range(3):
        hooked.on_batch(OSError("disk full"))
    assert len(told("disk full")) == 1
    with pytest.raises(KeyboardInterrupt):
        hooked.on_batch(KeyboardInterrupt())


@pytest.mark.filterwarnings("error")
def test_a_fault_ends_nothing_where_warnings_are_errors(hooked, capsys):
    hooked.on_batch(OSError("disk full"))
    assert "disk full" in capsys.readouterr().err


def test_scores_that_do_not_fit_are_left_out_of_a_row_that_is_there(hooked, told):
    optimizer = torch.optim.SGD(hooked.model.parameters(), lr=0.1)
    hooked.attach(hooked.model, optimizer, log=hooked.rows)
    hooked.model(torch.ones(3, 2)).sum().backward()
    optimizer.step()
    hooked.on_row(logits=torch.ones(3, 2, 2), target=torch.ones(3, 2))
    assert [(row["epoch"], row["loss"]) for row in hooked.rows] == [(3, 1.0)]
    assert len(told("shape (3, 2, 2)")) == 1


def test_a_fault_in_the_forward_hook_leaves_the_pass_alone_and_is_told_at_the_end(hooked, told):
    assert hooked.model(torch.ones(1, 2)).shape == (1, 2)
    assert not told("on purpose")
    hooked.detach()
    assert len(told("on purpose")) == 1


def test_a_copy_of_a_model_in_training_carries_nothing_of_flatline(hooked):
    for again in (copy.deepcopy(hooked.model), pickle.loads(pickle.dumps(hooked.model))):
        again(torch.ones(1, 2))
        assert not hooked.faults_
    assert b"flatline" not in pickle.dumps(hooked.model)


def test_a_fault_in_closing_is_told(hooked, told, broken):
    broken("close")
    hooked.detach()
    assert len(told("disk full")) == 1
