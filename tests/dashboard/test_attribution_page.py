"""What the page of attributions says, offers and has computed, without a browser."""

import json

import numpy as np
import pytest
from flask import Flask
from flatline.dashboard.attributing import Job
from flatline.dashboard.audio import register, used_address
from flatline.dashboard.pages import attribution_content as content
from flatline.dashboard.pages import attribution_watch
from flatline.dashboard.pages.attribution import told
from flatline.dashboard.pages.attribution_choice import hindrance, sides_of
from flatline.dashboard.pages.attribution_watch import CANCEL, COMPUTE, EVERY, Watch, watched
from flatline.diagnostics.attribution.names import METHODS
from flatline.diagnostics.errors import RunError
from flatline.runs.localisation_store import Localised, Score, write_localisation
from flatline.runs.run import Run


class NoDesk:
    """A desk at which nothing is computed."""

    def __init__(self, jobs=()):
        self.jobs = {job.request: job for job in jobs}
        self.asked, self.cancelled, self.warmed = [], [], []

    def ask(self, request):
        self.asked.append(request)
        self.jobs[request] = Job(request)

    def job(self, request):
        return self.jobs.get(request)

    def cancel(self, request):
        self.cancelled.append(request)

    def warm(self, run, iteration):
        self.warmed.append(iteration)

    def refused(self, run):
        return {"deep-lift": "because"}


@pytest.fixture
def run(simulated, tmp_path):
    """A run of a recipe, with checkpoints at 149 and 199 (their content does not matter here)."""
    simulated.complete(tmp_path / "run")
    simulated.complete(tmp_path / "other")
    for name in ("run", "other"):
        info = json.loads((tmp_path / name / "run.json").read_text()) | {"data": {"root": "/nowhere", "features": {}}}
        (tmp_path / name / "run.json").write_text(json.dumps(info))
        (tmp_path / name / "checkpoints").mkdir()
        for iteration in (149, 199):
            for suffix in ("safetensors", "pt"):
                (tmp_path / name / "checkpoints" / f"{iteration:09}.{suffix}").write_bytes(b"")
    return Run(tmp_path / "run")


@pytest.fixture
def logs(run):
    return run.path.parent


@pytest.fixture
def every_logs(tmp_path_factory, simulated):
    folder = tmp_path_factory.mktemp("every")
    simulated.nearly_nothing(folder / "own-loop")
    simulated.complete(folder / "no checkpoints")
    return folder


def said(part):
    """The words of a page's part: all texts, and titles, in their order."""
    if isinstance(part, str):
        return part
    if isinstance(part, (list, tuple)):
        return " ".join(said(one) for one in part)
    return " ".join(said(getattr(part, name, None)) for name in ("title", "children")) if part is not None else ""


def test_a_run_without_attributions_names_the_command_that_makes_one(logs, run):
    words = said(told(logs, "run", {})["tables"])
    assert "flatline attribute run clip one.wav --class true" in words
    assert "flatline localise run" in words


def test_what_a_run_keeps_is_listed_each_a_way_to_its_picture(logs, run, attributed):
    attributed.keep(run.path, attributed.heard(), method="occlusion", informative=False, why="nothing moves")
    attributed.keep(run.path, attributed.heard(), options={"noise": 8, "baseline": "mean", "of": "logits"})
    page = repr(content.kept(run))
    for expected in ("clip one.wav", "class 0", "occlusion", "199", "0.75", "0.25", "nothing moves", "'no'"):
        assert expected in page
    assert "integrated-gradients, of logits, 8 noisy copies, from mean" in page
    assert "/run/run/attribution?iteration=199&clip=clip%20one.wav&class=class%200&method=occlusion'" in page
    assert "baseline=mean" in page


def test_the_verdict_comes_first_and_is_large_where_there_is_no_information(logs, run, attributed):
    why = "this attribution carries no information: no class moves"
    attributed.keep(run.path, attributed.heard(), informative=False, why=why)
    (side,) = sides_of(logs, "run", {})
    words = repr(content.verdict(side, is_alone=True))
    assert "title='This attribution carries no information'" in words
    assert words.index("Alert(") < words.index("Adds up")
    assert "No class moves." in words


