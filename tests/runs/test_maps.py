import numpy as np
import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.log import RunLog
from flatline.runs.run import Run


def a_map(frames=6, classes=4, seed=0):
    return np.random.default_rng(seed).random((frames, classes)).astype(np.float32)


@pytest.fixture
def log(tmp_path):
    log = RunLog(tmp_path / "run", {"maps": {"head.a": "sigmoid", "head.b": "weights"}, "clips": ["one.wav"]})
    yield log
    log.close()


def test_a_map_comes_back_within_half_a_level(log):
    values = a_map()
    log.append_maps(3, {"head.a": values})
    log.close()
    read = Run(log.path).attention(3)
    assert (read.shape, read.dtype) == ((6, 4), np.float32)
    np.testing.assert_allclose(read, values, atol=1 / 508 + 1e-6)


def test_maps_may_have_another_size_later(log):
    for iteration, (frames, classes) in enumerate([(6, 4), (2, 4), (300, 4), (1, 1)]):
        log.append_maps(iteration, {"head.a": a_map(frames, classes, iteration)})
    log.close()
    run = Run(log.path)
    assert [run.attention(iteration).shape for iteration in range(4)] == [(6, 4), (2, 4), (256, 4), (1, 1)]


def test_a_map_that_is_missing_at_an_iteration_is_an_error_naming_the_nearest_that_has_it(log):
    log.append_maps(0, {"head.a": a_map()})
    log.append_maps(10, {"head.a": a_map(), "head.b": a_map()})
    log.append_maps(11, {"head.b": a_map()})
    log.close()
    run = Run(log.path)
    with pytest.raises(RunError, match=r"iteration 1 holds no map 'head.b' in .*mean; the nearest is 10"):
        run.attention(1, map="head.b")
    with pytest.raises(RunError, match=r"iteration 11 .* the nearest is 10"):
        run.attention(11, map="head.a")
    assert run.attention(11, map="head.b").shape == (6, 4)
    assert run.map_iterations().tolist() == [0, 10, 11]
    assert run.map_iterations(map="head.a").tolist() == [0, 10]


def test_no_map_yet_is_said(log):
    with pytest.raises(RunError, match="no such map has been recorded yet"):
        Run(log.path).attention(0)


def test_nan_in_a_map_stays_nan(log):
    values = a_map()
    values[2] = np.nan
    log.append_maps(0, {"head.a": values})
    log.close()
    assert np.isnan(Run(log.path).attention(0)).any(axis=1).tolist() == [row == 2 for row in range(6)]


def test_a_pinned_clip_has_maps_of_its_own_the_last_of_an_iteration_counting(log):
    for seed in (1, 2):
        log.append_maps(50, {"head.a": a_map(seed=seed)}, "one.wav")
    for _ in ("in the tail", "sealed"):
        read = Run(log.path).attention(50, clip="one.wav")
        np.testing.assert_allclose(read, a_map(seed=2), atol=1 / 508 + 1e-6)
        log.close()
    assert Run(log.path).map_iterations("one.wav").tolist() == [50, 50]


def test_a_map_is_read_from_the_tail_and_from_a_sealed_file_alike(log):
    values = [a_map(seed=seed) for seed in range(130)]
    for iteration, one in enumerate(values):
        log.append_maps(iteration, {"head.a": one})
    flushed = Run(log.path).attention(70)
    log.close()
    np.testing.assert_array_equal(flushed, Run(log.path).attention(70))
    np.testing.assert_allclose(flushed, values[70], atol=1 / 508 + 1e-6)
