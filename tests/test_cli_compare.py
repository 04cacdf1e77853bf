"""`flatline compare`: a column a run, what differs below, and what it says to bad input."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from flatline.cli import main
from flatline.runs.compare_table import as_text
from flatline.runs.log import RunLog
from flatline.runs.run import Run
from flatline.runs.standing import RECENT, comparison
from rich.console import Console

N, K = 120, 12

RECIPE = {
    "name": "story",
    "model": {"architecture": "cgrnn", "head": "mean", "head_options": {}},
    "loss": "bce-with-logits",
    "seed": 0,
}

PARTS = {"conv.weight": "conv", "gru.weight": "rnn", "gru.bias": "rnn", "head.weight": "head"}


def written(path, recipe=RECIPE, n=N, scores=(0.4, 0.5, 0.8), every=50, norms=(3.0, 0.3, 0.4, 1.0), close="finished"):
    """A run that learns; its evaluations are at 0, `every`, twice that ..."""
    info = {
        "recipe": recipe,
        "parameters": list(PARTS),
        "parameter_parts": list(PARTS.values()),
        "classes": [str(number) for number in range(K)],
        "loss_kind": "bce-with-logits",
        "output_kind": "logits",
    }
    log = RunLog(path, info)
    for iteration in range(n):
        log.append(row(iteration, norms))
    for at, score in enumerate(scores):
        log.append_evaluation(
            {"iteration": at * every, "wall_time": 1.0, "lwlrap": score, "chance": 0.26, "constant": 0.3}
        )
    log.close(close)
    return path


def row(iteration, norms):
    learned = 1 - np.exp(-iteration / 40)
    return {
        **{
            "iteration": iteration,
            "epoch": 0,
            "wall_time": 1e9 + 0.5 * iteration,
            "loss": 0.1 if iteration % 2 else 0.3,
        },
        **{"label_entropy": 0.35, "rho": 0.8, "skipped": False, "nonfinite_gradients": 0.0, "ln2_distance": learned},
        **{"output_min": -1 - learned, "output_max": 1 + learned, "rank_agreement": 1 - 0.5 * learned},
        **{"top_class_share": 0.3, "clip_spread": 0.1 + learned, "gradient_norm_total": float(np.linalg.norm(norms))},
        **{"saturation.gru": 0.2, "hidden_spread.gru": 0.5, "target_min": 0.0, "target_max": 1.0},
        **{"gradient_norm": list(norms), "update_ratio": [1e-3] * 4, "weight_norm": [1.0] * 4},
        **{"positives": [2.0] * K, "lwlrap": [0.3 + 0.5 * learned] * K},
    }


def broken(path):
    """A run whose probabilities went into a loss on logits."""
    log = RunLog(
        path,
        {
            "recipe": {**RECIPE, "seed": 7},
            "parameters": list(PARTS),
            "loss_kind": "bce-with-logits",
            "parameter_parts": list(PARTS.values()),
            "classes": ["a"] * K,
            "output_kind": "logits",
        },
    )
    for iteration in range(N):
        log.append(
            {**row(iteration, (1.0, 1e-8, 1e-8, 1.0)), "output_min": 0.1, "output_max": 0.9, "rank_agreement": 1.0}
        )
    log.append_evaluation({"iteration": N, "wall_time": 1.0, "lwlrap": 0.3, "chance": 0.26, "constant": 0.3})
    log.close()


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    written(folder / "plain")
    head = {**RECIPE["model"], "head": "localisation", "head_options": {"sigmoid": True}}
    written(folder / "other", {**RECIPE, "model": head}, scores=(0.4, 0.45), n=N - 20, close="interrupted")
    written(folder / "own", None, scores=())
    broken(folder / "broken")
    return folder


def asked(capsys, logs, *names):
    assert main(["compare", *map(str, names), "--logs", str(logs)]) == 0
    return capsys.readouterr().out


def as_json(capsys, logs, *names):
    assert main(["compare", *map(str, names), "--logs", str(logs), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def lines(said):
    """Cells of a table's lines by their heading."""
    return {cells[0]: cells[1:] for line in said.splitlines() if len(cells := re.split(r"\s{2,}", line.strip())) > 1}


def test_runs_stand_in_columns_with_what_differs_below(logs, capsys):
    found = lines(asked(capsys, logs, "plain", "other"))
    assert found["verdict"] == ["healthy", "healthy"]
    assert found["lwlrap, last"] == ["0.800", "0.450"]
    assert found["lwlrap, at iteration 50"] == ["0.500", "0.450"]
    assert found["chance"] == ["0.260", "0.260"]
    assert found["constant level"] == ["0.300", "0.300"]
    assert found["of the lowest part"] == ["0.5 rnn", "0.5 rnn"]
    assert found["iterations"] == ["120", "100 (interrupted)"]
    assert found["seconds"] == ["60", "50"]
    assert found["model.head"] == ["mean", "localisation"]
    assert found["model.head_options.sigmoid"] == ["–", "true"]
    assert "model.architecture" not in found
    assert "seed" not in found


