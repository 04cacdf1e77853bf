"""What a check says: one sentence on what is wrong and one on what to do, for each key of a fault. Words only.

A sentence may hold `{where}`, `{detail}` and the fault's evidence by name.
"""

from dataclasses import dataclass

from ..findings import Finding
from .fault import Fault

OURS = "ours: docs/check.md, tests/diagnostics/test_check.py"
STORY = "ours: the story's recipes, docs/recipes.md"


@dataclass(frozen=True)
class Words:
    """What stands for a fault's key: the finding's kind, what is wrong, what to do, remedies by name, the source."""

    kind: str
    what: str
    todo: str
    remedies: tuple[str, ...] = ()
    source: str = OURS


WORDS: dict[str, Words] = {
    "probabilities-into-logits": Words(
        "broken-objective",
        "the scores are probabilities (they stay in [0, 1] whatever the weights), but the loss takes logits and "
        "squashes them again: no class can fall below p = .5, so the net pushes every score to 0 and its gradient dies",
        "drop the last sigmoid or softmax, or take the loss on probabilities",
        ("fix-objective",),
        STORY,
    ),
    "softmax-twice": Words(
        "broken-objective",
        "the scores are probabilities (they stay in [0, 1] whatever the weights), and the loss applies a softmax: "
        "no class can get nearly all of it, and gradients are smaller by about the number of classes",
        "drop the last softmax or sigmoid, or take NLLLoss on a softmax's logarithm",
        ("fix-objective",),
        "PyTorch's documentation of CrossEntropyLoss: the input is unnormalised logits",
    ),
    "logits-into-probabilities": Words(
        "broken-objective",
        "the loss takes probabilities, but the scores can leave [0, 1] (now {output_min:.3g} to {output_max:.3g})",
        "take the loss on logits, or put a sigmoid on the scores",
        ("fix-objective",),
        "PyTorch's documentation of BCELoss: the input is between 0 and 1",
    ),
    "not-log-probabilities": Words(
        "broken-objective",
        "the loss takes logarithms of probabilities, but a clip's scores do not sum to 1 as such (the sum of their "
        "exponentials is {exponential_sum:.3g})",
        "put a log-softmax over classes on the scores, or take the cross-entropy on logits",
        ("fix-objective",),
        "PyTorch's documentation of NLLLoss and CTCLoss: the input is log-probabilities",
    ),
    "softmax-many-labels": Words(
        "broken-objective",
        "the scores are a softmax over classes, which sums to 1, but clips have up to {most_labels:g} labels: they "
        "cannot all be likely",
        "take a sigmoid for each class",
        ("fix-objective",),
    ),
    "single-class-softmax": Words(
        "broken-objective",
        "a softmax over a single class gives 1 for every clip, and no gradient",
        "for one class take one logit and the BCE-with-logits, or give it two outputs",
        ("fix-objective",),
    ),
    "one-sided-scores": Words(
        "broken-objective",
        "the scores cannot change their sign (now {output_min:.3g} to {output_max:.3g}), so half of what "
        "logits can say is lost",
        "drop the ReLU or logarithm after the last linear layer",
        ("fix-objective",),
    ),
    "bounded-scores": Words(
        "broken-objective",
        "the scores stay in [-1, 1] whatever the weights, so as logits they cannot come near certainty: the loss can "
        "reach {lowest_loss:.3g} at best, {prior_loss:.3g} is what these labels' frequencies alone give",
        "drop the last tanh, or put a linear layer after the recurrent one",
        ("fix-objective",),
    ),
    "loss-fails": Words(
        "broken-objective",
        "the loss cannot be computed from this output and target ({detail})",
        "make them what the loss expects",
        ("fix-objective",),
    ),
    "loss-not-scalar": Words(
        "broken-objective",
        "the loss has {n_values:g} values, not one, and backward() needs one",
        "take its mean (reduction='mean')",
        ("fix-objective",),
    ),
    "first-loss-high": Words(
        "broken-objective",
        "the first loss is {loss:.3g}, {ratio:.2g} times what a net that knows nothing has ({ignorant_loss:.3g}): it "
        "is sure of what it cannot know yet",
        "look at the scale of the inputs and of the last layer's weights and bias",
        ("standardise-features", "prior-bias"),
    ),
    "first-loss-low": Words(
        "label-problem",
        "the first loss is {loss:.3g}, below half of what the labels' frequencies alone give ({prior_loss:.3g})",
        "that is good in a net that is trained already, otherwise look whether the target leaks into the inputs",
    ),
    "sizes-differ": Words(
        "label-problem",
        "output {detail} do not fit together",
        "build both from the same class list and the same clips",
    ),
    "target-broadcast": Words(
        "label-problem",
        "output {detail} differ in shape and are spread over one another, each score held against every clip's target",
        "give the target the output's shape",
        (),
        "PyTorch's warning for mse_loss",
    ),
    "classes-differ": Words(
        "label-problem",
        "there are {n_names:g} class names but {n_classes:g} outputs",
        "build both from the same class list",
    ),
    "target-outside": Words(
        "label-problem",
        "the target lies between {target_min:.3g} and {target_max:.3g}, where the loss takes 0 to 1",
        "scale the target, or take a loss for such numbers",
    ),
    "target-not-float": Words(
        "label-problem",
        "the target holds {detail}, where the BCE takes floating numbers from 0 to 1",
        "give target.float(), (clip, class)",
    ),
    "target-index-outside": Words(
        "label-problem",
        "the target holds class {index:g}, but the output has {n_classes:g} classes (0 to {last_class:g})",
        "build both from the same class list, counted from 0",
    ),
    "target-float-indices": Words(
        "label-problem",
        "the target has one {detail} number a clip, where the cross-entropy takes class indices as integers",
        "give target.long()",
    ),
    "target-not-distribution": Words(
        "label-problem",
        "the targets of clips sum to {sum_min:.3g} to {sum_max:.3g}, but the cross-entropy takes one class a clip, or "
        "shares that sum to 1",
        "for several labels a clip take the BCE-with-logits",
        ("fix-objective",),
    ),
    "target-ignored": Words(
        "label-problem", "every clip's target is ignored, so the loss is NaN", "look at the ignored index"
    ),
    "target-one-valued": Words(
        "label-problem",
        "all {n_clips:g} clips of the batch have the same target",
        "shuffle the clips, and look at how the labels are read",
    ),
    "target-empty": Words("label-problem", "the batch has no target", "look at how the batch is made"),
    "inputs-equal": Words(
        "label-problem",
        "all {n_clips:g} clips of the batch are the same",
        "look at how clips are read: an index that stands still, a cache, a buffer used again",
    ),
    "inputs-constant": Words(
        "label-problem",
        "{n_constant:g} of {n_clips:g} clips hold one value throughout",
        "look at how clips are read, scaled and padded",
        ("mask-padding",),
    ),
    "constant-output": Words(
        "constant-predictor",
        "every clip gets the same scores, though the clips differ, and with slightly other weights too",
        "look what lies between the input and the last layer: a dead activation, a mean over clips, a wrong variable",
        ("orthogonal-init", "standardise-features"),
    ),
    "nonfinite-inputs": Words(
        "non-finite",
        "{n_nonfinite:g} numbers of the inputs are NaN or infinite",
        "look at how clips are read and scaled",
    ),
    "nonfinite-target": Words(
        "non-finite", "{n_nonfinite:g} numbers of the target are NaN or infinite", "look at how labels are read"
    ),
    "nonfinite-parameter": Words(
        "non-finite",
        "{n_nonfinite:g} weights of {where} are NaN or infinite",
        "look at its initialisation, or at the checkpoint",
    ),
    "nonfinite-module": Words(
        "non-finite",
        "{where} is the first module that gives NaN or infinity from finite inputs ({n_nonfinite:g} numbers)",
        "look there for a division by 0, a logarithm or root of 0, or a row that is masked whole",
        ("standardise-features",),
    ),
    "nonfinite-loss": Words(
        "non-finite",
        "the loss is not finite, though the scores are",
        "look at the loss for a logarithm of 0 or a mean over nothing",
        ("fix-objective",),
    ),
    "nonfinite-gradient": Words(
        "non-finite",
        "the loss is finite, but gradients are not; on the way back from the loss the first one stands at {where}",
        "look right behind it for a root, norm or logarithm at 0",
        ("clip-gradients",),
    ),
    "no-gradient-anywhere": Words(
        "frozen-parameters",
        "no parameter gets a gradient from this loss",
        "look for detach(), no_grad() or an argmax between the parameters and the loss, or requires_grad set to False",
    ),
    "no-gradient": Words(
        "frozen-parameters",
        "the loss does not depend on {where} ({n_parameters:g} weights): it is unused in the forward pass, or cut off "
        "by detach() or no_grad()",
        "use it, or set requires_grad to False where that is meant",
    ),
    "zero-gradient": Words(
        "frozen-parameters",
        "the gradient of {where} ({n_parameters:g} weights) is exactly 0, with slightly other weights too",
        "look for a dead activation or a softmax over one element behind it",
        ("orthogonal-init",),
    ),
    "one-frame-recurrence": Words(
        "frozen-parameters",
        "the gradient of the recurrent weights {where} is exactly 0: what the loss sees of this layer and direction "
        "has read a single frame",
        "look at batch_first, at the length of the sequences, and of a bidirectional RNN take the last state of each "
        "direction (or a mean over frames), not the last frame",
    ),
    "cancelled-bias": Words(
        "frozen-parameters",
        "the gradient of {where} is exactly 0 while its layer learns: a norm or softmax behind it takes the bias out",
        "nothing, or leave the bias out",
    ),
    "frozen-on-purpose": Words(
        "frozen-parameters",
        "requires_grad is False for {where} ({n_parameters:g} weights)",
        "nothing, where that is meant",
    ),
    "frozen-output": Words(
        "frozen-parameters",
        "requires_grad is False for {where} ({n_parameters:g} weights), the layer that gives the scores",
        "set it to True",
    ),
    "all-frozen": Words(
        "frozen-parameters", "requires_grad is False for all {n_parameters:g} weights", "set it to True"
    ),
    "not-held": Words(
        "frozen-parameters",
        "no optimizer holds {where} ({n_parameters:g} weights), so it never changes",
        "give the optimizer model.parameters(), after the model is whole",
    ),
    "none-held": Words(
        "frozen-parameters",
        "the optimizer holds none of this model's parameters",
        "make it after the model was last copied or replaced",
    ),
    "vanished-gradient": Words(
        "gradient-death",
        "the gradients of {n_parameters:g} weights, first {where}, are {share:.1e} of the largest one and less: they "
        "vanish to rounding on the way back",
        "use a norm, residual connections or an initialisation that keeps the scale",
        ("orthogonal-init", "standardise-features"),
    ),
    "exploded-gradient": Words(
        "exploding-gradients",
        "the first gradient has a norm of {gradient_norm:.3g}, largest in {where}",
        "scale the inputs, clip the gradient's norm, or use an initialisation that keeps the scale",
        ("standardise-features", "clip-gradients", "orthogonal-init"),
    ),
    "saturated-rnn": Words(
        "saturation-plateau",
        "{saturated:.0%} of the states of {where} lie beyond |h| > .9 before training, where the gradient is small",
        "scale the inputs, or initialise the recurrent weights smaller",
        ("standardise-features", "orthogonal-init"),
        "half of the units saturated: AutoTrainer, DeepDiagnosis; .9: docs/signals.md",
    ),
    "saturated-gates": Words(
        "saturation-plateau",
        "{saturated:.0%} of the gates of {where} are open or shut by the input alone before training (beyond 95 % or "
        "5 %), where the gradient is small",
        "scale the inputs, or initialise the input's weights smaller",
        ("standardise-features", "orthogonal-init"),
        "half of the units saturated: AutoTrainer, DeepDiagnosis",
    ),
    "dead-relu": Words(
        "dead-units",
        "{zeros:.1%} of what a ReLU in {where} gives is 0",
        "scale the inputs, and look at the bias before it",
        ("standardise-features",),
        "dying ReLU: AutoTrainer warns at 70 %, which sparse inputs reach unharmed; the limit here is ours",
    ),
    "batchnorm-one-value": Words(
        "dead-units",
        "{where} has one value a channel to normalise, whose result is 0 whatever goes in",
        "use larger batches, or a LayerNorm or GroupNorm",
        (),
        "PyTorch's own error",
    ),
    "batchnorm-one-clip": Words(
        "dead-units",
        "{where} normalises over a batch of one clip, so each clip loses its own mean and scale in training and keeps "
        "them in evaluation",
        "use larger batches, or a LayerNorm or GroupNorm",
    ),
    "single-element-softmax": Words(
        "attention-collapse",
        "a softmax in {where} runs over a dimension of one element: its weights are all 1 and have no gradient",
        "look at its axis",
        ("time-softmax",),
    ),
    "rate-too-high": Words(
        "learning-rate-too-high",
        "the first update is {update_ratio:.2g} times as large as the weights (median over layers, learning rate "
        "{learning_rate:.2g})",
        "a ratio of .001 to .01 is usual: take a rate that much smaller",
        ("lower-rate", "clip-gradients"),
        "update ratio: TheDeepChecker and SageMaker Debugger warn at .1; the limit here is ours",
    ),
    "rate-too-low": Words(
        "learning-rate-too-low",
        "the first update is {update_ratio:.1e} of the weights in the layer that changes most (learning rate "
        "{learning_rate:.2g})",
        "a ratio of .001 to .01 is usual: take a rate that much larger",
        ("higher-rate",),
        "update ratio: SageMaker Debugger warns at 1e-5; the limit here is ours",
    ),
}
"""By the key of a fault."""


def worded(fault: Fault) -> Finding:
    """The finding that says what a fault is, before training."""
    words = WORDS[fault.key]
    named = {**fault.evidence, "where": fault.where or "the network", "detail": fault.detail}
    return Finding(
        words.kind,
        fault.severity,
        onset=0,
        last=0,
        evidence=fault.evidence,
        variant=fault.key,
        where=fault.where,
        at_worst=fault.severity,
        explanation=f"{words.what.format(**named)}; {words.todo}",
        remedies=words.remedies,
        source=words.source,
    )
