"""The numbered examples run, and their logs say of each net what is true of it."""

import importlib.util
import inspect
import json
import re
import warnings
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import flatline
import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

REPOSITORY = Path(__file__).parent.parent

FOLDER = REPOSITORY / "docs" / "examples"

ITERATIONS = {
    "01_character_lstm": 6,
    "02_gru_cell_loop": 4,
    "03_seq2seq_attention": 5,
    "04_transformer_translation": 5,
    "05_ctc_speech": 4,
    "06_convolutional_classifier": 6,
    "07_multihead_attention": 6,
    "08_two_optimizers_accumulation": 4,
    "09_mixed_precision": 16,  # two epochs, in each of which one batch holds the silent clip
    "10_revive_own_loop": 4,
}

NAMES = sorted(ITERATIONS)

SKIPS = {"09_mixed_precision": 2}

LOSS_ALONE = {"05_ctc_speech"}
"""Examples that have no target to hand over: no lwlrap, no rho, no label entropy."""


@contextmanager
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        yield
    torch.set_num_threads(threads)


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def steps_of_optimizers():
    """The gradients' norms at each optimiser step, by the parameter's id, read without the recorder."""
    steps = []

    def read(optimizer, args, kwargs):
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        steps.append({id(p): p.grad.to_dense().double().norm().item() for p in held if p.grad is not None})

    handle = register_optimizer_step_pre_hook(read)
    try:
        yield steps
    finally:
        handle.remove()


def ran(name, folder):
    """The example's `main` for a few iterations: its run, its model, its optimisers' steps, and what was warned of."""
    module, kept = load(name), {}
    train = module.train

    def keeping(*args):
        kept["model"] = train(*args)

    module.train = keeping
    with one_thread(), warnings.catch_warnings(record=True) as warned, steps_of_optimizers() as steps:
        warnings.simplefilter("always")
        module.main(str(folder / name), ITERATIONS[name])
    return SimpleNamespace(
        module=load(name), model=kept["model"], run=flatline.Run(folder / name), steps=steps, warned=warned
    )


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """Each example by name, run once."""
    folder, runs = tmp_path_factory.mktemp("examples"), {}

    def of(name):
        if name not in runs:
            runs[name] = ran(name, folder)
        return runs[name]

    return of


def skipped(run):
    return run.series("skipped").to_numpy().astype(bool)


