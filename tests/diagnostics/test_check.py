"""Each fault is named by the right kind, at the right place, as badly as it is."""

import math

import pytest
import torch
from flatline.diagnostics.check import AFTER_LOSS, BARS_LOSS, BEFORE_LOSS, EXPLAINS, check
from flatline.diagnostics.checks.given import CheckError
from flatline.diagnostics.checks.words import WORDS
from flatline.diagnostics.errors import AttachError, UnknownNameError
from flatline.diagnostics.findings import KINDS
from torch import nn
from torch.nn import functional
from torch.nn.functional import binary_cross_entropy_with_logits as bce_with_logits

CLIPS, FRAMES, BINS = 16, 10, 6


class Net(nn.Module):
    """GRU, a layer between, classification; `end` is done to the scores, `between` to the features."""

    def __init__(self, n_classes=4, end=None, between=None, **options):
        super().__init__()
        self.gru = nn.GRU(BINS, 8, batch_first=True, **options)
        self.middle = nn.Linear(8, 8)
        self.classification = nn.Linear(8, n_classes)
        self.end, self.between = end, between

    def forward(self, clips):
        features = self.middle(self.gru(clips)[0].mean(dim=1))
        features = features if self.between is None else self.between(features)
        scores = self.classification(features)
        return scores if self.end is None else self.end(scores)


class Announcing(Net):
    """Says what it gives."""

    output, output_layer = "probabilities", "classification"


class OneHot(nn.Module):
    """A ReLU whose input is far below 0."""

    def __init__(self):
        super().__init__()
        self.linear, self.relu, self.scores = nn.Linear(BINS, 8), nn.ReLU(), nn.Linear(8, 4)
        nn.init.constant_(self.linear.bias, -50)

    def forward(self, clips):
        return self.scores(self.relu(self.linear(clips.mean(dim=1))))


class Broken(nn.Module):
    """One module divides by zero."""

    def __init__(self, how):
        super().__init__()
        self.first, self.bad, self.last = nn.Linear(BINS, 8), Bad(how), nn.Linear(8, 4)

    def forward(self, clips):
        return self.last(self.bad(self.first(clips.mean(dim=1))))


