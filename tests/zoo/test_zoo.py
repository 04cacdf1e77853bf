"""That the zoo holds what it promises, that runs can be made and judged, and how it counts."""

import importlib
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def zoo():
    """The scripts of this folder, which find each other by their bare names; other tests find none of them."""
    names = [path.stem for path in HERE.glob("*.py") if not path.stem.startswith("test_")]
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
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def result(zoo, fault="x", kinds=("dead-units",), onset=0, verdict="collapsed", cause="dead-units", said=None):
    said = (zoo.judge.Said(cause, "critical", onset or 0),) if said is None and cause else said or ()
    return zoo.judge.Result("id", "fit", fault, kinds if fault else (), onset, verdict, cause, said)


def well(zoo, **changes):
    return result(zoo, **{"fault": None, "onset": None, "verdict": "healthy", "cause": None, **changes})


def test_the_plan_has_the_promised_numbers(zoo):
    faulty, healthy = ([one for one in zoo.plan.PLAN if bool(one.fault) == wanted] for wanted in (True, False))
    assert len(faulty) >= 80
    assert len(healthy) >= 60
    assert len({one.fault for one in faulty}) >= 25
    assert len({one.fault for one in faulty if one.onset}) >= 10
    assert len({one.architecture for one in faulty}) >= 5
    assert len({one.seed for one in zoo.plan.PLAN}) >= 3
    assert len({one.id for one in zoo.plan.PLAN}) == len(zoo.plan.PLAN)


def test_the_halves_share_no_task_and_no_architecture_and_most_faults_are_in_both(zoo):
    fit, report = ([one for one in zoo.plan.PLAN if one.half == half] for half in ("fit", "report"))
    assert len(fit) + len(report) == len(zoo.plan.PLAN)
    assert not {one.task for one in fit} & {one.task for one in report}
    assert not {one.architecture for one in fit} & {one.architecture for one in report}
    for of_half in (fit, report):
        assert len([one for one in of_half if one.fault]) >= 40
        assert len([one for one in of_half if not one.fault]) >= 30
    in_fit, in_report = ({one.fault for one in half if one.fault} for half in (fit, report))
    assert len(in_fit & in_report) >= 0.7 * len(in_fit | in_report)


def test_every_fault_has_a_place_a_known_kind_and_a_healthy_twin_in_the_plan(zoo):
    from flatline.diagnostics.findings import KINDS

    assert set(zoo.placements.PLACEMENTS) == set(zoo.faults.FAULTS)
    for fault in zoo.faults.FAULTS.values():
        assert fault.kinds
        assert set(fault.kinds) <= set(KINDS), fault.name
        assert fault.change is not None or fault.options
        assert len(fault.kinds) == 1 or fault.why, f"{fault.name} does not say why several kinds may be"
    for one in zoo.plan.PLAN:
        assert one.twin in zoo.plan.PLAN
        assert not one.onset or one.onset < one.options.iterations - 60


def test_a_place_that_cannot_be_read_is_refused_with_its_fault(zoo):
    with pytest.raises(ValueError, match=r"'nowhere@3' is no place of a fault \(softmax-twice\)"):
        zoo.plan.placed("softmax-twice", "nowhere@3")


def test_a_fault_is_switched_on_when_it_says_and_is_recorded(zoo, tmp_path, one_thread):
    from flatline import Run

    planned = zoo.plan.placed("nan-from-encoder", "words@8")
    task = zoo.tasks.TASKS["words"]
    training = zoo.training.prepared(task, task.options(iterations=20, n_train=64, n_held_out=32), planned.seed)
    score = zoo.training.run(training, tmp_path / "run", zoo.faults.FAULTS[planned.fault].change, planned.onset)
    loss = Run(tmp_path / "run").series("loss")
    assert math.isnan(score)
    assert loss.first_valid_index() == 0
    assert loss.last_valid_index() == 7
    assert len(loss) == 20


def test_a_healthy_run_learns_more_than_the_same_run_with_a_fault(zoo, tmp_path, one_thread):
    outcomes = []
    for name, fault in (("well", None), ("ill", zoo.faults.FAULTS["labels-shuffled"].change)):
        task = zoo.tasks.TASKS["shapes"]
        training = zoo.training.prepared(task, task.options(iterations=75, n_held_out=64), 0)
        zoo.training.run(training, tmp_path / name, fault, 0)
        outcomes.append(zoo.verified.outcome(tmp_path / name))
    well, ill = outcomes
    assert zoo.verified.has_learnt(well)
    assert zoo.verified.does_harm(ill, well)
    assert not zoo.verified.has_learnt(ill)


