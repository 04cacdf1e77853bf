"""What `flatline revive` does."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ...diagnostics.errors import RunError
from ..commands import check_writable
from ..display import ERRORS, counting
from ..read_once import ReadOnce
from ..recipe import RecipeError
from .doctor import DEPTH
from .revived import Revived
from .reviving import SEEDS, Budget, revive


def revive_run(
    name: str,
    logs: Path,
    *,
    iterations: int | None = None,
    arms: Sequence[str] | None = None,
    budget: Budget | None = None,
    data: Path | None = None,
    seeds: int = SEEDS,
    depth: int = DEPTH,
    jobs: int | None = None,
    save: Path | None = None,
) -> Revived:
    """Trials of a run by its name or folder, with a line as each stage begins and ends.

    save : where to write the prescribed recipe as well
    """
    run = ReadOnce(name, logs)
    if isinstance(run.path, Path):
        check_writable(run.path.parent)
    if save is not None and not save.absolute().parent.is_dir():
        raise RecipeError(f"{save.parent} is no folder (--save {save}); make it first")
    with ExitStack() as stack:
        progress = stack.enter_context(counting("iterations of the arms"))
        revived = revive(
            run,
            iterations=iterations,
            arms=arms,
            budget=budget,
            data=data,
            seeds=seeds,
            depth=depth,
            jobs=jobs,
            say=lambda words: ERRORS.print(words, soft_wrap=True, highlight=False),
            told=lambda under_way, done, total: progress(done, total),
        )
    if save is not None:
        _save(revived, save)
    return revived


def _save(revived: Revived, path: Path) -> None:
    if revived.recipe is None:
        raise RunError(f"nothing helped {Path(revived.run).name}, so there is no recipe to write (--save {path})")
    try:
        path.write_bytes(Path(revived.recipe).read_bytes())
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror or error}); choose another with --save") from None
