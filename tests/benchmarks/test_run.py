"""That the runner works; how fast anything is, it does not ask."""

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

RUN = Path(__file__).with_name("run.py")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(RUN), *arguments], capture_output=True, text=True, timeout=120)


def loaded(name: str) -> ModuleType:
    """A script of this folder, without putting the folder on the path for other tests."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", RUN.with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def timing() -> ModuleType:
    return loaded("timing")


def test_a_benchmark_by_name_gives_json_and_nothing_else_on_stdout():
    done = run("--only", "LWLRAP", "--repetitions", "1", "--json")
    assert done.returncode == 0
    said = json.loads(done.stdout)
    (result,) = said["results"]
    assert said["cores"] >= 1
    assert result["name"] == "lwlrap against a loop"
    assert (result["target"], result["at_most"], result["repetitions"]) == (15, False, 1)
    assert result["verdict"] in ("met", "short")
    assert result["ratio"] == pytest.approx(result["slow_s"] / result["fast_s"])


def test_a_name_that_no_benchmark_has_is_bad_usage_and_lists_those_there_are():
    done = run("--only", "nonsense")
    assert done.returncode == 2
    assert "no benchmark holds 'nonsense'; known: recorder on the demo's CGRNN; " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_table_says_ratio_target_and_verdict(timing):
    results = loaded("results")
    benchmark = timing.Benchmark("a thing", "small", 1.05, True, lambda repetitions: None)
    console = Console(width=120, record=True, file=io.StringIO())
    for ratio in (1.04, 1.06):
        console.print(results.table([results.row(benchmark, timing.Timed(2e-3, 1e-3, ratio, 1.0, 2.0, 5))], n_cores=2))
    text = console.export_text()
    assert "2 cores" in text
    assert "1.040x" in text
    assert "<= 1.05" in text
    assert text.index("met") < text.index("1.060x") < text.index("short")


def test_a_target_is_a_bound_from_above_or_below_or_none_at_all(timing):
    def verdict(target, at_most, ratio):
        return timing.Benchmark("", "", target, at_most, lambda repetitions: None).verdict(ratio)

    assert [verdict(1.05, True, ratio) for ratio in (1.0, 1.05, 1.06)] == ["met", "met", "short"]
    assert [verdict(15, False, ratio) for ratio in (14.9, 15, 20)] == ["short", "met", "met"]
    assert verdict(None, True, 99) == ""


def test_both_ways_are_called_alike_and_turn_about(timing):
    calls = []
    timed = timing.turn_about(lambda: calls.append("slow"), lambda: calls.append("fast"), repetitions=2, calls=3)
    assert calls.count("slow") == calls.count("fast") == 1 + 2 * 3
    assert all(set(calls[at : at + 2]) == {"slow", "fast"} for at in range(0, len(calls), 2))
    assert timed.repetitions == 2
    assert timed.lowest <= timed.ratio <= timed.highest
