"""Which part of a network a parameter belongs to, and which layer holds the output's bias."""

from collections.abc import Iterable

from torch import nn

RECURRENT = (nn.RNNBase, nn.RNNCellBase)
CONVOLUTION = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def parameter_parts(model: nn.Module, names: Iterable[str], maps: Iterable[str] = ()) -> list[str]:
    """conv, rnn, attention, head or other for each parameter, by the type and place of its module.

    names : parameters, as `named_parameters` gives them
    maps : paths of modules that give attention maps
    A linear layer after the last recurrent or convolutional one is the head; norms go with what stands before them.
    """
    maps = set(maps)
    part, parts = "other", {}
    for path, module in model.named_modules():
        if not list(module.parameters(recurse=False)):
            continue
        part = _part(path, module, maps, part)
        parts[path] = part
    return [parts.get(name.rpartition(".")[0], "other") for name in names]


def _part(path: str, module: nn.Module, maps: set[str], before: str) -> str:
    if path in maps and not path.endswith("classification"):
        return "attention"
    if isinstance(module, RECURRENT):
        return "rnn"
    if isinstance(module, CONVOLUTION):
        return "conv"
    if isinstance(module, NORMS):
        return before
    if isinstance(module, nn.MultiheadAttention):
        return "attention"
    return "head" if isinstance(module, nn.Linear) else "other"


def output_bias(model: nn.Module, n_classes: int) -> str | None:
    """Name of the bias that adds to the scores: the model's own `output_layer`, else the last linear layer of K outputs.

    Returns None where nothing fits; rho is then not recorded.
    """
    path = getattr(model, "output_layer", None)
    if not isinstance(path, str):
        fitting = [
            name
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and module.bias is not None and module.out_features == n_classes
        ]
        path = fitting[-1] if fitting else None
    return None if path is None else f"{path}.bias"