@pytest.mark.parametrize("task", ["bands", "words", "pulses", "shapes", "chirps", "recall", "topics", "waves"])
def test_every_task_trains_an_iteration_and_has_the_parts_that_its_faults_change(zoo, tmp_path, task, one_thread):
    task = zoo.tasks.TASKS[task]
    options = task.options(iterations=1, n_train=32, n_held_out=16)
    training = zoo.training.prepared(task, options, 0)
    zoo.training.run(training, tmp_path / "run", None, 0)
    places = [one for one in zoo.plan.PLAN if one.fault and one.task == task.name and not one.onset]
    for planned in places:
        of_fault = zoo.plan.replace(planned.options, n_train=32, n_held_out=16)
        change = zoo.faults.FAULTS[planned.fault].change
        if change is not None:
            change(zoo.training.prepared(task, of_fault, 0))


def test_a_frozen_share_of_what_the_twin_gained_is_what_a_fault_leaves(zoo):
    twin, half_way = zoo.verified.Outcome(0.9, 0.3), zoo.verified.Outcome(0.6, 0.3)
    assert zoo.verified.share_left(half_way, twin) == pytest.approx(0.5)
    assert zoo.verified.does_harm(half_way, twin)
    assert zoo.verified.does_harm(zoo.verified.Outcome(math.nan, 0.3), twin)
    assert not zoo.verified.does_harm(zoo.verified.Outcome(0.8, 0.3), twin)
    assert not zoo.verified.does_harm(zoo.verified.Outcome(0.31, 0.3), zoo.verified.Outcome(0.36, 0.3))


def test_a_run_that_learnt_round_its_rnn_is_not_healthy(zoo):
    assert zoo.verified.has_learnt(zoo.verified.Outcome(0.9, 0.3))
    assert zoo.verified.has_learnt(zoo.verified.Outcome(0.9, 0.3, rnn_share=0.5))
    assert not zoo.verified.has_learnt(zoo.verified.Outcome(0.9, 0.3, rnn_share=0.1))


def test_totals_count_recall_precision_and_right_causes(zoo):
    results = [
        result(zoo),
        result(zoo, kinds=("gradient-death", "dead-units")),
        result(zoo, cause="non-finite"),
        result(zoo, verdict="healthy", cause=None),
        well(zoo),
        well(zoo),
        well(zoo, verdict="at-risk", cause="dead-units"),
    ]
    of = zoo.judge.totals(results)
    assert (of.n_faulty, of.n_healthy, of.n_midway) == (4, 3, 0)
    assert of.recall == 3 / 4
    assert of.precision == 3 / 4
    assert of.right == 2 / 4
    assert of.preferred == 1 / 4
    assert math.isnan(of.close)


def test_an_onset_counts_as_close_within_ten_iterations_and_a_wrong_cause_as_off(zoo):
    said = zoo.judge.Said
    results = [
        result(zoo, onset=80, said=(said("dead-units", "critical", 90),)),
        result(zoo, onset=80, said=(said("dead-units", "critical", 69),)),
        result(zoo, onset=80, cause="non-finite"),
        result(zoo, onset=0, said=(said("dead-units", "critical", 50),)),
    ]
    assert [one.onset_error for one in results] == [10, -11, None, None]
    of = zoo.judge.totals(results)
    assert of.n_midway == 3
    assert of.close == 1 / 3
    assert of.median_error == 10.5


def test_a_critical_finding_on_a_healthy_run_counts_even_when_it_has_passed(zoo):
    passed = (zoo.judge.Said("gradient-death", "critical", 5, is_active=False),)
    assert zoo.judge.totals([well(zoo, said=passed), well(zoo)]).criticals == 1


def test_a_finding_of_torchmortem_is_read_as_the_right_kind_if_its_detector_may_mean_it(zoo):
    found = [
        {"detector": "saturation", "severity": "warning", "step_range": [3, 9]},
        {"detector": "dead_units", "severity": "critical", "step_range": [7, 9]},
    ]
    at_warning = zoo.judge.of_torchmortem(result(zoo), found, "warning")
    assert (at_warning.cause, at_warning.verdict, at_warning.said[0].onset) == ("dead-units", "collapsed", 7)
    assert zoo.judge.of_torchmortem(result(zoo), found[:1], "critical").verdict == "healthy"
    plateau = result(zoo, kinds=("saturation-plateau",))
    assert zoo.judge.of_torchmortem(plateau, found[:1], "warning").is_right


def test_a_peer_that_fails_is_told_and_the_run_is_recorded_without_it(zoo, tmp_path, monkeypatch, one_thread):
    planned = zoo.plan.Planned("shapes", "two-classes", 0)
    monkeypatch.setitem(zoo.healthy.HEALTHY["shapes"], "two-classes", {"iterations": 3, "n_train": 32})

    def fails(*given):
        raise zoo.peer.PeerError("no such thing")

    monkeypatch.setattr(zoo.peer, "autopsy", fails)
    zoo.run.record(planned, tmp_path, with_peer=True)
    assert zoo.run.is_recorded(planned, tmp_path)
    assert json.loads(zoo.run.beside(planned, tmp_path).read_text())["note"] == "failed: no such thing"


