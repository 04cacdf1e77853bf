"""A convolutional classifier of spectrograms with BatchNorm: no recurrence, class indices, SGD with momentum.

Six kinds of sound are synthesised and turned into log spectrograms. The log shows a gradient that is zero and ought to
be: BatchNorm subtracts the mean, so the bias of a convolution before it changes nothing. Rounding alone is left of its
norm, a few millionths of its neighbour's; no gradient died.
"""

import math

import flatline
import torch
from torch import Tensor, nn

SOUNDS = ["tone", "rising", "falling", "tremolo", "clicks", "noise"]
RATE_HZ, N_SAMPLES = 4000, 4096


def waveform(sound: str, generator: torch.Generator) -> Tensor:
    """A second of sound (sample,), at a pitch and a loudness of its own."""
    time = torch.arange(N_SAMPLES) / RATE_HZ
    pitch, loudness = torch.rand(2, generator=generator).tolist()
    start_hz = 900 + 300 * pitch
    if sound == "noise":
        wave = torch.randn(N_SAMPLES, generator=generator)
    elif sound == "clicks":
        wave = ((time * (4 + 8 * pitch)) % 1.0 < 0.02).float() * 3
    else:
        sweep_hz = {"rising": 600.0, "falling": -600.0}.get(sound, 0.0)
        wave = torch.sin(2 * math.pi * (start_hz * time + 0.5 * sweep_hz * time**2))
        wave = wave * (1 + torch.sin(2 * math.pi * 8 * time)) / 2 if sound == "tremolo" else wave
    return (0.3 + loudness) * wave + 0.2 * torch.randn(N_SAMPLES, generator=generator)


def data_set(n_clips: int, seed: int) -> torch.utils.data.TensorDataset:
    """Log spectrograms (clip, 1, frequency, frame) and class indices (clip,)."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.arange(n_clips) % len(SOUNDS)
    waves = torch.stack([waveform(SOUNDS[index], generator) for index in target])
    spectrum = torch.stft(waves, 128, 64, window=torch.hann_window(128), return_complex=True).abs()
    return torch.utils.data.TensorDataset((spectrum + 1e-3).log()[:, None, :64, :64], target)


def network(width: int = 8) -> nn.Module:
    """Three blocks of convolution, BatchNorm, ReLU and pooling; mean over what is left."""
    layers: list[nn.Module] = []
    for n_in, n_out in ((1, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, len(SOUNDS)))


def train(log: str, iterations: int, evaluate_every: int = 25) -> nn.Module:
    """Epochs over a DataLoader until there were enough iterations, validating now and then."""
    torch.manual_seed(6)
    training, validation = data_set(384, seed=6), data_set(60, seed=7)
    loader = torch.utils.data.DataLoader(training, batch_size=32, shuffle=True)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    pinned = {"a rising tone": validation[1][0], "noise": validation[5][0]}
    iteration = 0
    with flatline.Recorder(model, optimizer, log=log, classes=SOUNDS, loss="cross-entropy", pinned=pinned) as recorder:
        while iteration < iterations:
            for clips, target in loader:
                model.train()
                optimizer.zero_grad()
                logits = model(clips)
                loss = criterion(logits, target)
                loss.backward()
                optimizer.step()
                recorder.step(loss=loss, logits=logits, target=target)
                iteration += 1
                if iteration % evaluate_every == 0 or iteration == iterations:
                    model.eval()
                    with torch.no_grad():
                        logits = model(validation.tensors[0])
                    target = validation.tensors[1]
                    recorder.evaluation(logits=logits, target=target, loss=criterion(logits, target))
                if iteration == iterations:
                    break
    return model


def report(log: str) -> None:
    """What the log says of the run."""
    run = flatline.Run(log)
    first, last = run.scalars.iloc[0], run.scalars.iloc[-1]
    print(f"loss {first['loss']:.2f} -> {last['loss']:.2f}; a constant answer costs {last['label_entropy']:.2f}")
    for iteration, row in run.evaluations.iterrows():
        rank = f"reciprocal rank {row['lwlrap']:.2f} (chance {row['chance']:.2f})"
        print(f"held out, after {iteration} iterations: loss {row['loss']:.2f}, {rank}")
    norms = run.gradient_norms.median()
    print(f"gradient norm of the first convolution: weight {norms['0.weight']:.1e}, bias {norms['0.bias']:.1e}")
    if len(ratios := run.by_parameter("update_ratio").median().dropna()):
        print(f"update ratio, median: {ratios.min():.0e} ({ratios.idxmin()}) to {ratios.max():.0e} ({ratios.idxmax()})")


def main(log: str = "logs/06-convolutional-classifier", iterations: int = 75) -> None:
    """Train, then read the log."""
    train(log, iterations)
    report(log)


if __name__ == "__main__":
    main()
