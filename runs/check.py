"""The check before training for a recipe: what training would begin with, looked at once, and a report of it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from torch.optim import Adam

from ..diagnostics.check import Checked, check
from ..diagnostics.findings import KINDS, Finding
from .network import device_of, make_model
from .recipe import Recipe
from .schedules import rate_at
from .task import Task, batch_order

STYLES = {"critical": "bold red", "warning": "yellow", "info": "dim"}


def check_recipe(recipe: Recipe, task: Task) -> Checked:
    """What is wrong with a recipe on a data root before its first iteration: on the batch that training begins with.

    Logits under a loss on probabilities, which `train` refuses, are a finding here.
    Raises RecipeError for a model or device that there is not.
    """
    device = device_of(recipe)
    model = make_model(recipe, task).to(device)
    optimizer = Adam(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    for group in optimizer.param_groups:  # as PyTorch's schedules leave it before the first iteration
        n_batches = len(task.train) // recipe.batch_size
        first = rate_at(recipe.schedule, recipe.learning_rate, 0, recipe.iterations, n_batches)
        group["initial_lr"], group["lr"] = recipe.learning_rate, first
    _, indices = next(batch_order(task, recipe.batch_size, recipe.seed, sampling=recipe.sampling))
    batch = task.batch(indices)
    mask = batch.mask.to(device) if recipe.data.mask else None
    given = (batch.inputs.to(device), batch.target.to(device), mask)
    return check(model, recipe.loss, given, optimizer=optimizer, classes=task.clipset.classes)


def to_json(recipe: Recipe, checked: Checked) -> dict[str, Any]:
    """As `flatline check --json` prints it: findings as `diagnose` has them, with the place of each."""
    return {
        "recipe": recipe.name,
        "findings": [{**finding.to_dict(), "where": finding.where} for finding in checked.findings],
    }


def report(recipe: Recipe, checked: Checked) -> RenderableType:
    """What was found, where, and what to do, worst first; then the numbers that were looked at."""
    return Group(*_blocks(recipe, checked))


def _blocks(recipe: Recipe, checked: Checked) -> Iterator[RenderableType]:
    if checked.findings:
        n = len(checked.findings)
        yield Text(f"{recipe.name}: {n} {'finding' if n == 1 else 'findings'} before the first iteration")
    else:
        yield Text(f"{recipe.name}: nothing is wrong that shows before the first iteration")
    for finding in checked.findings:
        yield Text("")
        yield _heading(finding)
        what, _, todo = finding.explanation.rpartition("; ")
        yield Padding(Text(what), (0, 0, 0, 2))
        yield Padding(Text(f"To do: {todo}", "bold"), (0, 0, 0, 2))
        if finding.remedies:
            yield Padding(Text(f"Interventions: {', '.join(finding.remedies)}"), (0, 0, 0, 2))
    if line := in_numbers(checked):
        yield Text("")
        yield Text(line, "dim")


def _heading(finding: Finding) -> Text:
    place = f" in {finding.where}" if finding.where else ""
    return Text.assemble(
        (finding.severity, STYLES[finding.severity]), f"  {finding.kind}{place}", (f"  ({KINDS[finding.kind]})", "dim")
    )


def in_numbers(checked: Checked) -> str:
    """The first loss beside what it is held against, and the range of the scores; empty where nothing was measured.

    >>> in_numbers(Checked((), measured={"loss": 0.97, "ignorant_loss": 0.693, "prior_loss": 0.078}))
    'First loss 0.970; 0.693 would know nothing, 0.078 the frequencies of the labels alone.'
    """
    measured = {name: value for name, value in checked.measured.items() if np.isfinite(value)}
    parts = [("loss", "First loss {:.3f}"), ("ignorant_loss", "; {:.3f} would know nothing")]
    parts += [("prior_loss", ", {:.3f} the frequencies of the labels alone")]
    line = "".join(text.format(measured[name]) for name, text in parts if name in measured)
    scores = ""
    if "output_min" in measured and "output_max" in measured:
        scores = f"Scores from {measured['output_min']:.3g} to {measured['output_max']:.3g}."
    return f"{line}. {scores}".strip() if line.startswith("First") else scores