def by_hand(loss, model):
    """Norm of the loss's gradient by parameter, straight from autograd."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters)
    return {name: gradient.to_dense().norm().item() for name, gradient in zip(names, gradients, strict=True)}


def test_the_index_lists_each_file_once_in_order():
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\d\d)\]\((\w+)\.py\) \| \S.* \| \S.* \|$", index, flags=re.MULTILINE)
    there = sorted(path.stem for path in FOLDER.glob("*.py"))
    assert [name for _, name in listed] == there == NAMES
    assert [number for number, _ in listed] == [f"{number:02}" for number in range(1, len(there) + 1)]
    assert all(name.startswith(f"{number}_") for number, name in listed)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_a_script_whose_log_has_its_name(name):
    module = load(name)
    defaults = {key: value.default for key, value in inspect.signature(module.main).parameters.items()}
    assert defaults["log"] == f"logs/{name.replace('_', '-')}"
    assert defaults["iterations"] >= 50
    assert list(defaults) == ["log", "iterations"]
    assert len((FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 130
    assert module.__doc__
    assert (FOLDER / f"{name}.py").read_text(encoding="utf-8").endswith('if __name__ == "__main__":\n    main()\n')


@pytest.mark.parametrize("name", NAMES)
def test_a_row_is_an_optimiser_step_or_one_that_the_scaler_left_out(example, name):
    run, steps = example(name).run, example(name).steps
    assert run.status == "finished"
    assert run.scalars.index.tolist() == list(range(ITERATIONS[name]))
    assert skipped(run).sum() == SKIPS.get(name, 0)
    n_optimizers = 2 if name.startswith("08") else 1
    of_arms = len(steps) - n_optimizers * (len(run) - SKIPS.get(name, 0))
    assert of_arms > 0 if name.startswith("10") else of_arms == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_gradient_norm_is_finite_and_is_what_the_optimiser_stepped_with(example, name):
    run, model, steps = example(name).run, example(name).model, example(name).steps
    norms = run.gradient_norms[~skipped(run)]
    assert list(norms.columns) == [path for path, _ in model.named_parameters()]
    assert np.isfinite(norms.to_numpy()).all()
    n_optimizers = 2 if name.startswith("08") else 1
    for row, (_, recorded) in enumerate(norms.iterrows()):
        seen = {}
        for step in steps[n_optimizers * row : n_optimizers * (row + 1)]:
            seen.update(step)
        read = [seen[id(parameter)] for parameter in model.parameters()]
        np.testing.assert_allclose(recorded, read, rtol=2e-5, atol=1e-12)
        assert run.series("gradient_norm_total")[recorded.name] == pytest.approx(np.linalg.norm(read), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_lost_nothing_fails_and_nobody_here_warns(example, name):
    ours = [str(warning.message) for warning in example(name).warned if REPOSITORY in Path(warning.filename).parents]
    ours = [said for said in ours if "oneDNN" not in said]  # PyTorch's own, told once a process and in few of them
    assert ours == []
    events = [json.dumps(event) for event in example(name).run.events() if event["kind"] != "skipped-step"]
    assert events == []
    assert len(example(name).run.events()) == SKIPS.get(name, 0)


@pytest.mark.parametrize("name", NAMES)
def test_scalars_are_nan_where_there_is_a_reason_and_nowhere_else(example, name):
    run = example(name).run
    scalars = run.scalars[~skipped(run)]
    nan = set(scalars.columns[scalars.isna().any()])
    may = {"gradient_norm_unclipped"} if name[:2] not in ("01", "05", "09") else set()  # loops that do not clip
    if name[:2] not in ("07", "10"):
        may |= {"ln2_distance", "target_min", "target_max"}  # of binary losses and multi-hot targets
    if name in LOSS_ALONE:
        may |= {"rho", "label_entropy", "prediction_entropy"}
    if name.startswith("07"):
        may.add("rho")  # the head's one bias serves all classes: no layer has one output a class
    if name.startswith("09"):  # projected states and a linear layer have no bound
        may |= {"saturation.lstm", "activation_saturation.lstm", "activation_saturation.output"}
    assert nan == may & set(scalars.columns)


class Silent:
    """A recorder that records nothing."""

    def __init__(self, *args, **kwargs):
        """Take what a recorder takes."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def step(self, **passed):
        """Do nothing."""

    evaluation = step


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_the_same_to_the_bit_without_the_recorder(example, name, monkeypatch):
    recorded = example(name).model
    monkeypatch.setattr(flatline, "Recorder", Silent, raising=False)
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        alone = load(name).train("nowhere", ITERATIONS[name])
    for (key, with_it), without in zip(recorded.state_dict().items(), alone.state_dict().values(), strict=True):
        assert torch.equal(with_it, without), key


def test_01_clipped_norms_are_the_smaller_of_the_two_and_each_character_is_a_clip(example):
    run, module = example("01_character_lstm").run, example("01_character_lstm").module
    unclipped, total = run.series("gradient_norm_unclipped"), run.series("gradient_norm_total")
    np.testing.assert_allclose(total, np.minimum(unclipped, 0.25), rtol=1e-4)
    assert (unclipped > 0.25).any()
    assert (run.by_class("positives").sum(axis=1) == 20 * 40).all()
    text = module.stripes(21)[:20, 1 : 6 * 40 + 1].flatten()
    share = torch.bincount(text, minlength=len(module.CLASSES)).double() / len(text)
    entropy = -(share * share.clamp(min=1e-12).log()).sum().item()
    assert run.scalars["label_entropy"].iloc[-1] == pytest.approx(entropy, rel=1e-5)
    np.testing.assert_array_equal(run.lwlrap.isna(), run.by_class("positives") == 0)


def test_02_the_first_iteration_is_autograd_s(example):
    run, module = example("02_gru_cell_loop").run, example("02_gru_cell_loop").module
    with one_thread():
        torch.manual_seed(2)
        model = module.Recall()
        clips, target = module.batch(64, torch.Generator().manual_seed(2))
        loss = torch.nn.functional.cross_entropy(model(clips), target)
        norms = by_hand(loss, model)
    assert run.series("loss")[0] == pytest.approx(loss.item(), rel=1e-6)
    assert run.gradient_norms.iloc[0].to_dict() == pytest.approx(norms, rel=1e-5)


