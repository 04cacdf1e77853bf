"""What detectors read: the shape of a recorded run, whoever holds it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd


class Signals(Protocol):
    """A run as detectors see it; `runs.Run` is one, and so is the history that a live recorder keeps.

    A table has the recorded iterations, ascending, as its index. What was not recorded is NaN; a name that was not
    recorded at all raises a FlatlineError.
    """

    @property
    def info(self) -> Mapping[str, Any]:
        """What is known besides the rows: `loss_kind`, `output_kind`, `parameter_parts`, `maps` ..."""
        ...

    @property
    def status(self) -> str:
        """running, finished, interrupted or failed."""
        ...

    @property
    def parameters(self) -> Sequence[str]:
        """Names of the recorded parameters, in data-flow order."""
        ...

    @property
    def parts(self) -> Mapping[str, str]:
        """conv, rnn, attention, head or other by parameter."""
        ...

    @property
    def classes(self) -> Sequence[str]:
        """Class names, in the order of the scores."""
        ...

    @property
    def scalars(self) -> pd.DataFrame:
        """Iteration x scalar signal."""
        ...

    def by_parameter(self, column: str) -> pd.DataFrame:
        """Iteration x parameter of `gradient_norm`, `weight_norm` or `update_ratio`."""
        ...

    def by_class(self, column: str) -> pd.DataFrame:
        """Iteration x class of `lwlrap`, `running_lwlrap`, `positives`, `attention_entropy` ..."""
        ...

    def hidden_gradients(self, rnn: str, *, direct: bool = False) -> pd.DataFrame:
        """Iteration x frame bin of one RNN's dL/dh_t."""
        ...

    @property
    def evaluation_scalars(self) -> pd.DataFrame:
        """Iteration x scalar of the evaluations: lwlrap, chance, constant, tie_share, `ablation.*` ..."""
        ...

    @property
    def evaluation_lwlrap(self) -> pd.DataFrame:
        """Iteration x class, of the evaluations."""
        ...

    @property
    def evaluation_positives(self) -> pd.DataFrame:
        """Iteration x class, of the evaluations: clips with the class."""
        ...

    @property
    def ablations(self) -> pd.DataFrame:
        """Iteration x share of the score that a part carries (`ablation.rnn.gru`, `.low`, `.high` ...)."""
        ...

    def events(self) -> list[dict[str, Any]]:
        """What happened, in order."""
        ...
