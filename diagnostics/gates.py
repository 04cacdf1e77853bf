"""Which gate of a recurrent layer each block of rows of its weights belongs to."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

GATES: tuple[tuple[tuple[type[nn.Module], ...], tuple[str, ...]], ...] = (
    ((nn.GRU, nn.GRUCell), ("r", "z", "n")),  # reset, update, new: PyTorch's z keeps the past
    ((nn.LSTM, nn.LSTMCell), ("i", "f", "g", "o")),
)
"""Gates in the order in which PyTorch stacks their rows."""


MOST_LAYOUTS = 16
"""Sets of parameters whose layout is remembered; ours."""


def gates_of(module: nn.Module) -> tuple[str, ...]:
    """Its gates' names; none for a module without gates.

    >>> gates_of(nn.LSTM(2, 3)), gates_of(nn.RNN(2, 3))
    (('i', 'f', 'g', 'o'), ())
    """
    return next((gates for kinds, gates in GATES if isinstance(module, kinds)), ())


class Pieces:
    """The parameters of a model, those of gated recurrent layers cut by gate.

    names : of the parameters, as `named_parameters` gives them (a shared one once)
    gates : names of the pieces of gated parameters, such as `gru.weight_hh_l0/z`; the name says the rest: `ih` is the
        input's weight and `hh` the recurrent one, `_l1` the layer, `_reverse` the direction
    counts : of each parameter, into how many pieces it is cut
    """

    def __init__(self, model: nn.Module) -> None:
        cuts = _cuts(model)
        self.parameters = [parameter for _, parameter in model.named_parameters()]
        self.names = [name for name, _ in model.named_parameters()]
        self._model = model
        self.counts = [max(len(cuts.get(name, ())), 1) for name in self.names]
        self.gates = [f"{name}/{gate}" for name in self.names for gate in cuts.get(name, ())]
        cut = np.array(self.counts) > 1
        self._first_gate = np.where(cut, np.cumsum([0, *(np.array(self.counts) * cut)])[:-1], -1)
        self._layouts: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def of(self, place: int, values: Tensor) -> tuple[Tensor, ...]:
        """Views of the parameter at `place`, or of something in its shape."""
        count = self.counts[place]
        return (values,) if count == 1 else values.chunk(count)

    def joined(self, places: Sequence[int], norms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norms (parameter,) and (gate,) float32 from those of the pieces of the parameters at `places`.

        A parameter's is the root of its pieces' squares; what is not at one of the places is NaN.
        """
        owners, gates, is_gate = self._layout(tuple(places))
        roots = np.sqrt(np.bincount(owners, norms.astype(np.float64) ** 2, len(self.names)))
        of_parameters = np.full(len(self.names), np.nan, dtype=np.float32)
        with np.errstate(over="ignore"):
            of_parameters[owners] = roots[owners]
        of_gates = np.full(len(self.gates), np.nan, dtype=np.float32)
        of_gates[gates] = norms[is_gate]
        return of_parameters, of_gates

    def replaced(self) -> list[int]:
        """Places of the parameters in whose stead the model has others now, under the same names or others."""
        homes: dict[str, Any] = {}
        places = []
        for place, (name, was) in enumerate(zip(self.names, self.parameters, strict=True)):
            path, _, leaf = name.rpartition(".")
            if path not in homes:
                homes[path] = _module_at(self._model, path)
            if homes[path] is None or homes[path]._parameters.get(leaf) is not was:
                places.append(place)
        return places

    def leave_out(self, places: Sequence[int], of_parameters: np.ndarray, of_gates: np.ndarray) -> None:
        """NaN in norms (parameter,) and (gate,) for the parameters at `places`."""
        if places:
            of_parameters[list(places)] = np.nan
            of_gates[self._layout(tuple(places))[1]] = np.nan

    def _layout(self, places: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the pieces of the parameters at `places`: each one's parameter, the gates, and which of them are gates."""
        if places not in self._layouts:
            if len(self._layouts) == MOST_LAYOUTS:  # layers that are left out at random have gradients in turn
                self._layouts.clear()
            owners = np.array([place for place in places for _ in range(self.counts[place])], dtype=int)
            parts = np.array([part for place in places for part in range(self.counts[place])], dtype=int)
            is_gate = self._first_gate[owners] >= 0
            self._layouts[places] = owners, (self._first_gate[owners] + parts)[is_gate], is_gate
        return self._layouts[places]


def _module_at(model: nn.Module, path: str) -> nn.Module | None:
    """The module at a path, None where there is none any more."""
    module: nn.Module | None = model
    for name in path.split(".") if path else ():
        module = None if module is None else module._modules.get(name)
    return module


def _cuts(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Gates by parameter; the projection of an LSTM (`weight_hr`) has none."""
    cuts = {}
    for path, module in model.named_modules():
        gates = gates_of(module)
        for name, _ in module.named_parameters(recurse=False) if gates else ():
            if not name.startswith("weight_hr"):
                cuts[f"{path}.{name}".lstrip(".")] = gates
    return cuts