def test_a_collapsed_run_has_its_cause_and_since_when(logs, capsys):
    found = lines(asked(capsys, logs, "broken", "plain"))
    assert found["verdict"] == ["collapsed", "healthy"]
    assert found["cause"] == ["broken-objective", "–"]
    assert found["since iteration"] == ["0", "–"]
    assert found["seed"] == ["7", "0"]


def test_json_is_nothing_else_and_its_paths_are_absolute(logs, monkeypatch, capsys):
    monkeypatch.chdir(logs.parent)
    found = as_json(capsys, logs.name, "plain", "other")
    assert [run["run"] for run in found["runs"]] == [str(logs / "plain"), str(logs / "other")]
    assert found["common_iteration"] == 50
    assert found["differences"] == {"model.head": ["mean", "localisation"], "model.head_options.sigmoid": [None, True]}
    plain = found["runs"][0]
    assert plain["loss"] == pytest.approx(0.2)
    assert plain["gradient_norm"] == pytest.approx(np.linalg.norm([3, 0.3, 0.4, 1]))
    assert (plain["lowest_part"], plain["lowest_norm"]) == ("rnn", pytest.approx(0.5))
    assert plain["rnn_share"] is None


def test_what_a_run_did_not_record_is_a_dash_and_null(logs, capsys):
    found = lines(asked(capsys, logs, "plain", "own"))
    assert found["lwlrap, last"] == ["0.800", "–"]
    assert found["lwlrap, at a common iteration"] == ["–", "–"]
    said = asked(capsys, logs, "plain", "own")
    assert "Without a recipe, only loss and seed are known: own." in said
    assert "Nothing that their recipes say differs." in said
    own = as_json(capsys, logs, "plain", "own")["runs"][1]
    assert (own["lwlrap"], own["chance"], own["has_recipe"]) == (None, None, False)


def test_the_last_ablation_says_what_the_rnn_carries(tmp_path, logs, capsys):
    path = tmp_path / "ablated"
    log = RunLog(path, {"parameters": ["w"], "parameter_parts": ["rnn"], "classes": ["a", "b"]})
    share = {"ablation.rnns": 0.016, "ablation.rnns.low": -0.02, "ablation.rnns.high": 0.04, "ablation.rnns.score": 0.3}
    row = {"wall_time": 1.0, "lwlrap": 0.9, "chance": 0.2, "constant": 0.3}
    log.append_evaluation({"iteration": 0, **row, **dict.fromkeys(share, 0.5)})
    log.append_evaluation({"iteration": 50, **row, **share})
    log.append_evaluation({"iteration": 100, **row, **dict.fromkeys(share, np.nan)})
    log.close()
    assert lines(asked(capsys, logs, path, "plain"))["the RNN carries"] == ["2 % (-2 to 4)", "–"]


def test_only_the_last_iterations_count_and_one_odd_batch_does_not(tmp_path):
    log = RunLog(tmp_path / "mine", {"parameters": ["w"], "parameter_parts": ["rnn"], "classes": ["a"]})
    for iteration in range(3 * RECENT):
        late = iteration >= 2 * RECENT
        loss = np.nan if iteration % 3 == 0 else 100.0 if iteration == 3 * RECENT - 1 else 0.25 if late else 9.0
        log.append({"iteration": iteration, "epoch": 0, "wall_time": 1.0, "loss": loss, "gradient_norm": [2.0]})
    log.close()
    standing = comparison([Run(tmp_path / "mine")]).runs[0]
    assert (standing.loss, standing.lowest_norm) == (0.25, 2.0)
    assert np.isnan(standing.gradient_norm)


@pytest.mark.parametrize("width", [60, 100, 160])
def test_nothing_is_cut_on_any_terminal(logs, tmp_path, width):
    long = written(tmp_path / "a-run-of-a-very-long-name_that.goes-on-and-on", {**RECIPE, "seed": 123456789})
    runs = [Run(logs / "plain"), Run(long), Run(logs / "broken"), Run(logs / "other")] * (1 + width // 60)
    console = Console(width=width)
    with console.capture() as captured:
        console.print(as_text(comparison(runs), width))
    said = captured.get()
    assert "…" not in said
    assert max(map(len, said.splitlines())) <= width
    assert said.count("0.800") >= len(runs) // 4
    assert said.count("objective") == len(runs) // 4
    assert said.count("123456789") == len(runs) // 4


def refused(capsys, *arguments):
    assert main(["compare", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_fewer_than_two_runs_or_one_that_is_not_there_is_one_line_and_ends_with_2(logs, capsys):
    assert "only one run is given (plain, flatline compare); give two or more" in refused(
        capsys, "plain", "--logs", logs
    )
    assert "no run at nowhere" in refused(capsys, "plain", "nowhere", "--logs", logs, "--json")
    assert "is given twice" in refused(capsys, "plain", logs / "plain", "--logs", logs)
    with pytest.raises(SystemExit, match="2"):
        main(["compare"])


def test_comparing_needs_no_torch(logs):
    script = (
        "import sys; from flatline.cli import main; assert main(['compare', *sys.argv[1:]]) == 0; "
        "print(sorted({'torch', 'librosa', 'captum', 'dash'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, logs / "plain", logs / "other"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
