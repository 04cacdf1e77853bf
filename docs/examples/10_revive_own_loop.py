"""An LSTM in a loop of one's own that learns nothing, and the trials that say why: flatline.revive with a trial.

A clip is a melody of ten tones in noise, and a class is a pair of tones in one order: only the order tells two classes
apart, so the LSTM has to remember. The fault is in the code: the model ends in a sigmoid, and the loss squashes it once
more. Nobody tells `revive`: it reads the log, and calls `trial` with what its diagnosis suggests.

Whatever the loop is, a trial function is the loop in which the context has its say: it may change the network, the
optimiser and the loss, and it is asked before every iteration. What only the loop's owner can change is a `Switch`.
"""

from typing import Any

import flatline
import torch
from torch import Tensor, nn

N_TONES, N_FRAMES, N_CLASSES, EVERY = 10, 24, 30, 20

SWITCHES = [flatline.Switch("no-sigmoid", "leave the model's last sigmoid out", treats=["broken-objective"])]


def clips(n_clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Melodies (clip, frame, tone) and the classes of each (clip, class): one, and a second in every other clip."""
    pairs = torch.combinations(torch.arange(N_TONES))[: N_CLASSES // 2]
    first, second = torch.cat([pairs, pairs.flip(1)]).unbind(dim=1)
    target, inputs = torch.zeros(n_clips, N_CLASSES), torch.randn(n_clips, N_FRAMES, N_TONES, generator=generator) / 4
    clip = torch.arange(n_clips)
    for begin, is_there in ((2, 1.0), (13, (torch.rand(n_clips, generator=generator) < 0.5).float())):
        classes = torch.randint(N_CLASSES, (n_clips,), generator=generator)
        target[clip, classes] = torch.maximum(target[clip, classes], torch.as_tensor(is_there))
        for tone, frame in ((first, begin), (second, begin + 4)):
            inputs[clip, frame, tone[classes]] += 2 * is_there
    return inputs, target


class Melodies(nn.Module):
    """An LSTM, the mean of its states, and a score a class."""

    output_layer = "output"

    def __init__(self, n_hidden: int = 48) -> None:
        super().__init__()
        self.lstm = nn.LSTM(N_TONES, n_hidden, batch_first=True)
        self.output = nn.Linear(n_hidden, N_CLASSES)

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (clip, class)."""
        return self.output(self.lstm(clips)[0].mean(dim=1))


def fit(log: str, iterations: int, seed: int = 10, context: flatline.InterventionContext | None = None) -> nn.Module:
    """The loop, as it is and as trials change it."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    held_out, answers = clips(200, generator)
    prior = clips(500, torch.Generator().manual_seed(0))[1].mean(dim=0)
    model, criterion, loss_kind = Melodies(), nn.BCEWithLogitsLoss(), "bce-with-logits"
    with_sigmoid = context is None or not context.has("no-sigmoid")
    if context is not None:
        context.model(model, prior=prior, n_frames=N_FRAMES, loss=loss_kind)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    if context is not None:
        context.optimizer(optimizer)
        gives = "probabilities" if with_sigmoid else "logits"
        criterion = context.criterion(criterion, gives=gives)
        loss_kind = context.loss(loss_kind)

    def outputs(inputs: Tensor) -> dict[str, Tensor]:
        """The fault: what goes into a loss on logits went through a sigmoid."""
        scores = model(inputs)
        return {"probabilities": scores.sigmoid()} if with_sigmoid else {"logits": scores}

    with flatline.Recorder(model, optimizer, log=log, loss=loss_kind) as recorder:
        for iteration in range(iterations):
            if context is not None and not context.goes_on(iteration):
                break
            inputs, target = clips(32, generator)
            given = outputs(inputs)
            loss = criterion(*given.values(), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss, target=target, **given)
            if (iteration + 1) % EVERY == 0 or iteration + 1 == iterations:
                with torch.no_grad():
                    given = outputs(held_out)
                recorder.evaluation(**given, target=answers, loss=criterion(*given.values(), answers))
    return model


def train(log: str, iterations: int) -> nn.Module:
    """As its owner ran it."""
    return fit(log, iterations)


def trial(context: flatline.InterventionContext) -> flatline.Run:
    """As `revive` wants it."""
    fit(str(context.log), context.iterations, context.seed, context)
    return flatline.Run(context.log)


def report(revived: Any) -> None:
    """What came of the trials."""
    for arm in revived.arms:
        print(f"{arm['intervention']:28} lwlrap {arm['lwlrap']:.3f}  {arm['verdict']:12} {arm['note']}")
    for stage in revived.stages:
        print(stage["why"])
    seeds = ", ".join(f"{seed['lwlrap']:.3f}" for seed in revived.seeds)
    print(f"prescription: {revived.best} ({seeds}; the arms cost {revived.cost:.2f} of whole ones)")


def main(log: str = "logs/10-revive-own-loop", iterations: int = 200) -> None:
    """Train, then find out what helps."""
    train(log, iterations)
    report(flatline.revive(log, trial=trial, own=SWITCHES))


if __name__ == "__main__":
    main()
