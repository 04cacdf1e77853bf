"""What the columns of ablations mean, for run.json and for the docs' table."""

import re
from collections.abc import Collection
from dataclasses import replace

from .signals import SignalInfo

STATISTICS = (
    SignalInfo("ablation.<part>.low", "share", "lower end of a part's 95 % interval, over resampled clips"),
    SignalInfo("ablation.<part>.high", "share", "its upper end"),
    SignalInfo("ablation.<part>.score", "the score's", "the score without the part"),
)

INFOS = (
    SignalInfo("ablation.rnn.<rnn>", "share", "of the score that an RNN carries: lost with its mean for its output"),
    SignalInfo("ablation.rnns", "share", "the same of all RNNs at once"),
    SignalInfo("ablation.attention.<path>", "share", "of the score that a map carries: lost with its mean by class"),
    SignalInfo("ablation.attentions", "share", "the same of all maps at once"),
    SignalInfo("ablation.frame_shuffle.rnn.<rnn>", "share", "lost when the frames of an RNN's output change places"),
    SignalInfo("ablation.frame_shuffle.input", "share", "lost when the frames of the input change places"),
    SignalInfo("ablation.silence.band<n>", "share", "lost when a quarter of the mel bins is silent, 1 the lowest"),
    SignalInfo("ablation.silence.half<n>", "share", "lost when the first or the second half of the frames is silent"),
    *STATISTICS,
    SignalInfo("ablation_score", "the score's", "of the whole network on the clips that were used"),
    SignalInfo("ablation_floor", "the score's", "what shares are counted from: max(chance, constant) of these clips"),
    SignalInfo("ablation_clips", "clips", "how many were used"),
)


def infos_of(columns: Collection[str]) -> list[SignalInfo]:
    """What each of these columns means; those that nobody knows are left out.

    >>> [info.meaning for info in infos_of(["ablation.rnns", "ablation.rnns.high"])]
    ['the same of all RNNs at once', 'its upper end']
    """
    return [replace(info, name=name) for name in columns if (info := _info(name, columns)) is not None]


def _info(name: str, columns: Collection[str]) -> SignalInfo | None:
    part, _, end = name.rpartition(".")
    if part in columns:
        return next((info for info in STATISTICS if info.name.endswith(f">.{end}")), None)
    return next((info for info in INFOS if info not in STATISTICS and _fits(info.name, name)), None)


def _fits(template: str, name: str) -> bool:
    pattern = "".join(".+" if piece.startswith("<") else re.escape(piece) for piece in re.split("(<[^>]+>)", template))
    return re.fullmatch(pattern, name) is not None
