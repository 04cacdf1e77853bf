"""A check leaves everything as it was, bit by bit: whatever it found, and after an exception too."""

import copy
import random

import numpy as np
import pytest
import torch
from flatline.diagnostics.check import check
from flatline.diagnostics.checks.given import CheckError, as_batch
from flatline.diagnostics.checks.objective import as_objective
from flatline.diagnostics.checks.subject import Subject
from flatline.diagnostics.checks.untouched import Untouched
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce


class Awkward(nn.Module):
    """Batch norm, dropout, an RNN that carries its state, a counter, a list, a buffer that is replaced."""

    steps: torch.Tensor

    def __init__(self, ends_in_sigmoid=False, fails=False):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv1d(6, 8, 3, padding=1), nn.BatchNorm1d(8), nn.Dropout(0.3)
        self.gru, self.linear = nn.GRU(8, 5, batch_first=True), nn.Linear(5, 4)
        self.register_buffer("steps", torch.zeros(()))
        self.state, self.calls, self.seen = None, 0, []
        self.ends_in_sigmoid, self.fails = ends_in_sigmoid, fails
        self.kept = torch.zeros(3)

    def forward(self, clips):
        clips.sub_(clips.mean())  # overwrites what it is given
        self.calls += 1
        self.seen.append(len(clips))
        self.steps = self.steps + 1
        self.kept.add_(1)
        frames, self.state = self.gru(self.drop(self.norm(self.conv(clips.transpose(1, 2)))).relu().transpose(1, 2))
        random.random(), np.random.rand(), torch.rand(1)  # noqa: NPY002
        if self.fails:
            raise RuntimeError("no")
        scores = self.linear(frames[:, -1])
        return scores.sigmoid() if self.ends_in_sigmoid else scores


def taken(model, optimizer, batch):
    """All that must stay, copied."""
    return copy.deepcopy(
        {
            "state": model.state_dict(),
            "gradients": [parameter.grad for parameter in model.parameters()],
            "modes": [module.training for module in model.modules()],
            "frozen": [parameter.requires_grad for parameter in model.parameters()],
            "own": (model.state, model.calls, model.seen, model.kept),
            "optimizer": optimizer.state_dict(),
            "batch": batch,
            "random": (torch.get_rng_state(), np.random.get_state(), random.getstate()),  # noqa: NPY002
        }
    )


