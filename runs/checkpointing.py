"""Writing checkpoints: each pair of files whole, and few of them kept."""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from .checkpoints import STEM, Facts, at_iteration, facts_of, pairs


@dataclass
class Checkpoints:
    """Writes the checkpoints of one run and lets go of those that are no longer wanted.

    keep : healthy ones of earlier evaluations that stay, dense lately and spread out before; `last` and `best` stay too
    """

    run: Path
    keep: int = 8
    _facts: dict[Path, Facts] = field(default_factory=dict)

    def save(self, model: nn.Module, state: Mapping[str, Any], facts: Facts) -> Path:
        """Write one checkpoint whole; returns its weights' file.

        state : tensors, numbers, texts, and lists and dicts of them
        Raises OSError where it cannot be written; the earlier ones stand then.
        """
        folder = self.run / "checkpoints"
        # Copies: safetensors refuses tensors that share memory.
        weights = {key: value.detach().cpu().clone().contiguous() for key, value in model.state_dict().items()}
        if not all(map(_is_finite, weights.values())):
            facts = replace(facts, healthy=False)
        try:
            folder.mkdir(exist_ok=True)
            path = _free(folder, facts.iteration)
            state = {**state, "iteration": facts.iteration}
            _write_whole(path.with_suffix(".pt"), lambda hidden: torch.save(state, hidden))
            _write_whole(path, lambda hidden: save_file(weights, hidden, metadata=facts.written()))
            self._let_go(path, facts)
        except (RuntimeError, SafetensorError) as error:  # what PyTorch and safetensors make of a full disk
            raise OSError(str(error).splitlines()[0]) from error
        return path

    def _let_go(self, newest: Path, facts: Facts) -> None:
        """Delete what neither the ring nor a name holds, and what a kill left half written."""
        folder, whole = newest.parent, pairs(self.run)
        known = {path: self._facts[path] if path in self._facts else facts_of(path) for path in whole}
        self._facts = {path: of for path, of in known.items() if of is not None}
        ring = [path for path, of in self._facts.items() if of.kept and of.healthy]
        wanted = {newest, *spread(ring, [self._facts[path].iteration for path in ring], self.keep)}
        wanted |= set(at_iteration(whole, facts.best)[-1:]) if facts.best is not None else set()
        stems = {path.stem for path in wanted}
        for path in [
            *(set(whole) - wanted),
            *folder.glob("*.pt"),
            *folder.glob(".*.safetensors"),
            *folder.glob(".*.pt"),
        ]:
            if STEM.fullmatch(path.stem.removeprefix(".")) and path.stem not in stems:
                path.unlink(missing_ok=True)


def spread(items: Sequence[Any], iterations: Sequence[int], keep: int) -> list[Any]:
    """At most `keep` of the items: the first, the newest, and between them the further apart the older they are.

    >>> spread("abcdefghij", range(0, 100, 10), 5)
    ['a', 'e', 'h', 'i', 'j']
    """
    left = list(zip(iterations, items, strict=True))
    while len(left) > max(keep, 1):
        if len(left) == 2:
            left = left[1:]
            continue
        ages = [left[-1][0] - iteration for iteration, _ in left]
        gaps = [(ages[i - 1] - ages[i + 1]) / max(ages[i - 1], 1) for i in range(1, len(left) - 1)]
        del left[1 + min(range(len(gaps)), key=gaps.__getitem__)]
    return [item for _, item in left]


def _free(folder: Path, iteration: int) -> Path:
    """A name that no checkpoint has."""
    stems = itertools.chain([f"{iteration:09d}"], (f"{iteration:09d}.{again}" for again in itertools.count(2)))
    return next(path for stem in stems if not (path := folder / f"{stem}.safetensors").exists())


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    hidden = path.with_name(f".{path.name}")
    try:
        write(hidden)
        os.replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)