class Bad(nn.Module):
    """Something that is not finite, forward or only backward."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, features):
        return self.how(features)


class Mapped(Net):
    """A softmax over a dimension of one element inside."""

    def __init__(self):
        super().__init__()
        self.looks = nn.Linear(BINS, 1)

    def forward(self, clips):
        return super().forward(clips * self.looks(clips).softmax(dim=-1))


class Unused(Net):
    """A layer that the forward pass forgets."""

    def __init__(self):
        super().__init__()
        self.forgotten = nn.Linear(8, 8)


class LastFrame(nn.Module):
    """The last frame of a bidirectional RNN: the way back has read one frame."""

    def __init__(self):
        super().__init__()
        self.gru, self.scores = nn.GRU(BINS, 8, batch_first=True, bidirectional=True), nn.Linear(16, 4)

    def forward(self, clips):
        return self.scores(self.gru(clips)[0][:, -1])


def clips():
    return torch.randn(CLIPS, FRAMES, BINS)


def labels(n_classes=4):
    target = (torch.rand(CLIPS, n_classes) < 0.4).float()
    target[0], target[1] = 0, 1
    return target


def indices(n_classes=4):
    return torch.arange(CLIPS) % n_classes


def scaled(model, layer, factor):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(factor)
    return model


def frozen(model, *layers):
    for layer in layers:
        layer.requires_grad_(False)
    return model


def filled(tensor, place, value):
    tensor[place] = value
    return tensor


def weight_lost():
    model = Net()
    model.middle.weight.data[0, 0] = math.nan
    return model


def biased(bias):
    model = Net(80)
    nn.init.constant_(model.classification.bias, bias)
    return model


def deep_sigmoids():
    layers = [part for _ in range(14) for part in (nn.Linear(8, 8), nn.Sigmoid())]
    return nn.Sequential(nn.Linear(BINS, 8), *layers, nn.Linear(8, 4))


SIGMOID, SOFTMAX = torch.sigmoid, lambda scores: scores.softmax(dim=-1)

OBJECTIVE = {
    "a sigmoid under bce-with-logits": lambda: (Net(end=SIGMOID), "bce-with-logits", labels, "critical", ""),
    "a sigmoid module at the end": lambda: (Net(end=nn.Sigmoid()), "bce-with-logits", labels, "critical", "end"),
    "the same under the criterion": lambda: (Net(end=SIGMOID), nn.BCEWithLogitsLoss(), labels, "critical", ""),
    "the same under the function": lambda: (Net(end=SIGMOID), bce_with_logits, labels, "critical", ""),
    "one class": lambda: (Net(1, end=SIGMOID), "bce-with-logits", lambda: labels(1), "critical", ""),
    "a softmax under bce-with-logits": lambda: (Net(end=SOFTMAX), "bce-with-logits", labels, "critical", ""),
    "announced": lambda: (Announcing(), "bce-with-logits", labels, "critical", "classification"),
    "a softmax twice": lambda: (Net(end=SOFTMAX), "cross-entropy", indices, "critical", ""),
    "a softmax module twice": lambda: (Net(end=nn.Softmax(dim=1)), nn.CrossEntropyLoss(), indices, "critical", "end"),
    "a sigmoid under cross-entropy": lambda: (Net(end=SIGMOID), "cross-entropy", indices, "critical", ""),
    "logits under bce": lambda: (Net(), "bce", labels, "critical", "classification"),
    "logits under BCELoss": lambda: (Net(), nn.BCELoss(), labels, "critical", "classification"),
    "logits under NLLLoss": lambda: (Net(), nn.NLLLoss(), indices, "critical", "classification"),
    "probabilities under NLLLoss": lambda: (Net(end=SOFTMAX), nn.NLLLoss(), indices, "critical", "classification"),
    "a softmax over one class": lambda: (Net(1), "cross-entropy", lambda: indices(1), "critical", "classification"),
    "a softmax over one class under bce": lambda: (Net(1, end=SOFTMAX), "bce", lambda: labels(1), "critical", ""),
    "a relu on the scores": lambda: (Net(end=torch.relu), "bce-with-logits", labels, "critical", ""),
    "a relu module on the scores": lambda: (Net(end=nn.ReLU()), "cross-entropy", indices, "warning", "end"),
    "a log-sigmoid": lambda: (Net(end=functional.logsigmoid), "bce-with-logits", labels, "critical", ""),
    "a tanh on the scores": lambda: (Net(80, end=nn.Tanh()), "cross-entropy", lambda: indices(8), "critical", "end"),
    "a softmax for several labels": lambda: (Net(end=SOFTMAX), "bce", labels, "warning", ""),
    "a bias the wrong way": lambda: (biased(4.2), "bce-with-logits", lambda: labels(80) * 0, "warning", "loss"),
    "a loss without a mean": lambda: (Net(), nn.BCEWithLogitsLoss(reduction="none"), labels, "critical", "loss"),
}  # fmt: skip


@pytest.mark.parametrize("name", OBJECTIVE)
def test_an_objective_that_does_not_fit_is_named(name):
    model, loss, target, severity, where = OBJECTIVE[name]()
    checked = check(model, loss, (clips(), target()))
    found = [(one.kind, one.severity, one.where) for one in checked.findings if one.kind != "label-problem"]
    assert found == [("broken-objective", severity, where)]
    assert checked.ok == (severity != "critical")


LABELS = {
    "another number of classes": lambda: ("bce-with-logits", labels(5), "critical"),
    "another number of clips": lambda: ("bce-with-logits", labels()[:7], "critical"),
    "one dimension": lambda: ("bce-with-logits", labels()[:, 0], "critical"),
    "below 0": lambda: ("bce-with-logits", labels() * 2 - 1, "critical"),
    "percent": lambda: ("bce-with-logits", labels() * 100, "critical"),
    "integers": lambda: ("bce-with-logits", labels().long(), "critical"),
    "all zero": lambda: ("bce-with-logits", torch.zeros(CLIPS, 4), "warning"),
    "all one": lambda: ("bce-with-logits", torch.ones(CLIPS, 4), "warning"),
    "the same labels in every clip": lambda: ("bce-with-logits", torch.eye(4)[:1].repeat(CLIPS, 1), "warning"),
    "class K": lambda: ("cross-entropy", indices() + 1, "critical"),
    "class -1": lambda: ("cross-entropy", indices() - 1, "critical"),
    "floating indices": lambda: ("cross-entropy", indices().float(), "critical"),
    "a column of indices": lambda: ("cross-entropy", indices()[:, None], "critical"),
    "one class for all": lambda: ("cross-entropy", torch.full((CLIPS,), 2), "warning"),
    "several labels under cross-entropy": lambda: ("cross-entropy", labels(), "warning"),
    "everything ignored": lambda: ("cross-entropy", torch.full((CLIPS,), -100), "critical"),
    "ignored by another index": lambda: (nn.CrossEntropyLoss(ignore_index=1), torch.ones(CLIPS).long(), "critical"),
    "not ignored here": lambda: (nn.CrossEntropyLoss(ignore_index=1), torch.full((CLIPS,), -100), "critical"),
    "nothing": lambda: ("bce-with-logits", torch.zeros(0, 4), "critical"),
    "spread over each other": lambda: (nn.MSELoss(), torch.randn(CLIPS, 1), "warning"),
}  # fmt: skip


@pytest.mark.parametrize("name", LABELS)
def test_targets_that_cannot_be_learned_are_named(name):
    loss, target, severity = LABELS[name]()
    checked = check(Net(), loss, (clips(), target))
    worst = checked.findings[0]
    assert (worst.kind, worst.severity, worst.where) == ("label-problem", severity, "target")
    assert {one.kind for one in checked.findings} == {"label-problem"}


def test_classes_that_are_not_the_outputs_are_named():
    (found,) = check(Net(), "bce-with-logits", (clips(), labels()), classes=["bark", "meow", "hum"]).findings
    assert (found.kind, found.evidence) == ("label-problem", {"n_names": 3, "n_classes": 4})


INPUTS = {
    "all clips equal": lambda: (clips()[:1].repeat(CLIPS, 1, 1), "critical"),
    "all clips zero": lambda: (torch.zeros(CLIPS, FRAMES, BINS), "critical"),
    "each clip constant": lambda: (torch.randn(CLIPS, 1, 1).repeat(1, FRAMES, BINS), "critical"),
    "most clips silent": lambda: (filled(clips(), slice(0, 10), 0.0), "warning"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_that_do_not_vary_are_named(name):
    inputs, severity = INPUTS[name]()
    (found,) = check(Net(), "bce-with-logits", (inputs, labels())).findings
    assert (found.kind, found.severity, found.where) == ("label-problem", severity, "inputs")


NONFINITE = {
    "inputs": lambda: (Net(), filled(clips(), (0, 0, 0), math.nan), labels(), "inputs"),
    "target": lambda: (Net(), clips(), filled(labels(), (0, 0), math.nan), "target"),
    "a weight": lambda: (weight_lost(), clips(), labels(), "middle.weight"),
    "a module": lambda: (Broken(lambda features: features / (features - features)), clips(), labels(), "bad"),
    "a logarithm": lambda: (Broken(lambda features: (features * 0).log()), clips(), labels(), "bad"),
    "what stands before a module": lambda: (Net(between=lambda features: features.log()), clips(), labels(), ""),
    "only a gradient": lambda: (
        Broken(lambda features: (features * 0).abs().sqrt() + features),
        clips(),
        labels(),
        "first",
    ),
}


@pytest.mark.parametrize("name", NONFINITE)
def test_the_first_place_that_is_not_finite_is_named(name):
    model, inputs, target, where = NONFINITE[name]()
    checked = check(model, "bce-with-logits", (inputs, target))
    assert [(one.kind, one.severity, one.where) for one in checked.findings] == [("non-finite", "critical", where)]


def test_a_loss_that_is_not_finite_is_named():
    def loss(output, target):
        return (output.sigmoid() * 0).log().mean()

    (found,) = check(Net(), loss, (clips(), labels())).findings
    assert (found.kind, found.where) == ("non-finite", "loss")


FROZEN = {
    "all": lambda: (frozen(net := Net(), net), "critical", ""),
    "the output layer": lambda: (frozen(net := Net(), net.classification), "warning", "classification"),
    "another layer": lambda: (frozen(net := Net(), net.gru), "info", "gru"),
    "an unused layer": lambda: (Unused(), "warning", "forgotten"),
    "scores cut off": lambda: (Net(end=torch.detach), "critical", ""),
    "the way back of the last frame": lambda: (LastFrame(), "warning", "gru.weight_hh_l0_reverse"),
}


@pytest.mark.parametrize("name", FROZEN)
def test_parameters_without_a_gradient_are_named(name):
    model, severity, where = FROZEN[name]()
    (found,) = check(model, "bce-with-logits", (clips(), labels())).findings
    assert (found.kind, found.severity, found.where) == ("frozen-parameters", severity, where)


def test_what_lies_behind_detach_is_named_by_its_largest_modules():
    checked = check(Net(between=torch.detach), "bce-with-logits", (clips(), labels()))
    assert [(one.kind, one.where) for one in checked.findings] == [
        ("frozen-parameters", "gru"),
        ("frozen-parameters", "middle"),
    ]


def test_a_head_without_a_gradient_is_critical():
    class Bypassed(Net):
        def forward(self, clips):
            features = self.gru(clips)[0].mean(dim=1)
            return features[:, :4] + self.classification(self.middle(features)).detach()

    findings = check(Bypassed(), "bce-with-logits", (clips(), labels())).findings
    assert ("critical", "classification") in [(one.severity, one.where) for one in findings]


def test_parameters_that_no_optimizer_holds_are_named():
    model = Net()
    batch = (clips(), labels())
    some = torch.optim.Adam([*model.gru.parameters(), *model.classification.parameters()])
    (found,) = check(model, "bce-with-logits", batch, optimizer=some).findings
    assert (found.kind, found.severity, found.where) == ("frozen-parameters", "warning", "middle")
    headless = torch.optim.Adam([*model.gru.parameters(), *model.middle.parameters()])
    (found,) = check(model, "bce-with-logits", batch, optimizer=headless).findings
    assert (found.severity, found.where) == ("critical", "classification")
    (found,) = check(model, "bce-with-logits", batch, optimizer=torch.optim.Adam(Net().parameters())).findings
    assert (found.severity, found.where) == ("critical", "optimizer")
    assert not check(
        model, "bce-with-logits", batch, optimizer=[some, torch.optim.SGD(model.middle.parameters(), 0.1)]
    ).findings


def test_scores_that_do_not_depend_on_the_clip_are_named():
    findings = check(
        Net(between=lambda features: features.mean(0, True).expand_as(features)), None, (clips(), None)
    ).findings
    assert ("constant-predictor", "critical", "classification") in [
        (one.kind, one.severity, one.where) for one in findings
    ]


def test_a_dead_relu_is_named_with_what_it_cuts_off():
    findings = check(OneHot(), "bce-with-logits", (clips(), labels())).findings
    found = {(one.kind, one.where) for one in findings}
    assert found == {("dead-units", "relu"), ("constant-predictor", "scores"), ("frozen-parameters", "linear"),
                     ("frozen-parameters", "scores.weight")}  # fmt: skip


def test_a_relu_that_is_a_function_is_named_by_the_module_that_calls_it():
    findings = check(
        Net(between=lambda features: (features - 9).relu()), "bce-with-logits", (clips(), labels())
    ).findings
    assert ("dead-units", "") in {(one.kind, one.where) for one in findings}


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_a_saturated_rnn_is_named(kind):
    model = Net()
    model.gru = kind(BINS, 8, batch_first=True)
    (found,) = check(model, "bce-with-logits", (clips() * 1000, labels())).findings
    assert (found.kind, found.severity, found.where) == ("saturation-plateau", "warning", "gru")
    assert found.evidence["saturated"] > 0.5


def test_an_inner_softmax_over_one_element_is_named():
    findings = check(Mapped(), "bce-with-logits", (clips(), labels())).findings
    assert {(one.kind, one.severity, one.where) for one in findings} == {
        ("attention-collapse", "warning", ""),
        ("frozen-parameters", "warning", "looks"),
    }


def test_batch_norm_with_one_clip_is_named():
    batch = (torch.randn(1, BINS), torch.eye(4)[:1])
    flat = nn.Sequential(nn.Linear(BINS, 8), nn.BatchNorm1d(8), nn.Linear(8, 4))
    (found,) = check(flat, "bce-with-logits", batch).findings
    assert (found.kind, found.severity, found.where) == ("dead-units", "critical", "1")
    deep = nn.Sequential(nn.Conv1d(1, 8, 3), nn.BatchNorm1d(8), nn.Flatten(), nn.Linear(32, 4))
    (found,) = check(deep, "bce-with-logits", (torch.randn(1, 1, BINS), torch.eye(4)[:1])).findings
    assert (found.kind, found.severity, found.where) == ("dead-units", "warning", "1")


def test_gradients_that_vanish_on_the_way_are_named():
    findings = check(deep_sigmoids(), "bce-with-logits", (torch.randn(CLIPS, BINS), labels())).findings
    assert {one.kind for one in findings} == {"gradient-death", "constant-predictor"}  # nor does anything get through
    assert ("gradient-death", "0.weight") in {(one.kind, one.where) for one in findings}


def test_a_gradient_that_explodes_is_named():
    model = Net()
    scaled(model, model.classification, 1e6)
    kinds = {one.kind for one in check(model, "bce-with-logits", (clips(), labels())).findings}
    assert {"exploding-gradients", "broken-objective"} <= kinds


@pytest.mark.parametrize(
    ("optimizer", "kind", "severity"),
    [
        (lambda p: torch.optim.Adam(p, 100.0), "learning-rate-too-high", "critical"),
        (lambda p: torch.optim.Adam(p, 1.0), "learning-rate-too-high", "warning"),
        (lambda p: torch.optim.SGD(p, 1e5), "learning-rate-too-high", "critical"),
        (lambda p: torch.optim.Adam(p, 1e-9), "learning-rate-too-low", "warning"),
        (lambda p: torch.optim.SGD(p, 1e-9), "learning-rate-too-low", "warning"),
    ],
)
def test_absurd_rates_are_named(optimizer, kind, severity):
    model = Net()
    (found,) = check(model, "bce-with-logits", (clips(), labels()), optimizer=optimizer(model.parameters())).findings
    assert (found.kind, found.severity, found.where) == (kind, severity, "optimizer")


def test_an_optimizer_that_takes_a_closure_is_not_judged():
    model = Net()
    optimizer = torch.optim.LBFGS(model.parameters(), 100.0)
    assert not check(model, "bce-with-logits", (clips(), labels()), optimizer=optimizer).findings


def test_a_loss_that_raises_for_another_reason_is_a_finding_with_its_message():
    def loss(output, target):
        raise RuntimeError("no such thing")

    (found,) = check(Net(), loss, (clips(), labels())).findings
    assert (found.kind, found.where) == ("broken-objective", "loss")
    assert "no such thing" in found.explanation


def test_what_cannot_be_judged_is_said():
    checked = check(Net(), None, (clips(), None))
    assert checked.ok
    assert {one.kind for one in checked.undetermined} == {
        "broken-objective",
        "label-problem",
        "learning-rate-too-high",
        "learning-rate-too-low",
    }
    assert not math.isfinite(checked.measured["loss"])
    model = Net()
    adam = torch.optim.Adam(model.parameters())
    assert check(model, "bce-with-logits", (clips(), labels()), optimizer=adam).undetermined == ()


def test_the_first_loss_stands_beside_that_of_nothing_known_and_of_the_labels_frequencies():
    target = torch.zeros(CLIPS, 4)
    target[:4] = 1
    measured = check(Net(), "bce-with-logits", (clips(), target)).measured
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert measured["ignorant_loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert measured["prior_loss"] == pytest.approx(entropy, abs=1e-5)
    measured = check(Net(), nn.CrossEntropyLoss(), (clips(), indices(2))).measured
    assert measured["ignorant_loss"] == pytest.approx(math.log(4), abs=1e-6)
    assert measured["prior_loss"] == pytest.approx(math.log(2), abs=1e-4)


def test_in_text_the_worst_stands_first_with_its_place():
    said = str(check(Net(end=nn.Sigmoid()), "bce-with-logits", (clips(), torch.zeros(CLIPS, 4))))
    first, second, third, _ = said.splitlines()
    assert first == "critical: broken-objective in end"
    assert "probabilities" in second
    assert third == "warning: label-problem in target"
    assert str(check(Net(), None, (clips(), None))) == "nothing is wrong that shows before training"


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((lambda x: x, None, (clips(), None)), CheckError, "not a torch.nn.Module"),
        ((Net(), "bce_with_logits", (clips(), labels())), UnknownNameError, "bce-with-logits"),
        ((Net(), 3, (clips(), labels())), CheckError, "criterion"),
        ((Net(), None, clips()), CheckError, "(inputs, target)"),
        ((Net(), None, {"x": clips()}), CheckError, "inputs, target and mask"),
        ((Net(), None, (torch.randn(CLIPS, FRAMES, 3), None)), CheckError, "in gru"),
        ((nn.LazyLinear(3), None, (clips(), None)), CheckError, "once on a batch"),
    ],
)
def test_what_cannot_be_run_is_one_sentence_on_what_where_and_what_to_do(arguments, error, says):
    with pytest.raises(error, match=r"\(check\)|check\)") as raised:
        check(*arguments)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_optimizer_that_is_none_is_refused():
    with pytest.raises(AttachError, match="optimizer"):
        check(Net(), None, (clips(), None), optimizer=[])


def test_every_word_is_of_a_known_kind_and_every_fault_that_is_told_off_has_words():
    assert {words.kind for words in WORDS.values()} <= set(KINDS)
    assert not [key for key, words in WORDS.items() if "; " in words.todo]  # the report cuts there
    assert {*EXPLAINS, *(key for keys in EXPLAINS.values() for key in keys), *BARS_LOSS} <= set(WORDS)
    assert len({*BEFORE_LOSS, *AFTER_LOSS}) == len(BEFORE_LOSS) + len(AFTER_LOSS)
