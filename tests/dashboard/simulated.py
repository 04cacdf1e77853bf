"""Seeded run logs in the shapes that training leaves behind, written in a fraction of a second."""

from pathlib import Path

import numpy as np
from flatline.runs.kept_clips import Event, KeptClip, keep_clip
from flatline.runs.log import RunLog
from flatline.runs.revive.revived import Revived, keep

CLASSES = [f"class {index}" for index in range(14)]

PARTS = {
    **{
        f"convolutions.{block}.{layer}.{name}": "conv"
        for block in range(4)
        for layer in ("convolution", "norm")
        for name in ("weight", "bias")
    },
    **{
        f"recurrence.gru.{kind}_{gate}_l0{way}": "rnn"
        for kind in ("weight", "bias")
        for gate in ("ih", "hh")
        for way in ("", "_reverse")
    },
    **{f"head.classification.{name}": "head" for name in ("weight", "bias")},
    **{
        f"head.attention.{layer}.projection.{name}": "attention"
        for layer in ("input_attention", "input_localisation")
        for name in ("weight", "bias")
    },
}

PLATEAU = {"conv": 1e-4, "rnn": 3e-5, "head": 5e-2, "attention": 2e-2, "other": 1e-2}
"""Share of its first gradient norm that each part keeps in a collapsed run."""


def info(iterations: int, collapsed: bool = False) -> dict:
    """run.json of a recorded run."""
    head = "attention" if not collapsed else "mean"
    return {
        "recipe": {
            "name": "story-attention" if not collapsed else "story-double-sigmoid",
            "model": {"architecture": "cgrnn", "head": head},
            "seed": 3,
            "iterations": iterations,
            "learning_rate": 1e-3,
            "batch_size": 32,
            "loss": "bce-with-logits",
        },
        "seed": 3,
        "classes": CLASSES,
        "parameters": list(PARTS),
        "parameter_parts": list(PARTS.values()),
        "loss_kind": "bce-with-logits",
        "iterations_planned": iterations,
    }


def row(iteration: int, random: np.random.Generator, collapsed: bool = False) -> dict:
    """One iteration of a healthy or a collapsed run."""
    age = 1 - np.exp(-iteration / 60)
    keep = np.array([PLATEAU[part] if collapsed else 0.4 for part in PARTS.values()])
    spread = np.linspace(0.5, 2.0, len(PARTS))
    norms = 0.2 * spread * keep**age * np.exp(0.15 * random.standard_normal(len(PARTS)))
    noise = 0.02 * random.standard_normal()
    return {
        "iteration": iteration,
        "epoch": iteration // 40,
        "wall_time": iteration * 0.1,
        "loss": 0.693 + 0.28 * np.exp(-iteration / 30)
        if collapsed
        else 0.15 + 0.55 * np.exp(-iteration / 80) + noise * 0.3,
        "learning_rate": 1e-3,
        "gradient_norm_total": np.sqrt((norms**2).sum()),
        "gradient_norm_mean": norms.mean(),
        "skipped": False,
        "output_min": 0.0 if collapsed else -6.0,
        "output_max": 0.1 if collapsed else 3.0,
        "clip_spread": 1e-4 if collapsed else 0.8,
        "class_spread": 0.1 if collapsed else 1.1,
        "rank_agreement": min(1.0, 0.4 + 0.599 * age) if collapsed else 0.5 + 0.2 * age + noise,
        "top_class_share": min(1.0, 0.3 + 0.7 * age) if collapsed else 0.15 + abs(noise),
        "rho": 6.0 * np.exp(-iteration / 50) + 0.05 if collapsed else 0.8 + 4 * np.exp(-iteration / 30) + noise,
        "label_entropy": 0.52,
        "gradient_norm": norms,
    }


def evaluation(iteration: int, collapsed: bool = False) -> dict:
    """One evaluation."""
    lwlrap = 0.495 if collapsed else 0.42 + 0.45 * (1 - np.exp(-iteration / 120))
    loss = 0.69 if collapsed else 0.18 + 0.5 * np.exp(-iteration / 80)
    return {
        "iteration": iteration,
        "lwlrap": lwlrap,
        "lrap": lwlrap - 0.02,
        "loss": loss,
        "chance": 0.40,
        "constant": 0.49,
        "tie_share": 0.0,
    }


def write(log: RunLog, first: int, last: int, collapsed: bool = False, **changed: float) -> None:
    """Record iterations first..last - 1, an evaluation every 50, with what is `changed` put over each row."""
    random = np.random.default_rng(first)
    for iteration in range(first, last):
        log.append({**row(iteration, random, collapsed), **changed})
        if iteration % 50 == 49:
            log.append_evaluation(evaluation(iteration, collapsed))
    log._iterations.flush()


