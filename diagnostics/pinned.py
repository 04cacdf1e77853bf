"""A few clips that are looked at again at every evaluation: their scores and maps."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .gates import gates_of
from .parts import recurrent_modules
from .signals.base import SignalInfo
from .signals.kept import Kept, OutputKeeper, module_path
from .signals.rnn_pass import clips_first, unpacked
from .signals.weighting import map_weights
from .through_time import gate_openness
from .through_time.openness import SIGMOID_GATES

Maps = dict[str, np.ndarray]


class PinnedClips:
    """Clips by name (any name: a log that makes folders of them encodes it), each without the batch dimension.

    kinds : {"path.to.module": kind} of the modules that give maps
    with_gates : look at the gates of recurrent layers too (level deep)
    """

    infos = (
        SignalInfo("scores.<clip>", "the output's, by class", "scores of a pinned clip, in eval mode"),
        SignalInfo(
            "gate_openness.<rnn>",
            "[0, 1], by gate",
            "mean of each gate over the pinned clips: 0 shut, 1 open (a GRU's z keeps the past)",
        ),
    )

    def __init__(
        self, model: nn.Module, clips: Mapping[str, Tensor], kinds: Mapping[str, str], with_gates: bool = False
    ) -> None:
        self.model, self.clips, self.kinds, self.with_gates = model, dict(clips), dict(kinds), with_gates

    def columns(self) -> list[SignalInfo]:
        """What the evaluations' rows have of the clips."""
        of_clips = [replace(self.infos[0], name=f"scores.{clip}") for clip in self.clips]
        rnns = gated_modules(self.model) if self.clips and self.with_gates else {}
        return of_clips + [replace(self.infos[1], name=f"gate_openness.{path}") for path in rnns]

    def description(self) -> dict[str, Any]:
        """Names of the clips, and of the gates of each `gate_openness` column."""
        rnns = gated_modules(self.model) if self.clips and self.with_gates else {}
        gates = {path: open_gates(rnn) for path, rnn in rnns.items()}
        return {"clips": list(self.clips), **({"open_gates": gates} if gates else {})}

    @torch.no_grad()
    def measure(self) -> tuple[dict[str, np.ndarray], dict[str, Maps]]:
        """Scores (class,) by column `scores.<clip>`, openness by gate, and maps (frame, class) by clip and path.

        In eval mode, one clip at a time; training mode and random state are the same afterwards. Of a model that gives
        several outputs the first is taken for the scores.
        """
        scores: dict[str, np.ndarray] = {}
        maps: dict[str, Maps] = {}
        if not self.clips:
            return scores, maps
        device = next((parameter.device for parameter in self.model.parameters()), torch.device("cpu"))
        seen: dict[str, Kept] = {}
        gates: dict[str, list[np.ndarray]] = {}
        with evaluating(self.model), ExitStack() as stack:
            for path in self.kinds:
                keeper = OutputKeeper(path, seen, training_only=False)
                stack.callback(self.model.get_submodule(module_path(path)).register_forward_hook(keeper).remove)
            for path, rnn in gated_modules(self.model).items() if self.with_gates else ():
                look = partial(_look_at_gates, gates.setdefault(path, []))
                stack.callback(rnn.register_forward_hook(look, with_kwargs=True).remove)
            for name, clip in self.clips.items():
                seen.clear()
                output: Any = self.model(clip.unsqueeze(0).to(device))
                if (first := scores_in(output)) is not None:
                    scores[f"scores.{name}"] = first[0].float().cpu().numpy()
                maps[name] = {path: _map_of(kept, self.kinds[path]) for path, kept in seen.items()}
        for path, found in gates.items():
            if found:
                scores[f"gate_openness.{path}"] = np.mean(found, axis=0)
        return scores, maps


def scores_in(output: Any) -> Tensor | None:
    """A model's scores: of several outputs the first tensor, of a dict its `logits` or `probabilities`."""
    if isinstance(output, Mapping):
        named = (output.get(name) for name in ("logits", "probabilities"))
        output = next((value for value in (*named, *output.values()) if isinstance(value, Tensor)), None)
    elif isinstance(output, (tuple, list)):
        output = next((value for value in output if isinstance(value, Tensor)), None)
    return output if isinstance(output, Tensor) else None


def gated_modules(model: nn.Module) -> dict[str, nn.RNNBase]:
    """Recurrent layers with gates, by path."""
    found = dict(recurrent_modules(model))
    return {path: rnn for path, rnn in found.items() if isinstance(rnn, nn.RNNBase) and gates_of(rnn)}


def open_gates(rnn: nn.RNNBase) -> list[str]:
    """Names of what `gate_openness` finds, in its order."""
    directions = ("", "_reverse") if rnn.bidirectional else ("",)
    gates = SIGMOID_GATES[rnn.mode]
    return [f"l{layer}{way}/{gate}" for layer in range(rnn.num_layers) for way in directions for gate in gates]


def _look_at_gates(found: list[np.ndarray], rnn: Any, args: Any, kwargs: Any, output: Any) -> None:
    given = kwargs["input"] if "input" in kwargs else args[0]
    initial = kwargs["hx"] if "hx" in kwargs else args[1] if len(args) > 1 else None
    if isinstance(given, PackedSequence):
        given = unpacked(given)[0]  # one clip: no padding
    elif given.ndim == 2:
        given = given.unsqueeze(0)
        initial = _batched(initial)
    else:
        given = clips_first(given, rnn.batch_first)
    openness = gate_openness(rnn, given, initial)
    found.append(torch.stack(list(openness.values())).float().cpu().numpy())


def _batched(initial: Any) -> Any:
    if isinstance(initial, tuple):
        return tuple(map(_batched, initial))
    return None if initial is None else initial.unsqueeze(1)


def _map_of(kept: Kept, kind: str) -> np.ndarray:
    weights, _ = map_weights(kept.map(), kind, None)
    return weights[0].cpu().numpy()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in eval mode; every module's own mode, and the CPU's and GPUs' random states, are put back."""
    modes = {module: module.training for module in model.modules()}
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode
