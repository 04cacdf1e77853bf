"""Windows against raw brute force; no spike is ever hidden."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from flatline.diagnostics.errors import RunError, UnknownNameError
from flatline.runs import pyramid, reading, segments
from flatline.runs.log import RunLog
from flatline.runs.run import Run
from flatline.runs.segments import segments_in, write_whole
from flatline.runs.window import resolution

PARAMETERS = ["conv.weight", "rnn.weight", "fc.weight"]
CLASSES = ["Bark", "Meow"]
INFO = {"parameters": PARAMETERS, "classes": CLASSES, "gates": ["gru/z"]}

RNG = np.random.default_rng(0)


def lists(values):
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.astype(np.float32).ravel()))


def rows(iterations, late):
    """Rows with gaps in time and in values; `rho` is recorded from iteration `late` on only."""
    n = len(iterations)
    norms, scores = RNG.lognormal(size=(n, 3)), RNG.random((n, 2))
    norms[RNG.random((n, 3)) < 0.1] = np.nan
    norms[:, 2] = np.nan
    norms[RNG.integers(n), 0] = 1e6  # a spike of one iteration
    scores[RNG.random((n, 2)) < 0.97] = np.nan
    loss = np.where(RNG.random(n) < 0.02, np.nan, RNG.standard_normal(n)).astype(np.float32)
    table = {
        "iteration": pa.array(iterations),
        "epoch": pa.array((iterations // 100).astype(np.int32)),
        "wall_time": pa.array(1.7e9 + iterations * 0.25),
        "loss": pa.array(loss),
        "skipped": pa.array(RNG.random(n) < 0.01),
        "note": pa.array(["x"] * n),
        "gradient_norm": lists(norms),
        "lwlrap": lists(scores),
    }
    if iterations[-1] >= late:
        rho = np.where(iterations >= late, RNG.standard_normal(n), np.nan)
        table["rho"] = pa.array(rho.astype(np.float32))
    return pa.table(table)


def record(path, total, *, size=700, late=3000, gaps=True, build=True):
    """A finished run of `total` iterations in segments of about `size`, some left out, and 40 in the tail."""
    log = RunLog(path, INFO)
    log.close()
    iterations = np.arange(total)
    if gaps:
        held = RNG.random(total) < 0.9
        held[total // 3 : total // 3 + 150] = False
        iterations = iterations[held]
    sealed, tail = iterations[:-40], iterations[-40:]
    at = 0
    while at < len(sealed):
        chosen = sealed[at : at + int(size * RNG.uniform(0.5, 1.5))]
        table, name = rows(chosen, late), f"{chosen[0]:09d}-{chosen[-1]:09d}.parquet"
        write_whole(table, path / "iterations", name)
        if build:
            pyramid.write(path / "pyramid")
        at += len(chosen)
    name = f"{tail[0]:09d}-{tail[-1]:09d}.000000-000000.parquet"
    write_whole(rows(tail, late), path / "tail" / "iterations", name)
    return path


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(pyramid, "BEGINS", 0)
    monkeypatch.setattr(pyramid, "FOLDED", 64)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyramid, "BEGINS", 0)
        patch.setattr(pyramid, "FOLDED", 64)
        return record(tmp_path_factory.mktemp("logs") / "mine", 30_000)


def raw(run):
    """Every series of a run by iteration, from its plain tables."""
    tables = {"gradient_norm": run.gradient_norms, "lwlrap": run.lwlrap}
    tables |= {name: run.scalars[[name]].astype(float) for name in ("loss", "skipped", "rho")}
    epoch = run.series("epoch").astype(float)
    return tables | {"epoch": epoch.where(epoch >= 0).to_frame(), "wall_time": run.series("wall_time").to_frame()}


def expected(table, first, last, width):
    """Min, max, mean and count by brute force."""
    inside = table[(table.index >= first) & (table.index <= last)].astype(np.float64)
    bins = inside.groupby(inside.index // width * width)
    found = {"min": bins.min(), "max": bins.max(), "mean": bins.mean(), "count": bins.count()}
    held = found["count"].index
    every = range(held[0], held[-1] + 1, width) if width > 1 else held
    return {kind: part.reindex(every) for kind, part in found.items()}


def check(run, tables, first, last, points):
    window = run.window(list(tables), first, last, points)
    width = window.attrs["width"]
    for name, table in tables.items():
        for kind, slow in expected(table, first, last, width).items():
            fast = window[kind][name]
            assert fast.index.tolist() == list(slow.index), (name, kind, first, last, points)
            values = fast.to_numpy().reshape(len(slow), -1)
            close = {"rtol": 1e-4, "atol": 1e-5} if kind == "mean" else {"rtol": 0, "atol": 0}
            slow = slow.fillna(0) if kind == "count" else slow
            np.testing.assert_allclose(values, slow.to_numpy(), err_msg=f"{name} {kind} {first}-{last}", **close)
    return window


def test_random_windows_are_those_of_brute_force(path):
    run = Run(path)
    tables = raw(run)
    assert len(pyramid.level_widths(path / "pyramid")) >= 4
    random, widths = np.random.default_rng(1), set()
    for _ in range(60):
        length = int(10 ** random.uniform(0, np.log10(30_000)))
        first = int(random.integers(0, 30_000 - length))
        window = check(run, tables, first, first + length - 1, int(random.choice([7, 50, 300, 2000])))
        widths.add(window.attrs["width"])
    assert len(widths) > 10


def test_the_whole_run_at_any_resolution_is_that_of_brute_force(path):
    run = Run(path)
    tables = raw(run)
    for points in (1, 5, 20, 100, 450, 930, 2000, 100_000):
        window = check(run, tables, 0, 29_999, points)
        assert len(window) <= points + 1


def test_no_spike_of_one_iteration_is_hidden_at_any_zoom(path):
    run = Run(path)
    norms = run.gradient_norms["conv.weight"]
    spikes = norms.index[norms == np.float32(1e6)]
    assert len(spikes) > 30
    for points in (20, 100, 500, 2000):
        window = run.window("gradient_norm", points=points)
        drawn = window["max"]["gradient_norm"]["conv.weight"]
        width = window.attrs["width"]
        assert (drawn.loc[np.unique(spikes // width * width)] == np.float32(1e6)).all()


def test_a_window_of_300_iterations_shows_every_one_as_it_was_recorded(path):
    run = Run(path)
    window = run.window(["loss", "gradient_norm"], 10_000, 10_299)
    expected = run.gradient_norms.loc[10_000:10_299]
    assert window.attrs["width"] == 1
    for kind in ("min", "max", "mean"):
        pd.testing.assert_frame_equal(window[kind]["gradient_norm"], expected, check_names=False)
    pd.testing.assert_series_equal(window["mean"]["loss"], run.series("loss").loc[10_000:10_299], check_names=False)


def test_a_run_without_a_pyramid_and_one_that_lacks_files_of_it_read_the_same(tmp_path):
    path = record(tmp_path / "a", 12_000)
    whole = Run(path).window(["gradient_norm", "loss", "rho"], 100, 11_900, 60)
    files = sorted((path / "pyramid").rglob("*.parquet"))
    assert len(files) > 6
    for file in files[::2]:
        file.unlink()
    pd.testing.assert_frame_equal(Run(path).window(["gradient_norm", "loss", "rho"], 100, 11_900, 60), whole, rtol=1e-5)
    for file in files[1::2]:
        file.write_bytes(b"a power cut")
    pd.testing.assert_frame_equal(Run(path).window(["gradient_norm", "loss", "rho"], 100, 11_900, 60), whole, rtol=1e-5)


def test_the_next_segment_takes_in_those_that_the_pyramid_lacks(tmp_path):
    path = record(tmp_path / "a", 6000, build=False)
    assert not (path / "pyramid").exists()
    pyramid.write(path / "pyramid")
    run = Run(path)
    check(run, raw(run), 0, 5999, 40)
    assert pyramid.level_files(path / "pyramid", pyramid.FINEST)[0].first == 0


def test_rows_that_were_taken_away_are_told_no_more(tmp_path):
    path = record(tmp_path / "a", 6000, gaps=False, late=0)
    for file in (path / "tail" / "iterations").iterdir():
        file.unlink()
    sealed = segments_in(path / "iterations")
    kept = sealed[len(sealed) // 2]
    pyramid.forget(path / "pyramid", kept.last)
    for segment in sealed:
        if segment.last > kept.last:
            segment.path.unlink()
    run = Run(path)
    tables = raw(run)
    check(run, tables, 0, kept.last, 40)
    for segment in sealed:  # other rows under the same names, as of a run that was resumed
        if segment.last > kept.last:
            table = rows(np.arange(segment.first, segment.last + 1), 0)
            write_whole(table, path / "iterations", segment.path.name)
            pyramid.write(path / "pyramid")
    run = Run(path)
    check(run, raw(run), 0, 5999, 40)


def test_a_file_that_tells_of_segments_which_are_no_more_is_not_believed(tmp_path):
    path = record(tmp_path / "a", 6000, gaps=False, late=0)
    last = segments_in(path / "iterations")[-1]
    last.path.rename(last.path.with_name(f"{last.first:09d}-{last.last - 1:09d}.parquet"))
    write_whole(
        rows(np.arange(last.first, last.last), 0), path / "iterations", f"{last.first:09d}-{last.last - 1:09d}.parquet"
    )
    run = Run(path)
    check(run, raw(run), 0, 5999, 40)


def test_the_newest_rows_of_a_live_run_are_seen_and_only_new_files_are_opened(tmp_path, monkeypatch):
    log = RunLog(tmp_path / "run", INFO)
    log._iterations.flush_s = 1e9
    for iteration in range(5000):
        log.append({"iteration": iteration, "loss": float(iteration), "gradient_norm": [1.0, 2.0, 3.0]})
    run = Run(log.path)

    def look():
        run.series("loss"), run.gradient_norms, run.scalars, run.evaluations
        return run.window(["loss", "gradient_norm"], points=100)

    assert look()["max"]["loss"].iloc[-1] == 4999
    opened, real = [], reading.open_segment

    def counted(path):
        opened.append(path)
        return real(path)

    monkeypatch.setattr(reading, "open_segment", counted)
    monkeypatch.setattr(segments, "open_segment", counted)
    look()
    assert opened == []
    for iteration in range(5000, 5050):
        log.append({"iteration": iteration, "loss": float(iteration), "gradient_norm": [1.0, 2.0, 3.0]})
    opened.clear()
    assert look()["max"]["loss"].iloc[-1] == 5049
    assert len(set(opened)) == 1
    log.close()


def test_files_read_before_are_given_up_where_they_take_too_much_memory(path, monkeypatch):
    run = Run(path)
    monkeypatch.setattr("flatline.runs.window.KEPT_BYTES", 50_000)
    whole = run.window("gradient_norm", points=2000)
    assert len(run._window._known) < 10
    pd.testing.assert_frame_equal(run.window("gradient_norm", points=2000), whole)


def test_an_unknown_column_lists_the_known_ones_and_text_is_none(path):
    with pytest.raises(UnknownNameError, match=r"unknown column 'nope' .*known: .*gradient_norm"):
        Run(path).window("nope")
    with pytest.raises(UnknownNameError):
        Run(path).window(["loss", "note"])
    with pytest.raises(UnknownNameError):
        Run(path).window([])


def test_windows_of_nothing_are_empty_and_have_their_columns(tmp_path, path):
    beyond = Run(path).window(["gradient_norm", "loss"], 40_000, 50_000)
    assert (len(beyond), beyond["min"]["loss"].tolist()) == (0, [])
    RunLog(tmp_path / "new").close()
    with pytest.raises(UnknownNameError):
        Run(tmp_path / "new").window("loss")


def test_lists_are_named_by_parameter_class_and_gate_or_numbered(tmp_path):
    log = RunLog(tmp_path / "run", INFO)
    row = {
        "gradient_norm": [1.0, 2, 3],
        "lwlrap": [0.1, 0.2],
        "gate_gradient_norm": [1.0],
        "hidden_gradient.gru": [1.0, 2],
    }
    log.append({"iteration": 0, **row, "attention_peak": [1.0, 2, 3]})
    log.close()
    window = Run(log.path).window([*row, "attention_peak"])["min"]
    labels = [list(window[name].columns) for name in (*row, "attention_peak")]
    assert labels == [PARAMETERS, CLASSES, ["gru/z"], [0, 1], [0, 1, 2]]


def test_an_infinite_value_is_the_extreme_and_does_not_hide_the_rest(tmp_path):
    log = RunLog(tmp_path / "run", INFO)
    for iteration in range(256):
        log.append({"iteration": iteration, "loss": {70: np.inf, 200: -np.inf}.get(iteration, 1.0)})
    log.close()
    window = Run(log.path).window("loss", points=4)
    assert window["max"]["loss"].tolist() == [1, np.inf, 1, 1]
    assert window["min"]["loss"].tolist() == [1, 1, 1, -np.inf]
    assert window["count"]["loss"].tolist() == [64] * 4


@pytest.mark.parametrize("iterations", [1, 300, 2000, 2001, 40_000, 64_001, 100_000, 10**6, 10**8])
@pytest.mark.parametrize("points", [1, 300, 1200, 2000])
def test_bins_are_at_most_the_points_and_no_fewer_than_half_of_them(iterations, points):
    width, level = resolution(iterations, points)
    assert width % level == 0
    assert -(-iterations // width) <= points
    if iterations >= points:
        assert iterations / width >= points / 2
    assert iterations / level <= 16 * points or level == 1


def test_a_sealed_segment_that_cannot_be_read_is_named(tmp_path):
    path = record(tmp_path / "a", 3000, build=False)
    segments_in(path / "iterations")[1].path.write_bytes(b"no parquet")
    with pytest.raises(RunError, match=r"cannot be read .* move it out of .*iterations"):
        Run(path).window("loss")
