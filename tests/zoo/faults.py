"""The table of faults: what each does, and the kinds of finding (DESIGN: KIND) that name it, the right one first."""

from dataclasses import dataclass, field
from typing import Any

import changes as c
import torch


@dataclass(frozen=True)
class Fault:
    """One way to break a training.

    kinds : acceptable as the cause, the first preferred
    change : switched on before an iteration; None where `options` alone make the fault
    options : that the faulty training has and its healthy twin has not
    why : where more than one kind is defensible
    """

    name: str
    kinds: tuple[str, ...]
    change: c.Change | None = None
    options: dict[str, Any] = field(default_factory=dict)
    why: str = ""


def _shuffled(target: torch.Tensor) -> torch.Tensor:
    return target[torch.randperm(len(target))]


def _infinite_at_one(batch: Any) -> Any:
    inputs = batch.inputs.clone()
    inputs.view(-1)[0] = torch.inf
    return c.replace(batch, inputs=inputs)


NOT_A_NUMBER = ("non-finite",)
BROKEN = ("broken-objective",)

FAULTS = {
    fault.name: fault
    for fault in (
        Fault("probabilities-into-logits-loss", BROKEN, c.scores(torch.sigmoid, told="probabilities")),
        Fault("probabilities-called-logits", BROKEN, c.scores(torch.sigmoid)),
        Fault("double-sigmoid-head", BROKEN, c.objective("bce-with-logits"), {"head_options": {"sigmoid": True}}),
        Fault("softmax-twice", BROKEN, c.scores(lambda s: s.softmax(dim=-1), told="probabilities")),
        Fault("softmax-twice-called-logits", BROKEN, c.scores(lambda s: s.softmax(dim=-1))),
        Fault("sigmoid-before-cross-entropy", BROKEN, c.scores(torch.sigmoid)),
        Fault(
            *("softmax-into-logits-loss", BROKEN),
            c.scores(lambda s: s.softmax(dim=-1), told="probabilities", loss="bce-with-logits"),
        ),
        Fault(
            *("no-prior-bias", ("saturation-plateau", "constant-predictor"), None, {"prior_bias": False}),
            why="one shared answer for all clips; whether the RNN's units saturate too depends on its size",
        ),
        Fault(
            *("huge-inputs", ("vanishing-through-time", "saturation-plateau")),
            c.of_inputs(lambda x: x * 300),
            why="the RNN's units saturate, which cuts the way back through time: 1e-9 of the last frame's gradient",
        ),
        Fault(
            *("huge-recurrent-weights", ("exploding-gradients", "saturation-plateau")),
            c.recurrent_weights(30),
            why="gradients of 1e5 to 1e10 on the way back through time; a tanh RNN's states saturate too",
        ),
        Fault("tiny-recurrent-weights", ("vanishing-through-time",), c.recurrent_weights(0.01)),
        Fault("forgets-at-once", ("vanishing-through-time",), c.forgetting(-6)),
        Fault("never-learnt-to-keep", ("vanishing-through-time",), None, {"keeps": False}),
        Fault(
            *("recurrent-weights-grow", ("exploding-gradients", "saturation-plateau"), c.recurrent_weights(4)),
            why="gradients grow on the way back through time; states saturate on the way forward",
        ),
        Fault(
            *("gradients-x1e5", ("exploding-gradients", "learning-rate-too-high", "non-finite", "dead-units")),
            c.gradients_scaled(1e5),
            why="plain SGD steps as far as its gradients are long: as with a rate x1e5, and with the same ends",
        ),
        Fault(
            *("relu-rnn-explodes", ("exploding-gradients", "non-finite"), c.recurrent_weights(3)),
            {"nonlinearity": "relu"},
            why="a ReLU RNN's states grow as its gradients do, and overflow in the end",
        ),
        Fault(
            *("learning-rate-x300", ("learning-rate-too-high", "non-finite", "dead-units"), c.rate(300)),
            why="the huge steps may end in NaN or in ReLUs that never fire again",
        ),
        Fault(
            *("learning-rate-x1000", ("learning-rate-too-high", "non-finite", "dead-units"), c.rate(1000)),
            why="as for x300",
        ),
        Fault("learning-rate-x1e-4", ("learning-rate-too-low",), c.rate(1e-4)),
        Fault("learning-rate-to-nothing", ("learning-rate-too-low",), c.rate(1e-7)),
        Fault(
            *("huge-epsilon", ("learning-rate-too-low", "gradient-death"), c.of_optimizer(eps=100.0)),
            why="Adam's steps shrink by its epsilon while gradients are alive",
        ),
        Fault("nan-from-encoder", NOT_A_NUMBER, c.output_of("encoder", lambda given: given * torch.nan)),
        Fault("nan-from-head", NOT_A_NUMBER, c.output_of("head", lambda given: given / (given - given))),
        Fault("infinity-in-a-batch", NOT_A_NUMBER, c.of_batch(_infinite_at_one)),
        Fault("log-of-zero", NOT_A_NUMBER, c.log_of_zero),
        Fault("dead-relu-bias", ("dead-units",), c.bias_of("hidden", -50.0)),
        Fault(
            *("one-huge-step", ("dead-units", "learning-rate-too-high", "constant-predictor"), c.huge_step(3000)),
            why="one step at a rate x3000 leaves ReLUs that never fire; the step itself is the reason",
        ),
        Fault("saturated-layer", ("dead-units",), c.weights_of("hidden", 300), {"activation": "tanh"}),
        Fault("saturated-sigmoid", ("dead-units",), c.bias_of("hidden", 40.0), {"activation": "sigmoid"}),
        Fault("all-but-head-frozen", ("frozen-parameters",), c.frozen()),
        Fault("rnn-frozen", ("frozen-parameters",), c.frozen("rnn")),
        Fault("only-head-in-optimizer", ("frozen-parameters",), c.not_held()),
        Fault("detached-hidden", ("frozen-parameters",), c.output_of("hidden", lambda given: given.detach())),
        Fault("detached-features", ("frozen-parameters",), c.output_of("features", lambda given: given.detach())),
        Fault("optimizer-of-a-copy", ("frozen-parameters",), c.other_models_optimizer),
        Fault("attention-flattened", ("attention-collapse",), c.output_of("attention", lambda s: s * 1e-4)),
        Fault("attention-on-one-frame", ("attention-collapse",), c.output_of("attention", lambda s: s * 1000)),
        Fault("attention-on-padding", ("attention-collapse",), c.attends_padding),
        Fault("one-class-forced", ("single-class-collapse",), c.bias_of("head", 1000.0, unit=0)),
        Fault(
            *("one-class-weighted", ("single-class-collapse", "constant-predictor"), c.weighted(1e5)),
            why="one class is on top of every clip, and in some tasks the ranking below it stops moving too",
        ),
        Fault(
            *("features-zeroed", ("dead-units", "constant-predictor")),
            c.output_of("features", lambda given: given * 0),
            why="a part that gives zeros alone, and all that follows sees the same for every clip",
        ),
        Fault(
            *(
                "weight-decay",
                ("constant-predictor", "gradient-death", "dead-units"),
                c.of_optimizer(weight_decay=100.0),
            ),
            {"optimizer": "adamw"},
            why="weights go to zero, and with them what tells clips apart",
        ),
        Fault("labels-all-zero", ("label-problem",), c.of_target(torch.zeros_like)),
        Fault("labels-all-one", ("label-problem",), c.of_target(torch.ones_like)),
        Fault("labels-shuffled", ("label-problem",), c.of_target(_shuffled)),
        Fault(
            *("labels-0-to-255", ("label-problem", "broken-objective"), c.of_target(lambda target: target * 255)),
            why="the loss and its targets do not fit",
        ),
        Fault(
            *("labels-minus-one", ("label-problem", "broken-objective"), c.of_target(lambda target: 2 * target - 1)),
            why="as above",
        ),
        Fault("inputs-constant", ("label-problem",), c.of_inputs(lambda x: x[:1].expand_as(x) * 0)),
        Fault(
            *("recurrence-cut", ("bypassed-recurrence", "frozen-parameters", "gradient-death"), c.constant_recurrence),
            why="what is cut off has no gradient either",
        ),
        Fault(
            *("gradients-zeroed", ("gradient-death", "frozen-parameters"), c.gradients_cleared(to_none=False)),
            why="zeros reach the optimiser: dead, or not reached",
        ),
        Fault(
            *("gradients-dropped", ("frozen-parameters", "gradient-death"), c.gradients_cleared(to_none=True)),
            why="none reach the optimiser, which says not reached before it says dead",
        ),
        Fault(
            *("loss-x1e-12", ("gradient-death", "learning-rate-too-low"), c.of_loss(lambda loss: loss * 1e-12)),
            why="gradients lie below Adam's epsilon, so that its steps are nothing",
        ),
    )
}
"""By name."""
