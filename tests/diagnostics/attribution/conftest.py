"""Networks small enough to know what an attribution must be."""

import numpy as np
import pytest
import torch
from torch import nn

N_FRAMES, N_MELS, N_CLASSES = 12, 16, 8


class Linear(nn.Module):
    """Scores that are a weighted sum of all cells."""

    def __init__(self, n_frames=N_FRAMES, n_mels=N_MELS, n_classes=N_CLASSES):
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(n_frames * n_mels, n_classes).double()

    def forward(self, clips):
        return self.head(clips.flatten(1))

    def weights(self, index, n_mels=N_MELS):
        return self.head.weight[index].detach().reshape(-1, n_mels).numpy()


class Recurrent(nn.Module):
    """Frames to a GRU (or another), its outputs' mean to the classes."""

    def __init__(self, kind=nn.GRU, *, batch_first=True, **more):
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.rnn = kind(N_MELS, 10, batch_first=batch_first, **more)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(10 * (2 if more.get("bidirectional") else 1), N_CLASSES)

    def forward(self, clips, mask=None):
        frames = self.conv(clips.unsqueeze(1)).sum(1)
        given = frames if self.rnn.batch_first else frames.transpose(0, 1)
        out, _ = self.rnn(given)
        out = self.dropout(out if self.rnn.batch_first else out.transpose(0, 1))
        if mask is not None:
            out = out.masked_fill(~mask.unsqueeze(-1), 0)
        return self.head(out.mean(1)) * 3


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def linear():
    return Linear()


@pytest.fixture
def recurrent():
    return Recurrent


@pytest.fixture
def clip():
    """(frame, mel), real throughout."""
    return np.random.default_rng(2).normal(size=(N_FRAMES, N_MELS))


@pytest.fixture
def start():
    return np.random.default_rng(3).normal(size=(N_FRAMES, N_MELS)) - 1
