"""`flatline diagnose`: exit codes, and every form of the answer."""

import json
import re
import subprocess
import sys

import flatline
import numpy as np
import pytest
from flatline.cli import main
from flatline.diagnostics.advice import ADVICE
from flatline.diagnostics.errors import RunError
from flatline.runs.log import RunLog
from flatline.runs.run import Run

N, K = 120, 12

OF_A_FINDING = ["kind", "severity", "onset", "last", "evidence", "explanation", "remedies", "source"]

INFO = {
    "parameters": ["gru.weight", "head.weight", "head.bias"],
    "parameter_parts": ["rnn", "head", "head"],
    "classes": [f"class {number}" for number in range(K)],
    "loss_kind": "bce-with-logits",
    "output_kind": "logits",
}


def columns(iteration, **changes):
    """An iteration of a net that learns."""
    learned = 1 - np.exp(-iteration / 40)
    row = {
        **{
            "loss": 0.7 - 0.5 * learned,
            "label_entropy": 0.35,
            "rho": 0.8,
            "skipped": False,
            "nonfinite_gradients": 0.0,
        },
        **{"output_min": -1 - learned, "output_max": 1 + learned, "rank_agreement": 1 - 0.5 * learned},
        **{"top_class_share": 0.3, "clip_spread": 0.1 + learned, "gradient_norm_total": 1.0, "ln2_distance": learned},
        **{"saturation.gru": 0.2, "hidden_spread.gru": 0.5, "target_min": 0.0, "target_max": 1.0},
        **{"gradient_norm": [0.5, 0.5, 0.5], "update_ratio": [1e-3] * 3, "weight_norm": [1.0] * 3},
        **{"positives": [2.0] * K, "lwlrap": [0.3 + 0.5 * learned] * K},
    }
    return {"iteration": iteration, "epoch": 0, "wall_time": 1.0, **row, **changes}


