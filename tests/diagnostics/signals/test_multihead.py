import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals.kept import MOST_QUERIES, by_query
from torch import nn


class Queried(nn.Module):
    """Learnt queries look at the frames of a clip: (clip, frame, 6) -> (clip, 4)."""

    def __init__(self, n_queries: int, averaged: bool) -> None:
        super().__init__()
        self.averaged = averaged
        self.queries = nn.Parameter(torch.randn(n_queries, 8))
        self.mha = nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True)
        self.last = nn.Linear(8, 4)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        queries = self.queries.expand(len(clips), -1, -1)
        seen, _ = self.mha(queries, clips, clips, average_attn_weights=self.averaged)
        return self.last(seen.mean(dim=1))


def slow_weights(model: Queried, clips: torch.Tensor) -> np.ndarray:
    """(clip, frame, query) mean over two heads of softmax(q k / sqrt(4)), one pair at a time."""
    mha, size = model.mha, 4
    q = (model.queries @ mha.q_proj_weight.T + mha.in_proj_bias[:8]).detach().double().numpy()
    k = (clips @ mha.k_proj_weight.T + mha.in_proj_bias[8:16]).detach().double().numpy()
    maps = np.zeros((len(clips), clips.shape[1], len(q)))
    for clip in range(len(clips)):
        for query in range(len(q)):
            for head in (slice(0, size), slice(size, 2 * size)):
                scores = [math.exp(q[query, head] @ frame[head] / math.sqrt(size)) for frame in k[clip]]
                maps[clip, :, query] += np.array(scores) / sum(scores) / 2
    return maps


def in_bins(maps: np.ndarray, n_bins: int) -> np.ndarray:
    """The last axis averaged in bins that begin at the whole number below and end at the one above."""
    n = maps.shape[-1]
    edges = [(math.floor(b * n / n_bins), math.ceil((b + 1) * n / n_bins)) for b in range(n_bins)]
    return np.stack([maps[..., begin:end].mean(axis=-1) for begin, end in edges], axis=-1)


def recorded(model, batches, log, **options):
    """One iteration a batch; returns what each forward pass's map was, by hand."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    expected = []
    with Recorder(model, optimizer, log=log, loss="bce-with-logits", **options) as recorder:
        for clips in batches:
            expected.append(slow_weights(model, clips))
            optimizer.zero_grad()
            logits = model(clips)
            target = torch.ones_like(logits)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, target)
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss, logits=logits, target=target)
        if options.get("pinned"):
            recorder.evaluation(logits=logits, target=target)
    return expected


@pytest.mark.parametrize("averaged", [True, False])
def test_its_map_is_frame_by_query_with_heads_averaged(log, averaged):
    model, batches = Queried(5, averaged), [torch.randn(3, 7, 6) * 3 for _ in range(2)]
    expected = recorded(model, batches, log)
    assert [iteration for iteration, _, _ in log.maps] == [0, 1]
    for (_, clip, maps), weights in zip(log.maps, expected, strict=True):
        assert clip is None
        assert maps["mha"].shape == (7, 5)
        np.testing.assert_allclose(maps["mha"], weights.mean(axis=0), rtol=1e-4)
    for row, weights in zip(log, expected, strict=True):
        nats = -(weights * np.log(weights)).sum(axis=1).mean(axis=0)
        np.testing.assert_allclose(row["attention_entropy"], nats / math.log(7), rtol=1e-4)
        np.testing.assert_allclose(row["attention_peak"], weights.max(axis=1).mean(axis=0), rtol=1e-4)
        np.testing.assert_allclose(row["attention_sum"], np.ones(5), rtol=1e-5)


@pytest.mark.parametrize("averaged", [True, False])
def test_a_pinned_clip_s_map_is_frame_by_query_too(log, averaged):
    clip = torch.randn(9, 6) * 3
    model = Queried(5, averaged)
    recorded(model, [torch.randn(3, 7, 6)], log, pinned={"a.wav": clip})
    (found,) = [maps["mha"] for _, name, maps in log.maps if name == "a.wav"]
    assert found.shape == (9, 5)
    np.testing.assert_allclose(found, slow_weights(model, clip.unsqueeze(0))[0], rtol=1e-4)


@pytest.mark.parametrize("averaged", [True, False])
def test_more_queries_than_fit_are_averaged_in_bins(log, averaged):
    model, clips = Queried(MOST_QUERIES + 72, averaged), torch.randn(2, 7, 6) * 3
    (weights,) = recorded(model, [clips], log)
    expected = in_bins(weights.mean(axis=0), MOST_QUERIES)
    assert expected.shape == (7, MOST_QUERIES)
    np.testing.assert_allclose(log.maps[0][2]["mha"], expected, rtol=1e-4)
    assert log[0]["attention_entropy"].shape == (MOST_QUERIES,)


def test_as_many_queries_as_fit_stay_as_they_are_and_one_more_does_not():
    for n_queries in (1, MOST_QUERIES - 1, MOST_QUERIES):
        weights = torch.rand(2, n_queries, 7)
        assert torch.equal(by_query(weights), weights.transpose(1, 2))
    weights = torch.rand(2, MOST_QUERIES + 1, 7)
    expected = in_bins(weights.transpose(1, 2).numpy(), MOST_QUERIES)
    np.testing.assert_allclose(by_query(weights).numpy(), expected, rtol=1e-5)


def test_weights_without_a_batch_dimension_are_those_of_one_clip_and_heads_are_not_clips():
    weights = torch.rand(5, 7)
    assert torch.equal(by_query(weights), weights.T.unsqueeze(0))
    by_head = torch.rand(3, 2, 5, 7)
    expected = (by_head[:, 0] + by_head[:, 1]).numpy().transpose(0, 2, 1) / 2
    np.testing.assert_allclose(by_query(by_head).numpy(), expected, rtol=1e-6)


def moved(before: np.ndarray, now: np.ndarray) -> list[float]:
    """By class, half of what each frame's share of the mean map changed, one frame at a time."""
    found = []
    for old, new in zip(before.T, now.T, strict=True):
        found.append(sum(abs(b / new.sum() - a / old.sum()) for a, b in zip(old, new, strict=True)) / 2)
    return found


def drifts_are_against_the_map_before(log, maps):
    assert np.isnan(log[0]["attention_drift"]).all()
    for number in range(1, len(maps)):
        drift = log[number]["attention_drift"]
        np.testing.assert_allclose(drift, moved(maps[number - 1], maps[number]), rtol=1e-3, atol=1e-6)
        if number > 1:
            assert not np.allclose(drift, moved(maps[0], maps[number]), rtol=0.05)


def test_over_several_iterations_the_drift_of_queries_is_against_the_map_before(log):
    expected = recorded(Queried(5, False), [torch.randn(3, 7, 6) * 3 for _ in range(4)], log)
    drifts_are_against_the_map_before(log, [weights.mean(axis=0) for weights in expected])


def test_over_several_iterations_the_drift_of_classes_is_against_the_map_before(net, log, train_step):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    maps = []
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        for _ in range(4):
            batch = SimpleNamespace(clips=torch.randn(3, 7, 6) * 2, target=torch.eye(4)[:3])
            maps.append(net.looks(batch.clips).detach().double().sigmoid().mean(dim=0).numpy())
            train_step(net, optimizer, batch, recorder)
    drifts_are_against_the_map_before(log, maps)
    for (_, _, found), expected in zip(log.maps, maps, strict=True):
        np.testing.assert_allclose(found["looks"], expected, rtol=1e-5)
