import numpy as np
import pytest
from flatline.runs.log import RunLog
from flatline.runs.map_log import FULL_MAPS, MapLog, Rule, clip_folder, clip_name, keep_maps
from flatline.runs.maps import MapReader
from flatline.runs.run import Run


def one(frames=4, classes=3):
    return {"head.map": np.ones((frames, classes), dtype=np.float32)}


def test_the_first_maps_are_all_kept_and_later_ones_log_spaced():
    iterations = np.arange(1_000_000)
    kept = iterations[keep_maps(iterations)]
    assert (kept[:FULL_MAPS] == np.arange(FULL_MAPS)).all()
    later = kept[FULL_MAPS:]
    assert 250 < len(later) < 290
    assert (np.diff(later) / later[:-1]).max() < 0.024


def test_maps_of_every_fiftieth_iteration_are_kept_log_spaced_too():
    iterations = np.arange(50, 1_000_000, 50)
    later = iterations[keep_maps(iterations)]
    assert ((np.diff(later) - 50) / later[:-1] < 0.024)[40:].all()


def test_small_maps_have_the_usual_rule_and_huge_ones_a_smaller_one():
    assert Rule.within(2**30, 20_000) == Rule(2000, 100)
    small = Rule.within(2**20, 20_000)
    assert 1 <= small.full < 20
    assert Rule.within(1, 10**9) == Rule(1, 1)


def test_maps_stay_within_their_budget(tmp_path):
    budget = 400_000
    maps = MapLog(tmp_path, lambda: 0, budget)
    random = np.random.default_rng(0)
    for iteration in range(1500):
        maps.append(iteration, {"head.map": random.random((50, 20))})
    maps.close()
    used = sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    assert used < 1.2 * budget  # 1,500 maps of 1,000 bytes, and what Parquet adds
    assert maps.left_out["mean"] > 1000


def test_the_first_and_the_newest_maps_are_kept_and_those_between_thinned(tmp_path):
    maps = MapLog(tmp_path, lambda: 0, 400_000)
    for iteration in range(1000):
        maps.append(iteration, one(50, 20))
    assert maps.left_out["mean"]
    maps.close()
    rule = maps.rules["mean"]
    kept = MapReader(tmp_path / "maps" / "mean", tmp_path / "tail" / "maps-mean").iterations()
    assert kept[: rule.full].tolist() == list(range(rule.full))
    assert kept[-rule.full :].tolist() == list(range(1000 - rule.full, 1000))
    assert len(kept) + maps.left_out["mean"] == 1000


@pytest.mark.parametrize(
    "clip", ["a.wav", "../../up", "/abs", "a/b.wav", "..", ".", "mean", "", ".hidden", "ü %2F", "a\\b"]
)
def test_a_clips_name_leads_to_one_folder_below_maps_and_back(tmp_path, clip):
    folder = clip_folder(clip)
    assert (tmp_path / folder).resolve().parent == tmp_path.resolve()
    assert folder != "mean"
    assert not folder.startswith(".")
    assert clip_name(folder) == clip


def test_long_names_of_clips_fit_a_file_system_and_stay_apart(tmp_path):
    folders = {clip_folder("ü" * 300 + end) for end in "ab"}
    assert len(folders) == 2
    for folder in folders:
        (tmp_path / f"maps-{folder}").mkdir()


def test_clips_with_odd_names_stay_inside_the_runs_folder(tmp_path):
    (tmp_path / "run").mkdir()
    maps = MapLog(tmp_path / "run", lambda: 2)
    for clip in ("../../escaped", "/tmp/escaped", "mean"):
        maps.append(0, one(), clip)
    maps.close()
    assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.parquet")} == {"run"}
    assert not list((tmp_path / "run" / "maps").glob("mean"))


def test_what_a_killed_writer_left_is_sealed_by_the_next(tmp_path):
    maps = MapLog(tmp_path, lambda: 1)
    maps.append(0, one(), "a.wav")
    MapLog(tmp_path, lambda: 1)
    assert len(list((tmp_path / "maps" / "a.wav").glob("*.parquet"))) == 1


def test_maps_that_were_left_out_before_a_resume_are_counted_on(tmp_path):
    log = RunLog(tmp_path / "run", map_bytes=400)
    for iteration in range(300):
        log.append_maps(iteration, {"attention": np.zeros((5, 1))})
    log.close("interrupted")
    before = Run(tmp_path / "run").info["maps_left_out"]["mean"]
    log = RunLog(tmp_path / "run", resume=True, map_bytes=400)
    assert log.info["maps_left_out"]["mean"] == before
    for iteration in range(300, 600):
        log.append_maps(iteration, {"attention": np.zeros((5, 1))})
    log.close()
    run = Run(tmp_path / "run")
    assert before > 100
    assert run.info["maps_left_out"]["mean"] + len(run.map_iterations()) == 600