def written(path, n=N, lwlrap=0.8, info=(), **changes):
    """A run of `n` iterations and one evaluation."""
    log = RunLog(path, {**INFO, **dict(info)})
    for iteration in range(n):
        log.append(columns(iteration, **{name: of(iteration) for name, of in changes.items()}))
    if lwlrap is not None:
        scores = {"class_lwlrap": np.linspace(0.5, 1, K), "class_positives": np.full(K, 20)}
        log.append_evaluation({"iteration": n, "lwlrap": lwlrap, "chance": 0.26, "constant": 0.3, **scores})
    log.close()
    return path


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A run of each verdict."""
    logs = tmp_path_factory.mktemp("logs")
    written(logs / "healthy")
    written(logs / "short", 30, None)
    written(logs / "nothing", 0, None)
    written(logs / "blind", info={"loss_kind": None})
    low, high = (lambda iteration: 0.1), (lambda iteration: 0.9)
    written(
        logs / "collapsed", lwlrap=0.3, output_min=low, output_max=high, loss=lambda at: 0.69, rho=lambda at: np.nan
    )
    nothing = [np.nan, 0.5, 0.5]
    written(logs / "at-risk", gradient_norm=lambda at: nothing, update_ratio=lambda at: [np.nan, 1e-3, 1e-3])
    return logs


def said(capsys, logs, *arguments):
    """Exit code and stdout; stderr is empty."""
    code = main(["diagnose", *arguments, "--logs", str(logs)])
    out, err = capsys.readouterr()
    assert err == ""
    return code, out


VERDICTS = {
    "healthy": "healthy",
    "short": "undetermined",
    "nothing": "undetermined",
    "blind": "undetermined",
    "collapsed": "collapsed",
    "at-risk": "at-risk",
}


@pytest.mark.parametrize("name", VERDICTS)
@pytest.mark.parametrize("form", [[], ["--json"], ["--markdown"]], ids=["text", "json", "markdown"])
def test_it_ends_with_0_and_with_3_only_if_it_is_asked_to_check_a_collapsed_run(name, form, logs, capsys):
    code, out = said(capsys, logs, name, *form)
    assert code == 0
    assert VERDICTS[name] in out
    assert said(capsys, logs, name, *form, "--check") == (3 if name == "collapsed" else 0, out)


@pytest.mark.parametrize("name", VERDICTS)
def test_json_is_all_of_stdout_with_the_contracts_keys(name, logs, capsys):
    _, out = said(capsys, logs, name, "--json")
    found = json.loads(out, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert list(found) == ["run", "iterations", "verdict", "cause", "findings", "undetermined"]
    assert found["run"] == str((logs / name).resolve())
    assert (found["verdict"], found["iterations"]) == (VERDICTS[name], {"short": 30, "nothing": 0}.get(name, N))
    for finding in found["findings"]:
        assert list(finding) == OF_A_FINDING
        assert all(isinstance(value, int | float | None) for value in finding["evidence"].values())
    for entry in found["undetermined"]:
        assert set(entry) == {"kind", "why"}


def test_the_run_is_absolute_however_it_was_named(logs, capsys, monkeypatch):
    monkeypatch.chdir(logs)
    for name in ("collapsed", "./collapsed", str(logs / "collapsed")):
        assert json.loads(said(capsys, ".", name, "--json")[1])["run"] == str((logs / "collapsed").resolve())


def test_the_collapsed_run_is_the_one_that_was_written(logs, capsys):
    found = json.loads(said(capsys, logs, "collapsed", "--json")[1])
    first = found["findings"][0]
    assert (found["cause"], first["kind"], first["severity"], first["onset"], first["last"]) == (
        *("broken-objective", "broken-objective", "critical"),
        *(0, N - 1),
    )
    assert first["evidence"]["output_max"] == pytest.approx(0.9)
    assert first["remedies"][0] == "fix-objective"
    assert "squashes it a second time" in first["explanation"]


def test_the_text_says_verdict_cause_and_what_to_do(logs, capsys):
    _, out = said(capsys, logs, "collapsed")
    text = " ".join(out.split())
    assert text.startswith(f"collapsed collapsed, {N} iterations")
    assert "broken-objective (the loss does not fit what the model gives), since iteration 0." in text
    assert f"To do: {ADVICE['broken-objective', 'inferred'].do}." in text
    assert "Interventions to try, in this order: fix-objective, prior-bias." in text
    assert "For it: scores stay in [0, 1] under a loss on logits" in text
    assert re.search(r"\d of \d signs speak for it", text)
    assert "Findings critical broken-objective iterations 0 to 119" in text
    assert "Not judged vanishing-through-time: no total hidden gradient was replayed" in text
    assert "dead-units: no activations were recorded" in text


def test_of_a_healthy_run_it_says_that_nothing_is_wrong_and_of_a_short_one_what_is_missing(logs, capsys):
    assert "Nothing that was recorded says that anything is wrong" in said(capsys, logs, "healthy")[1]
    assert "30 iterations are too few to call it healthy" in said(capsys, logs, "short")[1]
    assert "Too little was recorded to call it healthy" in " ".join(said(capsys, logs, "blind")[1].split())
    assert "Nothing has been recorded yet" in said(capsys, logs, "nothing")[1]


def test_what_died_first_stands_in_the_text_in_order(tmp_path, capsys):
    def norms(iteration):
        return [0.001 if iteration >= 40 else 0.5, *[0.001 if iteration >= 70 else 0.5] * 2]

    broken = {"output_min": lambda at: 0.1, "output_max": lambda at: 0.9}
    written(tmp_path / "mine", gradient_norm=norms, lwlrap=0.3, **broken)
    assert re.search(
        r"What stopped first\s+rnn \(gradient\) at 4\d, then head \(gradient\) at \d+",
        said(capsys, tmp_path, "mine")[1],
    )
    markdown = said(capsys, tmp_path, "mine", "--markdown")[1]
    assert re.search(r"^- What stopped first: rnn \(gradient\) at 4\d", markdown, re.MULTILINE)


def test_a_finding_that_is_over_says_so(tmp_path, capsys):
    written(tmp_path / "mine", loss=lambda at: np.nan if at == 50 else 0.3)
    _, out = said(capsys, tmp_path, "mine")
    assert re.search(r"info\s+non-finite\s+iterations 50 to 50 \(over\)", out)
    assert out.startswith("healthy")


def test_markdown_is_a_heading_a_list_and_a_table(logs, capsys):
    _, out = said(capsys, logs, "collapsed", "--markdown")
    lines = out.splitlines()
    assert lines[0] == "## collapsed: collapsed: `broken-objective`"
    assert "- broken-objective (the loss does not fit what the model gives), since iteration 0." in lines
    rows = [line for line in lines if line.startswith("|")]
    assert rows[0] == "| finding | severity | iterations | evidence |"
    assert rows[2].startswith("| `broken-objective`  | critical | 0-119 | output min 0.1, output max 0.9")
    assert {row.count("|") for row in rows} == {5}
    assert "- `dead-units`: no activations" in out
    assert "\x1b" not in out


def test_a_run_under_way_is_said_to_be(tmp_path, capsys):
    log = RunLog(tmp_path / "mine", INFO)
    try:
        for iteration in range(60):
            log.append(columns(iteration))
        log.flush()
        assert "mine, 60 iterations, still training" in said(capsys, tmp_path, "mine")[1]
    finally:
        log.close()


def refused(capsys, *arguments):
    assert main(["diagnose", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


def test_a_run_that_is_not_there_is_one_line_and_ends_with_2(logs, capsys):
    assert "no such" in refused(capsys, "no such", "--logs", logs)
    assert "no such" in refused(capsys, "no such", "--logs", logs, "--json")


def test_a_run_that_cannot_be_read_is_one_line_and_ends_with_2(tmp_path, capsys):
    path = written(tmp_path / "torn")
    (path / "run.json").write_text("{")
    assert "run.json" in refused(capsys, path)
    path = written(tmp_path / "damaged")
    (segment,) = (path / "iterations").glob("*.parquet")
    segment.write_bytes(segment.read_bytes()[:100])
    assert segment.name in refused(capsys, path)


def test_json_and_markdown_exclude_each_other(logs, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["diagnose", "healthy", "--logs", str(logs), "--json", "--markdown"])
    assert ended.value.code == 2


def test_the_function_takes_a_run_a_folder_or_a_name(logs, monkeypatch):
    monkeypatch.chdir(logs.parent)
    (logs.parent / "logs").exists() or (logs.parent / "logs").symlink_to(logs)
    for given in (Run(logs / "collapsed"), logs / "collapsed", str(logs / "collapsed"), "collapsed"):
        diagnosis = flatline.diagnose(given)
        assert (diagnosis.verdict, diagnosis.cause) == ("collapsed", "broken-objective")
    with pytest.raises(RunError, match="nowhere"):
        flatline.diagnose("nowhere")


JUDGING = """
import sys
sys.stdout = sys.stderr
{code}
sys.stdout = sys.__stdout__
print(sorted(set(sys.modules) & {{"torch", "librosa", "captum", "dash"}}))
"""

CODE = {
    "the command": "from flatline.cli import main; assert main(['diagnose', sys.argv[1]]) == 0",
    "its JSON": "from flatline.cli import main; assert main(['diagnose', sys.argv[1], '--json']) == 0",
    "the function": "import flatline; assert flatline.diagnose(sys.argv[1]).cause == 'broken-objective'",
}


@pytest.mark.parametrize("name", CODE)
def test_judging_a_run_needs_no_torch(name, logs):
    script = JUDGING.format(code=CODE[name])
    done = subprocess.run(
        [sys.executable, "-c", script, str(logs / "collapsed")], capture_output=True, text=True, cwd=logs
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