def test_the_page_shows_totals_faults_and_what_was_misjudged(zoo):
    runs = [
        zoo.judge.Result("words-plain-0-x", "fit", "x", ("dead-units",), 80, "collapsed", "non-finite", ()),
        zoo.judge.Result("words-plain-0", "fit", None, (), None, "healthy", None, ()),
    ]
    outcomes = {"words-plain-0-x": zoo.verified.Outcome(0.2, 0.2), "words-plain-0": zoo.verified.Outcome(0.9, 0.2)}
    page = zoo.report.page({"flatline": runs}, outcomes, {"words-plain-0-x": "words-plain-0"})
    assert "| flatline | fit | 1 | 1 | 1.000 | 1.000 | 0.000 | 0.000 | 0.000 of 1 |" in page
    assert "| `x` | dead-units | 1 | 0 | 1 | 0 | 0.2 | 0.9 |" in page
    assert "| `words-plain-0-x` | dead-units | collapsed | non-finite | 80 |  |" in page


TAKEN_OUT = {
    "labels-0-to-255": ("topics", "fix-labels"),
    "inputs-constant": ("waves", "fix-data"),
    "sigmoid-before-cross-entropy": ("waves", "plain-output"),
    "one-class-weighted": ("waves", "plain-loss"),
    "detached-hidden": ("waves", "plain-modules"),
    "gradients-zeroed": ("topics", "plain-gradients"),
    "learning-rate-x300": ("waves", "plain-rate"),
    "one-class-forced": ("waves", "plain-weights"),
    "all-but-head-frozen": ("waves", "plain-training"),
    "optimizer-of-a-copy": ("recall", "plain-optimizer"),
}


@pytest.mark.parametrize("onset", [0, 2])
@pytest.mark.parametrize("fault", TAKEN_OUT)
def test_a_step_that_is_taken_out_leaves_the_healthy_training_to_the_bit(zoo, one_thread, tmp_path, fault, onset):
    task, name = TAKEN_OUT[fault]
    if onset and fault == "optimizer-of-a-copy":
        pytest.skip("a recorder stays with the optimiser that it was given")
    planned = zoo.plan.Planned(task, "plain", 0, fault, onset)
    switch = next(one for one in zoo.trial.SWITCHES if one.name == name)
    healthy, mended, broken = (
        losses(zoo, tmp_path / str(number), *given)
        for number, given in enumerate([(planned.twin, []), (planned, [switch]), (planned, [])])
    )
    assert len(healthy) == 5
    assert mended == healthy
    assert broken != healthy


def losses(zoo, log, planned, switches):
    """Of the first iterations of a trial."""
    from flatline import InterventionContext

    context = InterventionContext(switches, log, 5, planned.seed, SimpleNamespace(gives=None))
    context.pause.until = 5 + 1
    torch.manual_seed(planned.seed)
    run = zoo.trial.trial_of(planned)(context)
    return run.series("loss").tolist()


def cure(zoo, **changes):
    given = {"id": "waves-plain-0-x", "fault": "x", "kinds": ["dead-units"], "cause": "dead-units", "best": "a+b"}
    given |= {"decisive": "a", "treats": ["dead-units"], "by_loop": False, "score": 0.9, "twin": 1.0, "before": 0.2}
    given |= {"arms": 5, "cost": 0.4, "seconds": 9.0, "verdict": "healthy", "why": "a removes it"}
    return zoo.cures.Cure(**{**given, **changes})


def test_repaired_is_within_a_tenth_of_the_healthy_twin_and_scores_that_are_no_numbers_are_not(zoo):
    scores = [0.9, 0.89, math.nan]
    assert [cure(zoo, score=score).is_repaired for score in scores] == [True, False, False]
    other = cure(zoo, treats=["non-finite"])
    assert (other.agrees, other.is_right, cure(zoo).agrees) == (False, False, True)


def test_an_intervention_treats_what_it_says_and_what_advice_names_it_for(zoo):
    assert {"frozen-parameters"} == zoo.cures.treated("thaw", zoo.trial.SWITCHES)
    assert "dead-units" in zoo.cures.treated("lower-rate", zoo.trial.SWITCHES)  # by its advice alone
    assert zoo.cures.treated(None, zoo.trial.SWITCHES) == set()
    names = [one.name for one in zoo.cures.offered(zoo.trial.SWITCHES)]
    assert len(set(names)) == len(names)
    assert {"fix-labels", "thaw"} <= set(names)
    assert "input-attention" not in names


def test_the_page_of_cures_counts_what_was_tried_and_lists_what_was_not_repaired(zoo):
    lost = cure(zoo, id="waves-plain-0-all-but-head-frozen", score=0.5, treats=["non-finite"])
    page = zoo.revive_page.page([cure(zoo, id="waves-plain-0-saturated-layer"), lost], 3)
    assert "2 of 3 runs were tried." in page
    assert "| report | 2 | 0.500 | 0.500 | 1.000 |" in page
    assert "| `waves-plain-0-all-but-head-frozen` | dead-units | a+b | 0.5 |" in page
    assert "## Blind" not in page
