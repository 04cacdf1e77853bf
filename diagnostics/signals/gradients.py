from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .base import Batch, SignalInfo, Values


class GradientNorms:
    """L2 norm of each parameter's gradient, as the optimiser saw it: read when it is about to step.

    That is after clipping, unscaling, accumulation and reduction. A parameter without a gradient, or one that no optimiser
    holds, is NaN. Cost: one `torch._foreach_norm`, 160-250 us for 60 parameters on a CPU.
    """

    infos = (
        SignalInfo("gradient_norm", "L2, by parameter", "norm of the gradient that the optimiser saw; NaN without one"),
        SignalInfo("gradient_norm_total", "L2", "norm of all gradients as one vector"),
        SignalInfo("gradient_norm_mean", "L2", "mean over parameter tensors of their norms (the seed's chart)"),
        SignalInfo("learning_rate", "1", "of the first optimiser's first group, at the step"),
    )

    def __init__(self) -> None:
        self.names: list[str] = []
        self._place: dict[Tensor, int] = {}
        self._norms: list[tuple[list[int], Tensor]] = []
        self._learning_rate = float("nan")
        self.stepped = False

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Hook every optimiser's step."""
        named = list(model.named_parameters())
        self.names = [name for name, _ in named]
        self._place = {parameter: index for index, (_, parameter) in enumerate(named)}
        for number, optimizer in enumerate(optimizers):
            hook = self._first if number == 0 else self._read
            stack.callback(optimizer.register_step_pre_hook(hook).remove)

    def _first(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._learning_rate = float(optimizer.param_groups[0]["lr"])
        self._read(optimizer, args, kwargs)

    @torch.no_grad()
    def _read(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self.stepped = True
        held = (parameter for group in optimizer.param_groups for parameter in group["params"])
        with_gradient = [parameter for parameter in held if parameter.grad is not None and parameter in self._place]
        if with_gradient:
            gradients = [_dense(parameter.grad) for parameter in with_gradient]  # type: ignore[arg-type]
            norms = torch.stack([norm.float() for norm in torch._foreach_norm(gradients)])
            self._norms.append(([self._place[parameter] for parameter in with_gradient], norms))

    def collect(self, batch: Batch) -> Values:
        """Norms since the last call; all NaN where no optimiser stepped."""
        norms = np.full(len(self.names), np.nan, dtype=np.float32)
        for places, values in self._norms:
            norms[places] = values.cpu().numpy()
        self._norms, self.stepped = [], False
        batch.shared["gradient_norm"] = norms
        seen = norms[~np.isnan(norms)] if np.isnan(norms).any() else norms
        nothing = np.isnan(norms).all()
        return {
            "gradient_norm": norms,
            "gradient_norm_total": np.nan if nothing else float(np.linalg.norm(seen.astype(np.float64))),
            "gradient_norm_mean": np.nan if nothing else float(seen.mean(dtype=np.float64)),
            "learning_rate": self._learning_rate,
        }


def _dense(gradient: Tensor) -> Tensor:
    """A sparse gradient's stored values (its norm is the same), any other as it is."""
    return gradient.coalesce().values() if gradient.is_sparse else gradient
