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
    "hidden-gradient-heatmap": (
        "How much of the loss's gradient reaches the RNN's state at each frame, early frames at the bottom. When it "
        "vanishes through time, the frames far from the loss turn dark while those near it stay bright; in a collapse "
        "all of them darken together and stay so. Grey was not measured."
    ),
    "update-ratios": (
        "How far each step moves the weights, relative to their size: the median of each part's parameters, in a band "
        "from the lowest to the highest. Near 1e-3 is usual; a part that sinks below 1e-4 has stopped learning, one "
        "above 1e-2 is being torn about."
    ),
    "class-lwlrap": (
        "Classes sorted by their lwlrap. Bars that fall like 1/rank are what one fixed ranking for all clips gives: "
        "the first classes look learned, and no class is tagged. Learned classes stand clear of that line."
    ),
    "class-heatmap": (
        "Each row is a class, each column an evaluation; bright is learned. In a collapse the rows keep whatever they "
        "had from the first evaluations on: stripes that never change."
    ),
    "class-shares": (
        "How often each class is on top against how often it is true. In a single-class collapse one class takes "
        "all clips; a net that learns keeps the two near each other."
    ),
    "localisation-map": (
        "The clip as the net gets it, and under it how much each frame counts for each class: true classes (●) first, "
        "then those that score highest; boxes are the sounds that are truly there. A net that localises is bright "
        "inside the boxes; a collapsed map is one colour over all frames, the same for every class, or bright on padding."
    ),
    "map-growth": (
        "The map of one class at each recorded iteration, the clip's time upwards; dashed lines enclose the sound that "
        "is truly there. Learning is a bright band growing between them; a map that stays even, or moves to the "
        "padding, never found the sound."
    ),
    "clip-scores": (
        "What the net says of this clip at this evaluation, highest first; true labels are coloured, with their rank. "
        "Bars that look the same for every clip are a constant predictor."
    ),
    "compare-curves": (
        "One colour a run, the same in every panel. A collapsed run leaves the others in the gradient panels first; "
        "its score then stays at the constant level."
    ),
    "compare-heatmaps": (
        "The same colour means the same gradient norm in every panel: parts that are dark in one run and bright in "
        "another are where the two differ."
    ),
    "compare-classes": (
        "lwlrap of each class in each run, the classes that differ most first. A class learned in one run only is a "
        "long line."
    ),
    "compare-localisation-1": "The first run's maps of the clip at the cursor's iteration.",
    "compare-localisation-2": "The second run's maps of the same clip at the same iteration.",
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


DIAGNOSIS = {
    "findings": (
        "Each bar is one thing that was found, from the iteration it began at to the last at which it held; the "
        "cause stands first. In a collapse the bars reach the right edge and begin close to each other."
    ),
    "evidence": (
        "The recorded signals that the finding rests on, with the value from which it counts and the iteration at "
        "which it began."
    ),
    "carried": (
        "How much of the score is lost without each part, with a 95 % interval. An RNN near 0 in a run that scores "
        "well is bypassed: the net has learned to do without it."
    ),
}
"""Captions of the Diagnosis page, by the first word of the graph's id."""