def healthy(path: Path) -> None:
    """A finished run that learned."""
    log = RunLog(path, info(350))
    write(log, 0, 350)
    log.close()


def collapsed(path: Path) -> None:
    """A finished run that died: gradients gone, one ranking for all clips, loss at ln 2."""
    log = RunLog(path, info(350, collapsed=True))
    write(log, 0, 350, collapsed=True)
    log.close()


CLIPS = ("clip one.wav", "clip two.wav")

FRAMES, RATE_HZ, CLIP_S = 32, 8000, 2.0


def complete(path: Path, iterations: int = 200, sharp: float = 1.0) -> None:
    """A finished run with all that a page can show: signals by class and frame, maps and sound of two pinned clips.

    sharp : how much its maps come to stand out at the true onsets
    """
    more = {"maps": {"head.localisation": "softmax-time"}, "clips": list(CLIPS), "output_kind": "logits"}
    log = RunLog(path, info(iterations) | more)
    for place, clip in enumerate(CLIPS):
        keep_clip(path, _kept(clip, place), _tone(440.0 * (1 + place)))
    random = np.random.default_rng(7)
    for iteration in range(iterations):
        log.append({**row(iteration, random), **_more(iteration, random)})
        if iteration % 5 == 0:
            log.append_maps(iteration, {"head.localisation": _map(sharp * iteration / iterations, 0)})
        if iteration % 50 == 49:
            log.append_evaluation({**evaluation(iteration), **_by_class(iteration, random)})
            for place, clip in enumerate(CLIPS):
                log.append_maps(iteration, {"head.localisation": _map(sharp * iteration / iterations, place)}, clip)
    log.close()


def _kept(clip: str, place: int) -> KeptClip:
    mel = np.random.default_rng(place).normal(size=(FRAMES, 16)).astype(np.float32)
    mel[8 + 8 * place : 14 + 8 * place] += 3
    onset = (8 + 8 * place) * CLIP_S / FRAMES
    return KeptClip(
        clip,
        mel,
        labels=(CLASSES[place],),
        frame_s=CLIP_S / FRAMES,
        hz=np.linspace(100, 3900, 16),
        n_real=FRAMES,
        events=(Event(onset, onset + 6 * CLIP_S / FRAMES, CLASSES[place]),),
        sample_rate_hz=RATE_HZ,
    )


def _tone(hz: float) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(int(RATE_HZ * CLIP_S)) / RATE_HZ)


def _map(sharp: float, place: int) -> np.ndarray:
    values = np.full((FRAMES, len(CLASSES)), 1 / FRAMES)
    values[8 + 8 * place : 14 + 8 * place, place] += sharp
    return values / values.sum(axis=0)


def _more(iteration: int, random: np.random.Generator) -> dict:
    """Signals beyond those of `row`."""
    frames = np.exp(-np.linspace(3, 0, FRAMES)) * np.exp(0.1 * random.standard_normal(FRAMES))
    return {
        "update_ratio": 1e-3 * np.exp(0.3 * random.standard_normal(len(PARTS))),
        "weight_norm": np.full(len(PARTS), 3.0),
        "running_lwlrap": np.clip(np.linspace(0.9, 0.3, len(CLASSES)) * (1 - np.exp(-iteration / 80)), 0, 1),
        "positives": np.ones(len(CLASSES)),
        "hidden_gradient.gru": frames,
        "hidden_gradient_direct.gru": frames / 2,
        "attention_entropy": np.full(len(CLASSES), 0.8),
        "attention_peak": np.full(len(CLASSES), 0.2),
        "saturation.gru": 0.1,
    }


def _by_class(iteration: int, random: np.random.Generator) -> dict:
    """What an evaluation says of each class, and of the pinned clips."""
    shares = np.linspace(2, 1, len(CLASSES)) / np.linspace(2, 1, len(CLASSES)).sum()
    scores = {f"scores.{clip}": np.eye(len(CLASSES))[place] * 4 - 2 for place, clip in enumerate(CLIPS)}
    return {
        "class_lwlrap": np.clip(
            np.linspace(0.95, 0.4, len(CLASSES)) + 0.03 * random.standard_normal(len(CLASSES)), 0, 1
        ),
        "class_positives": np.arange(len(CLASSES), 0, -1.0) * 4,
        "class_top": shares,
        **scores,
    }


def interrupted(path: Path) -> None:
    """A run that was stopped by hand, part of the way."""
    log = RunLog(path, info(350))
    write(log, 0, 170)
    log.close("interrupted")


def running(path: Path) -> RunLog:
    """A run that is still written: the log is open, 120 of 350 iterations are on disk."""
    log = RunLog(path, info(350))
    write(log, 0, 120)
    return log


