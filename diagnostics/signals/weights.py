from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .base import Batch, SignalInfo, Values


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
        norms = torch._foreach_norm([parameter.detach() for parameter in self._parameters])
        return {"weight_norm": torch.stack([norm.float() for norm in norms]).cpu().numpy()}
