"""That the runner works; how fast anything is, it does not ask."""

import importlib
import io
import json
import math
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

HERE = Path(__file__).parent
RUN = HERE / "run.py"
PAGE = HERE.parent.parent / "docs" / "benchmarks.md"
MACHINE = {"cores": 2, "load": 0.5, "system": "Linux x86_64", "python": "3.11.7", "torch": "2.13.0"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(RUN), *arguments], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def scripts():
    """The scripts of this folder, which find each other by their bare names; other tests find none of them."""
    others = ("test_run", "story", "widths")
    names = [path.stem for path in HERE.glob("*.py") if path.stem not in others]
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(HERE))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(HERE))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(before)


@pytest.fixture
def tiny(scripts):
    return scripts.nets.TINY


class Scripted:
    """A loop whose iterations take what a list says."""

    def __init__(self, scripts, turns, called=None, name=""):
        self.scripts, self.turns, self.called, self.name = scripts, iter(turns), called, name

    def turn(self):
        if self.called is not None:
            self.called.append(self.name)
        took = next(self.turns)
        if isinstance(took, Exception):
            raise took
        return self.scripts.loop.Seconds(*took)


def always(total, step=0.0):
    while True:
        yield total, step


def test_a_benchmark_by_name_gives_json_and_nothing_else_on_stdout():
    done = run("--only", "LWLRAP", "--repetitions", "1", "--json")
    assert done.returncode == 0
    said = json.loads(done.stdout)
    (result,) = said["results"]
    assert said["cores"] >= 1
    assert said["torch"]
    assert result["name"] == "lwlrap against a loop"
    assert (result["target"], result["at_most"], result["repetitions"]) == (15, False, 1)
    assert result["verdict"] in ("met", "short")
    assert result["figure"] == result["ratio"] == pytest.approx(result["slow_s"] / result["fast_s"])


