"""Trials of a training loop of one's own: a function that trains it once, with what is to be changed told to it."""

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ...diagnostics.errors import RunError
from ..diagnosing import diagnose
from ..interventions import Intervention, Loop, Patient, interventions
from ..interventions.base import Criterion
from ..jsons import write_json
from ..log import read_info
from ..read_once import ReadOnce
from ..run import Run
from .arms import UNCHANGED, Arm
from .trials import MARK, Told

FORGIVEN_S = 30.0
"""Seconds that a loop has to end once it is told to; ours."""


class Switch(Intervention):
    """A change that the loop itself makes where `context.has(name)`: other labels, no augmentation, a module less.

    name : of an intervention that findings name among their remedies, or one's own
    treats : kinds of finding for which it is tried
    """

    def __init__(self, name: str, does: str = "", treats: Sequence[str] = ()) -> None:
        self.name, self.does, self.treats = name, does, tuple(treats)  # type: ignore[misc]
        self.source = "the loop's own"  # type: ignore[misc]

    @property
    def suits_loops(self) -> bool:
        """The loop says so."""
        return True


class InterventionContext:
    """What a trial function is told: where to record, how far to train, and what to change.

    name : of the arm, "unchanged" or interventions joined by +
    given : the interventions' names
    log : for `flatline.Recorder(log=...)`
    iterations : to train
    seed : of the loop's own generators; torch, numpy and random are seeded by it already
    """

    def __init__(self, given: Sequence[Intervention], log: Path, iterations: int, seed: int, patient: Patient) -> None:
        self.given = tuple(one.name for one in given)
        self.name = "+".join(self.given) or UNCHANGED
        self.log, self.iterations, self.seed = log, iterations, seed
        self._given, self._patient = tuple(given), patient
        self._loop = Loop(iterations)
        self._pause = _Pause()

    def has(self, name: str) -> bool:
        """Whether an intervention is to be made; for what the loop changes itself."""
        return name in self.given

    def model(self, model: nn.Module, *, prior: Tensor | None = None, n_frames: int | None = None) -> nn.Module:
        """The network, changed in place; call it before the optimiser is made.

        prior : (class,) share of clips with each class, for a prior bias
        n_frames : of a clip, as the RNN sees it, for a chrono initialisation
        """
        self._loop = Loop(self.iterations, prior, n_frames)
        for one in self._given:
            one.on_model(model, self._loop)
        return model

    def optimizer(self, optimizer: Optimizer) -> Optimizer:
        """The optimiser, changed in place; call it before the recorder is made."""
        for one in self._given:
            one.on_optimizer(optimizer, self._loop, self._patient)
        return optimizer

    def criterion(self, criterion: Criterion, *, gives: str | None = None) -> Criterion:
        """The loss to take.

        gives : what the model gives, "logits" or "probabilities"; None is what the recorder was told
        """
        gives = self._patient.gives if gives is None else gives
        for one in self._given:
            criterion = one.on_criterion(criterion, gives)
        return criterion

    def goes_on(self, iteration: int) -> bool:
        """Whether to train another iteration; call it before each, right after the evaluation where there is one.

        It may wait there while other arms are trained. An arm that fell behind is told to end.

        iteration : optimiser steps done (`recorder.iteration`)
        """
        return self._pause.passes(iteration) and iteration < self.iterations


TrialFunction = Callable[[InterventionContext], Run]


class _Pause:
    """A gate in a loop's thread: it stops there, its random states put aside, until it may go on or must end."""

    def __init__(self) -> None:
        self.until = 0
        self.ended = False
        self.stopped, self.let_on = threading.Event(), threading.Event()

    def passes(self, iteration: int) -> bool:
        if iteration >= self.until and not self.ended:
            kept = _random_states()
            self.stopped.set()
            self.let_on.wait()
            self.let_on.clear()
            _put_back(kept)
        return not self.ended


@dataclass
class _Session:
    """One arm's loop in a thread of its own; no two of them run at the same time."""

    context: InterventionContext
    trial: TrialFunction
    thread: threading.Thread | None = None
    run: Run | None = None
    fault: BaseException | None = None

    def advance(self, until: int) -> float:
        """Let it run up to an iteration, or its end; returns the seconds it took."""
        since, pause = time.perf_counter(), self.context._pause
        kept = _random_states()
        pause.until = until
        if self.thread is None:
            self.thread = threading.Thread(target=self._work, name=self.context.name, daemon=True)
            self.thread.start()
        else:
            pause.let_on.set()
        pause.stopped.wait()
        pause.stopped.clear()
        _put_back(kept)
        return time.perf_counter() - since

    def end(self) -> None:
        """Tell it to end, and wait for it."""
        self.context._pause.ended = True
        self.context._pause.let_on.set()
        if self.thread is not None:
            self.thread.join(FORGIVEN_S)

    @property
    def is_over(self) -> bool:
        return self.run is not None or self.fault is not None

    def _work(self) -> None:
        try:
            seed = self.context.seed
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002  (for loops that draw from it)
            torch.manual_seed(seed)
            self.run = self.trial(self.context)
        except BaseException as error:
            self.fault = error
        finally:
            self.context._pause.stopped.set()


