"""Sequence to sequence with additive attention: packed GRU encoder, GRU decoder called one frame at a time.

The task is to write a sequence of letters backwards. A net that can do it looks at the last letter first: the map is
an anti-diagonal. Attention is computed inside the decoder's loop, one (clip, frame) row of weights at each output step.
The recorder reads a map from a module that gives all of it, so the rows are stacked and passed through
`self.alignment`, an nn.Identity that is there to be named: (clip, frame, output step). Its "classes" are output steps.
"""

from contextlib import suppress

import flatline
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

LETTERS = [*"abcdefghij"]
START = len(LETTERS)
PADDING = -100  # what nn.CrossEntropyLoss ignores


def batch(n_clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Sources (clip, frame) padded with 0, their lengths, and targets (clip, frame) padded with PADDING."""
    lengths = torch.randint(4, 9, (n_clips,), generator=generator)
    sources = [torch.randint(len(LETTERS), (int(length),), generator=generator) for length in lengths]
    targets = [source.flip(0) for source in sources]
    return pad_sequence(sources, True), lengths, pad_sequence(targets, True, PADDING)


class AdditiveAttention(nn.Module):
    """Bahdanau's: v tanh(W query + U key), softmax over the real frames."""

    def __init__(self, n_hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(n_hidden, n_hidden, bias=False)
        self.score = nn.Linear(n_hidden, 1, bias=False)

    def forward(self, query: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Weights (clip, frame)."""
        scores = self.score(torch.tanh(self.query(query).unsqueeze(1) + keys)).squeeze(-1)
        return scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)


class Seq2Seq(nn.Module):
    """Encoder, attention and decoder; trained with teacher forcing."""

    def __init__(self, n_hidden: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS) + 1, 24)
        self.encoder = nn.GRU(24, n_hidden // 2, batch_first=True, bidirectional=True)
        self.key = nn.Linear(n_hidden, n_hidden)
        self.attention_weights = AdditiveAttention(n_hidden)
        self.alignment = nn.Identity()
        self.decoder = nn.GRU(24 + n_hidden, n_hidden, batch_first=True)
        self.output = nn.Linear(2 * n_hidden, len(LETTERS))

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Logits (clip, output step, letter)."""
        packed = pack_padded_sequence(self.embedding(source), lengths, batch_first=True, enforce_sorted=False)
        encoded, last = self.encoder(packed)
        memory, _ = pad_packed_sequence(encoded, batch_first=True)
        mask = torch.arange(memory.shape[1]) < lengths[:, None]
        keys, state = self.key(memory), torch.cat([last[0], last[1]], dim=-1).unsqueeze(0)
        before = torch.cat([torch.full_like(target[:, :1], START), target[:, :-1].clamp(min=0)], dim=1)
        outputs, rows = [], []
        for letter in self.embedding(before).unbind(dim=1):
            weights = self.attention_weights(state[0], keys, mask)
            context = (weights.unsqueeze(1) @ memory).squeeze(1)
            frame, state = self.decoder(torch.cat([letter, context], dim=-1).unsqueeze(1), state)
            outputs.append(self.output(torch.cat([frame.squeeze(1), context], dim=-1)))
            rows.append(weights)
        steps = target != PADDING  # past the end weights are 0, which have no entropy
        self.alignment(torch.stack(rows, dim=2) * steps.unsqueeze(1))
        return torch.stack(outputs, dim=1)


def train(log: str, iterations: int) -> nn.Module:
    """Teacher forcing; padding is left out of the loss and of what the recorder is told."""
    torch.manual_seed(3)
    generator = torch.Generator().manual_seed(3)
    model = Seq2Seq()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    criterion = nn.CrossEntropyLoss(ignore_index=PADDING)
    told = {"classes": LETTERS, "loss": "cross-entropy", "attention": {"alignment": "weights"}}
    with flatline.Recorder(model, optimizer, log=log, **told) as recorder:
        for _ in range(iterations):
            source, lengths, target = batch(48, generator)
            optimizer.zero_grad()
            logits = model(source, lengths, target)
            loss = criterion(logits.flatten(0, 1), target.flatten())
            loss.backward()
            optimizer.step()
            real = target != PADDING  # a reversed sequence is as long as its source: the mask of the frames too
            recorder.step(loss=loss, logits=logits[real], target=target[real], mask=real)
    return model


def report(log: str) -> None:
    """What the log says of the run."""
    run = flatline.Run(log)
    first, last = run.scalars.iloc[0], run.scalars.iloc[-1]
    print(f"loss {first['loss']:.2f} -> {last['loss']:.3f}; letters' entropy {last['label_entropy']:.2f}")
    print("the map is (frame, output step):", run.attention(run.last_iteration).shape)
    entropy, peak = run.by_class("attention_entropy"), run.by_class("attention_peak")
    for step in (0, 7):
        looks = (f"{table.iloc[0, step]:.2f} -> {table.iloc[-1, step]:.2f}" for table in (entropy, peak))
        print(f"output step {step}: entropy over frames, largest share of one:", ", ".join(looks))
    norms = run.gradient_norms.iloc[-20:].mean()
    print(f"gradient norms: {norms['encoder.weight_hh_l0']:.3f} encoder, {norms['decoder.weight_hh_l0']:.3f} decoder")
    with suppress(flatline.FlatlineError):  # where hidden gradients were not recorded
        bins = run.hidden_gradients("encoder").dropna(how="all").tail(1).mean()  # it is taken now and then
        print(f"dL/dh of the encoder along the frames: smallest bin over largest {bins.min() / bins.max():.1e}")
    for name, value in last.filter(regex="^(saturation|hidden_spread)").dropna().items():
        print(f"{name} {value:.3f}")


def main(log: str = "logs/03-seq2seq-attention", iterations: int = 170) -> None:
    """Train, then read the log."""
    train(log, iterations)
    report(log)


if __name__ == "__main__":
    main()
