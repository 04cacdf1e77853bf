"""Which part of a network a parameter belongs to, and which layer holds the output's bias."""

from collections.abc import Iterable

import torch
from torch import nn

CELLS = (nn.RNNCellBase,)
RECURRENT = (nn.RNNBase, *CELLS)
CONVOLUTION = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
FILLED = 0.8
"""Of its bound that the largest of a weight's entries reaches as it is drawn; of 16 entries one does in 97 %."""

NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def recurrent_modules(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Recurrent modules by path, found by type; a model that is one itself has the path `rnn`."""
    return [(path or "rnn", module) for path, module in model.named_modules() if isinstance(module, RECURRENT)]


def has_bounded_state(module: nn.Module) -> bool:
    """Whether a recurrent module's hidden state lies in [-1, 1]: not after a ReLU or a projection."""
    return getattr(module, "nonlinearity", "tanh") == "tanh" and not getattr(module, "proj_size", 0)


def parameter_parts(model: nn.Module, names: Iterable[str], maps: Iterable[str] = ()) -> list[str]:
    """conv, rnn, attention, head or other for each parameter, by the type and place of its module.

    A linear layer after the last recurrent or convolutional one is the head, one before it is other; norms go with what
    stands before them. Order is that in which the model registers its modules.

    names : parameters, as `named_parameters` gives them
    maps : paths of modules that give attention maps; the model's `output_layer` is the head, a map or not
    """
    modules = [(path, module) for path, module in model.named_modules() if list(module.parameters(recurse=False))]
    last = max((index for index, (_, module) in enumerate(modules) if _is_body(module)), default=-1)
    attention = [
        *(path.partition("[")[0] for path in maps),
        *(path for path, module in modules if isinstance(module, nn.MultiheadAttention)),
    ]
    head = getattr(model, "output_layer", None)
    part, parts = "other", {}
    for index, (path, module) in enumerate(modules):
        if path == head:
            part = "head"
        elif isinstance(module, RECURRENT):
            part = "rnn"
        elif any(path == given or path.startswith(f"{given}.") for given in attention):
            part = "attention"
        elif isinstance(module, CONVOLUTION):
            part = "conv"
        elif not isinstance(module, NORMS):
            part = "head" if isinstance(module, nn.Linear) and index > last else "other"
        parts[path] = part
    return [parts.get(name.rpartition(".")[0], "other") for name in names]


def is_as_drawn(model: nn.Module, name: str) -> bool:
    """Whether a weight is still as PyTorch draws it: uniform between the bounds of its kind of layer.

    1/sqrt(hidden) for RNNs, 1/sqrt(inputs) for linear layers and convolutions. Trained or pre-trained weights leave
    them, or do not fill them.
    """
    path, _, last = name.rpartition(".")
    module = model.get_submodule(path)
    weight = module.get_parameter(last)
    if isinstance(module, RECURRENT):
        bound = module.hidden_size**-0.5
    elif isinstance(module, (nn.Linear, *CONVOLUTION)):
        bound = module.weight[0].numel() ** -0.5
    else:
        return False
    with torch.no_grad():
        largest = float(weight.abs().max()) if weight.numel() else 0.0
    return FILLED * bound <= largest <= bound * (1 + 1e-5)


def output_bias(model: nn.Module, n_classes: int) -> str | None:
    """Name of the bias that adds to the scores: that of the model's own `output_layer`, else of its linear layer of K
    outputs.

    Returns None where no layer fits or several do; rho is then not recorded.
    """
    path = getattr(model, "output_layer", None)
    if not isinstance(path, str):
        fitting = [name for name, module in model.named_modules() if _fits(module, n_classes)]
        path = fitting[0] if len(fitting) == 1 else None
    return None if path is None else f"{path}.bias".lstrip(".")


def _is_body(module: nn.Module) -> bool:
    return isinstance(module, (*RECURRENT, *CONVOLUTION, nn.MultiheadAttention))


def _fits(module: nn.Module, n_classes: int) -> bool:
    return isinstance(module, nn.Linear) and module.bias is not None and module.out_features == n_classes