class LoopTrials:
    """Trials of a loop of the user's own, one arm at a time, in this process.

    run : the patient
    trial : trains once as its context says, recorded under `context.log`, and returns the run
    iterations : of every arm; None is as many as the run has
    own : interventions besides Flatline's; one of a known name takes its place
    Raises RunError for a run without evaluations: there would be no score to compare by.
    """

    begin = 0

    def __init__(
        self,
        run: Run,
        trial: TrialFunction,
        *,
        iterations: int | None = None,
        own: Iterable[Intervention] = (),
        seed: int = 0,
        told: Told | None = None,
    ) -> None:
        evaluated = run.evaluation_iterations
        if not len(evaluated):
            raise RunError(f"run {run.name} has no evaluation to compare arms by; call recorder.evaluation in the loop")
        self.run, self.trial, self.seed, self.spent = run, trial, seed, 0
        self.iterations = int(evaluated[-1]) if iterations is None else iterations
        self.every = int(np.median(np.diff([0, *evaluated]))) or 1
        self.known = {one.name: one for one in (*interventions(), *own)}
        self._gives = run.info.get("output_kind")
        self._sessions: dict[str, _Session] = {}
        self._of: dict[tuple[str, ...], Patient] = {}
        self._told = told or (lambda arms, done, total: None)

    def control(self) -> Arm:
        """The loop with nothing changed, trained again: that the trial does what the run did is part of the proof."""
        (arm,) = self.train([Arm(())], self.iterations)
        if arm.standing is None or arm.standing.lwlrap != arm.standing.lwlrap:
            raise RunError(f"the trial of {self.run.name} with nothing changed {arm.note or 'made no evaluation'}")
        return arm

    def why_not(self, arm: Arm, name: str) -> str | None:
        """Why it cannot be tried on an arm."""
        one = self.known[name]
        return None if one.suits_loops else "only a recipe can be given it; offer it as a Switch that the loop makes"

    def prescribe(self, arm: Arm, name: str) -> Arm:
        """A new arm with one intervention more."""
        given = (*arm.given, name)
        if arm.standing is None or arm.path is None:
            raise RunError(f"the arm {arm.name} was not trained, so nothing can be prescribed for it (revive)")
        self._of[given] = Patient(None, self._gives, arm.standing.diagnosis, ReadOnce(arm.path))
        return Arm(given)

    def train(self, arms: Sequence[Arm], until: int) -> list[Arm]:
        """The arms, as far as that, one after the other."""
        return [self._train(arm, until, self.seed, (arms, number)) for number, arm in enumerate(arms)]

    def train_seeds(self, arm: Arm, seeds: Sequence[int], until: int) -> list[Arm]:
        """The arm with each of these seeds."""
        return [self._train(Arm(arm.given), until, seed, ([arm], 0)) for seed in seeds]

    def close(self) -> None:
        """End what still waits."""
        for session in self._sessions.values():
            session.end()
            self._link(session)

    def _train(self, arm: Arm, until: int, seed: int, place: tuple[Sequence[Arm], int]) -> Arm:
        self._told(place[0], place[1], len(place[0]))
        session = self._session(arm, seed)
        before = 0 if arm.standing is None else arm.standing.iterations
        seconds = 0.0 if session.is_over else session.advance(until)
        if session.fault is not None:
            if not isinstance(session.fault, Exception):
                raise session.fault
            return replace(arm, standing=None, note=f"could not be trained: {session.fault}")
        path = session.context.log if session.run is None else session.run.path
        found = replace(arm, path=Path(path), seconds=arm.seconds + seconds).stands(until)
        self.spent += max(0, found.standing.iterations - before) if found.standing else 0
        return found

    def _session(self, arm: Arm, seed: int) -> _Session:
        parts = [self.run.name, *(arm.given or (UNCHANGED,)), *([] if seed == self.seed else [f"seed-{seed}"])]
        name = MARK.join(parts)
        if name not in self._sessions:
            given = [self.known[one] for one in arm.given]
            patient = self._of.get(arm.given) or Patient(None, self._gives, diagnose(self.run), self.run)
            context = InterventionContext(given, self.run.path.parent / name, self.iterations, seed, patient)
            self._sessions[name] = _Session(context, self.trial)
        return self._sessions[name]

    def _link(self, session: _Session) -> None:
        """Name the parent in the arm's run.json, as arms of recipes do."""
        path = session.context.log if session.run is None else Path(session.run.path)
        if (path / "run.json").is_file():
            given = list(session.context.given)
            parent = {"run": self.run.name, "path": str(self.run.path), "from_iteration": 0, "given": given}
            write_json(path / "run.json", {**read_info(path), "parent": parent})


def _random_states() -> tuple[Any, Any, Any]:
    return random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002


def _put_back(states: tuple[Any, Any, Any]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    torch.set_rng_state(states[2])
