from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .base import Batch, SignalInfo, Values
from .norms import l2_norms


class WeightNorms:
    """L2 norm of each parameter after the step. Cost: one `torch._foreach_norm`."""

    infos = (SignalInfo("weight_norm", "L2, by parameter", "norm of the weights after the step"),)

    def __init__(self) -> None:
        self._parameters: list[Tensor] = []

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Remember the parameters; no hooks."""
        self._parameters = list(model.parameters())

    @torch.no_grad()
    def collect(self, batch: Batch) -> Values:
        """Norms now."""
        return {"weight_norm": l2_norms(self._parameters).cpu().numpy()}
