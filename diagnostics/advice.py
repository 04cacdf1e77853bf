"""The words of a diagnosis: what each kind of finding means, what to try, and where its criterion is from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .findings import Finding

OURS = "Flatline's own runs (docs/diagnosis.md)"


@dataclass(frozen=True)
class Advice:
    """Of one kind and variant.

    means : one or two sentences; `{where}` and names of the evidence are filled in
    remedies : names of interventions, the first to try first
    do : the first thing to do, in words
    """

    means: str
    remedies: tuple[str, ...]
    do: str
    source: str = OURS


ADVICE: dict[tuple[str, str], Advice] = {
    ("broken-objective", "declared"): Advice(
        "The model gives probabilities, but the loss takes logits and squashes them a second time. No class can get "
        "below p = .5 while its score is positive, so the net pushes every score to 0 and its gradient dies for good",
        ("fix-objective", "prior-bias"),
        "take the loss on probabilities (BCELoss), or drop the model's last sigmoid or softmax",
    ),
    ("broken-objective", "inferred"): Advice(
        "What is passed as logits never left [0, 1] ({output_min:.3g} to {output_max:.3g}), so it went through a "
        "sigmoid or softmax already, and the loss squashes it a second time",
        ("fix-objective", "prior-bias"),
        "drop the model's last sigmoid or softmax, or take the loss on probabilities",
    ),
    ("broken-objective", "effects"): Advice(
        "The loss ({loss:.3g}) stays above what a constant predictor reaches ({label_entropy:.3g}) while the head's "
        "gradient is below what the draw of labels alone keeps up: something between the head and the loss kills it",
        ("fix-objective", "prior-bias"),
        "look at what is done to the scores between the last layer and the loss",
    ),
    ("saturation-plateau", ""): Advice(
        "{where} gives the same saturated state for every clip, so all clips get one ranking; the head still learns "
        "the class prior, and the loss is near that of a constant predictor. The objective is sound: training starts "
        "at p = .5 for rare classes, every class asks the shared features to go down, and the units run into their "
        "bounds",
        ("prior-bias", "lower-rate", "layer-norm", "input-attention"),
        "start the output bias at logit(class prior)",
    ),
    ("constant-predictor", ""): Advice(
        "Every clip gets the same ranking of classes. Bars of per-class lwlrap that fall as 1, 1/2, 1/3 ... are this "
        "one ranking, not one tagged class: no class is tagged at all",
        ("prior-bias", "higher-rate", "lower-rate"),
        "see whether the inputs differ between clips, and start the output bias at logit(class prior)",
    ),
    ("constant-predictor", "chart"): Advice(
        "The bars of per-class lwlrap fall as 1, 1/2, 1/3 ... (to {one_over_rank_deviation:.2f} in their logarithm): "
        "that is one ranking for every clip, not one tagged class; no class is tagged at all",
        ("prior-bias", "higher-rate", "lower-rate"),
        "pass the scores to step, so that it can be told why",
    ),
    ("constant-predictor", "under-trained"): Advice(
        "Every clip still gets nearly the same ranking, but the scores of clips come apart ({clip_spread_trend:.1f} "
        "times the spread of before): it is under-trained rather than dead",
        ("prior-bias", "higher-rate"),
        "train on, and start the output bias at logit(class prior) next time",
    ),
    ("constant-predictor", "shrunk"): Advice(
        "The weights shrank to {weights_left:.1%} of what they were, so every clip gets the same ranking of classes",
        ("less-weight-decay", "lower-rate"),
        "lower the weight decay",
    ),
    ("single-class-collapse", ""): Advice(
        "One class is on top of {top_class_share:.0%} of the clips though its labels are {label_share:.0%} at most, "
        "while the ranking below it still moves",
        ("prior-bias", "class-balanced-sampling", "lower-rate"),
        "look at that class's bias and its weight in the loss",
    ),
    ("bypassed-recurrence", "ablated"): Advice(
        "The net learns, but with the output of {where} replaced by its mean it keeps its score: the RNN carries "
        "{rnn_share:.0%} of it ({rnn_share_low:.0%} to {rnn_share_high:.0%})",
        ("prior-bias", "layer-norm", "gradient-highway", "orthogonal-init"),
        "start the output bias at logit(class prior), or leave the RNN out",
    ),
    ("bypassed-recurrence", "suspected"): Advice(
        "The net learns, but the states of {where} are saturated or the same for every clip: the score probably comes "
        "by another way. `flatline ablate` settles it",
        ("prior-bias", "layer-norm", "gradient-highway", "orthogonal-init"),
        "run `flatline ablate` on it",
    ),
    ("gradient-death", ""): Advice(
        "All gradients together fell to {gradient_norm:.2g}, from {peak:.2g} at their peak, while there is much left "
        "to learn",
        ("lower-rate", "clip-gradients", "prior-bias", "orthogonal-init"),
        "look at what changed at the onset, and at saturated or dead units",
        "D7 of Flatline's own runs: 1 % of the peak",
    ),
    ("gradient-death", "zero"): Advice(
        "The gradients are zero or rounding ({gradient_norm:.2g}) while there is much left to learn: they are cleared, "
        "scaled away or cut off before the optimiser sees them",
        ("fix-objective",),
        "look at the order of zero_grad, backward and step, and at factors on the loss",
        "SageMaker Debugger's vanishing gradient, 1e-7",
    ),
    ("gradient-death", "part"): Advice(
        "The gradient of {where} is exactly 0 ({modules:g} of {of_modules:g} modules): what follows it is dead, or it "
        "is multiplied by 0",
        ("lower-rate", "layer-norm", "prior-bias"),
        "look at the activations between it and the loss",
    ),
    ("vanishing-through-time", ""): Advice(
        "The gradient that reaches some frames of {where} is {smallest_share:.1e} of that of others: what happens "
        "there cannot be learned from",
        ("orthogonal-init", "chrono-init", "gradient-highway", "input-attention"),
        "use gates with a memory (chrono initialisation), or shorten the way to the loss",
        "AutoTrainer's bound between layers, here between frames",
    ),
    ("exploding-gradients", ""): Advice(
        "The norm of all gradients rose to {gradient_norm:.2g}, from {beginning:.2g} at the beginning; {where} first",
        ("clip-gradients", "lower-rate", "orthogonal-init", "warm-up"),
        "clip the gradient's norm, and lower the learning rate",
        "Pascanu et al. 2013, arXiv 1211.5063; ratio of AutoTrainer",
    ),
    ("non-finite", ""): Advice(
        "NaN or infinity, first in {where}; the weights do not come back from it",
        ("clip-gradients", "lower-rate", "standardise-features"),
        "look at the inputs and the logarithms, divisions and exponents at the onset",
    ),
    ("dead-units", "zero"): Advice(
        "{share:.0%} of what {where} gives is 0: its units are dead and get no gradient",
        ("lower-rate", "prior-bias", "layer-norm", "standardise-features"),
        "lower the learning rate or start it slowly, and look at the biases before the ReLU",
        "AutoTrainer's dying ReLU (70 %), stricter",
    ),
    ("dead-units", "bound"): Advice(
        "{share:.0%} of what {where} gives is at a bound of its range: its gradient is gone",
        ("standardise-features", "layer-norm", "lower-rate"),
        "look at the scale of its inputs and weights",
    ),
    ("attention-collapse", "uniform"): Advice(
        "{where} looks at all frames alike ({attention_entropy:.4f} of the largest entropy), so it points at nothing",
        ("higher-rate", "time-softmax", "prior-bias"),
        "look at the gradient that reaches it, and at the scale of its logits",
    ),
    ("attention-collapse", "one-frame"): Advice(
        "{where} gives {attention_peak:.0%} of its weight to a single frame in most classes",
        ("linear-softmax", "lower-rate", "time-softmax"),
        "bound its logits (to +-10, say) or raise the temperature",
    ),
    ("attention-collapse", "padding"): Advice(
        "Only {weight_on_real_frames:.0%} of the weight of {where} lies on real frames: it looks at padding",
        ("mask-padding",),
        "give the padding mask to the softmax over frames",
    ),
    ("attention-collapse", "competition"): Advice(
        "{where} shares each frame out among the classes, and a few classes have nearly all of it",
        ("time-softmax", "linear-softmax"),
        "take the softmax over time instead of classes",
    ),
    ("frozen-parameters", "no-gradient"): Advice(
        "No gradient reaches {where} ({modules:g} of {of_modules:g} modules): it is frozen, unused or cut off",
        ("thaw",),
        "look for requires_grad = False, detach() and no_grad() on the way to it",
    ),
    ("frozen-parameters", "unheld"): Advice(
        "{where} has a gradient but never moves ({modules:g} of {of_modules:g} modules): no optimiser holds it",
        ("thaw",),
        "give its parameters to the optimiser",
    ),
    ("frozen-parameters", "all"): Advice(
        "Nothing in the network moves: the optimiser holds other parameters, or no gradient reaches any",
        ("thaw",),
        "make the optimiser from this model's parameters, after the model was last copied",
    ),
    ("learning-rate-too-high", ""): Advice(
        "A step changed the weights by {largest_update_ratio:.2g} of their size: nothing of what was learned is left",
        ("lower-rate", "warm-up", "clip-gradients"),
        "lower the learning rate tenfold",
        "TheDeepChecker: update ratios of 1e-4 to 1e-1",
    ),
    ("learning-rate-too-low", ""): Advice(
        "A step changes the weights by {update_ratio:.2g} of their size: nothing will happen in any time worth waiting",
        ("higher-rate",),
        "raise the learning rate tenfold, or look at its schedule",
        "TheDeepChecker: update ratios of 1e-4 to 1e-1",
    ),
    ("label-problem", "constant-inputs"): Advice(
        "Every clip of a batch has the same input (spread {input_spread:.2g} at a scale of {input_scale:.2g})",
        ("fix-data",),
        "look at what the loader gives: a constant, zeros, or one clip again and again",
    ),
    ("label-problem", "out-of-range"): Advice(
        "The targets run from {target_min:.3g} to {target_max:.3g}; this loss takes 0 to 1",
        ("fix-labels",),
        "scale the targets, or take a loss that fits them",
    ),
    ("label-problem", "empty"): Advice(
        "No clip has any label: the only thing to learn is to say nothing",
        ("fix-labels",),
        "look at how labels are read",
    ),
    ("label-problem", "one-valued"): Advice(
        "One class has all the labels: the only thing to learn is to say it",
        ("fix-labels",),
        "look at how labels are read",
    ),
    ("label-problem", "class-without"): Advice(
        "{classes_without_positives:g} classes never had a positive clip: they cannot be learned, and have no lwlrap",
        (),
        "leave them out, or find clips for them",
    ),
    ("label-problem", "shuffled"): Advice(
        "The batches' lwlrap fell from {lwlrap_before:.2f} to {lwlrap_after:.2f} at once, while scores and weights "
        "went on as before: the labels changed, not the net",
        ("fix-labels",),
        "look at what happens to labels at the onset: another file, an order that was lost, a shuffle of one side",
    ),
    ("label-problem", "memorised"): Advice(
        "The training loss ({loss:.2g}) is far below that of a constant predictor ({label_entropy:.2g}), and the score "
        "on other clips is at the constant level: the clips are learned by heart, or their labels are shuffled",
        ("fix-labels", "dropout"),
        "check that clip and label belong together; then think of more clips, dropout or a smaller net",
    ),
    ("label-problem", "unrelated"): Advice(
        "Everything in the net works, yet it learns nothing but the class prior (loss {loss_over_label_entropy:.2f} of "
        "H0, rho {rho:.2f}): labels that do not belong to these inputs look so, and a task that needs more time",
        ("fix-labels",),
        "check that clip and label still belong together where batches are made",
    ),
}


def advised(finding: Finding) -> Finding:
    """The finding with its words."""
    advice = ADVICE[finding.kind, finding.variant]
    words = _Filled({**finding.evidence, "where": finding.where or "the network"})
    return replace(
        finding, explanation=f"{advice.means.format_map(words)}.", remedies=advice.remedies, source=advice.source
    )


class _Filled(dict[str, "float | str"]):
    """Evidence for a sentence; what was not measured is nan in it."""

    def __init__(self, values: Mapping[str, float | str]) -> None:
        super().__init__(values)

    def __missing__(self, name: str) -> float:
        return float("nan")
