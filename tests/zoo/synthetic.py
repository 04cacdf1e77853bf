"""Synthetic data of the zoo: each maker gives `n` clips of K classes, their labels, a mask where clips are padded."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Clips as a model takes them: `target` is (clip, class) multi-hot or (clip,) indices, `mask` (clip, frame)."""

    inputs: Tensor
    target: Tensor
    mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, chosen: Tensor) -> "Batch":
        mask = None if self.mask is None else self.mask[chosen]
        return Batch(self.inputs[chosen], self.target[chosen], mask)


def prior(n_classes: int, imbalance: float) -> np.ndarray:
    """Share of each class, falling geometrically until the commonest is `imbalance` times the rarest."""
    share = imbalance ** -np.linspace(0, 1, n_classes)
    return share / share.sum()


def tagged(rng: np.random.Generator, n: int, n_classes: int, labels: float, imbalance: float) -> np.ndarray:
    """(clip, class) multi-hot: one class at least, `labels` a clip on average; a single class in every second clip."""
    if n_classes == 1:
        return rng.random((n, 1)) < 0.5
    share = prior(n_classes, imbalance)
    target = rng.random((n, n_classes)) < (labels - 1) * share
    target[np.arange(n), rng.choice(n_classes, n, p=share)] = True
    return target


def bands(rng: np.random.Generator, n: int, n_classes: int, o) -> Batch:
    """Spectrograms (clip, frame, mel): two tones in turn; in each pair of classes only the order differs."""
    target = tagged(rng, n, n_classes, o.labels, o.imbalance)
    tones = np.random.default_rng(99).permutation(
        [(a, b) for a in range(o.mels) for b in range(a + 2, o.mels)]
    )  # (pair, 2)
    clips = rng.normal(0, o.noise, (n, o.frames, o.mels))
    lengths = rng.integers(o.frames // 2, o.frames + 1, n) if o.padded else np.full(n, o.frames)
    mask = np.arange(o.frames) < lengths[:, None]
    for clip, label in zip(*np.nonzero(target), strict=True):
        first, second = tones[label // 2][:: 1 if label % 2 else -1]
        start = rng.integers(0, lengths[clip] - 8)
        clips[clip, start : start + 4, first] += 2
        clips[clip, start + 4 : start + 8, second] += 2
    return _batch((clips * o.scale + o.offset) * mask[:, :, None], target, mask if o.padded else None)


def chirps(rng: np.random.Generator, n: int, n_classes: int, o) -> Batch:
    """Spectrograms (clip, frame, mel) padded with zeros: ridges that rise or fall from a class's own bin.

    `order_only`: each second class has the ridge of the one before it, backwards.
    """
    target = tagged(rng, n, n_classes, o.labels, o.imbalance)
    of_class = np.random.default_rng(98)
    starts = of_class.permutation(np.linspace(2, o.mels - 3, n_classes))
    slopes = of_class.choice([-1.2, -0.6, 0.6, 1.2], n_classes)
    clips, mel = rng.normal(0, o.noise, (n, o.frames, o.mels)), np.arange(o.mels)
    lengths = rng.integers(o.frames // 2, o.frames + 1, n)
    for clip, label in zip(*np.nonzero(target), strict=True):
        begin = rng.integers(0, lengths[clip] - 8)
        alike = label - label % 2 if o.order_only else label
        for step in range(8):
            passed = 7 - step if alike < label else step
            place = (starts[alike] + slopes[alike] * passed) % o.mels
            clips[clip, begin + step] += 2 * np.exp(-((mel - place) ** 2) / 2)
    mask = np.arange(o.frames) < lengths[:, None]
    clips = (clips * o.scale + o.offset) * mask[:, :, None]
    return _batch(clips, target, mask)


def topics(rng: np.random.Generator, n: int, n_classes: int, o) -> Batch:
    """Texts (clip, token), padded with 0: of each topic two of its three words lie among fillers."""
    target = tagged(rng, n, n_classes, o.labels, o.imbalance)
    lengths = rng.integers(o.frames // 2, o.frames + 1, n)
    mask = np.arange(o.frames) < lengths[:, None]
    tokens = rng.integers(1, 1 + FILLERS, (n, o.frames))
    for clip, label in zip(*np.nonzero(target), strict=True):
        places = rng.choice(lengths[clip], 2, replace=False)
        tokens[clip, places] = 1 + FILLERS + 3 * label + rng.integers(0, 3, 2)
    return _batch(tokens * mask, target, mask)


def words(rng: np.random.Generator, n: int, n_classes: int, o) -> Batch:
    """Texts (clip, token) of one class: its keyword twice among fillers; the last quarter of the classes, or all with
    `order_only`, come in pairs that differ by the order of two keywords.
    """
    target = rng.choice(n_classes, n, p=prior(n_classes, o.imbalance))
    tokens = rng.integers(1, 1 + FILLERS, (n, o.frames))
    lengths = rng.integers(o.frames // 2, o.frames + 1, n) if o.padded else np.full(n, 8 if o.early else o.frames)
    mask = np.arange(o.frames) < lengths[:, None]
    places = np.sort(np.argsort(rng.random((n, o.frames)) + ~mask, axis=1)[:, :2], axis=1)
    ordered = target >= (0 if o.order_only else n_classes - 2 * (n_classes // 8))
    other = np.where(ordered, target ^ 1, target)
    first, second = target, other  # of an ordered pair, its two keywords one way round or the other
    row = np.arange(n)
    tokens[row, places[:, 0]], tokens[row, places[:, 1]] = 1 + FILLERS + first, 1 + FILLERS + second
    return _batch(tokens * mask, target, mask) if o.padded else _batch(tokens, target)


def pulses(rng: np.random.Generator, n: int, n_classes: int, o) -> Batch:
    """Sequences (clip, frame, 4): a pulse of one kind and a later one of another early on, then noise; the class is
    the ordered pair.
    """
    pairs = [(a, b) for a in range(4) for b in range(4)][:n_classes]
    target = rng.choice(n_classes, n, p=prior(n_classes, o.imbalance))
    clips = rng.normal(0, o.noise, (n, o.frames, 4))
    row, chosen = np.arange(n), np.array(pairs)[target]
    clips[row, rng.integers(0, 4, n), chosen[:, 0]] += 2
    clips[row, rng.integers(4, 8, n), chosen[:, 1]] += 2
    return _batch(clips * o.scale, target)


def recall(rng: np.random.Generator, n: int, n_classes: int, o) -> Batch:
    """Sequences (clip, frame, K + 1): a symbol in the first frame, distractors, a call to answer at the end."""
    target = rng.choice(n_classes, n, p=prior(n_classes, o.imbalance))
    clips = rng.normal(0, o.noise, (n, o.frames, n_classes + 1))
    clips[:, :, -1] = 0
    clips[np.arange(n), 0, target] += 2
    clips[:, -1, -1] = 2
    return _batch(clips * o.scale, target)


def shapes(rng: np.random.Generator, n: int, n_classes: int, o) -> Batch:
    """Images (clip, row, column) with a class's 5 x 5 stamp somewhere."""
    target = rng.choice(n_classes, n, p=prior(n_classes, o.imbalance))
    stamps = np.random.default_rng(97).choice([-1.0, 1.0], (n_classes, 5, 5))
    clips = rng.normal(0, o.noise, (n, o.frames, o.frames))
    for clip, label in enumerate(target):
        row, column = rng.integers(0, o.frames - 4, 2)
        clips[clip, row : row + 5, column : column + 5] += stamps[label]
    return _batch(clips * o.scale, target)


def waves(rng: np.random.Generator, n: int, n_classes: int, o) -> Batch:
    """Waveforms (clip, sample) with a class's tone that rises or falls in pitch somewhere."""
    target = rng.choice(n_classes, n, p=prior(n_classes, o.imbalance))
    clips, time = rng.normal(0, o.noise, (n, o.frames)), np.arange(32) / 32
    for clip, label in enumerate(target):
        pitch = 2 + label // 2
        sweep = 1.5 * time**2 * (1 if label % 2 else -1)
        begin = rng.integers(0, o.frames - 32)
        clips[clip, begin : begin + 32] += 1.5 * np.sin(2 * np.pi * (pitch * time + sweep) + rng.random())
    return _batch(clips * o.scale, target)


FILLERS = 20
"""Words of a text that tell nothing."""


def n_tokens(n_classes: int) -> int:
    """Of the vocabulary of both kinds of text."""
    return 1 + FILLERS + 3 * n_classes


def _batch(inputs: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None) -> Batch:
    is_text = np.issubdtype(inputs.dtype, np.integer)
    return Batch(
        torch.from_numpy(inputs.astype(np.int64 if is_text else np.float32)),
        torch.from_numpy(target.astype(np.float32 if target.ndim == 2 else np.int64)),
        None if mask is None else torch.from_numpy(mask),
    )
