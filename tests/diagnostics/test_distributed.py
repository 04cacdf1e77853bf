"""Two processes that train together: a real DistributedDataParallel over gloo."""

import pickle
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import flatline
import numpy as np
import pytest
import torch
from torch import distributed, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

N_ITERATIONS = 4

pytestmark = pytest.mark.skipif(not distributed.is_available(), reason="this PyTorch has no torch.distributed")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))


def batch(iteration: int) -> SimpleNamespace:
    """Eight clips; the two halves have the same labels, so that each process's prior is that of both."""
    generator = torch.Generator().manual_seed(iteration)
    target = (torch.rand(4, 4, generator=generator) < 0.4).float()
    return SimpleNamespace(clips=torch.randn(8, 6, generator=generator), target=target.repeat(2, 1))


def train(model, log, shard: slice) -> dict:
    """The loop of each process, on its share of every batch; returns what the process saw."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = []
    with flatline.Recorder(model, optimizer, log=log, loss="bce-with-logits", level="deep") as recorder:
        for iteration in range(N_ITERATIONS):
            given = batch(iteration)
            optimizer.zero_grad()
            logits = model(given.clips[shard])
            loss = bce(logits, given.target[shard])
            loss.backward()
            seen.append([float(p.grad.norm()) for p in model.parameters()])
            optimizer.step()
            recorder.step(loss=loss, logits=logits, target=given.target[shard])
        row = recorder.evaluation(logits=logits, target=given.target[shard])
        hooks = sum(len(module._forward_hooks) for module in model.modules())
    return {
        "iteration": recorder.iteration,
        "seen": seen,
        "evaluation": row["lwlrap"],
        "hooks": hooks,
        "weights": [p.detach().numpy() for p in model.parameters()],
    }


def process(rank: int, port: int, folder: Path) -> None:
    """What each of the two processes runs."""
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    model = nn.parallel.DistributedDataParallel(network())
    result = train(model, folder / "run", slice(4 * rank, 4 * rank + 4))
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps(result))
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Both processes' results, and their folder."""
    folder = tmp_path_factory.mktemp("together")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__]
    started = [
        subprocess.Popen([*command, str(rank), str(port), str(folder)], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=120)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], "\n".join(errors)
    return SimpleNamespace(
        folder=folder, results=[pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in range(2)]
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One process on the joined batches: its folder and result."""
    folder = tmp_path_factory.mktemp("alone")
    return SimpleNamespace(folder=folder, result=train(network(), folder / "run", slice(0, 8)))


def test_the_first_process_alone_writes_a_folder(trained):
    assert sorted(path.name for path in trained.folder.iterdir()) == ["0.pickle", "1.pickle", "run"]
    run = flatline.Run(trained.folder / "run")
    assert len(run.scalars) == N_ITERATIONS
    assert len(run.evaluations) == 1


def test_norms_are_those_of_the_reduced_gradient_equal_in_both_processes(trained, alone):
    run, whole = flatline.Run(trained.folder / "run"), flatline.Run(alone.folder / "run")
    recorded = run.gradient_norms.to_numpy()
    for result in trained.results:
        np.testing.assert_allclose(recorded, result["seen"], rtol=1e-6)
    np.testing.assert_allclose(recorded, whole.gradient_norms.to_numpy(), rtol=1e-4)
    assert list(run.gradient_norms.columns) == list(whole.gradient_norms.columns)


def test_rho_is_held_against_the_noise_of_all_processes_clips(trained, alone):
    """The gradient is the mean over both processes' clips: against one's own clips it would look half killed."""
    run, whole = flatline.Run(trained.folder / "run"), flatline.Run(alone.folder / "run")
    np.testing.assert_allclose(run.series("rho"), whole.series("rho"), rtol=1e-4)


def test_the_other_process_counts_iterations_evaluates_and_leaves_nothing_behind(trained):
    first, other = trained.results
    assert first["iteration"] == other["iteration"] == N_ITERATIONS
    assert 0 < other["evaluation"] <= 1
    assert other["hooks"] == 0
    assert first["hooks"] > 0
    for one, twin in zip(first["weights"], other["weights"], strict=True):
        np.testing.assert_array_equal(one, twin)


if __name__ == "__main__":
    process(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
