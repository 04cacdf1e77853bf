"""What each level of recording measures."""

from .signals import AttentionMaps, ClassScores, GradientNorms, LabelHealth, OutputHealth, Signal, WeightNorms

LEVELS: dict[str, tuple[str, ...]] = {
    "light": ("gradients", "outputs", "labels"),
    "standard": ("gradients", "outputs", "labels", "classes", "attention"),
    "deep": ("gradients", "outputs", "labels", "classes", "attention", "weights"),
}
"""Subjects by level; gradients come first, since others use their norms."""


def signals_of(level: str, gradients: GradientNorms, attention: AttentionMaps) -> list[Signal]:
    """The level's signals in the order in which they are collected; the recorder itself needs two of them."""
    every: dict[str, Signal] = {
        "gradients": gradients,
        "outputs": OutputHealth(),
        "labels": LabelHealth(),
        "classes": ClassScores(),
        "attention": attention,
        "weights": WeightNorms(),
    }
    return [every[name] for name in LEVELS[level]]
