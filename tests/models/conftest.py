"""Small seeded taggers and batches."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_quiet_thread() -> Iterator[None]:
    """One thread (small nets gain nothing from more) and a random state of the test's own."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def ragged_mask() -> torch.Tensor:
    """(clip, frame) of three clips of 7, 4 and 1 real frames."""
    return torch.arange(7)[None, :] < torch.tensor([7, 4, 1])[:, None]
