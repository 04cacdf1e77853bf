"""What `flatline lr-range` does, with what a person sees on the way."""

from collections.abc import Mapping
from pathlib import Path

from .commands import check_writable, embedded_data, prepared
from .display import training
from .lr_range import Sweep
from .lr_range import lr_range as run_test
from .recipe import load_recipe
from .train import Trained


def lr_range(
    recipe: str,
    *,
    data: Path | None,
    logs: Path,
    name: str | None,
    settings: list[str],
    seed: int | None,
    rates: Mapping[str, float | None],
) -> Trained:
    """Run a range test of a recipe given by name or file; without a data root, on the embedded data.

    rates : `first`, `last` and `iterations`; None is the default
    """
    wanted = load_recipe(recipe, settings, seed=seed)
    sweep = Sweep(**{key: value for key, value in rates.items() if value is not None})  # type: ignore[arg-type]
    check_writable(logs)
    task = prepared(wanted, embedded_data() if data is None else data)
    with training(sweep.iterations) as watch:
        return run_test(wanted, task, sweep, logs, name=name, watch=watch)
