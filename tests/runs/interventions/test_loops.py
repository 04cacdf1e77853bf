import copy

import pytest
import torch
from flatline.runs.interventions import Loop, named
from flatline.runs.interventions.fix_objective import takes
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

PRIOR = torch.tensor([0.01, 0.1, 0.5])


class Net(nn.Module):
    """A recurrent network of a user's own."""

    def __init__(self, rnn=None):
        super().__init__()
        self.rnn = rnn or nn.LSTM(4, 6, batch_first=True)
        self.dropout = nn.Dropout1d(0.3)
        self.out = nn.Linear(6, 3)

    def forward(self, clips):
        return self.out(self.dropout(self.rnn(clips)[0]).mean(dim=1))


def one(name):
    return named([name])[0]


def test_a_hook_says_which_interventions_suit_a_loop():
    suits = {*("prior-bias", "fix-objective", "lower-rate", "higher-rate", "clip-gradients", "warm-up", "layer-norm")}
    suits |= {*("orthogonal-init", "chrono-init", "no-frame-dropout", "asymmetric-loss", "focal-loss", "thaw")}
    suits |= {"less-weight-decay"}
    from flatline.runs.interventions import INTERVENTIONS

    assert {one.name for one in INTERVENTIONS if one.suits_loops} == suits


def test_prior_bias_sets_the_bias_of_the_layer_that_gives_the_scores():
    net = Net()
    one("prior-bias").on_model(net, Loop(10, PRIOR))
    torch.testing.assert_close(net.out.bias.detach().sigmoid(), PRIOR)
    one("prior-bias").on_model(net, Loop(10, PRIOR / PRIOR.sum(), loss="cross-entropy"))
    torch.testing.assert_close(net.out.bias.detach().softmax(dim=0), PRIOR / PRIOR.sum())


def test_prior_bias_takes_the_last_of_several_fitting_layers_and_leaves_a_net_without_one_or_a_prior():
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), nn.Sigmoid())
    first = net[0].bias.detach().clone()
    one("prior-bias").on_model(net, Loop(10, PRIOR))
    torch.testing.assert_close(net[2].bias.detach().sigmoid(), PRIOR)
    assert torch.equal(net[0].bias, first)
    other = nn.Linear(3, 5)
    before = copy.deepcopy(other.state_dict())
    one("prior-bias").on_model(other, Loop(10, PRIOR))
    one("prior-bias").on_model(net, Loop(10))
    assert all(torch.equal(other.state_dict()[name], value) for name, value in before.items())


def test_prior_bias_lets_a_head_that_knows_better_do_it(small_task, small_recipe):
    from flatline.runs.network import make_model

    recipe = small_recipe("story-attention")
    net = make_model(recipe, small_task)
    prior = torch.from_numpy(small_task.prior)
    one("prior-bias").on_model(net, Loop(10, prior))
    wanted = make_model(small_recipe("story-attention", "prior_bias=true"), small_task)
    torch.testing.assert_close(net.head.classification.bias, wanted.head.classification.bias)


def test_clipping_bounds_the_norm_of_what_every_group_is_stepped_with(patient):
    weights = [nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2))]
    optimizer = torch.optim.SGD([{"params": weights[:1]}, {"params": weights[1:]}], lr=1.0)
    one("clip-gradients").on_optimizer(optimizer, Loop(10), patient())
    weights[0].grad, weights[1].grad = torch.full((3,), 30.0), torch.full((2,), 40.0)
    optimizer.step()
    assert float(torch.cat([weight.detach() for weight in weights]).norm()) == pytest.approx(1, rel=1e-4)
    weights[0].grad, weights[1].grad = torch.full((3,), 0.03), torch.zeros(2)
    before = weights[0].detach().clone()
    optimizer.step()
    torch.testing.assert_close(weights[0].detach() - before, torch.full((3,), -0.03))


def test_a_warm_up_scales_the_first_steps_and_leaves_the_loops_own_schedule_as_it_was(patient):
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    one("warm-up").on_optimizer(optimizer, Loop(20), patient())
    taken, rates = [], []
    for _ in range(6):
        before = weight.item()
        weight.grad = torch.ones(1)
        optimizer.step()
        taken.append(before - weight.item())
        rates.append(optimizer.param_groups[0]["lr"])
        schedule.step()
    assert rates == pytest.approx([0.5**step for step in range(6)])
    shares = [taken[step] / rates[step] for step in range(6)]
    assert shares == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1], rel=1e-4)


