"""What is missing of a log for good, and what a waiting row takes in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

VALUE_BYTES = 100
"""What a value takes in memory besides its numbers (its object, its place in the row), about."""


@dataclass(frozen=True)
class Gap:
    """Rows that are missing: there was no room for them while nothing could be written, or they went afterwards.

    first, last : iterations between which they lie
    """

    first: int
    last: int
    rows: int

    def joined(self, other: "Gap | None") -> "Gap":
        """Both as one."""
        if other is None:
            return self
        return Gap(min(self.first, other.first), max(self.last, other.last), self.rows + other.rows)


def row_bytes(values: Mapping[str, Any]) -> int:
    """What a typed row takes in memory, about.

    >>> row_bytes({"loss": 0.5, "gradient_norm": np.zeros(60, dtype=np.float32)})
    440
    """
    return sum(VALUE_BYTES + _bytes(value) for value in values.values())


def _bytes(value: Any) -> int:
    return value.nbytes if isinstance(value, np.ndarray) else len(value) if isinstance(value, (bytes, str)) else 0
