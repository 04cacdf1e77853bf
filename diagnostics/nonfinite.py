from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SPREAD = "activation_spread."


class FirstNonFinite:
    """The first loss or gradient that is NaN or infinite, named once; the rows have every one as it is.

    A loss that was never a number was not passed.
    """

    def __init__(self, parameters: Sequence[str]) -> None:
        self._parameters = parameters
        self._seen_loss = self._told = False
        self._with_spread: set[str] = set()
        self._with_gradient = np.zeros(len(parameters), dtype=bool)

    def names(self, row: Mapping[str, Any]) -> list[str]:
        """What is not finite in this row, if it is the first such: "loss", and parameters by name."""
        if self._told:
            return []
        self._with_spread |= {name for name, value in row.items() if name.startswith(SPREAD) and np.isfinite(value)}
        loss, norms = row["loss"], row.get("gradient_norm")
        found = ["loss"] if np.isinf(loss) or (np.isnan(loss) and self._seen_loss) else []
        self._seen_loss = self._seen_loss or bool(np.isfinite(loss))
        if norms is not None and row.get("nonfinite_gradients", 0) > 0:
            # Of a parameter without a gradient the norm is NaN too: the ones meant had one before, or are infinite.
            lost = np.isinf(norms) | (np.isnan(norms) & (self._with_gradient | ~self._with_gradient.any()))
            found += [self._parameters[place] for place in np.flatnonzero(lost).tolist()]
        if norms is not None:
            self._with_gradient |= np.isfinite(norms)
        self._told = bool(found)
        return found

    def module(self, row: Mapping[str, Any]) -> str | None:
        """The first module, in the order in which they ran, whose output is not finite; None where none was looked at.

        Level deep looks at modules: their spreads stand in the row in that order, and are NaN then.
        """
        spreads = {name: value for name, value in row.items() if name.startswith(SPREAD)}
        lost = [name for name, value in spreads.items() if not np.isfinite(value) and name in self._with_spread]
        return lost[0].removeprefix(SPREAD) if lost else None
