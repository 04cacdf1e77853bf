"""Checkpoints: weights as safetensors, the rest loadable with weights_only."""

import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from ..diagnostics.errors import RunError


def save_checkpoint(run: Path, name: str, model: nn.Module, optimizer: Optimizer | None, iteration: int) -> None:
    """Write `checkpoints/<name>.safetensors`, and `<name>.pt` with the optimiser's and the random state if it is given.

    Each file appears whole or not at all.
    """
    folder = run / "checkpoints"
    folder.mkdir(exist_ok=True)
    weights = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    hidden = folder / f".{name}.safetensors"
    save_file(_unshared(weights), hidden, metadata={"iteration": str(iteration)})
    os.replace(hidden, folder / f"{name}.safetensors")
    if optimizer is not None:
        state = {"iteration": iteration, "optimizer": optimizer.state_dict(), "random": torch.get_rng_state()}
        torch.save(state, folder / f".{name}.pt")
        os.replace(folder / f".{name}.pt", folder / f"{name}.pt")


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
            return name
    raise RunError(f"{run} has no checkpoint {' or '.join(names)} under checkpoints/; train it with `flatline train`")


def load_state(run: Path, name: str = "last") -> dict[str, Any]:
    """What stands beside the weights: iteration, optimiser state, random state."""
    return torch.load(run / "checkpoints" / f"{name}.pt", weights_only=True)


def _unshared(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that share memory, copied: safetensors refuses those."""
    seen: set[int] = set()
    copies = {}
    for key, value in weights.items():
        copies[key] = value.clone() if value.data_ptr() in seen else value
        seen.add(value.data_ptr())
    return copies
