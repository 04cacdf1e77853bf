"""What each part of a network carries of its score: the part is taken away, and the same clips are scored again."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .ablation_parts import WHAT, Looks, begins_as
from .ablation_shares import Ablation, LwlrapOf, Metric, OwnMetric, shares
from .errors import AttachError, ShapeError, unknown
from .lwlrap import CONSTANT_MARGIN
from .pinned import evaluating, scores_in
from .subject import unwrapped
from .targets import as_numpy, as_scores, multi_hot

Forward = Callable[[nn.Module, Any], tuple[Any, Any]]


def ablate(
    model: nn.Module,
    batches: Iterable[Any] | Callable[[], Iterable[Any]],
    *,
    forward: Forward | None = None,
    mask: Callable[[Any], Tensor | None] | None = None,
    attention: Mapping[str, str] | None = None,
    prior: Any = None,
    silence: Any = None,
    metric: Metric | None = None,
    floor: float | None = None,
    margin: float = CONSTANT_MARGIN,
    what: Sequence[str] = tuple(WHAT),
    resamples: int = 500,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Ablation:
    """The share of a network's score that each of its parts carries, with an interval from resampling the clips.

    A share is (whole - without) / (whole - floor), floor = max(chance, constant level): 0 the part is bypassed, 1 all
    goes through it, below 0 the score is better without it. NaN where the whole network is at the constant level, since
    nothing is there to be shared out. Parts can stand in for each other, so shares need not add up to 1.

    An RNN's output becomes one vector, its mean over all clips and real frames, its final states their mean over clips;
    a map's weight its mean by class. The model is run in eval mode, without gradients, once for each part; its mode,
    hooks and all random states are the same afterwards.

    batches : (clips, target) or (clips, target, mask) each, which are called as model(clips) and model(clips, mask);
        held in memory, so that each part is tried on the same clips. A function that gives the same batches each time
        it is called is called instead
    forward : (model, batch) -> (outputs, target) for any other batches; clips come first in both
    mask : batch -> (clip, frame), True where a frame is real; None: the batch's third entry, if `forward` is not given.
        A packed sequence needs none
    attention : as for `Recorder`; None asks the model
    prior : (class,) share of training clips with each class, for the constant level; None takes that of these clips
    silence : what silent input is, a number or one a mel bin; None takes each bin's mean over these clips
    metric : (outputs, target) -> float, larger is better, instead of lwlrap; then `floor` is what a network that
        ignores its input reaches, and `margin` how far above it this one must be
    what : of `WHAT`. An input that is not float (clip, frame, mel) has no silence; if it is no integer (clip, frame) or
        packed sequence either, it has no order that could be shuffled
    resamples : of the clips, for the intervals
    progress : called with (passes done, passes)
    Returns an Ablation: `.parts`, `.table` (part x score, share, low, high), `.row()` for an evaluation's row.
    Raises ShapeError for outputs and targets that do not fit together, AttachError for what can't be taken away,
    UnknownNameError for a `what` that is not known.

    >>> model = nn.Linear(3, 2)
    >>> batches = [(torch.randn(20, 5, 3), torch.eye(2).repeat(10, 1))]
    >>> forward = lambda model, batch: (model(batch[0]).mean(dim=1), batch[1])
    >>> [part.part for part in ablate(model, batches, forward=forward, what=["frame_shuffle"]).parts]
    ['frame_shuffle.input']
    """
    _check(model, what, metric, floor)
    network = unwrapped(model)
    with torch.no_grad(), evaluating(network), _same_random_numbers(batches):
        given = batches if callable(batches) else partial(iter, list(batches))
        looks = Looks(network, attention)
        passes = _Passes(network, given, forward, mask, looks, is_scores=metric is None)
        whole, target = passes.run(looks.attach)
        parts = [part for part in looks.parts(silence, seed) if begins_as(part, what)]
        outputs: dict[str, np.ndarray] = {}
        for done, part in enumerate(parts, start=1):
            if progress is not None:
                progress(done, len(parts) + 1)
            outputs |= dict.fromkeys(part.names, passes.run(part.attach, target)[0])
        if progress is not None:
            progress(len(parts) + 1, len(parts) + 1)
    labels = {name: part.label for part in parts for name in part.names}
    if metric is not None and floor is not None:
        return shares(OwnMetric(metric, target, floor, resamples, seed), whole, outputs, labels, margin)
    hot = multi_hot(target, whole.shape[1], "ablate")
    known = None if prior is None else as_numpy(prior)
    return shares(LwlrapOf(hot, known, resamples, seed), whole, outputs, labels, margin)


class _Passes:
    """Runs the network over the clips, again and again the same ones."""

    def __init__(
        self,
        network: nn.Module,
        batches: Callable[[], Iterable[Any]],
        forward: Forward | None,
        mask: Callable[[Any], Tensor | None] | None,
        looks: Looks,
        is_scores: bool,
    ) -> None:
        self.network, self.batches, self.looks, self.is_scores = network, batches, looks, is_scores
        self.forward, self.mask = forward or _plain_forward, mask
        self._finds_mask = mask is None and forward is None

    def run(
        self, attach: Callable[[ExitStack], None], expected: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Outputs and targets of all clips, with hooks attached for the while."""
        outputs, targets = [], []
        with ExitStack() as stack:
            attach(stack)
            for batch in self.batches():
                self.looks.at_hand.mask = self._mask_of(batch)
                output, target = self.forward(self.network, batch)
                outputs.append(as_numpy(as_scores(scores_in(output), "ablate") if self.is_scores else output))
                targets.append(as_numpy(target))
                self._check_clips(len(outputs[-1]), len(targets[-1]))
        if not outputs:
            raise ShapeError("batches gave no clips (ablate); give at least one batch")
        whole, target = np.concatenate(outputs), np.concatenate(targets)
        if expected is not None and not np.array_equal(target, expected):
            raise ShapeError(
                "batches gave other targets the second time (ablate); let the function give the same batches each "
                "time, or give a list of them"
            )
        return whole, target

    def _mask_of(self, batch: Any) -> Tensor | None:
        if self.mask is not None:
            return self.mask(batch)
        has_one = self._finds_mask and isinstance(batch, Sequence) and len(batch) == 3
        return batch[2] if has_one else None

    def _check_clips(self, n_outputs: int, n_targets: int) -> None:
        if n_outputs != n_targets:
            raise ShapeError(
                f"{n_outputs} outputs but {n_targets} targets in a batch (ablate); both must have clips first"
            )
        self.looks.input.check(n_targets)