def test_numbers_stand_beside_what_they_are_held_against_and_what_is_unknown_is_said(logs, run, attributed):
    attributed.keep(run.path, attributed.heard())
    words = said(content.verdict(sides_of(logs, "run", {})[0], is_alone=True))
    for expected in ("0.75", "with the baseline (silence) 0.25", "off by +1.0e-04, 64 steps", "random 0.4: better"):
        assert expected in words
    attributed.keep(run.path, attributed.heard(), checks={}, converged=None, steps=None, method="rollout")
    words = said(content.verdict(sides_of(logs, "run", {"method": "rollout"})[0], is_alone=True))
    assert "not meant to" in words
    assert "not computed" in words
    assert "nan" not in words


def test_the_methods_of_one_clip_stand_side_by_side_with_how_alike_they_rank(logs, run, attributed):
    attributed.keep(run.path, attributed.heard())
    attributed.keep(run.path, attributed.heard(), method="occlusion")
    attributed.keep(run.path, -attributed.heard(), method="saliency")
    attributed.keep(run.path, attributed.heard(), method="rollout", iteration=149)
    (side,) = sides_of(logs, "run", {"iteration": 199})
    assert content.agreements(side.chosen) == pytest.approx({"occlusion": 1, "saliency": -1})
    words = said(content.methods([side]))
    assert "itself" in words
    assert "rollout" not in words


def test_scores_against_true_onsets_are_shown_with_what_they_are_of(logs, run):
    rows = (
        Score("localisation", "all", 0.93, 0.19, 0.5, 0.4, 0.3, 40),
        Score("localisation", "class 0", 0.9, 0.2, 0.5, float("nan"), pairs=4),
    )
    found = Localised(
        str(run.path),
        199,
        "000000199",
        "/data",
        "/data/events.csv",
        40,
        41,
        0.06,
        rows,
        thresholds={"localisation": [0.05, 0.075]},
        notes=("psds is missing",),
    )
    write_localisation(run.path, found)
    words = " ".join(said(told(logs, "run", {})["tables"]).split())
    for expected in ("0.930 0.190 0.500 0.400", "40 of 41 clips with true events", "psds is missing"):
        assert expected in words
    assert "class 0 0.900 0.200 4" in words
    assert "from this share of its clip's peak: localisation 0.05 and 0.075." in words
    assert "flatline localise" not in words


def test_two_columns_are_another_run_or_iteration(logs, run):
    one, other = sides_of(logs, "run", {"beside": "other"})
    assert (one.label, other.label) == ("run, iteration 199", "other, iteration 199")
    assert other.chosen.run.name == "other"
    _, same = sides_of(logs, "run", {"beside": "run"})
    assert same.chosen.iteration == 149
    _, at = sides_of(logs, "run", {"beside": "other", "beside_iteration": "149"})
    assert at.chosen.iteration == 149
    for beside in ("nix", "../run", "run/x"):
        assert "There is no run named" in sides_of(logs, "run", {"beside": beside})[1].wrong
    with pytest.raises(RunError, match="there is no run named 'nix'"):
        sides_of(logs, "nix", {})


def test_a_column_that_cannot_be_shown_leaves_the_other(logs, run, simulated):
    simulated.nearly_nothing(logs / "own")
    page = told(logs, "run", {"beside": "own"})
    assert "unknown class" in said(page["said"])
    assert page["pair"] == "yes"


def test_what_is_missing_can_be_computed_and_is_warmed_up_for(logs, run, attributed):
    desk = NoDesk()
    page = watched(logs, desk, "run", {}, None, was_open=False, pulse=3)
    assert (page["compute"], page["every"], page["cancel"], page["still"]) == (False, False, "none", True)
    assert desk.warmed == [199]
    attributed.keep(run.path, attributed.heard())
    desk = NoDesk()
    page = watched(logs, desk, "run", {}, None, was_open=False, pulse=3)
    assert (page["compute"], page["every"]) == (True, False)
    assert desk.warmed == []


