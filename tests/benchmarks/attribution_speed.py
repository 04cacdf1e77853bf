"""What an attribution of the demo's CGRNN costs in a warm process, beside a plain call of captum."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from captum.attr import IntegratedGradients, Occlusion
from flatline.diagnostics.attribution.attribute import attribute
from flatline.diagnostics.attribution.found import Options
from nets import DEMO, Net
from run_log_forms import Cost
from timing import Benchmark, Group, Timed, turn_about
from torch import Tensor, nn

THREADS = 2
"""The target's: one clip, one class, integrated gradients of 64 steps in a second on two cores."""

STEPS, CLASS, PATCH, STRIDE = 64, 5, (8, 4), (4, 2)
"""Patch and stride are those of `flatline attribute`."""

CLOCK, CHECKED = (
    "attribution: integrated gradients, by the clock",
    "attribution: the same with all checks, by the clock",
)

BESIDE, OCCLUSION = (
    "attribution: integrated gradients against a plain captum call",
    "attribution: occlusion against captum's, one patch at a time",
)

SIZE = f"one clip and class, {STEPS} steps, {THREADS} threads; {DEMO.size.split(', 32 clips')[0]}, a clip of 32 x 32"


def ours(net: nn.Module, clip: Tensor, method: str, *, checks: bool = False) -> None:
    """As `flatline attribute` asks for it, but for the steps, which stay."""
    options = Options(steps=STEPS, most_steps=STEPS, patch=PATCH)
    start = torch.zeros_like(clip)
    attribute(net, clip, CLASS, [method], gives="logits", baseline=start, options=options, checks=checks)


def plain_gradients(net: nn.Module, clip: Tensor) -> None:
    """As captum's own page shows it."""
    clips = clip.unsqueeze(0)
    IntegratedGradients(net).attribute(clips, torch.zeros_like(clips), target=CLASS, n_steps=STEPS)


@torch.no_grad()
def plain_occlusion(net: nn.Module, clip: Tensor) -> None:
    """The same patches; captum takes one a pass unless it is told otherwise."""
    Occlusion(net).attribute(
        clip.unsqueeze(0), sliding_window_shapes=PATCH, strides=STRIDE, baselines=0.0, target=CLASS
    )


def by_the_clock(work: Callable[[], object], repetitions: int) -> Cost:
    """Milliseconds that a person waits; one call warms up."""
    work()
    found = []
    for _ in range(repetitions):
        since = time.perf_counter()
        work()
        found.append(1e3 * (time.perf_counter() - since))
    return Cost("ms", statistics.median(found), min(found), max(found), repetitions)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """So many for PyTorch, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def ways(net: Net = DEMO) -> dict[str, Callable[[int], Cost | Timed]]:
    """Each benchmark: repetitions -> outcome."""
    model, clips, _ = net.made()
    model.eval()
    mine, plain = partial(ours, model, clips[0]), partial(plain_gradients, model, clips[0])
    gradients, occlusion = partial(mine, "integrated-gradients"), partial(mine, "occlusion")
    return {
        CLOCK: partial(by_the_clock, gradients),
        CHECKED: partial(by_the_clock, partial(gradients, checks=True)),
        BESIDE: partial(turn_about, gradients, plain),
        OCCLUSION: partial(turn_about, occlusion, partial(plain_occlusion, model, clips[0])),
    }


def measure(chosen: Sequence[Benchmark], repetitions: int) -> list[Cost | Timed]:
    """All of one net, on as many threads as the target says."""
    with threads(THREADS):
        known = ways()
        return [known[one.name](repetitions) for one in chosen]


TARGETS = {CLOCK: 1000.0}

GROUPS = (
    Group(tuple(Benchmark(name, SIZE, TARGETS.get(name)) for name in (CLOCK, CHECKED, BESIDE, OCCLUSION)), measure),
)