def test_02_the_first_iteration_s_gradient_vanishes_towards_the_first_frame_as_by_hand(example):
    run, module = example("02_gru_cell_loop").run, example("02_gru_cell_loop").module
    states = []
    with one_thread():
        torch.manual_seed(2)
        model = module.Recall()
        model.cell.register_forward_hook(lambda module, args, output: states.append(output))
        clips, target = module.batch(64, torch.Generator().manual_seed(2))
        gradients = torch.autograd.grad(torch.nn.functional.cross_entropy(model(clips), target), states)
    expected = np.array([gradient.norm().item() for gradient in gradients])
    recorded = run.hidden_gradients("cell").iloc[0].to_numpy()
    assert len(recorded) == module.N_FRAMES
    np.testing.assert_allclose(recorded / recorded[-1], expected / expected[-1], rtol=0.5)  # recorded on a few clips
    assert recorded[0] < 1e-3 * recorded[-1]


def test_03_the_map_is_the_mean_alignment_of_the_first_batch(example):
    run, module = example("03_seq2seq_attention").run, example("03_seq2seq_attention").module
    given = []
    with one_thread():
        torch.manual_seed(3)
        model = module.Seq2Seq()
        source, lengths, target = module.batch(48, torch.Generator().manual_seed(3))
        model.alignment.register_forward_hook(lambda module, args, output: given.append(output.detach()))
        model(source, lengths, target)
    (alignment,) = given
    real = torch.arange(source.shape[1]) < lengths[:, None]
    mean = alignment.sum(dim=0) / real.sum(dim=0)[:, None]
    assert run.map_names == ["alignment"]
    recorded = run.attention(0)
    assert recorded.shape == (8, 8)
    np.testing.assert_allclose(recorded, mean, atol=mean.max().item() / 254)
    assert run.by_class("positives").iloc[0].sum() == lengths.sum()
    assert run.by_class("attention_entropy").iloc[0, 0] > 0.98  # before it has learnt, it looks everywhere


def test_04_the_learning_rate_is_the_scheduler_s(example):
    rate = example("04_transformer_translation").run.series("learning_rate")
    np.testing.assert_allclose(rate, [4e-3 * number / 40 for number in range(1, 6)], rtol=1e-5)


def test_04_every_layer_of_encoder_and_decoder_has_a_column(example):
    names = example("04_transformer_translation").run.gradient_norms.columns
    for layer in ("encoder.layers.0", "encoder.layers.1", "decoder.layers.0", "decoder.layers.1"):
        assert f"transformer.{layer}.self_attn.in_proj_weight" in names


def test_05_frames_without_targets_have_scores_health_and_a_map_but_no_lwlrap(example):
    run = example("05_ctc_speech").run
    assert run.lwlrap.isna().all(axis=None)
    assert run.series("top_class_share").between(1 / 8, 1).all()
    assert run.map_names == ["output"]
    for iteration in range(len(run)):
        shares = run.attention(iteration)  # (frame, class), each frame's probabilities
        assert shares.shape[1] == len(run.classes) == 8
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=8 / 254)


def test_06_the_bias_before_a_batch_norm_has_no_gradient_to_speak_of(example):
    norms = example("06_convolutional_classifier").run.gradient_norms
    for layer in (0, 4, 8):
        assert (norms[f"{layer}.bias"] < 1e-4 * norms[f"{layer}.weight"]).all()
    assert (norms["1.bias"] > 1e-2 * norms["0.weight"]).all()  # the BatchNorm's own has one


def test_06_the_evaluation_stands_at_the_last_iteration_beside_its_chance(example):
    evaluations = example("06_convolutional_classifier").run.evaluations
    assert evaluations.index.tolist() == [ITERATIONS["06_convolutional_classifier"]]
    assert evaluations["chance"].iloc[0] == pytest.approx(sum(1 / rank for rank in range(1, 7)) / 6)
    assert example("06_convolutional_classifier").run.info["clips"] == ["a rising tone", "noise"]


