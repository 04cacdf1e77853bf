"""What the checks look at: a model, its loss and a batch, run once, and with other weights where a check asks."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .given import Batch
from .objective import Objective
from .one_pass import Pass, differentiate, forward, outputs_only
from .untouched import Untouched

NUDGE = 0.05
"""Noise on each weight, as a share of the rms of its tensor: enough to leave exact zeros, too little to wake a unit
whose bias is far off. Ours (test_check.py: zero-initialised heads pass, dead activations do not)."""

LEAST_SCALE = 0.02
"""Rms that a tensor of zeros is taken to have; that of Transformers' usual initialisation."""

FACTORS = (10.0, 100.0, 1000.0)
"""What all weights are multiplied by, in turn, until the scores leave [-1, 1] on both sides: first nudged, then drawn
anew, each with the output layer as it is and negated, since with all weights negated an even number of layers gives the
same signs. Ours (test_check_healthy.py: logits that are all above 0 by chance pass)."""

MARGIN = 1e-5
"""Rounding by which probabilities may leave [0, 1]; a float32 sum of weights was seen to end at 1 + 1e-7."""

WITH_WEIGHTS = ("AddmmBackward0", "MmBackward0", "BmmBackward0", "ConvolutionBackward0")
"""Operations of linear and convolutional layers in autograd's graph."""


@dataclass(frozen=True)
class Reach:
    """Where scores can get: now, and over all weights that were tried.

    low, high : over all of them, now included
    row_sums : lowest and highest sum of a clip's scores over classes
    n_tried : other weights with which the scores were finite
    """

    low: float
    high: float
    row_sums: tuple[float, float]
    n_tried: int

    @property
    def are_probabilities(self) -> bool:
        """They stay in [0, 1]."""
        return bool(self.n_tried) and self.low >= -MARGIN and self.high <= 1 + MARGIN

    @property
    def sum_to_one(self) -> bool:
        """Each clip's scores are a softmax over classes."""
        return self.are_probabilities and self.row_sums[0] > 1 - 1e-3 and self.row_sums[1] < 1 + 1e-3


@dataclass
class Subject:
    """A model, its objective, a batch and its optimisers, inside `Untouched`.

    n_names : number of class names; None where none were given
    is_loss_barred : the loss would raise on this target or these scores, so it is not called
    """

    model: nn.Module
    objective: Objective
    batch: Batch
    optimizers: Sequence[Optimizer]
    n_names: int | None
    untouched: Untouched
    first: Pass = field(init=False)
    is_loss_barred: bool = False

    def __post_init__(self) -> None:
        self.first = forward(self.model, self.batch)

    def differentiate(self) -> None:
        """Loss and gradients of the first pass."""
        differentiate(self.model, self.first, self.objective, self.batch.target)

    @property
    def scores(self) -> Tensor | None:
        """The first pass's scores, without a graph."""
        return None if self.first.scores is None else self.first.scores.detach()

    @property
    def target(self) -> Tensor | None:
        """The target where it is a tensor."""
        return self.batch.target if isinstance(self.batch.target, Tensor) else None

    @property
    def announced(self) -> str | None:
        """What the model says that it gives: "logits" or "probabilities"; None where it does not say."""
        said = getattr(self.model, "output", None)
        return said if isinstance(said, str) and said in ("logits", "probabilities") else None

    @cached_property
    def output_layer(self) -> str | None:
        """The layer that gives the scores: as the model announces it, else the last with weights that was called."""
        said = getattr(self.model, "output_layer", None)
        return said if isinstance(said, str) else self.first.trace.last_with_weights()

    @cached_property
    def nudged(self) -> Pass | None:
        """A second pass with slightly other weights (seeded); None where the model cannot be run with them."""
        self._change(1.0, seed=1)
        done = forward(self.model, self.batch)
        if done.failure is None:
            differentiate(self.model, done, self.objective, self.batch.target)
        self.untouched.put_back()
        return None if done.failure is not None or done.loss_failure else done

    @cached_property
    def reach(self) -> Reach:
        """Where the scores can get: all weights are nudged and multiplied, until nothing plainly bounds them."""
        assert self.scores is not None
        tried = [self.scores]
        for seed, (factor, is_negated) in enumerate(itertools.product(FACTORS, (False, True))):
            self._change(factor, seed // 2, is_fresh=factor > FACTORS[0], is_negated=is_negated)
            scores = outputs_only(self.model, self.batch)
            self.untouched.put_back()
            if scores is not None and bool(torch.isfinite(scores).all()):
                tried.append(scores)
            if min(map(_low, tried)) < -1.1 and max(map(_high, tried)) > 1.1:
                break
        sums = [one.sum(dim=-1 if one.ndim < 3 else 1) for one in tried]
        row_sums = (min(map(_low, sums)), max(map(_high, sums)))
        return Reach(min(map(_low, tried)), max(map(_high, tried)), row_sums, len(tried) - 1)

    def where_squashed(self, names: tuple[str, ...]) -> str:
        """The module of the operation nearest to the scores that has such a name, behind the last layer with weights.

        Else that which gave the scores.
        """
        scores = self.first.scores
        assert scores is not None
        layer, seen = [scores.grad_fn], set()
        while layer:
            for node in layer:
                if node is not None and node.name() in names:
                    return self.first.trace.owner(node)
            seen.update(layer)
            through = [node for node in layer if node is not None and node.name() not in WITH_WEIGHTS]
            layer = [after for node in through for after, _ in node.next_functions if after and after not in seen]
        return self.first.trace.giving(scores)

    def _change(self, factor: float, seed: int, is_fresh: bool = False, is_negated: bool = False) -> None:
        """Nudge every weight by noise, or draw it anew at the scale it has, and multiply it.

        The modules are first as they were before any pass. is_negated : the output layer's weights change their sign
        """
        self.untouched.put_back()
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.model.named_parameters():
            if parameter.is_floating_point() and parameter.numel():
                scale = max(float(parameter.detach().float().square().mean().sqrt()), LEAST_SCALE)
                noise = torch.randn(parameter.shape, generator=generator).to(parameter)
                sign = -1 if is_negated and name.rpartition(".")[0] == self.output_layer else 1
                parameter.data.mul_(not is_fresh).add_(noise, alpha=scale if is_fresh else NUDGE * scale)
                parameter.data.mul_(sign * factor)


def whole_modules(model: nn.Module, names: set[str]) -> Iterator[tuple[str, list[str]]]:
    """(path, parameters) of the largest modules all of whose parameters are among the names, and of single ones.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    >>> list(whole_modules(net, {"0.weight", "0.bias", "1.bias"}))
    [('0', ['0.weight', '0.bias']), ('1.bias', ['1.bias'])]
    """
    left = dict.fromkeys(name for name, _ in model.named_parameters() if name in names)
    for path, _ in model.named_modules():
        prefix = f"{path}." if path else ""
        inside = [name for name, _ in model.named_parameters() if name.startswith(prefix)]
        if path and inside and all(name in left for name in inside):
            yield path, inside
            for name in inside:
                del left[name]
    yield from ((name, [name]) for name in left)


def n_weights(model: nn.Module, names: list[str]) -> int:
    """How many numbers these parameters have."""
    sizes: dict[str, Any] = dict(model.named_parameters())
    return sum(sizes[name].numel() for name in names)


def _low(values: Tensor) -> float:
    return float(values.min())


def _high(values: Tensor) -> float:
    return float(values.max())