def test_one_press_asks_for_both_columns_and_only_for_what_is_missing(logs, run, attributed):
    desk, picked = NoDesk(), {"beside": "other"}
    page = watched(logs, desk, "run", picked, COMPUTE, was_open=False, pulse=3)
    assert [(one.run.name, one.methods) for one in desk.asked] == [
        ("run", ("integrated-gradients",)),
        ("other", ("integrated-gradients",)),
    ]
    assert (page["still"], page["cancel"], page["compute"]) == (False, "inline-block", True)
    watched(logs, desk, "run", picked, CANCEL, was_open=True, pulse=3)
    assert set(desk.cancelled) >= set(desk.asked)
    attributed.keep(run.path, attributed.heard())
    desk = NoDesk()
    watched(logs, desk, "run", picked, COMPUTE, was_open=False, pulse=3)
    assert [one.run.name for one in desk.asked] == ["other"]
    watched(logs, desk, "run", {}, EVERY, was_open=False, pulse=3)
    assert desk.asked[-1].methods == tuple(method.name for method in METHODS)


def test_once_it_is_done_the_page_looks_for_news(logs, run):
    desk = NoDesk()
    watched(logs, desk, "run", {}, COMPUTE, was_open=False, pulse=3)
    (request,) = desk.asked
    assert "pulse" not in watched(logs, desk, "run", {}, None, was_open=True, pulse=3)["frame"]
    desk.jobs[request] = Job(request, "done", seconds=0.5, refused=(("deep-lift", "it has gates"),))
    page = watched(logs, desk, "run", {}, None, was_open=True, pulse=3)
    assert page["frame"]["pulse"] == {"n_intervals": 4}
    assert "run at 199: done in 0.5 s." in said(page["state"])
    assert "it has gates." in said(page["state"])
    assert "pulse" not in watched(logs, desk, "run", {}, None, was_open=False, pulse=4)["frame"]


def test_while_something_is_computed_a_look_reads_nothing_of_the_run(logs, run, attributed, monkeypatch):
    desk, watch, looked, whole = NoDesk(), Watch(most=2), [], attribution_watch.sides_of

    def counted(*given):
        looked.append(given)
        return whole(*given)

    def look(action=None, name="run", was_open=True):
        return watched(logs, desk, name, {}, action, was_open=was_open, pulse=3, watch=watch)

    monkeypatch.setattr(attribution_watch, "sides_of", counted)
    first = look(COMPUTE, was_open=False)
    assert len(looked) == 1
    assert [repr(look()["state"]) for _ in range(3)] == [repr(first["state"])] * 3
    assert len(looked) == 1
    attributed.keep(run.path, attributed.heard())
    (request,) = desk.asked
    desk.jobs[request] = Job(request, "done", seconds=0.5)
    page = look()
    assert (page["compute"], page["every"], page["still"]) == (True, False, True)
    assert len(looked) == 2
    look("compute-cancel")
    assert len(looked) == 3
    for name in ("other", "run", "other"):
        look(COMPUTE, name)
    assert len(watch._asked) == 2


def test_a_failure_is_said_and_a_queue_tells_the_place(logs, run):
    desk = NoDesk()
    watched(logs, desk, "run", {}, COMPUTE, was_open=False, pulse=3)
    (request,) = desk.asked
    desk.jobs[request] = Job(request, "failed", said="it broke")
    assert "run at 199: it broke" in said(watched(logs, desk, "run", {}, None, was_open=True, pulse=3)["state"])
    desk.jobs[request] = Job(request, ahead=2)
    assert "waits, 2 before it" in said(watched(logs, desk, "run", {}, None, was_open=True, pulse=3)["state"])


def test_methods_that_a_network_does_not_allow_are_marked(logs, run):
    page = watched(logs, NoDesk(), "run", {}, None, was_open=False, pulse=0)
    labels = {one["value"]: one["label"] for one in page["frame"]["method"]["data"]}
    assert labels["deep-lift"] == "deep-lift (not for this network)"
    assert labels["occlusion"] == "occlusion"


def test_the_best_scored_class_is_picked_by_name_once_it_is_known(logs, run):
    page = watched(logs, NoDesk(), "run", {"class": "top"}, None, was_open=False, pulse=0)
    assert page["frame"]["class"] == {"value": "class 0"}
    picked = {"class": "top", "clip": "other.wav"}
    desk = NoDesk()
    page = watched(logs, desk, "run", picked, COMPUTE, was_open=False, pulse=0)
    assert "class" not in page["frame"]
    (request,) = desk.asked
    assert request.class_name == "top"
    desk.jobs[request] = Job(request, "done", class_name="class 9")
    assert watched(logs, desk, "run", picked, None, was_open=True, pulse=0)["frame"]["class"] == {"value": "class 9"}


