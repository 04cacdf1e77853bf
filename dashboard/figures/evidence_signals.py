"""What each kind of finding rests on: the recorded signals that its detector read, and the thresholds it held them to.

The thresholds are the detectors' own constants; where a detector holds a signal against the run itself (1 % of its
peak), the level is counted from the finding's evidence.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...diagnostics.detectors import (
    attention,
    broken_objective,
    bypassed,
    constant_predictor,
    dead_units,
    exploding,
    gradient_death,
    learning_rate,
    recurrent_state,
    saturation_plateau,
    single_class,
    unrelated_labels,
    vanishing,
)
from ...diagnostics.view import KNOWN_LOSSES
from ...runs.run import Run
from .windows import binned_of, lines_of

Lines = dict[str, pd.Series]

Levels = dict[str, float]


@dataclass(frozen=True)
class Source:
    """A finding's run, and the iterations that are looked at (None is all).

    finding : as JSON, with `variant` and `where`
    """

    run: Run
    finding: Mapping[str, Any]
    first: int | None = None
    last: int | None = None

    @property
    def where(self) -> str:
        """The module, parameter or map that it is about."""
        return self.finding.get("where", "")

    def measured(self, name: str) -> float:
        """One number of its evidence; NaN where it has none."""
        value = self.finding["evidence"].get(name)
        return math.nan if value is None else float(value)

    def scalars(self, *names: str) -> Lines:
        """Scalar signals, of those that the run has."""
        recorded = set(self.run.columns)
        held = [name for name in names if name in recorded]
        if not held:
            return {}
        table = lines_of(self.run, held, self.first, self.last)
        return {str(name): pd.Series(table[name]) for name in table}

    def means(self, column: str) -> pd.DataFrame:
        """A list column: bin x entry, the mean of each bin; empty where the run has not recorded it."""
        return binned_of(self.run, column, self.first, self.last, by="mean")


@dataclass(frozen=True)
class Panel:
    """One chart of evidence.

    lines  : what is drawn of the source; a line that was never recorded is left out
    levels : thresholds by label; those that are NaN are left out
    log    : a logarithmic axis
    """

    title: str
    unit: str
    lines: Callable[[Source], Lines]
    levels: Callable[[Source], Levels] = lambda source: {}
    log: bool = False


def _scalars(*names: str) -> Callable[[Source], Lines]:
    return lambda source: source.scalars(*names)


def _of_where(*signals: str) -> Callable[[Source], Lines]:
    return lambda source: source.scalars(*(f"{signal}.{source.where}" for signal in signals))


def _levels(levels: Mapping[str, float]) -> Callable[[Source], Levels]:
    return lambda source: dict(levels)


def _total(source: Source) -> Lines:
    """The norm of all gradients, before clipping where that is known."""
    lines = source.scalars("gradient_norm_unclipped", "gradient_norm_total")
    recorded = {name: line for name, line in lines.items() if line.notna().any()}
    return dict([*recorded.items()][:1])


def _of_module(column: str) -> Callable[[Source], Lines]:
    """The parameters of the finding's module."""

    def lines(source: Source) -> Lines:
        table = source.means(column)
        names = [name for name in table if str(name).startswith(f"{source.where}.") or name == source.where]
        return {str(name): pd.Series(table[name]) for name in names}

    return lines


def _update_ratio(source: Source) -> Lines:
    """The median over the weights, biases left out, as the detector takes it."""
    table = source.means("update_ratio")
    weights = [name for name in table if "bias" not in str(name).rpartition(".")[2]]
    return {"median over the weights": table[weights].median(axis=1)} if weights else {}


def _rnn_over_head(source: Source) -> Lines:
    table, parts = source.means("gradient_norm"), source.run.parts
    means = {part: table[[name for name in table if parts.get(str(name)) == part]] for part in ("rnn", "head")}
    if any(mean.empty for mean in means.values()):
        return {}
    head = means["head"].mean(axis=1)
    return {"RNN over head": means["rnn"].mean(axis=1) / head.where(head > 0)}


def _frames(source: Source) -> Lines:
    """The smallest gradient of the frames on the way back from the largest, over that."""
    table = source.means(f"hidden_gradient.{source.where}").dropna(how="all")
    return (
        {"least frame over largest": pd.Series(vanishing.kept(source.where, table), table.index)} if len(table) else {}
    )


def _map(name: str, statistic: str = "median") -> Callable[[Source], Lines]:
    """A signal by class of the finding's map, its median, sum or largest share over the classes."""

    def lines(source: Source) -> Lines:
        maps = list(source.run.info.get("maps") or ())
        table = source.means(name if maps[:1] == [source.where] else f"{name}.{source.where}")
        if table.empty:
            return {}
        if statistic == "share":
            return {"largest class's share": table.max(axis=1) / table.sum(axis=1)}
        return {"median over the classes": table.median(axis=1)}

    return lines


