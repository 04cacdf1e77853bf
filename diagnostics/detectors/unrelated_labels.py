"""Labels that have nothing to do with the inputs: shuffled, or of other clips."""

import numpy as np

from ..stretches import Stretch, smoothed, sustained
from ..view import View
from . import recurrent_state
from .base import newest
from .learning_rate import LEAST_MOVING, TOO_LARGE, median_ratio

LONG_ENOUGH = 150
"""Iterations without learning before labels are suspected; ours: slow starts woke within as many."""

ALIVE = (0.5, 2.0)
"""rho of a head that learns from labels it cannot tell apart: 1, for the draw of labels is all there is; ours."""

AT_ENTROPY = 0.15
"""Of H0 within which the loss stays where nothing but the prior can be learned; ours."""

WINDOW = 20
"""Iterations before and after a jump that are compared; ours."""

FALL = 0.6
"""Share of what the batches' lwlrap was above the constant level that is lost at once when labels are shuffled; ours.
"""

BY_HEART = 0.7
"""Of H0 below which a training loss says that the training clips are known; ours."""

NOTHING = 0.1
"""Above the constant level below which an evaluation says that nothing else is; ours, small evaluations included."""

SUDDEN = 3.0
"""Standard deviations of the loss before it by which it jumps; ours."""

CONTINUOUS = 3.0
"""Times by which outputs and updates may change across the jump; they come from weights as before. Ours."""


def never_learned(view: View) -> tuple[Stretch, dict[str, float]] | None:
    """A net with everything a learning one has, and no score: the head's gradient is that of label noise, the loss H0.

    None where its states are dead, its updates too small or too large, or it has learned.
    """
    rho, loss, entropy = view.scalar("rho"), view.loss, view.scalar("label_entropy")
    ratio = median_ratio(view)
    if view.has_learned is not False or rho is None or loss is None or entropy is None or ratio is None:
        return None
    if len(view.iterations) < LONG_ENOUGH or any(_is_dead(view, rnn) for rnn in view.rnns):
        return None
    excess = view.excess()
    if excess is not None and len(excess) and excess.max() > 0.1:
        return None  # it had learned something once
    late = slice(len(rho) // 2, None)
    measured = {
        "rho": float(np.nanmedian(rho[late])),
        "loss_over_label_entropy": float(np.nanmedian(loss[late]) / np.nanmedian(entropy[late])),
        "update_ratio": float(np.nanmedian(ratio[late])),
    }
    alive = ALIVE[0] < measured["rho"] < ALIVE[1] and LEAST_MOVING < measured["update_ratio"] < TOO_LARGE
    if not alive or abs(measured["loss_over_label_entropy"] - 1) > AT_ENTROPY:
        return None
    return Stretch(int(view.iterations[0]), view.last, True), measured


def memorised(view: View) -> tuple[Stretch, dict[str, float]] | None:
    """A training loss well below H0 while every evaluation since stands at the constant level.

    What is learned of the training clips does not hold for others: they were learned by heart, or their labels are of
    other clips than those of the evaluation.
    """
    loss, entropy, excess = view.loss, view.scalar("label_entropy"), view.excess()
    if view.has_learned is not False or loss is None or entropy is None or excess is None or len(excess) < 2:
        return None
    below = smoothed(loss, WINDOW) < BY_HEART * np.nanmedian(entropy)
    stretch = sustained(view.iterations, below, np.isfinite(loss), least=WINDOW)
    if stretch is None or not stretch.is_active or not (excess.iloc[-2:] < NOTHING).all():
        return None
    standing, score = view.standing(), view.training_lwlrap
    floor = max(standing.get("chance", 0.0), standing.get("constant", 0.0))
    if score is None or not np.nanmean(score[-WINDOW:]) > floor + 2 * NOTHING:
        return None  # a small loss for another reason: weights, or a factor
    measured = {"loss": newest(loss), "label_entropy": newest(entropy), "lwlrap_above_constant": float(excess.iloc[-1])}
    return stretch, measured


def went_wrong(view: View) -> tuple[Stretch, dict[str, float]] | None:
    """The batches' lwlrap falls to the constant level at once, while outputs stay as they are."""
    loss, spread, ratio = view.loss, view.scalar("clip_spread"), median_ratio(view)
    if loss is None or spread is None or ratio is None or len(loss) < 3 * WINDOW or not _ever_jumps(loss):
        return None
    score = view.training_lwlrap
    if score is None:
        return None
    before, after = _means(score)
    standing = view.standing()
    floor = max(standing.get("chance", np.nan), standing.get("constant", np.nan))
    if not np.isfinite(floor):
        floor = float(np.nanmin(after))
    lost = np.where(before > floor + 0.1, before - after, -np.inf)
    near = int(np.argmax(lost)) + WINDOW
    k = max(range(max(near - 8, 5), min(near + 9, len(loss) - 5)), key=lambda at: _jump(loss, at), default=near)
    level, fallen = np.nanmean(score[k - WINDOW : k]), np.nanmean(score[k : k + WINDOW])
    at_end = np.nanmean(score[-WINDOW:])
    if not level > floor + 0.1 or (level - fallen) < FALL * (level - floor) or at_end > 0.5 * (level + floor):
        return None
    same = [(spread[k - 10 : k], spread[k : k + 2]), (ratio[k - 10 : k], ratio[k : k + 1])]
    if not all(_continuous(was, now) for was, now in same) or not _jump(loss, k) > SUDDEN * np.nanstd(
        loss[k - WINDOW : k]
    ):
        return None
    measured = {"lwlrap_before": float(level), "lwlrap_after": float(fallen), "loss_jump": float(_jump(loss, k))}
    return Stretch(int(view.iterations[k]), view.last, True), measured


def _is_dead(view: View, rnn: str) -> bool:
    dead = recurrent_state.dead_states(view, rnn)
    return dead is not None and dead.is_active


def _means(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of the `WINDOW` rows before and from each row on, for rows that have both."""
    means = smoothed(values, WINDOW)[WINDOW - 1 :]
    return means[:-WINDOW], means[WINDOW:]


def _ever_jumps(loss: np.ndarray) -> bool:
    """Whether the loss jumps anywhere, which is known before 100,000 rows of scores by class are read."""
    windows = np.lib.stride_tricks.sliding_window_view(loss, WINDOW)[:-5]
    means = smoothed(loss, 5)
    jumps = means[WINDOW + 4 :] - means[WINDOW - 1 : -5]
    return bool((jumps > SUDDEN * np.nanstd(windows, axis=1)).any())


def _jump(loss: np.ndarray, at: int) -> float:
    return float(np.nanmean(loss[at : at + 5]) - np.nanmean(loss[at - 5 : at]))


def _continuous(was: np.ndarray, now: np.ndarray) -> bool:
    usual = newest(was)
    return bool(np.nanmax(now) < CONTINUOUS * usual and np.nanmin(now) > usual / CONTINUOUS)
