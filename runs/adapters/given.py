"""What a fit gives to record: the network, and what its batches gave, kept and pooled as one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ...diagnostics.errors import AttachError, ShapeError
from ...diagnostics.signals.quiet import Faults

SCORES = {"logits": (2,), "probabilities": (2,), "target": (1, 2)}
"""Dimensions of what can be recorded beside the loss, by name."""


def part_of(module: torch.nn.Module, path: str) -> torch.nn.Module:
    """The submodule at that path; AttachError, with the first that there are, where there is none."""
    try:
        return module.get_submodule(path)
    except AttributeError:
        known = [name for name, _ in module.named_modules() if name]
        listed = ", ".join(known[:12] + ["..."] * (len(known) > 12)) or "none"
    raise AttachError(f"no module {path!r} in the {type(module).__name__} (FlatlineCallback); known: {listed}")


def fitting(step: str, outputs: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """The scores and target that a step returned; those of other dimensions are left out, a fault says so."""
    given = {name: outputs[name] for name in SCORES if outputs.get(name) is not None}
    for name in [name for name, value in given.items() if np.ndim(value) not in SCORES[name]]:
        text = f"{step} returned {name!r} of shape {tuple(np.shape(given.pop(name)))}"
        faults.keep(ShapeError(f"{text}; return (clip, class), or leave {name!r} out of what it returns"))
    return given


def named(output: Any) -> Mapping[str, Any]:
    """A model's output by name: it may be a tuple that begins with the loss, or one tensor, the loss or logits."""
    if isinstance(output, Mapping):
        return output
    if isinstance(output, torch.Tensor):
        return {"logits" if output.ndim else "loss": output}
    return dict(zip(("loss", "logits"), output, strict=False))


def kept(**tensors: Any) -> dict[str, Any]:
    """What a batch gave, without its history, as copies where it lies: nobody waits. What is no tensor is left out."""
    return {name: value.detach().clone() for name, value in tensors.items() if isinstance(value, torch.Tensor)}


def on_cpu(**tensors: Any) -> dict[str, Any]:
    """The same off the device, which is waited for: not in training."""
    return {name: value.detach().cpu() for name, value in tensors.items() if isinstance(value, torch.Tensor)}


def pooled(batches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Batches as one: what each of them has, clips together; the loss is the mean over clips."""
    names = set(batches[0]).intersection(*batches[1:]) if batches else set()
    joined = {name: torch.cat([batch[name] for batch in batches]) for name in names - {"loss"}}
    if "loss" in names and "target" in names:
        clips = torch.tensor([float(len(batch["target"])) for batch in batches])
        joined["loss"] = torch.stack([batch["loss"].float().mean() for batch in batches]) @ clips / clips.sum()
    return joined
