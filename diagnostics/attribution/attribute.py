"""Attributions of one output for one clip, each with what there is to be thought of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import AttachError, ShapeError
from ..subject import unwrapped
from .agreement import agreement
from .curves import Curves, curves
from .explained import Explained, as_frames, at_rest
from .found import Found, Options
from .integrated import tolerance
from .names import DEFAULT_METHOD, FEWEST_STEPS, METHODS, Method, Of, method_named
from .randomised import randomised
from .table import FUNCTIONS
from .verdict import Verdict, verdict


@dataclass(frozen=True, eq=False)
class Checks:
    """What an attribution was held against.

    curves : deletion and insertion, beside random orders
    randomised : Spearman correlation with the same method's values on randomised weights, signed
    other_class : that with its values for another class, drawn at random; NaN of a network with one class
    other_index : of that class; -1 where there is none
    agreement : that with the other methods asked for together, by name
    """

    curves: Curves
    randomised: float
    other_class: float
    other_index: int
    agreement: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Attribution:
    """What a method made of one class's output for one clip.

    values : (frame, mel) float32, signed, of real frames alone
    of : whether output and values are of logits or probabilities
    delta : sum of the values - (output - baseline output), whether the method adds up or not
    steps : gradients on the way or random samples; None where the method has neither
    converged : of a method that adds up, whether delta is within `tolerance`; None of others
    """

    method: str
    values: np.ndarray
    output: float
    baseline_output: float
    of: Of
    delta: float
    steps: int | None
    converged: bool | None
    informative: bool
    why: str
    checks: Checks | None = None


def attribute(
    model: nn.Module,
    clip: Any,
    index: int,
    methods: Sequence[str] = (DEFAULT_METHOD,),
    *,
    gives: Of,
    baseline: Any,
    of: Of | None = None,
    n_real: int | None = None,
    masked: bool = False,
    references: np.ndarray | None = None,
    options: Options | None = None,
    checks: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> list[Attribution]:
    """What of a clip moved one class's output, by each of these methods.

    The model runs in eval mode, one clip at a time or, where a method needs several, as many as memory allows; its
    weights, buffers, gradients, modes and hooks, and all random states, are the same afterwards, after an exception
    too. Padding takes part in no attribution: the network sees it behind the clip and behind every change of it.

    clip : (frame, mel) as the model is given it, padding included
    index : of the class
    gives : what the model gives, "logits" or "probabilities"
    baseline : (frame, mel) of the same size, or of the real frames alone (`baselines.baseline_of`)
    of : what is attributed; None is what the model gives. Probabilities of logits are their sigmoid
    n_real : frames that are not padding; None: all
    masked : call the model as model(clips, mask), mask (clip, frame) True on real frames
    references : (clip, class) scores of other clips, as the model gives them, for the verdict
    checks : False leaves out the curves, the randomised weights and the other class: three to four times as fast
    progress : called with (methods done, methods)
    Raises UnknownNameError for a method that is not known, AttachError for one that this network does not allow,
    ShapeError for sizes that do not fit.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    >>> found, = attribute(net, torch.ones(3, 2), 1, gives="logits", baseline=torch.zeros(3, 2))
    >>> found.values.shape, abs(found.delta) < 1e-5
    ((3, 2), True)
    """
    wanted = [method_named(name) for name in dict.fromkeys(methods)]
    chosen = options or Options()
    _check_noise(wanted, chosen)
    with at_rest(model):
        given = _explained(unwrapped(model), clip, index, gives, of or gives, baseline, n_real, masked)
        both = _both_scores(given)
        _check_index(index, both)
        ends = (float(both[0, index]), float(both[1, index]))
        found = []
        for done, method in enumerate(wanted):
            if progress is not None:
                progress(done, len(wanted))
            found.append(_run(given, method, ends, chosen))
        if progress is not None:
            progress(len(wanted), len(wanted))
        n_classes = both.shape[1]
        held = [
            _checked(given, *pair, ends, chosen, n_classes) if checks else None
            for pair in zip(wanted, found, strict=True)
        ]
    agreements = [_agreements(one, wanted, found) for one in range(len(wanted))]
    told = _as_probabilities(both, given.of)
    others = None if references is None else np.asarray(references, dtype=np.float64)
    return [
        _attribution(
            method,
            one,
            given.of,
            ends,
            check and replace(check, agreement=agrees),
            told,
            index,
            others,
            bool(chosen.noise),
        )
        for method, one, check, agrees in zip(wanted, found, held, agreements, strict=True)
    ]


def _explained(
    model: nn.Module, clip: Any, index: int, gives: Of, of: Of, baseline: Any, n_real: int | None, masked: bool
) -> Explained:
    like = next((one for one in model.parameters() if one.is_floating_point()), torch.empty(0))
    whole, start = as_frames(clip, like, "clip"), as_frames(baseline, like, "baseline")
    n = len(whole) if n_real is None else n_real
    if not 0 < n <= len(whole):
        raise ShapeError(f"n_real is {n} of {len(whole)} frames (attribute); give 1 to {len(whole)}")
    if len(start) not in (n, len(whole)) or start.shape[1] != whole.shape[1]:
        raise ShapeError(
            f"baseline has shape {tuple(start.shape)}, the clip {tuple(whole.shape)} (attribute); give one of its size"
        )
    padding = whole[n:] if n < len(whole) else None
    return Explained(model, whole[:n], start[:n], index, gives, of, padding, masked).fitted()


@torch.no_grad()
def _both_scores(given: Explained) -> np.ndarray:
    """(2, class) of the clip and of the baseline, as `of` says."""
    return np.vstack([given.scores(one.unsqueeze(0)).double().cpu().numpy() for one in (given.clip, given.baseline)])


def _check_index(index: int, scores: np.ndarray) -> None:
    if not 0 <= index < scores.shape[1]:
        raise ShapeError(f"index is {index} of {scores.shape[1]} classes (attribute); give 0 to {scores.shape[1] - 1}")


def _check_noise(methods: Sequence[Method], options: Options) -> None:
    for method in methods:
        if options.noise and not method.noise:
            able = ", ".join(one.name for one in METHODS if one.noise)
            raise AttachError(
                f"{method.name} has no gradient to average over noise (attribute); leave it out, or take {able}"
            )


def _run(given: Explained, method: Method, ends: tuple[float, float], options: Options) -> Found:
    """One method, its random numbers its own."""
    torch.manual_seed(options.seed)
    np.random.seed(options.seed % 2**32)  # noqa: NPY002  (captum's gradient SHAP draws from it)
    return FUNCTIONS[method.name](given, ends[0] - ends[1], options)


def _checked(
    given: Explained, method: Method, found: Found, ends: tuple[float, float], options: Options, n_classes: int
) -> Checks:
    values = found.values.double().cpu().numpy()
    # Their steps are not raised: a ranking of cells is wanted, and no sum.
    cheap = replace(options, steps=min(options.steps, FEWEST_STEPS // 4), most_steps=0)

    def alike(other: Explained) -> float:
        at = [other.outputs(one.unsqueeze(0))[0] for one in (other.clip, other.baseline)]
        again = _run(other, method, (float(at[0]), float(at[1])), cheap).values.double().cpu().numpy()
        return agreement(values, again, (method.grain, method.grain))

    random = alike(replace(given, model=randomised(given.model, options.seed)))
    index = _other_class(given.index, n_classes, options.seed)
    other = float("nan") if index < 0 else alike(replace(given, index=index))
    return Checks(curves(given, found.values, method.grain, ends, options.seed), random, other, index)


def _other_class(index: int, n_classes: int, seed: int) -> int:
    if n_classes < 2:
        return -1
    return int((index + np.random.default_rng([seed, index]).integers(1, n_classes)) % n_classes)


def _agreements(one: int, methods: Sequence[Method], found: Sequence[Found]) -> dict[str, float]:
    values = [each.values.double().cpu().numpy() for each in found]
    return {
        methods[other].name: agreement(values[one], values[other], (methods[one].grain, methods[other].grain))
        for other in range(len(methods))
        if other != one
    }


def _as_probabilities(scores: np.ndarray, of: Of) -> np.ndarray:
    return scores if of == "probabilities" else 1 / (1 + np.exp(-np.clip(scores, -500, 500)))


def _attribution(
    method: Method,
    found: Found,
    of: Of,
    ends: tuple[float, float],
    checks: Checks | None,
    probabilities: np.ndarray,
    index: int,
    references: np.ndarray | None,
    noisy: bool,
) -> Attribution:
    values = _float32(found.values)
    difference = ends[0] - ends[1]
    delta = float(values.sum(dtype=np.float64)) - difference
    random = float("nan") if checks is None else checks.randomised
    told: Verdict = verdict(values, probabilities, index, references, random)
    converged = abs(delta) <= tolerance(difference) if method.adds_up and not noisy else None
    why = told.why if converged is not False else f"{told.why}; its sum misses the difference by {delta:+.2g}"
    return Attribution(
        method.name, values, ends[0], ends[1], of, delta, found.steps, converged, told.informative, why, checks
    )


def _float32(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.detach().float().cpu().numpy())
