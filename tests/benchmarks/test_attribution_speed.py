"""That the benchmark compares what it says; how fast that is, it does not ask."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from captum.attr import IntegratedGradients, Occlusion
from flatline.diagnostics.attribution.attribute import attribute
from flatline.diagnostics.attribution.found import Options

HERE = Path(__file__).parent
NAMES = ("timing", "nets", "run_log_rows", "run_log_forms", "attribution_speed")


@pytest.fixture(scope="module")
def scripts():
    """The scripts by their bare names, which other tests do not find."""
    before = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    sys.path.insert(0, str(HERE))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    finally:
        sys.path.remove(str(HERE))
        for name in NAMES:
            sys.modules.pop(name, None)
        sys.modules.update(before)


@pytest.fixture
def given(scripts):
    model, clips, _ = scripts.nets.TINY.made()
    return model.eval(), clips[0]


def test_both_ways_compute_the_same(scripts, given):
    speed = scripts.attribution_speed
    net, clip = given
    options = Options(steps=speed.STEPS, most_steps=speed.STEPS, patch=speed.PATCH)
    assert (options.patch[0] // 2, options.patch[1] // 2) == speed.STRIDE
    assert options.patch == Options().patch
    start = torch.zeros_like(clip)
    asked = ["integrated-gradients", "occlusion"]
    found = attribute(net, clip, 5, asked, gives="logits", baseline=start, options=options, checks=False)
    assert found[0].steps == speed.STEPS
    whole = IntegratedGradients(net).attribute(clip[None], start[None], target=5, n_steps=speed.STEPS)[0]
    torch.testing.assert_close(torch.from_numpy(found[0].values), whole.float(), rtol=1e-3, atol=1e-6)
    with torch.no_grad():
        patches = Occlusion(net).attribute(
            clip[None], sliding_window_shapes=speed.PATCH, strides=speed.STRIDE, baselines=0.0, target=5
        )[0] / (speed.PATCH[0] * speed.PATCH[1])
    torch.testing.assert_close(torch.from_numpy(found[1].values), patches.float(), rtol=1e-3, atol=1e-6)


def test_every_benchmark_gives_a_figure_and_threads_are_put_back(scripts, monkeypatch):
    speed = scripts.attribution_speed
    monkeypatch.setattr(speed, "ways", lambda known=speed.ways: known(scripts.nets.TINY))
    before = torch.get_num_threads()
    (group,) = speed.GROUPS
    outcomes = group.measure(group.benchmarks, 1)
    assert [outcome.unit for outcome in outcomes] == ["ms", "ms", "x", "x"]
    assert all(outcome.figure > 0 for outcome in outcomes)
    assert torch.get_num_threads() == before
