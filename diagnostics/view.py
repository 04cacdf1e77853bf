"""What detectors ask of a run, read once and as arrays; None is "not recorded"."""

from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd

from .errors import FlatlineError
from .findings import Severity
from .medians import row_medians
from .recorded import Signals

MARGIN = 0.02
"""Above max(chance, constant level) within which a score counts as at the constant level; collapsed nets ended within
.016 of it, learning ones .1 and more above (docs/design.md)."""


BELOW_ENTROPY = 0.9
"""Of H0 below which a loss says that more than the prior was learned; ours."""

FALLEN = 0.2
"""Of what it was at first by which a loss of unknown scale has fallen where something was learned; ours."""

KNOWN_LOSSES = ("bce-with-logits", "bce", "cross-entropy")

BY_PARAMETER = ("gradient_norm", "weight_norm", "update_ratio")


class View:
    """A run's signals as numpy arrays of one index, iterations that a gradient scaler skipped left out."""

    def __init__(self, signals: Signals) -> None:
        self.signals = signals
        self.info = signals.info
        self.columns = lru_cache(maxsize=None)(self._read)
        self.medians = lru_cache(maxsize=None)(self._medians)

    @cached_property
    def _scalars(self) -> pd.DataFrame:
        table = self.signals.scalars
        return table if "skipped" not in table else table.loc[~table["skipped"].to_numpy().astype(bool)]

    @cached_property
    def iterations(self) -> np.ndarray:
        """(row,) recorded iterations, ascending."""
        return self._scalars.index.to_numpy()

    @property
    def is_running(self) -> bool:
        """Whether more rows may come."""
        return self.signals.status == "running"

    @property
    def last(self) -> int:
        """The newest iteration; -1 before the first."""
        return int(self.iterations[-1]) if len(self.iterations) else -1

    def scalar(self, name: str) -> np.ndarray | None:
        """(row,) float64 of one signal; None where it was never recorded."""
        if name not in self._scalars:
            return None
        values = self._scalars[name].to_numpy(dtype=np.float64)
        return None if np.isnan(values).all() else values

    def paths(self, signal: str) -> list[str]:
        """Modules of which `<signal>.<path>` was recorded."""
        names = [name.removeprefix(f"{signal}.") for name in self._scalars if name.startswith(f"{signal}.")]
        return [name for name in names if self.scalar(f"{signal}.{name}") is not None]

    def _read(self, column: str) -> np.ndarray | None:
        """(row, entry) of a list column: by parameter or by class; None where it was never recorded."""
        read = self.signals.by_parameter if column in BY_PARAMETER else self.signals.by_class
        try:
            table = read(column)
        except FlatlineError:
            return None
        if len(table) != len(self.iterations):
            table = table.reindex(self.iterations)  # without those that were skipped
        values = table.to_numpy(dtype=np.float32)  # as they are recorded: no copy of what may be 100,000 rows
        return values if np.isfinite(values).any() or not np.isnan(values).all() else None

    def _medians(self, column: str, places: tuple[int, ...] = ()) -> np.ndarray | None:
        """(row,) median over the entries of a list column, or over those in some places; None where not recorded."""
        values = self.columns(column) if column in BY_PARAMETER else self._read(column)  # of others it is all that asks
        return None if values is None else row_medians(values[:, places] if places else values)

    @cached_property
    def gradient_norms(self) -> np.ndarray | None:
        """(row, parameter) norms, all NaN where no parameter had a gradient; None without rows."""
        norms = self.columns("gradient_norm")
        if (
            norms is None
            and self.signals.parameters
            and len(self.iterations)
            and "gradient_norm_total" in self._scalars
        ):
            return np.full((len(self.iterations), len(self.signals.parameters)), np.nan)
        return norms

    @cached_property
    def training_lwlrap(self) -> np.ndarray | None:
        """(row,) lwlrap of the batch, NaN for one without labels."""
        scores, positives = self._read("lwlrap"), self.columns("positives")
        if scores is None or positives is None:
            return None
        weights = np.where(np.isnan(scores) | np.isnan(positives), 0, positives)
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = np.einsum("re,re->r", weights, np.where(weights > 0, scores, 0))
            return (sums / weights.sum(axis=1)).astype(np.float64)

    @property
    def rnns(self) -> list[str]:
        """Paths of the recurrent modules that were looked at."""
        return list(dict.fromkeys([*self.paths("hidden_spread"), *self.paths("saturation")]))

    def hidden_gradients(self, rnn: str) -> pd.DataFrame | None:
        """Iteration x frame bin of dL/dh_t, replayed iterations alone."""
        try:
            table = self.signals.hidden_gradients(rnn)
        except FlatlineError:
            return None
        if len(table) != len(self.iterations):
            table = table.reindex(self.iterations)  # without those that were skipped
        replayed = ~np.isnan(table.to_numpy()).all(axis=1)
        return table.loc[replayed] if replayed.any() else None

    def hidden_gradient_tables(self) -> dict[str, pd.DataFrame]:
        """Tables of every RNN, and of each direction of a layer in place of both together."""
        signals = self.info.get("signals") or {}
        names = [name.partition(".")[2] for name in signals if name.startswith("hidden_gradient.")]
        paths = [*self.rnns, *(name for name in names if name not in self.rnns)]
        whole = {path for path in paths if f"{path}.l0" in names and f"{path}.l0_reverse" in names}
        tables = {path: self.hidden_gradients(path) for path in paths if path not in whole}
        return {path: table for path, table in tables.items() if table is not None}

    def parts(self) -> dict[str, list[int]]:
        """Places of the parameters of each part of the network, in data-flow order."""
        found: dict[str, list[int]] = {}
        for place, name in enumerate(self.signals.parameters):
            found.setdefault(self.signals.parts.get(name, "other"), []).append(place)
        return found

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """Iteration x scalar of the evaluations, one row an iteration: the newest."""
        try:
            table = self.signals.evaluation_scalars
        except FlatlineError:
            return pd.DataFrame()
        return table.loc[~table.index.duplicated(keep="last")]

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """What happened, in order."""
        return self.signals.events()

    def excess(self) -> pd.Series | None:
        """By evaluation, lwlrap above max(chance, constant level); None without evaluations."""
        table = self.evaluations
        if "lwlrap" not in table or not len(table):
            return None
        levels = [table[name] for name in ("chance", "constant") if name in table]
        floor = np.max([level.to_numpy(dtype=np.float64) for level in levels], axis=0) if levels else 0.0
        return pd.Series(table["lwlrap"].to_numpy(dtype=np.float64) - floor, table.index).dropna()

    @cached_property
    def has_learned(self) -> bool | None:
        """Whether the network has learned; None where that cannot be said.

        By the newest evaluation where there is one of the second half of the run: above the constant level. Else by the
        loss, which can only say yes: below `BELOW_ENTROPY` of H0 where it began at H0 or above, as an unweighted loss
        does; or fallen from its own beginning, by `FALLEN` of it and beyond its noise. A loss that did neither, with an
        old evaluation at the constant level, or at H0, says no.
        """
        by_score = self._learned_by_score()
        excess = self.excess()
        is_recent = excess is not None and len(excess) and excess.index[-1] * 2 >= self.last
        if by_score is not None and is_recent:
            return by_score
        by_loss = self._learned_by_loss()
        return by_score if by_loss is None else by_loss

    @cached_property
    def is_worse_than_ignorant(self) -> bool:
        """Whether the loss at the end is above H0, that of a constant predictor: sure, and wrong."""
        loss, entropy = self.loss, self.scalar("label_entropy")
        if loss is None or entropy is None:
            return False
        return bool(np.nanmedian(loss[-20:]) > np.nanmedian(entropy[-20:]))

    def without_ranking(self) -> str:
        """Why there is no rank agreement, for a person."""
        if self.scalar("output_max") is None:
            return "no scores were recorded; pass logits= or probabilities= to step"
        return "scores of one class, or of one clip a batch, have no ranking to compare"

    def severity(self) -> Severity:
        """Of what keeps a network from learning: critical where nothing was learned, else a warning."""
        return "critical" if self.has_learned is False else "warning"

    def _learned_by_score(self) -> bool | None:
        excess = self.excess()
        if excess is None or not len(excess) or len(self.signals.classes) == 1:  # of one class any ranking is right
            return None
        return bool(excess.iloc[-1] > max(MARGIN, self._noise()))

    def _learned_by_loss(self) -> bool | None:
        loss, entropy = self.loss, self.scalar("label_entropy")
        good = np.empty(0) if loss is None else loss[np.isfinite(loss)]
        if len(good) < 40:
            return None
        begun, ended = float(np.median(good[:10])), float(np.median(good[-50:][-len(good) // 4 :]))
        level = np.nan if entropy is None else float(np.nanmedian(entropy))
        if level > 0 and begun >= level * BELOW_ENTROPY:
            if ended < BELOW_ENTROPY * level:
                return True
            at_entropy = abs(ended / level - 1) < 1 - BELOW_ENTROPY  # a weighted loss has another level
            return False if at_entropy and self.info.get("loss_kind") in KNOWN_LOSSES else None
        noise = float(np.std(good[-50:]))
        return True if begun - ended > max(FALLEN * abs(begun), 2 * noise) else None

    def _noise(self) -> float:
        """Two standard deviations of the lwlrap of random rankings of the newest evaluation's labels.

        By the variance of 1/rank over K ranks, H2_K / K - (H_K / K)^2, that of a clip with one label.
        """
        positives = self._class_positives()
        if positives is None or positives.sum() < 1:
            return 0.0
        inverse = 1.0 / np.arange(1, len(positives) + 1)
        return float(2 * np.sqrt(inverse.var() / positives.sum()))

    def _class_positives(self) -> np.ndarray | None:
        """(class,) labels of the newest evaluation."""
        try:
            table = self.signals.evaluation_positives
        except FlatlineError:
            return None
        return table.iloc[-1].to_numpy(dtype=np.float64) if len(table) else None

    @cached_property
    def loss(self) -> np.ndarray | None:
        """(row,) training loss."""
        return self.scalar("loss")

    def unclipped_norm(self) -> np.ndarray | None:
        """(row,) norm of all gradients, before clipping where the loop told it."""
        total, unclipped = self.scalar("gradient_norm_total"), self.scalar("gradient_norm_unclipped")
        if total is None or unclipped is None:
            return total
        return np.where(np.isfinite(unclipped), unclipped, total)

    def standing(self) -> dict[str, float]:
        """The newest evaluation's score and the levels it is held against."""
        table = self.evaluations
        names = [name for name in ("lwlrap", "chance", "constant") if name in table and len(table)]
        return {name: float(table[name].iloc[-1]) for name in names}

    def newest_class_lwlrap(self) -> np.ndarray | None:
        """(class,) lwlrap of the newest evaluation; None without one."""
        try:
            table = self.signals.evaluation_lwlrap
        except FlatlineError:
            return None
        return table.iloc[-1].to_numpy(dtype=np.float64) if len(table) else None

    def ablation(self, part: str) -> dict[str, float] | None:
        """Newest share of the score that a part carries, and its interval; None where it was never ablated."""
        name = f"ablation.{part}"
        table = self.signals.ablations
        rows = table.dropna(subset=[name]) if name in table else table.iloc[:0]
        if not len(rows):
            return None
        row = rows.iloc[-1]
        return {"share": float(row[name]), "low": float(row[f"{name}.low"]), "high": float(row[f"{name}.high"])}
