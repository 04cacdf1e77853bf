"""One sentence or two under every figure: how to read it, and what a collapse looks like."""

from collections.abc import Mapping

CAPTIONS = {
    "gradient-heatmap": (
        "Each row is a parameter in the order a clip meets it, each column a few iterations; bright rows learn, dark "
        "ones barely move. A collapse is a whole part turning dark and staying so; grey was not recorded."
    ),
    "gradient-lines": (
        "The gradient of the whole network and of its parts on a logarithmic axis. In a collapse the RNN falls "
        "thousands of times below the head and stays there; healthy parts lie within about a factor of a hundred."
    ),
    "loss": (
        "A net that answers ½ for every class rests at ln 2, one that only knows how common each class is rests at H0. "
        "A loss that lies flat on either line has learned nothing more from the clips; learning goes below H0."
    ),
    "lwlrap": (
        "How high the true labels are ranked, 1 at best. A random ranking scores chance, one fixed ranking for all "
        "clips scores the constant level; a collapsed net stays within 0.02 of the higher of the two."
    ),
    "output-health": (
        "rho near 1 means that the output still feels the labels, below 0.3 the gradient is killed. A rank agreement "
        "near 1, or one class on top for all clips, means that the net gives every clip the same answer."
    ),
}
"""Captions by graph id."""

CONSTANT_LEVEL = (
    "“At that level”: the last lwlrap is not more than 0.02 above the higher of chance (a random ranking) and the "
    "constant level (one ranking for all clips, by how common each class was in training). Such a net has learned "
    "nothing that tells clips apart."
)
"""What the runs table's mark means."""


def constant_level_alert(lwlrap: float, chance: float, constant: float) -> str:
    """The plain words for a run whose last lwlrap is at the constant level; levels are lwlrap, NaN where unknown."""
    return (
        f"Its last lwlrap, {lwlrap:.3f}, is not more than 0.02 above what no learning scores (one fixed ranking of "
        f"the classes for every clip {_number(constant)}, a random one {_number(chance)}): so far this net does not "
        "tell the clips apart."
    )


def not_finite_alert(since: Mapping[str, int]) -> str:
    """The plain words for a run that diverged.

    since : what is no longer finite -> the iteration from which it has not been
    """
    began = ", ".join(f"the {what} since iteration {iteration:,}" for what, iteration in since.items())
    return (
        f"NaN or infinity is recorded: {began}, to the last value there is. Weights that hold NaN do not recover by "
        "training on: stop the run, and look at the iterations just before, where a gradient or the loss grew out of "
        "bounds or the input held NaN. A lower learning rate or gradient clipping are the first things to try."
    )


def _number(value: float) -> str:
    return "unknown" if value != value else f"{value:.3f}"