def test_orthogonal_and_chrono_change_the_rnn_in_place_and_chrono_only_where_the_length_is_known():
    net = Net()
    one("orthogonal-init").on_model(net, Loop(10))
    for block in net.rnn.weight_hh_l0.detach().split(6):
        torch.testing.assert_close(torch.linalg.svdvals(block), torch.ones(6))
    before = net.rnn.bias_ih_l0.detach().clone()
    one("chrono-init").on_model(net, Loop(10))
    assert torch.equal(net.rnn.bias_ih_l0, before)
    one("chrono-init").on_model(net, Loop(10, n_frames=50))
    assert (net.rnn.bias_ih_l0[6:12] >= 0).all()
    assert net.rnn.bias_hh_l0[6:12].tolist() == [0] * 6


def test_layer_norm_makes_a_loud_input_as_good_as_a_quiet_one():
    net = Net().eval()
    clips = torch.randn(2, 5, 4)
    assert not torch.allclose(net(1000 * clips), net(clips), atol=1e-3)
    one("layer-norm").on_model(net, Loop(10))
    torch.testing.assert_close(net(1000 * clips), net(clips), atol=1e-3, rtol=1e-3)
    assert copy.deepcopy(net)(clips).shape == (2, 3)
    packed = pack_padded_sequence(1000 * clips, torch.tensor([5, 3]), batch_first=True)
    quiet = pack_padded_sequence(clips, torch.tensor([5, 3]), batch_first=True)
    torch.testing.assert_close(net.rnn(packed)[0].data, net.rnn(quiet)[0].data, atol=1e-3, rtol=1e-3)


def test_no_frame_dropout_turns_off_dropout_of_channels_and_no_other():
    net = nn.Sequential(nn.Dropout1d(0.5), nn.Dropout2d(0.2), nn.Dropout(0.4))
    one("no-frame-dropout").on_model(net, Loop(10))
    assert [module.p for module in net] == [0, 0, 0.4]


def test_thaw_gives_every_parameter_a_gradient_and_an_optimiser(patient):
    net = Net()
    net.rnn.requires_grad_(False)
    optimizer = torch.optim.Adam(net.out.parameters(), lr=0.02)
    one("thaw").on_model(net, Loop(10))
    one("thaw").on_optimizer(optimizer, Loop(10, model=net), patient())
    net(torch.randn(2, 5, 4)).sum().backward()
    before = copy.deepcopy(net.state_dict())
    optimizer.step()
    assert all(not torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert [group["lr"] for group in optimizer.param_groups] == [0.02, 0.02]
    one("thaw").on_optimizer(optimizer, Loop(10, model=net), patient())
    assert len(optimizer.param_groups) == 2


def test_less_weight_decay_lets_every_group_keep_its_weights(patient):
    optimizer = torch.optim.AdamW([{"params": [nn.Parameter(torch.ones(1))]}], weight_decay=0.3)
    one("less-weight-decay").on_optimizer(optimizer, Loop(10), patient())
    assert optimizer.param_groups[0]["weight_decay"] == 0


SCORES, TARGET = torch.tensor([[0.2, 0.9, 0.6]]), torch.tensor([[0.0, 1.0, 0.0]])


@pytest.mark.parametrize("criterion", [nn.BCEWithLogitsLoss(), functional.binary_cross_entropy_with_logits])
def test_fix_objective_takes_probabilities_where_the_net_gives_them(criterion):
    fixed = one("fix-objective").on_criterion(criterion, "probabilities")
    torch.testing.assert_close(fixed(SCORES, TARGET), functional.binary_cross_entropy(SCORES, TARGET))
    assert one("fix-objective").on_criterion(criterion, "logits") is criterion
    assert one("fix-objective").on_criterion(criterion, None) is criterion


def test_fix_objective_takes_logits_where_the_net_gives_them_and_leaves_another_loss():
    fixed = one("fix-objective").on_criterion(nn.BCELoss(), "logits")
    torch.testing.assert_close(fixed(SCORES, TARGET), functional.binary_cross_entropy_with_logits(SCORES, TARGET))
    other = nn.CrossEntropyLoss()
    assert one("fix-objective").on_criterion(other, "probabilities") is other


@pytest.mark.parametrize("name", ["focal-loss", "asymmetric-loss"])
def test_a_bent_loss_replaces_cross_entropy_on_what_that_takes_and_can_still_be_made_to_fit(name):
    from flatline.runs.losses import criterion as by_name

    focus = name.removesuffix("-loss")
    bent = one(name).on_criterion(nn.BCEWithLogitsLoss(), "probabilities")
    assert takes(bent) == "logits"
    torch.testing.assert_close(bent(SCORES, TARGET), by_name("bce-with-logits", "logits", focus)(SCORES, TARGET))
    fixed = one("fix-objective").on_criterion(bent, "probabilities")
    torch.testing.assert_close(fixed(SCORES, TARGET), by_name("bce", "probabilities", focus)(SCORES, TARGET))
    other = nn.MSELoss()
    assert one(name).on_criterion(other, "logits") is other
    assert one(name).on_criterion(bent, "logits") is bent
