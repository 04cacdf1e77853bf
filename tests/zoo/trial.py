"""The zoo's loop as a trial function: the fault is still in it, and its steps can be taken out one at a time.

A step is taken out for whoever wrote the loop, whatever the fault: nothing here knows one fault from the next.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from faults import FAULTS
from flatline import InterventionContext, Recorder, Run, Switch
from plan import Planned
from synthetic import Batch
from tasks import TASKS
from torch import nn
from training import EVERY, Training, evaluate, prepared, step

SWITCHES = (
    Switch("fix-labels", "targets as the data set has them", ["label-problem", "broken-objective"]),
    Switch(
        "fix-data",
        "inputs as the data set has them",
        ["label-problem", "non-finite", "saturation-plateau", "vanishing-through-time"],
    ),
    Switch("plain-output", "nothing between the model's scores and the loss", ["broken-objective", "non-finite"]),
    Switch(
        "plain-loss",
        "the configured loss, neither weighted nor scaled",
        ["broken-objective", "non-finite", "single-class-collapse", "gradient-death", "learning-rate-too-low"],
    ),
    Switch(
        "plain-modules",
        "modules give what their class computes: nothing done to their outputs",
        ["non-finite", "frozen-parameters", "attention-collapse", "dead-units", "bypassed-recurrence"],
    ),
    Switch(
        "plain-gradients",
        "nothing between backward and the optimiser's step",
        ["gradient-death", "frozen-parameters", "exploding-gradients"],
    ),
    Switch(
        "plain-rate",
        "the configured learning rate throughout",
        ["learning-rate-too-high", "learning-rate-too-low", "non-finite", "dead-units"],
    ),
    Switch(
        "plain-weights",
        "weights that only their initialisation and the optimiser write",
        [
            *("dead-units", "single-class-collapse", "exploding-gradients", "vanishing-through-time"),
            "saturation-plateau",
        ],
    ),
    Switch("plain-training", "every part that is configured to be trained is, throughout", ["frozen-parameters"]),
    Switch(
        "plain-optimizer",
        "the configured optimiser of this model's weights, with its configured settings",
        ["frozen-parameters", "learning-rate-too-low", "constant-predictor", "gradient-death"],
    ),
)
"""What the loop's owner can take out, each a step of the loop; `treats` is what such a step can bring about."""


def trial_of(planned: Planned) -> Callable[[InterventionContext], Run]:
    """The loop of a run of the zoo, its fault included."""

    def trial(context: InterventionContext) -> Run:
        training = prepared(TASKS[planned.task], planned.options, context.seed)
        steps = Steps(training, context)
        fault, at = _fault(planned), planned.onset or 0
        if fault and at == 0:
            steps.breaks(fault)
        steps.ready()
        told = {"loss": training.loss, "level": "deep"}
        with Recorder(training.model, training.optimizer, log=context.log, **told) as recorder:
            while context.goes_on(recorder.iteration):
                training.iteration = recorder.iteration
                if fault and training.iteration == at > 0:
                    steps.breaks(fault)
                steps.mend()
                is_last = training.iteration == training.options.iterations - 1
                step(training, recorder, None)
                if recorder.iteration % EVERY == 0 or is_last:
                    evaluate(training, recorder, is_last)
        return Run(context.log)

    return trial


class Steps:
    """The steps of a training as they are configured, to take out what was put in since."""

    def __init__(self, training: Training, context: InterventionContext) -> None:
        self.training, self.context = training, context
        self.remember()

    def remember(self) -> None:
        """What is there now is as it should be."""
        training = self.training
        self.loss, self.criterion, self.output = training.loss, training.criterion, training.output
        self.rate, self.optimizer = training.learning_rate, training.optimizer
        self.settings = [_settings(group) for group in training.optimizer.param_groups]
        self.trained = {name for name, weight in training.model.named_parameters() if weight.requires_grad}

    @torch.no_grad()
    def breaks(self, fault: Callable[[Training], Any]) -> None:
        """Let the fault in, and take out again what is to be left out."""
        weights = [weight.clone() for weight in self.training.model.parameters()]
        with torch.enable_grad():
            fault(self.training)
        if self.context.has("plain-weights"):
            for weight, before in zip(self.training.model.parameters(), weights, strict=True):
                weight.copy_(before)
        self.mend()

    def ready(self) -> None:
        """Flatline's own interventions, once the training is made."""
        training, context = self.training, self.context
        target = training.train.target
        share = target.mean(dim=0) if target.ndim == 2 else None
        context.model(training.model, prior=share, n_frames=training.train.inputs.shape[1], loss=training.loss)
        context.optimizer(training.optimizer)
        training.criterion = context.criterion(training.criterion)
        training.loss = context.loss(training.loss)
        if training.loss == "bce":
            training.output = "probabilities"
        training.on_batch.insert(0, self._keep)
        training.on_batch.append(self._put_back)
        self.remember()

    def mend(self) -> None:
        """Take out what is to be left out."""
        training = self.training
        for name, mend in MENDS.items():
            if self.context.has(name):
                mend(training, self)
        if self._put_back in training.on_batch:  # a fault may have come after
            training.on_batch.remove(self._put_back)
            training.on_batch.append(self._put_back)

    def _keep(self, batch: Batch) -> Batch:
        self.drawn = batch
        return batch

    def _put_back(self, batch: Batch) -> Batch:
        if self.context.has("fix-labels"):
            batch = replace(batch, target=self.drawn.target)
        return replace(batch, inputs=self.drawn.inputs) if self.context.has("fix-data") else batch


def _plain_loss(training: Training, steps: Steps) -> None:
    training.on_loss.clear()
    training.criterion, training.loss = steps.criterion, steps.loss


def _plain_output(training: Training, steps: Steps) -> None:
    training.on_output.clear()
    training.output = steps.output


def _plain_rate(training: Training, steps: Steps) -> None:
    training.learning_rate = steps.rate


def _plain_training(training: Training, steps: Steps) -> None:
    for name, weight in training.model.named_parameters():
        weight.requires_grad_(name in steps.trained)


def _plain_optimizer(training: Training, steps: Steps) -> None:
    training.optimizer = steps.optimizer
    for group, settings in zip(training.optimizer.param_groups, steps.settings, strict=True):
        group.update(settings)


def _plain_modules(training: Training, steps: Steps) -> None:
    for module in training.model.modules():
        for name in [name for name, value in vars(module).items() if _is_put_on(module, name, value)]:
            delattr(module, name)


MENDS: dict[str, Callable[[Training, Steps], None]] = {
    "fix-data": lambda training, steps: training.on_inputs.clear(),
    "plain-output": _plain_output,
    "plain-loss": _plain_loss,
    "plain-modules": _plain_modules,
    "plain-gradients": lambda training, steps: training.after_backward.clear(),
    "plain-rate": _plain_rate,
    "plain-training": _plain_training,
    "plain-optimizer": _plain_optimizer,
}
"""How a step is taken out, where it does not lie in the batches or the weights."""


def _is_put_on(module: nn.Module, name: str, value: Any) -> bool:
    """Whether a function of a module stands in front of the one that its class has."""
    return callable(value) and not name.startswith("_") and callable(getattr(type(module), name, None))


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key not in ("params", "lr")}


def _fault(planned: Planned) -> Callable[[Training], Any] | None:
    return FAULTS[planned.fault].change if planned.fault else None
