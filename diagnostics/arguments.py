"""What is given to a recorder, checked before anything is attached."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from .errors import AttachError


def check_model(model: Any) -> None:
    """Raise AttachError for what is no network."""
    if not isinstance(model, nn.Module):
        raise AttachError(
            f"model is {type(model).__name__}, not a torch.nn.Module (Recorder); give the model, then the optimizer"
        )


def holds_nothing(model: nn.Module, optimizers: Iterable[Optimizer]) -> bool:
    """Whether the optimisers hold none of the model's parameters, as after a copy of it: no norm will be seen then."""
    mine = {id(parameter) for parameter in model.parameters()}
    held = {id(parameter) for one in optimizers for group in one.param_groups for parameter in group["params"]}
    return bool(mine) and not mine & held


def class_names(classes: Any) -> list[str] | None:
    """Names of the classes as strings; None where none were given.

    Raises AttachError for what is no list of different names.
    """
    if classes is None:
        return None
    if not isinstance(classes, Sequence) and not hasattr(classes, "tolist"):
        raise AttachError(f"classes is {type(classes).__name__} (Recorder); give the names in the order of the scores")
    names = [str(name) for name in classes]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise AttachError(f"classes names {twice!r} twice (Recorder); give each class a name of its own")
    return names


def mapping(what: str, given: Any, form: str) -> dict[str, Any] | None:
    """A dict of what was given by name; None where nothing was.

    Raises AttachError for anything but a mapping.
    """
    if given is None or isinstance(given, Mapping):
        return None if given is None else dict(given)
    raise AttachError(f"{what} is {type(given).__name__} (Recorder); give {form}")


def paths_of(what: str, given: Any) -> list[str] | None:
    """Paths of modules, of which one may stand alone; None where none was given."""
    return None if given is None else [given] if isinstance(given, str) else [str(path) for path in given]


def clips_of(given: Any) -> dict[str, Tensor]:
    """Pinned clips by name.

    Raises AttachError for what is no tensor.
    """
    clips = mapping("pinned", given, "{name: one clip of the model's input, without the batch dimension}") or {}
    for name, clip in clips.items():
        if not isinstance(clip, Tensor):
            raise AttachError(
                f"pinned clip {name!r} is {type(clip).__name__} (Recorder); give one clip of the model's input as a "
                "tensor, without the batch dimension"
            )
    return clips
