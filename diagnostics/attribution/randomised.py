"""The same network with weights that know nothing (model-parameter randomisation, Adebayo et al. 2018)."""

import copy

import torch
from torch import Tensor, nn


def randomised(model: nn.Module, seed: int) -> nn.Module:
    """A copy with weights as drawn before training; the model itself is left alone.

    Modules that can draw their weights anew do; what others hold is shuffled.
    """
    twin = copy.deepcopy(model)
    with torch.random.fork_rng([]), torch.no_grad():
        torch.manual_seed(seed)
        drawn: set[Tensor] = set()
        for module in twin.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
                drawn |= set(module.parameters(recurse=False))
        for parameter in set(twin.parameters()) - drawn:
            parameter.copy_(parameter.flatten()[torch.randperm(parameter.numel())].view_as(parameter))
    return twin
