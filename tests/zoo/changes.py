"""What faults do to a training: each change is a function of the training, switched on before an iteration."""

import copy
from collections.abc import Callable
from dataclasses import replace

import torch
from synthetic import Batch
from tasks import part
from torch import Tensor, nn
from torch.nn import functional
from training import LOSSES, Training, optimizer_of

Change = Callable[[Training], None]


def patched(module: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
    """Change what a module gives, by its forward: a hook would come after the recorder's, which saw what was before."""
    forward = module.forward
    module.forward = lambda *given: change(forward(*given))  # type: ignore[method-assign]


def output_of(name: str, change: Callable[[Tensor], Tensor]) -> Change:
    """Change what a part of the network gives."""
    return lambda training: patched(part(training.model, name), change)


def scores(change: Callable[[Tensor], Tensor], told: str | None = None, loss: str | None = None) -> Change:
    """Change what the model gives to the loss.

    told : as what the recorder gets it; None as before
    loss : the loss from now on; None as before
    """

    def apply(training: Training) -> None:
        training.on_output.append(change)
        training.output = told or training.output
        if loss is not None:
            training.loss, training.criterion = loss, LOSSES[loss]

    return apply


def objective(kind: str) -> Change:
    """Another loss on what the model gives."""

    def apply(training: Training) -> None:
        training.loss, training.criterion = kind, LOSSES[kind]

    return apply


@torch.no_grad()
def _scale(parameters: list[Tensor], factor: float) -> None:
    for parameter in parameters:
        parameter.mul_(factor)


def recurrent_weights(factor: float) -> Change:
    """Scale the recurrent weights of every layer."""

    def apply(training: Training) -> None:
        named = part(training.model, "rnn").named_parameters()
        _scale([parameter for name, parameter in named if name.startswith("weight_hh")], factor)

    return apply


def weights_of(name: str, factor: float) -> Change:
    """Scale the weights of a part."""
    return lambda training: _scale([part(training.model, name).weight], factor)


def bias_of(name: str, value: float, unit: int | slice = slice(None)) -> Change:
    """Set the bias of a part, or of one of its units."""

    def apply(training: Training) -> None:
        part(training.model, name).bias.data[unit] = value

    return apply


def forgetting(value: float) -> Change:
    """The bias of the gate that keeps the past: the second block of rows of an LSTM and of a GRU."""

    def apply(training: Training) -> None:
        rnn = part(training.model, "rnn")
        for name, parameter in rnn.named_parameters():
            if name.startswith("bias_hh"):
                parameter.data[rnn.hidden_size : 2 * rnn.hidden_size] = value

    return apply


def rate(factor: float) -> Change:
    """Scale the learning rate."""

    def apply(training: Training) -> None:
        training.learning_rate *= factor

    return apply


def huge_step(factor: float) -> Change:
    """One step at a huge learning rate, then the old one again."""

    def apply(training: Training) -> None:
        usual, begun = training.learning_rate, training.iteration
        training.learning_rate = usual * factor

        def back(batch: Batch) -> Batch:
            if training.iteration > begun:
                training.learning_rate = usual
            return batch

        training.on_batch.append(back)

    return apply


def of_batch(change: Callable[[Batch], Batch]) -> Change:
    """Change what is trained on."""
    return lambda training: training.on_batch.append(change)


def of_target(change: Callable[[Tensor], Tensor]) -> Change:
    """Change the labels that are trained on."""
    return of_batch(lambda batch: replace(batch, target=change(batch.target)))


def of_inputs(change: Callable[[Tensor], Tensor]) -> Change:
    """Change the inputs, in evaluation too: a fault in the features."""
    return lambda training: training.on_inputs.append(change)


def of_loss(change: Callable[[Tensor], Tensor]) -> Change:
    """Change the loss before it is differentiated."""
    return lambda training: training.on_loss.append(change)


def log_of_zero(training: Training) -> None:
    """A loss of one's own that takes the log of a share that rounds to 0."""

    def criterion(given: Tensor, target: Tensor) -> Tensor:
        share = (given - given.amax(dim=1, keepdim=True) - 104).exp()  # underflows
        hot = target if target.ndim == 2 else functional.one_hot(target, given.shape[1])
        return -(hot * share.log()).mean()

    training.criterion = criterion


def weighted(factor: float) -> Change:
    """Class weights that sum to the number of classes, the first one's `factor` times the others'.

    For binary losses the weights are of positives, and the loss is divided as much.
    """

    def apply(training: Training) -> None:
        weight = torch.ones(training.options.n_classes)
        weight[0] = factor
        weight = weight / weight.mean()

        def criterion(given: Tensor, target: Tensor) -> Tensor:
            if target.ndim == 2:
                positive = functional.binary_cross_entropy_with_logits(given, target, pos_weight=weight * 1e3)
                return positive / 1e3
            return (functional.cross_entropy(given, target, reduction="none") * weight[target]).mean()

        training.criterion = criterion

    return apply


def frozen(*names: str) -> Change:
    """Parts whose weights no longer want a gradient; without names all but the head."""

    def apply(training: Training) -> None:
        for parameter in _parameters(training, names):
            parameter.requires_grad_(False)
            parameter.grad = None

    return apply


def not_held(*names: str) -> Change:
    """An optimiser that was not given the weights of these parts; without names, all but the head's."""

    def apply(training: Training) -> None:
        left_out = {id(parameter) for parameter in _parameters(training, names)}
        held = [parameter for parameter in training.model.parameters() if id(parameter) not in left_out]
        training.optimizer = optimizer_of(held, training.options)

    return apply


def _parameters(training: Training, names: tuple[str, ...]) -> list[Tensor]:
    model = training.model
    if names:
        return [parameter for name in names for parameter in part(model, name).parameters()]
    head = {id(parameter) for parameter in part(model, "head").parameters()}
    return [parameter for parameter in model.parameters() if id(parameter) not in head]


def other_models_optimizer(training: Training) -> None:
    """The optimiser holds a copy of the model, made before."""
    training.optimizer = optimizer_of(copy.deepcopy(training.model).parameters(), training.options)


def constant_recurrence(training: Training) -> None:
    """The RNN's output is replaced by zeros on its way to the head."""
    training.model.recur, recur = lambda features: recur(features) * 0, training.model.recur  # type: ignore


def gradients_cleared(to_none: bool) -> Change:
    """`zero_grad` between backward and step."""
    return lambda training: training.after_backward.append(lambda: training.optimizer.zero_grad(set_to_none=to_none))


def gradients_scaled(factor: float) -> Change:
    """Gradients on another scale than the optimiser expects, as after a wrong unscaling or clipping."""

    def apply(training: Training) -> None:
        training.after_backward.append(
            lambda: _scale([p.grad for p in training.model.parameters() if p.grad is not None], factor)
        )

    return apply


def of_optimizer(**settings: float) -> Change:
    """Other settings of the optimiser's groups."""

    def apply(training: Training) -> None:
        for group in training.optimizer.param_groups:
            group.update(settings)

    return apply


def attends_padding(training: Training) -> None:
    """The mask the wrong way round: True where a frame is padding."""
    weights = part(training.model, "weights")
    forward = weights.forward
    weights.forward = lambda scores, mask: forward(scores, ~mask)  # type: ignore[method-assign]
