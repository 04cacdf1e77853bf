"""One sentence or two under every figure: how to read it, and what a collapse looks like."""

from collections.abc import Mapping

EVIDENCE = (
    "What this finding rests on: the signals its detector read, with the thresholds it held them to as dashed "
    "lines; shaded is where it held, the dotted line is its onset. A collapse crosses its threshold there and "
    "stays on the wrong side."
)
"""Caption of the figures of what a finding rests on."""

ATTRIBUTION = (
    "Which cells of the clip raised the class's output (red) and which lowered it (blue), against the baseline's; "
    "zero is the neutral colour. A net that heard the class is red inside the boxes, where it truly is. Of a net "
    "that collapsed the picture shows the clip and noise: it is drawn pale, and says so."
)

ATTRIBUTION_CHECKS = (
    "The output while cells become the baseline, the most positive first, and while they come back. An order that "
    "means something falls and rises at once, outside the bands of random orders; a curve within its band says "
    "that these cells matter no more than any others."
)
"""Captions of an attribution, and of the one beside it."""

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
        "not one class is tagged, none is. In a true single-class collapse one bar is at 1, every other (of clips with "
        "one label) at most ½, and they do not follow the line, since the ranking below the top still moves."
    ),
    "class-heatmap": (
        "Each row is a class, the best at the end on top; bright is ranked first in its clips, grey had no positive "
        "clip. Learning lights up row after row. In a collapse one row is bright, the next ones fade as 1, ½, ⅓ and "
        "the stripes no longer change."
    ),
    "class-shares": (
        "Bars are how common each class is among the labels, dots how often it has a clip's highest score. A net that "
        "learns keeps its dots near the bars; in a collapse one dot stands near 100 % and the others lie at 0. One "
        "fixed ranking looks the same here: the lwlrap by class tells the two apart."
    ),
    "localisation-map": (
        "The clip as the net gets it, and under it how much each frame counts for each class: true classes (●) first, "
        "then those that score highest; boxes are the sounds that are truly there. A net that localises is bright "
        "inside the boxes; a collapsed map is one colour over all frames, the same for every class, or bright on "
        "padding."
    ),
    **dict.fromkeys(("attribution-map", "attribution-map-beside"), ATTRIBUTION),
    **dict.fromkeys(("attribution-checks", "attribution-checks-beside"), ATTRIBUTION_CHECKS),
    "map-growth": (
        "The map of one class at each recorded iteration, the clip's time upwards; dashed lines enclose the sound that "
        "is truly there. Learning is a bright band growing between them; a map that stays even, or moves to the "
        "padding, never found the sound."
    ),
    "clip-scores": (
        "What the net says of this clip at this evaluation, highest first; true labels are coloured, with their rank. "
        "Bars that look the same for every clip are a constant predictor."
    ),
    "findings-timeline": (
        "Each bar is a finding, from the iteration it began to the last at which it held; the cause stands first, and "
        "diamonds below say which part of the network stopped when. In a collapse a critical bar reaches the right "
        "edge; a pale bar is over."
    ),
    **dict.fromkeys(("evidence-1", "evidence-2", "evidence-3", "evidence-4"), EVIDENCE),
    "carried-share": (
        "The share of the score above the constant level that is lost when a part gives only its mean, or when a piece "
        "of the input is shuffled or silenced, with 95 % intervals. An RNN whose whole interval lies below 20 % is "
        "bypassed: the net learns around it."
    ),
    "revival": (
        "A bar is a copy of the run with what its name says changed, in the colour of its verdict; dashed are chance "
        "and the constant level. A change that ends the collapse lifts its bar off these lines; one that only removes "
        "the cause may leave it there until a second change is made on top."
    ),
    "compare-curves": (
        "Each run (or group) has one colour and dash in all panels. A collapsed run's RNN gradient falls orders of "
        "magnitude below the others' and stays there, and its score stays at chance or the constant level. A band is "
        "lowest to highest: of a group's runs, or of a long run's iterations."
    ),
    "compare-heatmaps": (
        "The same row is the same parameter and the same colour the same gradient norm in every run. A part that is "
        "dark in one run and bright in another is where the first one died; grey is a parameter the run does not have, "
        "or one without a gradient."
    ),
    "compare-classes": (
        "One row a class, one mark a run, the classes that differ most at the top with their difference at the right. "
        "A long bar is a class that one run learned and another did not; a collapsed run's marks lie near zero for "
        "nearly all classes."
    ),
    **dict.fromkeys(
        ("compare-localisation-1", "compare-localisation-2"),
        "The maps of one clip at one iteration in the first two runs; what has the same name has the same scale. A map "
        "that is even in one run and bright at the sounds in the other is where the two differ.",
    ),
}
"""Captions by graph id."""

BESIDE = {
    "lr-range": (
        "A short training whose learning rate rises with every iteration. The loss lies flat while it is too low, "
        "falls inside the shaded range, and rises where it is too high. A constant rate is well chosen where it "
        "falls fastest, a cycle goes from the lowest to the highest. A net that no rate moves has another fault."
    ),
}
"""Captions of figures that stand on no page of the dashboard."""

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
        "tell the clips apart. The Diagnosis page says since when, why, and what to do."
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