def _plain_forward(network: nn.Module, batch: Any) -> tuple[Any, Any]:
    if not isinstance(batch, Sequence) or len(batch) not in (2, 3):
        what = f"{type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, Sequence) else "")
        raise AttachError(
            f"a batch is a {what}, not (clips, target) or (clips, target, mask) (ablate); give "
            "forward=lambda model, batch: (outputs, target)"
        )
    clips, target, *masks = batch
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    return network(*(_moved(given, device) for given in (clips, *masks))), target


def _moved(given: Any, device: torch.device) -> Any:
    return given.to(device) if hasattr(given, "to") else given


def _check(model: Any, what: Sequence[str], metric: Metric | None, floor: float | None) -> None:
    if not isinstance(model, nn.Module):
        raise AttachError(f"model is {type(model).__name__}, not a torch.nn.Module (ablate); give the model first")
    for name in what:
        if name not in WHAT:
            raise unknown("ablation", str(name), WHAT, "ablate, what=")
    if (metric is None) != (floor is None):
        raise AttachError("metric= and floor= belong together (ablate); give both, or neither for lwlrap")


@contextmanager
def _same_random_numbers(batches: Any) -> Iterator[None]:
    """Python's, numpy's and a loader's own generator as they were; `evaluating` sees to PyTorch's."""
    own = getattr(batches, "generator", None)
    state = own.get_state() if isinstance(own, torch.Generator) else None
    pythons, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002  (a loader's dataset may use the old one)
    try:
        yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)  # noqa: NPY002
        if isinstance(own, torch.Generator) and state is not None:
            own.set_state(state)
