from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .errors import DataError

# dB. A just noticeable difference of level (Moore, "An Introduction to the Psychology of Hearing", ch. 4): a bin that
# varies less over a whole set is not blown up. Real bins vary by 10-20 dB, so it only meets bins without signal.
STD_FLOOR_DB = 1.0


@dataclass(frozen=True)
class FixedScaling:
    """(dB + offset) / scale for every bin: the seed's own fixed way.

    >>> FixedScaling().apply(np.array([-100.0, -20.0, 0.0]))
    array([-4.,  0.,  1.], dtype=float32)
    """

    kind: ClassVar[str] = "fixed"
    offset_db: float = 20.0
    scale_db: float = 20.0

    def apply(self, array: np.ndarray) -> np.ndarray:
        """The array scaled, float32, of the same shape."""
        return ((array + np.float32(self.offset_db)) / np.float32(self.scale_db)).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Plain values from which `scaling_from_dict` makes it again."""
        return {"kind": self.kind, "offset_db": self.offset_db, "scale_db": self.scale_db}


@dataclass(frozen=True)
class BinStandardisation:
    """(dB - mean) / std for every mel bin, of the training clips' own frames.

    mean, std : (mel,) dB
    """

    kind: ClassVar[str] = "bin-standardisation"
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, features: Sequence[np.ndarray] | Any, indices: Iterable[int]) -> BinStandardisation:
        """Mean and standard deviation of each mel bin over all frames of the clips at `indices`, one clip at a time.

        features : features[i] is (frame, mel) dB, without padding
        std is at least STD_FLOOR_DB.
        Raises DataError if the clips have no frame.
        """
        n_frames, total, squares = 0, np.zeros(()), np.zeros(())
        for index in indices:
            frames = np.asarray(features[index], dtype=np.float64)  # float64: sums of squares of 100 dB lose digits
            n_frames += len(frames)
            total = total + frames.sum(0)
            squares = squares + (frames**2).sum(0)
        if not n_frames:
            raise DataError("no frame to fit on (BinStandardisation.fit); give the indices of training clips")
        mean = total / n_frames
        std = np.sqrt(np.maximum(squares / n_frames - mean**2, STD_FLOOR_DB**2))
        return cls(tuple(mean.tolist()), tuple(std.tolist()))

    def apply(self, array: np.ndarray) -> np.ndarray:
        """The array standardised along its last axis, float32, of the same shape."""
        if array.shape[-1] != len(self.mean):
            raise DataError(
                f"array has {array.shape[-1]} mel bins but the scaling has {len(self.mean)} "
                "(BinStandardisation.apply); fit it on the same features"
            )
        return ((array - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Plain values from which `scaling_from_dict` makes it again."""
        return {"kind": self.kind, "mean": list(self.mean), "std": list(self.std)}


def scaling_from_dict(values: dict[str, Any]) -> FixedScaling | BinStandardisation:
    """The scaling that `to_dict` described.

    Raises DataError for a kind that is unknown.
    """
    match values:
        case {"kind": "fixed", "offset_db": offset_db, "scale_db": scale_db}:
            return FixedScaling(offset_db, scale_db)
        case {"kind": "bin-standardisation", "mean": mean, "std": std}:
            return BinStandardisation(tuple(mean), tuple(std))
    raise DataError(f"no scaling is described by {values!r}; known kinds: fixed, bin-standardisation")