def _batch_lwlrap(source: Source) -> Lines:
    table = source.means("lwlrap")
    return {"batches' lwlrap, mean over the classes": table.mean(axis=1)} if len(table.columns) else {}


def _spread_lost(source: Source) -> Levels:
    share, spread = source.measured("hidden_spread_share_of_peak"), source.measured("hidden_spread")
    peak = spread / share if share > 0 else math.nan
    return {f"{recurrent_state.SPREAD_LOST:.0%} of its peak": recurrent_state.SPREAD_LOST * peak}


def _death(source: Source) -> Levels:
    return {
        f"{gradient_death.OF_PEAK:.0%} of its peak": gradient_death.OF_PEAK * source.measured("peak"),
        "rounding": gradient_death.ROUNDING,
    }


def _explosion(source: Source) -> Levels:
    levels = {f"{exploding.RATIO:g} times the beginning": exploding.RATIO * source.measured("beginning")}
    if source.run.info.get("loss_kind") in KNOWN_LOSSES:
        levels["too large by itself"] = exploding.ALONE
    return levels


def _objective(source: Source) -> Levels:
    return {"ln 2: answers 1/2": math.log(2)} if source.run.info.get("loss_kind") == "bce-with-logits" else {}


def _label_share(source: Source) -> Levels:
    label = f"{single_class.BEYOND_LABELS:.0%} above the commonest label"
    return {
        "nearly every clip": single_class.ON_TOP,
        label: source.measured("label_share") + single_class.BEYOND_LABELS,
    }


def _by_heart(source: Source) -> Levels:
    label = f"{unrelated_labels.BY_HEART:.0%} of H0"
    return {label: unrelated_labels.BY_HEART * source.measured("label_entropy")}


RANGE = Panel(
    "Scores, lowest and highest of a batch",
    "score",
    _scalars("output_min", "output_max"),
    _levels({"probabilities end": 1.0, "probabilities begin": 0.0}),
)
LOSS = Panel("Loss, and H0 of a constant predictor", "nats", _scalars("loss", "label_entropy"), _objective)
RHO = Panel(
    "rho: the head's gradient over that of label noise",
    "ratio",
    _scalars("rho"),
    _levels({"killed below": broken_objective.KILLED}),
    log=True,
)
RANKING = Panel(
    "Rank agreement of the clips",
    "correlation",
    _scalars("rank_agreement"),
    _levels({"one ranking for all": constant_predictor.AGREEMENT}),
)
SPREAD = Panel("Spread of the scores between clips", "score", _scalars("clip_spread"), log=True)
SATURATION = Panel(
    "Share of hidden states beyond |h| > .9",
    "share",
    _of_where("saturation"),
    _levels({"dead above": recurrent_state.SATURATED}),
)
PLATEAU = Panel(
    SATURATION.title,
    SATURATION.unit,
    SATURATION.lines,
    _levels({"dead above": recurrent_state.SATURATED, "no plateau below": saturation_plateau.SATURATED}),
)
STATES = Panel("Spread of hidden states between clips", "state", _of_where("hidden_spread"), _spread_lost, log=True)
TOTAL = Panel("Norm of all gradients", "L2 norm", _total, _death, log=True)
MODULE = Panel("Gradient norm of the module's parameters", "L2 norm", _of_module("gradient_norm"), log=True)
RATIO_HIGH = Panel(
    "Update ratio: a step over the weights' size",
    "ratio",
    _update_ratio,
    _levels({"too large": learning_rate.TOO_LARGE, "nothing left": learning_rate.DESTRUCTIVE}),
    log=True,
)
RATIO_LOW = Panel(
    "Update ratio: a step over the weights' size",
    "ratio",
    _update_ratio,
    _levels({"nothing moves below": learning_rate.TOO_SMALL}),
    log=True,
)
TARGETS = Panel(
    "Targets, lowest and highest of a batch",
    "target",
    _scalars("target_min", "target_max"),
    _levels({"largest": 1, "least": 0}),
)
ALIVE = Panel(
    RHO.title,
    RHO.unit,
    RHO.lines,
    _levels(dict(zip(("label noise, from", "to"), unrelated_labels.ALIVE, strict=True))),
    log=True,
)

