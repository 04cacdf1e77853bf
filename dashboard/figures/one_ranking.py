"""What one fixed ranking of the classes, the same for all clips, would score by class; and whether a chart is that."""

import numpy as np

from ...diagnostics.detectors.constant_predictor import LEAST_CLASSES, ONE_OVER_RANK, one_over_rank

CLOSE = 0.25
"""Share of the way from one ranking's line to perfect scores up to which bars are called close to it; ours: at the end
of the story's 24 runs the 10 collapsed ones had .02 to .23, their batches' noise included, the others .29 or more."""

SEVERAL = 0.5
"""Other labels in a label's clip from which one ranking lies visibly above 1/rank; ours."""

FIRST = 20
"""Classes, the best, whose deviation counts; as in `one_over_rank`."""


def constant_ranking(n_ranked: int, n_classes: int, others: float) -> np.ndarray:
    """Expected precision at the ranks 1, 2 ... of one ranking for all clips, whose other labels may lie anywhere.

    (1 + others (rank - 1) / (K - 1)) / rank: the label itself, and those of the others that stand above it. Of clips
    with one label that is 1/rank.

    others : further labels in the clip of a label, on average
    Source: ours; its mean over all ranks is the chance level, which the tests hold.

    >>> constant_ranking(4, 80, 0.0).round(3)
    array([1.   , 0.5  , 0.333, 0.25 ])
    """
    rank = np.arange(1, n_ranked + 1)
    return (1 + others * (rank - 1) / max(n_classes - 1, 1)) / rank


def other_labels(chance: float, n_classes: int) -> float:
    """Further labels in the clip of a label, on average, as the chance level tells; NaN where that is not known.

    The chance level is (H_K + others (K - H_K) / (K - 1)) / K (`diagnostics.lwlrap.chance_level`).
    """
    if n_classes < 2:
        return float("nan")
    harmonic = (1 / np.arange(1, n_classes + 1)).sum()
    return float((chance * n_classes - harmonic) * (n_classes - 1) / (n_classes - harmonic))


def verdict(bars: np.ndarray, n_classes: int, others: float) -> tuple[str, bool]:
    """Whether bars are those of one ranking for all clips, in words, and whether they are, or nearly.

    Of clips with one label by the diagnosis's own measure (`one_over_rank`), which does not hold for clips with
    several: there by the distance from `constant_ranking`.

    bars   : (class,) lwlrap, sorted from the highest, without NaN
    others : further labels in the clip of a label; NaN is taken for none
    """
    shape = one_over_rank(bars)
    if shape is None:
        return f"1/rank: {LEAST_CLASSES} classes with a score are needed to tell", False
    if others >= SEVERAL:
        return _of_several(bars, n_classes, others)
    limit = f"(off by {shape:.2f}; the diagnosis's limit is {ONE_OVER_RANK:.2f})"
    if shape < ONE_OVER_RANK:
        return f"<b>Follows 1/rank</b> {limit}:<br>one fixed ranking for all clips, no class is tagged.", True
    if is_close(bars, constant_ranking(len(bars), n_classes, 0.0)):
        return f"<b>Close to 1/rank</b> {limit}:<br>nearly one fixed ranking for all clips.", True
    return f"<b>Does not follow 1/rank</b> {limit}:<br>not one fixed ranking for all clips.", False


def deviation(bars: np.ndarray, line: np.ndarray) -> float:
    """Root mean square of log(bars) - log(line), over the first 20 classes; zeros left out, as in `one_over_rank`."""
    scored = bars[bars > 0][:FIRST]
    return float(np.sqrt(np.mean((np.log(scored) - np.log(line[: len(scored)])) ** 2)))


def is_close(bars: np.ndarray, line: np.ndarray) -> bool:
    """Whether bars lie nearer to one ranking's line than to perfect scores, by `CLOSE`."""
    return deviation(bars, line) < CLOSE * deviation(np.ones_like(bars), line)


def _of_several(bars: np.ndarray, n_classes: int, others: float) -> tuple[str, bool]:
    line = constant_ranking(len(bars), n_classes, others)
    off = f"(off by {deviation(bars, line):.2f})"
    why = f"It lies above 1/rank, since a label shares its clip with {others:.1f} others"
    if is_close(bars, line):
        return f"<b>Close to the line of one fixed ranking</b> {off}: nearly one for all clips.<br>{why}.", True
    return f"<b>Far from the line of one fixed ranking</b> {off}.<br>{why}.", False