def test_a_name_that_no_benchmark_has_is_bad_usage_and_lists_those_there_are():
    done = run("--only", "nonsense")
    assert done.returncode == 2
    assert "no benchmark holds 'nonsense'; known: the seed's CGRNN: bare loop again" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_page_without_markers_and_a_part_of_the_table_are_refused_before_anything_is_measured(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no markers")
    for arguments, why in (
        ((str(page),), "lacks its markers"),
        ((str(tmp_path / "absent.md"),), "absent.md"),
        ((str(PAGE), "--only", "lwlrap"), "--only would leave incomplete"),
    ):
        done = run("--markdown", *arguments)
        assert done.returncode == 2
        assert why in done.stderr
        assert "Traceback" not in done.stderr
    assert page.read_text() == "no markers"


def test_every_net_is_measured_at_every_level_with_its_peers_and_the_noise_beside_it(scripts):
    names = [one.name for group in scripts.run.GROUPS for one in group.benchmarks]
    assert len(names) == len(set(names))
    cases = ("bare loop again (noise floor)", "recorder light", "recorder standard", "recorder deep", "torchmortem")
    for net in ("the seed's CGRNN", "the simple net", "the demo's CGRNN"):
        assert {f"{net}: {case}" for case in (*cases, "TensorBoard scalars", "TensorBoard histograms")} <= set(names)
    targets = {one.name: one.target for group in scripts.run.GROUPS for one in group.benchmarks}
    assert [targets[f"the seed's CGRNN: recorder {level}"] for level in ("light", "standard", "deep")] == [
        1.01,
        1.03,
        1.15,
    ]
    assert targets["the demo's CGRNN: recorder standard"] == 1.05
    assert targets["added memory: recorder deep"] == 32


def test_only_picks_benchmarks_across_groups_by_what_their_names_hold(scripts):
    picked = scripts.run.chosen("Recorder DEEP")
    assert [one.name for _, benchmarks in picked for one in benchmarks] == [
        "the seed's CGRNN: recorder deep",
        "the simple net: recorder deep",
        "the demo's CGRNN: recorder deep",
        "added memory: recorder deep",
    ]
    assert len(scripts.run.chosen(None)) == len(scripts.run.GROUPS)


def test_all_cases_but_an_absent_peer_are_measured_on_a_tiny_net(scripts, tiny, monkeypatch):
    monkeypatch.setattr(scripts.recorder_cost, "find_spec", lambda name: None)
    group = scripts.recorder_cost.group(tiny)
    outcomes = dict(zip((one.name for one in group.benchmarks), group.measure(group.benchmarks, 1), strict=True))
    for case in scripts.instruments.CASES:
        outcome = outcomes[f"a tiny net: {case.name}"]
        if case.needs:
            assert str(outcome) == "not installed"
        else:
            assert isinstance(outcome, scripts.timing.Timed), outcome
            assert outcome.ratio > 0
            assert outcome.slow_s >= outcome.step_s >= 0


@pytest.mark.parametrize("name", ["torchmortem", "TensorBoard scalars", "TensorBoard histograms"])
def test_a_peer_that_is_installed_is_measured(scripts, tiny, name):
    (case,) = (case for case in scripts.instruments.CASES if case.name == name)
    pytest.importorskip(case.needs)
    (outcome,) = scripts.recorder_cost.measure(tiny, [scripts.recorder_cost.benchmark(tiny, case)], 1)
    assert isinstance(outcome, scripts.timing.Timed), outcome


def test_an_instrument_that_fails_says_why_and_the_others_go_on(scripts, tiny, monkeypatch, tmp_path):
    def fails(model, optimizer, folder):
        raise RuntimeError("no such thing")

    broken = scripts.instruments.Case("broken", fails)
    cases = (scripts.instruments.AGAIN, broken)
    monkeypatch.setattr(scripts.recorder_cost, "CASES", cases)
    asked = [scripts.recorder_cost.benchmark(tiny, case) for case in cases]
    measured, failed = scripts.recorder_cost.measure(tiny, asked, 1)
    assert isinstance(measured, scripts.timing.Timed)
    assert str(failed) == "failed: RuntimeError: no such thing"


def test_a_level_whose_signal_cannot_be_recorded_is_not_measured_as_cheap(scripts, tiny, monkeypatch):
    from flatline.diagnostics.signals import OutputHealth

    def fails(self, batch, taken):
        raise ValueError("no such thing")

    monkeypatch.setattr(OutputHealth, "collect", fails)
    asked = [scripts.recorder_cost.benchmark(tiny, scripts.instruments.LEVELS[0])]
    (outcome,) = scripts.recorder_cost.measure(tiny, asked, 1)
    assert "could not be recorded" in str(outcome)
    assert str(outcome).startswith("failed: RuntimeError: OutputHealth")


def test_a_case_that_fails_in_the_middle_has_no_figure_and_the_others_have_theirs(scripts):
    instruments, not_measured = scripts.instruments, scripts.timing.NotMeasured
    light, deep = instruments.LEVELS[0], instruments.LEVELS[2]
    loops = {
        instruments.BARE: Scripted(scripts, always(1.0)),
        light: Scripted(scripts, [(1.0, 0.0), (1.0, 0.0), not_measured("failed: out of memory")]),
        deep: Scripted(scripts, always(1.1, 0.1)),
    }
    outcomes = scripts.recorder_cost.in_turns(loops, repetitions=2, rounds=3)
    assert str(outcomes[light]) == "failed: out of memory"
    assert scripts.recorder_cost.timed(outcomes[deep]).ratio == pytest.approx(1.1)


def test_without_the_bare_loop_nothing_is_measured(scripts):
    instruments = scripts.instruments
    loops = {
        instruments.BARE: Scripted(scripts, [scripts.timing.NotMeasured("failed: why")]),
        instruments.AGAIN: Scripted(scripts, always(1.0)),
    }
    (outcome,) = scripts.recorder_cost.in_turns(loops, repetitions=2, rounds=3).values()
    assert str(outcome) == "failed: why"


def test_each_round_has_every_case_once_in_changing_order_and_seldom_cases_in_every_fifth(scripts):
    instruments, called = scripts.instruments, []
    seldom = next(case for case in instruments.CASES if case.every == 5)
    cases = (instruments.BARE, *instruments.LEVELS, seldom)
    loops = {case: Scripted(scripts, always(1.0), called, case.name) for case in cases}
    outcomes = scripts.recorder_cost.in_turns(loops, repetitions=2, rounds=10)
    warm_up = len(cases) * scripts.recorder_cost.WARM_UP
    rounds = [set(called[warm_up : warm_up + 5]), set(called[warm_up + 5 : warm_up + 9])]
    assert rounds == [{case.name for case in cases}, {case.name for case in cases if case is not seldom}]
    assert len({tuple(called[at : at + 4]) for at in range(warm_up + 5, warm_up + 21, 4)}) > 1
    assert [len(repetition) for repetition in outcomes[instruments.LEVELS[0]]] == [10, 10]
    assert [len(repetition) for repetition in outcomes[seldom]] == [2, 2]


def test_a_ratio_holds_seldom_work_at_its_share_and_no_hiccup_of_the_machine(scripts):
    seconds, pair = scripts.loop.Seconds, scripts.recorder_cost.Pair
    usual = pair(seconds(1.02, 0.01), seconds(1.0, 0.0))
    flush = pair(seconds(1.52, 0.51), seconds(1.0, 0.0))
    hiccup = pair(seconds(3.01, 0.01), seconds(1.0, 0.0))
    timed = scripts.recorder_cost.timed([[usual] * 9 + [flush], [usual] * 9 + [hiccup]])
    step = 0.01 + 0.5 / 20
    assert timed.step_s == pytest.approx(step)
    assert (timed.ratio, timed.lowest, timed.highest) == pytest.approx((1.01 + step,) * 3)
    assert timed.of_sums == pytest.approx((18 * 1.02 + 1.52 + 3.01) / 20)
    assert timed.fast_s == 1.0


def test_copies_train_alike_on_the_same_memory_and_have_hooks_of_their_own(scripts, tiny):
    bench = scripts.loop.Bench(tiny)
    (one, of_one), (other, of_other) = bench.copied(), bench.copied()
    for left, right in zip(scripts.loop.tensors(one), scripts.loop.tensors(other), strict=True):
        assert left.data_ptr() == right.data_ptr()
    before = [parameter.detach().clone() for parameter in other.parameters()]
    bench.learn(one, of_one)
    assert all(parameter.grad is None for parameter in other.parameters())
    assert any((was != now).any() for was, now in zip(before, other.parameters(), strict=True))
    moments = [of_one.state[p]["exp_avg"].data_ptr() for p in one.parameters()]
    assert moments == [of_other.state[p]["exp_avg"].data_ptr() for p in other.parameters()]
    one.register_forward_hook(lambda *_: None)
    assert not other._forward_hooks


def test_a_loops_clock_goes_with_its_own_cpu_time_and_stands_still_while_others_have_their_turn(scripts, monkeypatch):
    now, real = [100.0], time.monotonic
    monkeypatch.setattr(time, "process_time", lambda: now[0])
    clock = scripts.loop.OwnTime()
    seen = []
    for _ in range(3):
        with clock.running():
            now[0] += 1
            seen.append(time.monotonic())
        assert time.monotonic is real
        now[0] += 10
    assert seen == [1, 2, 3]


def test_added_memory_is_every_process_with_over_every_process_without(scripts):
    grown = scripts.recorder_memory.grown([110.0, 104.0], [100.0, 101.0])
    assert (grown.added_mb, grown.lowest, grown.highest, grown.repetitions) == (6.5, 3.0, 10.0, 2)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks need Linux")
def test_a_process_tells_its_peak(scripts):
    said = scripts.recorder_memory.read(scripts.instruments.LEVELS[1], "tiny")
    assert said["peak_mb"] > said["libraries_mb"] > 0


def test_a_process_that_fails_tells_why(scripts):
    with pytest.raises(scripts.timing.NotMeasured, match="failed: KeyError: 'no net'"):
        scripts.recorder_memory.read(scripts.instruments.BARE, "no net")


def test_memory_outcomes_stand_in_the_order_asked_and_a_fault_is_told_for_all(scripts, monkeypatch):
    memory, not_measured = scripts.recorder_memory, scripts.timing.NotMeasured
    peaks = {"bare": 100.0, memory.AGAIN.name: 100.5, "recorder deep": 140.0}
    monkeypatch.setattr(memory, "read", lambda case: {"peak_mb": peaks[case.name], "libraries_mb": 80.0})
    asked = [one for one in memory.GROUPS[0].benchmarks if "deep" in one.name or "libraries" in one.name]
    deep, libraries = memory.measure(asked, 5)
    assert (deep.figure, deep.repetitions, libraries.figure) == (40.0, 2, 80.0)
    assert asked[0].verdict(deep.figure) == "short"

    def fails(case):
        raise not_measured("needs Linux")

    monkeypatch.setattr(memory, "read", fails)
    assert [str(outcome) for outcome in memory.measure(asked, 5)] == ["needs Linux"] * 2


def rows(scripts):
    timing, results = scripts.timing, scripts.results
    benchmark = timing.Benchmark("a thing", "small", 1.05)
    return [
        results.row(benchmark, timing.Timed(2e-3, 1e-3, 1.04, 1.0, 2.0, 5)),
        results.row(benchmark, timing.Timed(2e-3, 1e-3, 1.06, 1.0, 2.0, 5, step_s=5e-4)),
        results.row(timing.Benchmark("a peer", "small", None), timing.NotMeasured("not installed")),
        results.row(timing.Benchmark("memory", "large", 32), timing.Grown(2.51, -1.0, 3.0, 2)),
        results.row(timing.Benchmark("a loop", "large", 15, at_most=False), timing.Timed(0.1, 0.005, 20, 19, 21, 5)),
    ]


def test_the_table_says_figure_target_and_verdict(scripts):
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(scripts.results.table(rows(scripts), MACHINE))
    text = console.export_text()
    assert "2 cores" in text
    assert "1.040x" in text
    assert "<= 1.05" in text
    assert text.index("met") < text.index("1.060x") < text.index("short") < text.index("not installed")
    assert "2.5 MB" in text
    assert ">= 15" in text
    assert text.count("small") == text.count("large") == 1


def test_the_markdown_says_the_same_with_command_and_machine(scripts):
    text = scripts.results.markdown(rows(scripts), MACHINE, "make bench")
    assert text.startswith("`make bench`: ")
    assert "2 cores at load 0.5, Linux x86_64, Python 3.11.7, torch 2.13.0" in text
    assert "| a thing | 1.060x | 1.000 to 2.000 | <= 1.05 | short | 2.00 / 1.00 | 0.50 |" in text
    assert "| a peer | not installed |  |  |  |  |  |" in text
    assert "| memory | 2.5 MB | -1.0 to 3.0 | <= 32 | met |  |  |" in text
    tables = text.split("Measured on: ")[1:]
    assert [table.split(".")[0] for table in tables] == ["small", "large"]
    for table in tables:
        assert {line.count("|") for line in table.splitlines() if line.startswith("|")} == {8}


def test_the_tables_go_between_the_pages_markers_and_the_rest_stays(scripts, tmp_path):
    results, page = scripts.results, tmp_path / "page.md"
    page.write_text(f"# before\n\n{results.BEGIN}\nold\n{results.END}\n\nafter\n", encoding="utf-8")
    for _ in range(2):
        results.write_between(page, "new")
        assert page.read_text(encoding="utf-8") == (f"# before\n\n{results.BEGIN}\n\nnew\n\n{results.END}\n\nafter\n")
    page.write_text(f"{results.END} {results.BEGIN}")
    with pytest.raises(ValueError, match="lacks its markers"):
        results.write_between(page, "new")


def test_the_page_names_every_benchmark_and_can_take_the_next_tables(scripts):
    before, after = scripts.results.parts_of(PAGE)
    tables = PAGE.read_text(encoding="utf-8").removeprefix(before).removesuffix(after)
    for group in scripts.run.GROUPS:
        for one in group.benchmarks:
            assert f"| {one.name} |" in tables, one.name


def test_markdown_and_json_come_from_one_run(scripts, tmp_path, monkeypatch, capsys):
    timing, results, page = scripts.timing, scripts.results, tmp_path / "page.md"
    page.write_text(f"{results.BEGIN}\n{results.END}\n")
    fake = timing.alone("a fake", "nothing", None, True, lambda repetitions: timing.Timed(3, 2, 1.5, 1, 2, repetitions))
    monkeypatch.setattr(scripts.run, "GROUPS", (fake,))
    assert scripts.run.main(["--json", "--repetitions", "3", "--markdown", str(page)]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert (result["figure"], result["repetitions"]) == (1.5, 3)
    assert "| a fake | 1.500x |" in page.read_text(encoding="utf-8")


def test_a_target_is_a_bound_from_above_or_below_or_none_at_all(scripts):
    def verdict(target, at_most, figure):
        return scripts.timing.Benchmark("", "", target, at_most).verdict(figure)

    assert [verdict(1.05, True, figure) for figure in (1.0, 1.05, 1.06)] == ["met", "met", "short"]
    assert [verdict(15, False, figure) for figure in (14.9, 15, 20)] == ["short", "met", "met"]
    assert verdict(None, True, 99) == ""
    assert verdict(1.05, True, math.nan) == "short"


def test_both_ways_are_called_alike_and_turn_about(scripts):
    calls = []
    timed = scripts.timing.turn_about(
        lambda: calls.append("slow"), lambda: calls.append("fast"), repetitions=2, calls=3
    )
    assert calls.count("slow") == calls.count("fast") == 1 + 2 * 3
    assert all(set(calls[at : at + 2]) == {"slow", "fast"} for at in range(0, len(calls), 2))
    assert timed.repetitions == 2
    assert timed.lowest <= timed.ratio <= timed.highest