def test_07_the_map_is_the_attention_s_own_weights_by_class(example):
    run, module = example("07_multihead_attention").run, example("07_multihead_attention").module
    given = []
    with one_thread():
        torch.manual_seed(7)
        model = module.Tagger()
        clips, mask, _ = module.batch(32, torch.Generator().manual_seed(7))
        model.attend.register_forward_hook(lambda module, args, output: given.append(output[1].detach()))
        model(clips, mask)
    mean = given[0].transpose(1, 2).sum(dim=0) / mask.sum(dim=0)[:, None]
    assert run.map_names == ["attend"]
    assert run.attention(0).shape == (48, 6)
    np.testing.assert_allclose(run.attention(0), mean, atol=(np.nanmax(mean) - np.nanmin(mean)) / 254)


def test_07_each_class_looks_along_the_real_frames_of_batch_and_pinned_clip(example):
    run = example("07_multihead_attention").run
    entropy, peak = run.by_class("attention_entropy"), run.by_class("attention_peak")
    assert list(entropy.columns) == example("07_multihead_attention").module.EVENTS
    assert entropy.gt(0.9).all(axis=None)
    assert entropy.lt(1).all(axis=None)
    assert peak.gt(1 / 48).all(axis=None)
    pinned = run.attention(len(run), clip="a bark")
    np.testing.assert_allclose(pinned.sum(axis=0), 1, atol=48 * np.ptp(pinned) / 508)


def test_08_a_row_s_norms_are_autograd_s_of_the_mean_of_four_losses(example):
    run, module = example("08_two_optimizers_accumulation").run, example("08_two_optimizers_accumulation").module
    with one_thread():
        torch.manual_seed(8)
        model, generator = module.Classifier(), torch.Generator().manual_seed(8)
        losses = []
        for _ in range(4):
            reviews, target = module.micro_batch(16, generator)
            losses.append(module.loss_of(model(reviews), target))
        norms = by_hand(sum(losses) / 4, model)
    assert run.gradient_norms.iloc[0].to_dict() == pytest.approx(norms, rel=1e-5)
    assert run.series("loss")[0] == pytest.approx(sum(losses).item() / 4, rel=1e-6)
    assert (run.by_class("positives").sum(axis=1) == 64).all()


def test_09_rows_that_the_scaler_left_out_have_nan_gradients_and_leave_the_weights_alone(example):
    run = example("09_mixed_precision").run
    out = skipped(run)
    assert out[:8].sum() == out[8:].sum() == 1  # one silent clip, one batch an epoch
    assert run.gradient_norms[out].isna().all(axis=None)
    np.testing.assert_array_equal(run.series("loss").isna(), out)
    weights = run.by_parameter("weight_norm").to_numpy()
    for row in np.flatnonzero(out):
        before, after = weights[row - 1], weights[row]
        assert ((before == after) | np.isnan(after)).all()
    assert (weights[1:][~out[1:]] != weights[:-1][~out[1:]]).any(axis=1).all()


def test_10_the_trials_go_as_far_as_the_run_and_try_a_fitting_loss_and_the_switch(example):
    revived = json.loads((Path(example("10_revive_own_loop").run.path) / "revive.json").read_text())
    rows = {arm["intervention"]: arm for arm in revived["arms"]}
    assert next(iter(rows)) == "unchanged"
    assert {"fix-objective", "no-sigmoid"} <= set(rows)
    assert {arm["iterations"] for arm in rows.values()} == {ITERATIONS["10_revive_own_loop"]}
    runs = {name: flatline.Run(arm["run"]) for name, arm in rows.items()}
    kinds = {name: (run.info["output_kind"], run.info["loss_kind"]) for name, run in runs.items()}
    assert kinds["unchanged"] == ("probabilities", "bce-with-logits")
    assert kinds["fix-objective"] == ("probabilities", "bce")
    assert kinds["no-sigmoid"] == ("logits", "bce-with-logits")
    first = [runs[name].series("loss")[0] for name in ("unchanged", "fix-objective", "no-sigmoid")]
    assert first[0] > 0.9  # (softplus(s) - s y) of s = .5: the sigmoid keeps every score near 1/2
    assert first[1] == pytest.approx(first[2], rel=1e-5)  # one of probabilities, the other of their logits
