"""What the recorder costs an iteration: CPU time with it over CPU time without."""

import copy
import tempfile
from pathlib import Path
from typing import Any

import torch
from flatline import Recorder
from flatline.models import build
from timing import Benchmark, Timed, turn_about
from torch.nn.functional import binary_cross_entropy_with_logits

N_CLASSES = 80


class Loop:
    """Training iterations on noise, with or without a recorder on them."""

    def __init__(self, model: torch.nn.Module, clips: torch.Tensor, target: torch.Tensor, log: Path | None) -> None:
        self.model, self.clips, self.target = model, clips, target
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        self.recorder = None
        if log is not None:
            self.recorder = Recorder(model, self.optimizer, log=log, loss="bce-with-logits")

    def __call__(self) -> None:
        """One iteration."""
        self.optimizer.zero_grad()
        logits = self.model(self.clips)
        loss = binary_cross_entropy_with_logits(logits, self.target)
        loss.backward()
        self.optimizer.step()
        if self.recorder is not None:
            self.recorder.step(loss=loss, logits=logits, target=self.target)


def ratio(
    architecture: str, options: dict[str, Any], shape: tuple[int, int, int], calls: int, repetitions: int
) -> Timed:
    """With over without, on identical nets with the seed's head; shape is (clip, frame, mel)."""
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # waiting threads spin, and would be counted
    model = build(architecture, "input-attention", n_classes=N_CLASSES, n_mels=shape[2], options=options)
    clips, target = torch.randn(shape), (torch.rand(shape[0], N_CLASSES) < 0.015).float()
    try:
        with tempfile.TemporaryDirectory() as folder:
            with_recorder = Loop(copy.deepcopy(model), clips, target, Path(folder) / "run")
            without = Loop(model, clips, target, None)
            timed = turn_about(with_recorder, without, repetitions, calls)
            assert with_recorder.recorder is not None
            with_recorder.recorder.close()
    finally:
        torch.set_num_threads(threads)
    return timed


BENCHMARKS = (
    Benchmark(
        "recorder on the demo's CGRNN",
        "12 channels, 32 clips of 32 frames x 32 mels, 80 classes, standard level with maps, run log on disk, 1 thread",
        1.05,
        True,
        lambda repetitions: ratio("cgrnn", {"channels": 12, "n_hidden": 128}, (32, 32, 32), 50, repetitions),
    ),
    Benchmark(
        "recorder on the seed's CGRNN",
        "64 channels, 4 clips of 63 frames (the seed: 252) x 64 mels, 80 classes, 1 thread",
        None,
        True,
        lambda repetitions: ratio("cgrnn", {}, (4, 63, 64), 5, repetitions),
    ),
    Benchmark(
        "recorder on the simple net",
        "32 clips of 252 frames (the seed: 3,024) x 256 mels, 80 classes, 1 thread",
        None,
        True,
        lambda repetitions: ratio("simple-cgrnn", {}, (32, 252, 256), 5, repetitions),
    ),
)
