"""A run as it stood at one of its evaluations, so that what is judged then does not depend on what came later."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from .run import Run


class Until:
    """The signals of a run up to an evaluation: `diagnostics.recorded.Signals`.

    iteration : of the evaluation; rows of iterations before it, evaluations up to it
    """

    def __init__(self, run: Run, iteration: int) -> None:
        self._run, self._at = run, iteration

    @property
    def info(self) -> Mapping[str, Any]:
        """The run's."""
        return self._run.info

    @property
    def status(self) -> str:
        """As of a run that was stopped there."""
        return "interrupted"

    @property
    def parameters(self) -> Sequence[str]:
        """The run's."""
        return self._run.parameters

    @property
    def parts(self) -> Mapping[str, str]:
        """The run's."""
        return self._run.parts

    @property
    def classes(self) -> Sequence[str]:
        """The run's."""
        return self._run.classes

    @property
    def scalars(self) -> pd.DataFrame:
        """Iteration x scalar signal."""
        return self._rows(self._run.scalars)

    def by_parameter(self, column: str) -> pd.DataFrame:
        """Iteration x parameter."""
        return self._rows(self._run.by_parameter(column))

    def by_class(self, column: str) -> pd.DataFrame:
        """Iteration x class."""
        return self._rows(self._run.by_class(column))

    def hidden_gradients(self, rnn: str, *, direct: bool = False) -> pd.DataFrame:
        """Iteration x frame bin."""
        return self._rows(self._run.hidden_gradients(rnn, direct=direct))

    @property
    def evaluation_scalars(self) -> pd.DataFrame:
        """Iteration x scalar."""
        return self._run.evaluation_scalars.loc[: self._at]

    @property
    def evaluation_lwlrap(self) -> pd.DataFrame:
        """Iteration x class."""
        return self._run.evaluation_lwlrap.loc[: self._at]

    @property
    def evaluation_positives(self) -> pd.DataFrame:
        """Iteration x class."""
        return self._run.evaluation_positives.loc[: self._at]

    @property
    def ablations(self) -> pd.DataFrame:
        """Iteration x share."""
        return self._run.ablations.loc[: self._at]

    def events(self) -> list[dict[str, Any]]:
        """What had happened by then."""
        return [event for event in self._run.events() if not int(event.get("iteration") or 0) > self._at]

    def _rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.loc[: self._at - 1]
