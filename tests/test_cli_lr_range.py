import json
from pathlib import Path

from flatline.cli import main

SMALL = ["model.options.channels=2", "model.options.n_hidden=4", "batch_size=16", "device=cpu"]


def run(tiny_data, tmp_path, *more, recipe="story-plain"):
    given = ["--data", str(tiny_data), "--logs", str(tmp_path / "logs"), "--iterations", "20", "--set", *SMALL]
    return main(["lr-range", recipe, *given, *more])


def test_it_prints_the_curve_the_rates_and_the_run(tiny_data, tmp_path, capsys):
    assert run(tiny_data, tmp_path, "--from", "1e-4", "--to", "0.5") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("loss ")
    assert "█" in said[1]
    assert Path(said[-1]) == (tmp_path / "logs" / "story-plain-lr-range").resolve()


def test_json_is_json_with_absolute_paths_and_a_figure(tiny_data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(tiny_data, tmp_path, "--json", "-o", "curve.html", "--seed", "3") == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(found["run"]).is_dir()
    assert Path(found["figure"]) == tmp_path / "curve.html"
    assert (found["from"], found["to"], found["iterations"]) == (1e-6, 1.0, 20)
    assert {"lowest", "steepest", "highest", "why", "diverged"} <= found.keys()
    assert json.loads((Path(found["run"]) / "run.json").read_text())["seed"] == 3


def test_what_cannot_be_done_is_said_before_anything_is_trained(tiny_data, tmp_path, capsys):
    assert run(tiny_data, tmp_path, "--from", "1", "--to", "0.1") == 2
    assert "give --from above 0 and below --to" in capsys.readouterr().err
    assert run(tiny_data, tmp_path, "-o", "curve.pdf") == 2
    assert "curve.pdf ends in none of" in capsys.readouterr().err
    assert run(tiny_data, tmp_path, recipe="story-plane") == 2
    assert "unknown recipe 'story-plane'" in capsys.readouterr().err
    assert not (tmp_path / "logs").exists()