PANELS: dict[tuple[str, str], tuple[Panel, ...]] = {
    ("broken-objective", "declared"): (RANGE, LOSS, RHO),
    ("broken-objective", "inferred"): (RANGE, LOSS, RHO),
    ("broken-objective", "effects"): (LOSS, RHO),
    ("saturation-plateau", ""): (PLATEAU, STATES, RANKING),
    ("constant-predictor", ""): (RANKING, SPREAD),
    ("constant-predictor", "chart"): (),
    ("constant-predictor", "under-trained"): (RANKING, SPREAD),
    ("constant-predictor", "shrunk"): (RANKING, SPREAD),
    ("single-class-collapse", ""): (
        Panel("Share of clips with the same class on top", "share", _scalars("top_class_share"), _label_share),
        RANKING,
    ),
    ("bypassed-recurrence", "ablated"): (SATURATION, STATES),
    ("bypassed-recurrence", "suspected"): (
        SATURATION,
        STATES,
        Panel(
            "Gradient of the RNN over that of the head",
            "ratio",
            _rnn_over_head,
            _levels({"suspicious below": bypassed.GRADIENT_RATIO}),
            log=True,
        ),
    ),
    ("gradient-death", ""): (TOTAL, RHO),
    ("gradient-death", "zero"): (TOTAL,),
    ("gradient-death", "part"): (MODULE,),
    ("vanishing-through-time", ""): (
        Panel(
            "Gradient dL/dh, least frame over the largest",
            "ratio",
            _frames,
            _levels({"lost below": vanishing.LOST}),
            log=True,
        ),
    ),
    ("exploding-gradients", ""): (Panel(TOTAL.title, TOTAL.unit, _total, _explosion, log=True),),
    ("non-finite", ""): (
        Panel("Parameters whose gradient is not finite", "parameters", _scalars("nonfinite_gradients")),
        Panel("Inputs that are not finite", "inputs", _scalars("nonfinite_inputs")),
        Panel("Loss (it ends where it is NaN)", "loss", _scalars("loss")),
    ),
    ("dead-units", "zero"): (
        Panel("Share of activations that are 0", "share", _of_where("zero_share"), _levels({"dead": dead_units.DEAD})),
    ),
    ("dead-units", "bound"): (
        Panel(
            "Share of activations at a bound",
            "share",
            _of_where("activation_saturation"),
            _levels({"dead": dead_units.DEAD}),
        ),
    ),
    ("attention-collapse", "uniform"): (
        Panel(
            "Entropy of the attention over its largest",
            "share",
            _map("attention_entropy"),
            _levels({"all frames alike": attention.UNIFORM}),
        ),
    ),
    ("attention-collapse", "one-frame"): (
        Panel(
            "Weight of the largest frame",
            "share",
            _map("attention_peak"),
            _levels({"sees one frame": attention.ONE_FRAME}),
        ),
    ),
    ("attention-collapse", "padding"): (
        Panel(
            "Weight on real frames", "share", _map("attention_sum"), _levels({"on padding below": attention.ON_PADDING})
        ),
    ),
    ("attention-collapse", "competition"): (
        Panel(
            "Share of the weight that one class has",
            "share",
            _map("attention_sum", "share"),
            _levels({"the others have lost": attention.OF_ONE_CLASS}),
        ),
    ),
    ("frozen-parameters", "no-gradient"): (),
    ("frozen-parameters", "unheld"): (MODULE,),
    ("frozen-parameters", "all"): (),
    ("learning-rate-too-high", ""): (RATIO_HIGH, LOSS),
    ("learning-rate-too-low", ""): (RATIO_LOW, LOSS),
    ("label-problem", "constant-inputs"): (
        Panel("Spread of the inputs between clips, and their size", "input", _scalars("input_spread", "input_scale")),
    ),
    ("label-problem", "out-of-range"): (TARGETS,),
    ("label-problem", "empty"): (TARGETS,),
    ("label-problem", "one-valued"): (TARGETS,),
    ("label-problem", "class-without"): (),
    ("label-problem", "shuffled"): (Panel("Score of the batches", "lwlrap", _batch_lwlrap), LOSS),
    ("label-problem", "memorised"): (
        Panel(LOSS.title, LOSS.unit, LOSS.lines, _by_heart),
        Panel("Score of the batches", "lwlrap", _batch_lwlrap),
    ),
    ("label-problem", "unrelated"): (ALIVE, LOSS),
}
"""Charts by kind and variant; none where no signal by iteration says it."""

WORDS: dict[tuple[str, str], str] = {
    ("constant-predictor", "chart"): (
        "This rests on the per-class lwlrap of the newest evaluation alone: sorted, it falls as 1, 1/2, 1/3 ... The "
        "page Classes shows the bars. Pass logits= or probabilities= to step, and the scores are judged by iteration."
    ),
    ("bypassed-recurrence", "ablated"): ("decided by the ablation; the lines say since when"),
    ("frozen-parameters", "no-gradient"): (
        "This rests on what is not there: at no iteration was a gradient recorded for these parameters, so there is no "
        "line to draw. The gradient heatmap of the page Vitals shows their rows in grey."
    ),
    ("frozen-parameters", "all"): (
        "This rests on what is not there: no parameter of the network ever moved or had a gradient, so there is no "
        "line to draw. The gradient heatmap of the page Vitals shows the rows in grey."
    ),
    ("label-problem", "class-without"): (
        "This rests on the labels of all batches together: these classes had no positive clip in any, so there is no "
        "line to draw. The page Classes shows which."
    ),
}
"""What a kind without charts, or not with charts alone, rests on."""


def finite(values: Mapping[str, float]) -> Levels:
    """Levels that there are."""
    return {label: float(value) for label, value in values.items() if np.isfinite(value)}