def same(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.numpy().tobytes() == other.numpy().tobytes()
    if isinstance(one, np.ndarray):
        return one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def hooks(model):
    return [
        len(getattr(module, name)) for module in model.modules() for name in vars(module) if name.endswith("_hooks")
    ]


def prepared(training, **options):
    model = Awkward(**options)
    optimizer = torch.optim.Adam(model.parameters())
    batch = (torch.randn(8, 10, 6), (torch.rand(8, 4) < 0.4).float())
    bce(
        Awkward.forward(model, batch[0].clone()) if not model.fails else model.linear(torch.randn(8, 5)), batch[1]
    ).backward()
    optimizer.step()
    model.state = None
    model.train(training)
    model.norm.eval()
    model.conv.bias.requires_grad_(False)
    return model, optimizer, batch


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("ends_in_sigmoid", [True, False])
@pytest.mark.parametrize("loss", ["bce-with-logits", "bce", None, nn.BCEWithLogitsLoss()])
def test_model_optimizer_batch_and_random_states_are_what_they_were(training, ends_in_sigmoid, loss):
    model, optimizer, batch = prepared(training, ends_in_sigmoid=ends_in_sigmoid)
    before, objects = taken(model, optimizer, batch), [id(parameter.grad) for parameter in model.parameters()]
    n_hooks, versions = hooks(model), [parameter._version for parameter in model.parameters()]
    check(model, loss, batch, optimizer=optimizer)
    assert same(before, taken(model, optimizer, batch))
    assert hooks(model) == n_hooks
    assert [id(parameter.grad) for parameter in model.parameters()] == objects
    assert [parameter._version for parameter in model.parameters()] == versions


def test_the_same_holds_where_the_model_raises():
    model, optimizer, batch = prepared(True, fails=True)
    before, n_hooks = taken(model, optimizer, batch), hooks(model)
    with pytest.raises(CheckError, match="RuntimeError: no"):
        check(model, "bce-with-logits", batch, optimizer=optimizer)
    assert same(before, taken(model, optimizer, batch))
    assert hooks(model) == n_hooks


def test_the_same_holds_where_the_loss_raises():
    def loss(output, target):
        raise KeyboardInterrupt

    model, optimizer, batch = prepared(True)
    before, n_hooks = taken(model, optimizer, batch), hooks(model)
    with pytest.raises(KeyboardInterrupt):
        check(model, loss, batch, optimizer=optimizer)
    assert same(before, taken(model, optimizer, batch))
    assert hooks(model) == n_hooks


def test_other_weights_are_tried_on_the_same_model_and_put_back_each_time():
    model = Awkward(ends_in_sigmoid=True).eval()
    batch = (torch.randn(8, 10, 6), (torch.rand(8, 4) < 0.4).float())
    was = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    with Untouched([model]) as untouched:
        model.train()
        subject = Subject(model, as_objective("bce-with-logits"), as_batch(batch), [], None, untouched)
        for look in ("nudged", "reach", "nudged"):
            assert getattr(subject, look) is not None
            assert all(module.training for module in model.modules())
            assert model.calls == 0, "the pass before must not be seen"
            assert all(torch.equal(parameter, was[name]) for name, parameter in model.named_parameters())
            subject.__dict__.pop(look)


def test_a_graph_that_waits_for_its_backward_pass_still_takes_it():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4), nn.Sigmoid())
    clips, target = torch.randn(8, 6), torch.eye(8, 4)
    waiting = model(clips).sum()
    check(model, "bce-with-logits", (clips, target), optimizer=torch.optim.Adam(model.parameters()))
    waiting.backward()


def test_it_works_inside_no_grad_and_says_the_same_twice():
    model, optimizer, batch = prepared(True, ends_in_sigmoid=True)
    with torch.no_grad():
        once = check(model, "bce-with-logits", batch, optimizer=optimizer)
        assert not torch.is_grad_enabled()
    assert once == check(model, "bce-with-logits", batch, optimizer=optimizer)
    assert not once.ok


def test_an_optimizer_that_steps_in_the_backward_pass_does_not_step():
    model = nn.Linear(6, 4)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(lambda _: optimizer.step())
    was = model.weight.detach().clone()
    check(model, "bce-with-logits", (torch.randn(8, 6), torch.eye(8, 4)))
    assert torch.equal(model.weight, was)


@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpoints_are_differentiated(reentrant):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 4)

        def forward(self, clips):
            hidden = torch.utils.checkpoint.checkpoint(self.first, clips.requires_grad_(), use_reentrant=reentrant)
            return self.last(hidden)

    model = Net()
    assert not check(model, "bce-with-logits", (torch.randn(8, 6), torch.eye(8, 4))).findings
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_compiled_or_wrapped_network_is_looked_at_itself():
    inner = nn.Sequential(nn.Linear(6, 4), nn.Sigmoid())
    for model in (torch.compile(inner), nn.DataParallel(inner)):
        (found,) = check(model, "bce-with-logits", (torch.randn(8, 6), torch.eye(8, 4))).findings
        assert (found.kind, found.where) == ("broken-objective", "1")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_a_class_out_of_range_is_found_without_ending_the_processs_work_there():
    model = nn.Linear(6, 4).cuda()
    state = torch.cuda.get_rng_state()
    found = check(model, "cross-entropy", (torch.randn(8, 6).cuda(), torch.full((8,), 9).cuda())).findings
    assert [(one.kind, one.severity) for one in found] == [("label-problem", "critical")]
    assert torch.equal(torch.cuda.get_rng_state(), state)
    sound = (torch.randn(8, 6).cuda(), torch.arange(8).cuda() % 4)
    assert not check(model, "cross-entropy", sound, optimizer=torch.optim.Adam(model.parameters())).findings