@pytest.mark.parametrize(
    ("name", "picked", "why"),
    [
        ("own-loop", {}, "training loop of one"),
        ("no checkpoints", {}, "training loop of one"),
    ],
)
def test_a_run_that_cannot_be_asked_says_why(every_logs, name, picked, why):
    (side,) = sides_of(every_logs, name, picked)
    assert why in hindrance(side.chosen)
    page = watched(every_logs, NoDesk(), name, picked, COMPUTE, was_open=False, pulse=0)
    assert (page["compute"], page["every"]) == (True, True)


@pytest.mark.parametrize(
    ("picked", "why"),
    [
        ({"iteration": 60}, "There are no weights of iteration 60."),
        ({"clip": "/etc/passwd"}, "/etc/passwd is no clip of the run or its data"),
        ({"clip": "..\\run.json"}, "is no clip of the run or its data"),
    ],
)
def test_what_cannot_be_computed_is_never_asked_for(logs, run, picked, why):
    desk = NoDesk()
    page = watched(logs, desk, "run", picked, EVERY, was_open=False, pulse=0)
    assert why in said(page["state"])
    assert (desk.asked, page["compute"], page["every"]) == ([], True, True)


def test_a_run_that_is_gone_is_said(logs, run):
    page = watched(logs, NoDesk(), "gone", {}, COMPUTE, was_open=True, pulse=0)
    assert "there is no run named" in said(page["state"])
    assert page["still"]
    assert "there is no run named" in said(told(logs, "gone", {})["said"])


def test_sounds_are_those_of_what_is_kept(logs, run, attributed):
    page = told(logs, "run", {})
    assert page["sounds"] == {"clip": "clip one.wav", "original": "/audio/run/clip%20one.wav"}
    stored = attributed.keep(run.path, attributed.heard(), informative=False)
    page = told(logs, "run", {"beside": "other"})
    assert page["sounds"]["used"] == f"/used/run/{stored.file.stem}"
    assert [one["label"] for one in page["heard"]] == ["the clip", "what run used"]
    assert "it means as little" in said(page["heard_said"])
    attributed.keep(run.path, attributed.heard(), clip="far.wav")
    page = told(logs, "run", {"clip": "far.wav"})
    assert (page["silent"], page["sounds"]) == (True, None)
    assert "keeps neither spectrogram nor sound" in said(page["heard_said"])


@pytest.fixture
def client(logs):
    server = Flask("test")
    register(server, logs)
    return server.test_client()


def test_what_was_used_is_served_as_long_as_the_clip_and_in_parts(client, logs, run, attributed):
    stored = attributed.keep(run.path, attributed.heard())
    whole = client.get("/audio/run/clip%20one.wav").data
    answer = client.get(used_address("run", stored.file.stem))
    assert (answer.status_code, answer.mimetype, len(answer.data)) == (200, "audio/wav", len(whole))
    assert answer.data != whole
    part = client.get(used_address("run", stored.file.stem), headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.data) == (206, answer.data[100:200])


def test_what_was_computed_anew_is_heard_anew(client, logs, run, attributed):
    stored = attributed.keep(run.path, attributed.heard())
    address = used_address("run", stored.file.stem)
    first = client.get(address).data
    arrays = stored.arrays()
    with stored.file.open("wb") as file:
        np.savez(file, **{**arrays, "attribution": arrays["attribution"][::-1]})
    assert client.get(address).data != first


@pytest.mark.parametrize(
    ("run_name", "key", "why"),
    [
        ("nix", "0" * 20, "there is no run nix"),
        ("run", "0" * 20, "run run keeps no attribution"),
        ("run", "..%2F..%2Frun", ""),
        ("run", "training-mean", "run run keeps no attribution"),
    ],
)
def test_no_other_file_is_served(client, run_name, key, why):
    answer = client.get(f"/used/{run_name}/{key}")
    assert answer.status_code == 404
    assert why in answer.text
