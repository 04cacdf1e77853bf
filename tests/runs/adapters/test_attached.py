"""What holds for every adapter, with its library or without."""

import pickle
import subprocess
import sys
from pathlib import Path

import flatline
import pytest
import torch
from flatline.runs.adapters.attached import Attached, pooled, status_after

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
