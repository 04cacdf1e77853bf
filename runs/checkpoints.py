"""Checkpoints: weights as safetensors, the rest loadable with weights_only."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim import Optimizer

from ..diagnostics.errors import RunError


def save_checkpoint(run: Path, name: str, model: nn.Module, optimizer: Optimizer | None, iteration: int) -> None:
    """Write `checkpoints/<name>.safetensors`, and `<name>.pt` with the optimiser's and the random state if it is given.

    Each file appears whole or not at all.
    """
    folder = run / "checkpoints"
    folder.mkdir(exist_ok=True)
    # Copies: safetensors refuses tensors that share memory.
    weights = {key: value.detach().cpu().clone().contiguous() for key, value in model.state_dict().items()}
    if optimizer is not None:
        state = {"iteration": iteration, "optimizer": optimizer.state_dict(), "random": torch.get_rng_state()}
        _write_whole(folder / f"{name}.pt", lambda hidden: torch.save(state, hidden))
    metadata = {"iteration": str(iteration)}
    _write_whole(folder / f"{name}.safetensors", lambda hidden: save_file(weights, hidden, metadata=metadata))


def load_weights(run: Path, model: nn.Module, names: tuple[str, ...] = ("best", "last")) -> str:
    """Load the first checkpoint of these that the run has; returns its name.

    Raises RunError if there is none, or if it does not fit the model.
    """
    for name in names:
        path = run / "checkpoints" / f"{name}.safetensors"
        if path.is_file():
            try:
                model.load_state_dict(load_file(path))
            except RuntimeError as error:
                raise RunError(
                    f"{path} does not fit the model of the run's recipe ({error}); was run.json changed?"
                ) from None
            except (SafetensorError, OSError) as error:
                raise RunError(f"{path} cannot be read ({error}); use another checkpoint") from error
            return name
    raise RunError(f"{run} has no checkpoint {' or '.join(names)} under checkpoints/; train it with `flatline train`")


def load_state(run: Path, name: str = "last") -> dict[str, Any]:
    """What stands beside the weights: iteration, optimiser state, random state.

    Raises RunError if it is not there or cannot be read, or belongs to other weights (a kill between the two files).
    """
    path = run / "checkpoints" / f"{name}.pt"
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        with safe_open(path.with_suffix(".safetensors"), "pt") as weights:
            iteration = int(weights.metadata()["iteration"])
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, SafetensorError) as error:
        raise RunError(f"checkpoint {name} of {run} cannot be read ({error}); use another one") from error
    if state["iteration"] != iteration:
        raise RunError(
            f"checkpoint {name} of {run} has weights of iteration {iteration} and an optimiser of "
            f"iteration {state['iteration']} (killed while it was written); use another one"
        )
    return state


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    hidden = path.with_name(f".{path.name}")
    try:
        write(hidden)
        os.replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)