def nearly_nothing(path: Path) -> None:
    """A user's own loop that recorded two scalars and no evaluation."""
    log = RunLog(path, {"parameters": [], "classes": []})
    for iteration in range(40):
        log.append({"iteration": iteration, "epoch": 0, "wall_time": 0.1 * iteration, "loss": 1.0 / (1 + iteration)})
    log.close()


def gaps(path: Path) -> None:
    """A run with NaN gaps: skipped iterations, a parameter that never had a gradient, one unfrozen late."""
    log = RunLog(path, info(300))
    random = np.random.default_rng(5)
    for iteration in range(300):
        entry = row(iteration, random)
        entry["gradient_norm"][0] = np.nan
        entry["gradient_norm"][16:20] = np.nan if iteration < 120 else entry["gradient_norm"][16:20]
        if 200 <= iteration < 220:
            entry |= {"skipped": True, "gradient_norm_total": np.nan, "loss": np.nan, "rho": np.nan}
            entry["gradient_norm"] = np.full(len(PARTS), np.nan)
        log.append(entry)
    log.append_evaluation(evaluation(299))
    log.close("failed")


def empty(path: Path) -> None:
    """A run that was started and recorded nothing."""
    RunLog(path, info(350)).close("failed")


def broken(path: Path) -> None:
    """A folder whose run.json is not JSON."""
    (path / "iterations").mkdir(parents=True)
    (path / "run.json").write_text("{ half", encoding="utf-8")


def every_kind(logs: Path) -> None:
    """One run of each kind that needs no open log."""
    complete(logs / "complete")
    complete(logs / "even maps", sharp=0.0)
    healthy(logs / "story-attention")
    collapsed(logs / "story double.sigmoid")
    interrupted(logs / "interrupted")
    nearly_nothing(logs / "own-loop")
    gaps(logs / "gaps")
    empty(logs / "empty")
    broken(logs / "broken")


def arm(logs: Path, parent: str, given: list[str], collapsed: bool = False) -> Path:
    """A finished run that says of which run it is an arm."""
    path = logs / "~".join([parent, *given])
    about = {"run": parent, "path": str(logs / parent), "from_iteration": 0, "given": given}
    log = RunLog(path, info(200, collapsed) | {"parent": about})
    write(log, 0, 200, collapsed)
    log.close()
    return path


def arm_row(name: str, run: Path, **known: float | str | None) -> dict:
    """A row of `flatline revive --json`, with its note."""
    row = {"intervention": name, "run": str(run), "lwlrap": 0.495, "chance": 0.40, "constant": 0.49}
    row |= {"verdict": "collapsed", "cause": "broken-objective", "gradient_ratio": 0.001, "rnn_share": None}
    return row | {"iterations": 350, "seconds": 31.4, "note": ""} | known


def treated(logs: Path, name: str = "mine") -> Path:
    """A collapsed run, two arms of it that are there and one that is not, and what `flatline revive` kept of them."""
    path = logs / name
    collapsed(path)
    first, cure = arm(logs, name, ["fix-objective"], collapsed=True), arm(logs, name, ["fix-objective", "prior-bias"])
    arms = [
        arm_row("unchanged", path),
        arm_row("fix-objective", first, cause="saturation-plateau", iterations=200, note="the cause is gone"),
        arm_row("lower-rate", logs / "gone", lwlrap=None, verdict=None, cause=None, iterations=0, note="out of memory"),
        arm_row("fix-objective+prior-bias", cure, lwlrap=0.87, verdict="healthy", cause=None, rnn_share=0.62),
    ]
    both = "fix-objective+prior-bias"
    stages = [
        {
            "on": "unchanged",
            "cause": "broken-objective",
            "arms": ["fix-objective", "lower-rate"],
            "kept": "fix-objective",
            "why": "fix-objective removes broken-objective",
            "skipped": {"warm-up": "it changes nothing here"},
        },
        {
            "on": "fix-objective",
            "cause": "saturation-plateau",
            "arms": [both],
            "kept": both,
            "why": f"{both} is better",
            "skipped": {},
        },
    ]
    seeds = [{"seed": 3 + place, "run": str(cure), "lwlrap": 0.87 - 0.02 * place} for place in range(3)]
    revived = Revived(
        run=str(path),
        from_iteration=0,
        arms=arms,
        stages=stages,
        best="fix-objective+prior-bias",
        diff="- loss: bce-with-logits\n+ loss: bce\n- prior_bias: false\n+ prior_bias: true",
        against=["Each change was tried on top of those before it, not in every order."],
        seeds=seeds,
        mean=0.85,
        low=0.80,
        high=0.90,
        cost=0.52,
        seconds=93.7,
        recipe=str(path / "prescription.yaml"),
    )
    keep(path, revived, "name: mine-revived\n")
    return path
