"""Trials of a training loop of one's own: arms in this process, in turns."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ...diagnostics.diagnosis import Diagnosis
from ...diagnostics.errors import RunError
from ..diagnosing import diagnose
from ..interventions import Intervention, Patient, interventions
from ..jsons import write_json
from ..log import read_info
from ..read_once import ReadOnce
from ..run import Run
from .arms import UNCHANGED, Arm
from .loop_session import Session
from .own_loop import InterventionContext, TrialFunction
from .trials import MARK, Told, seconds_of

SETTLES = 10
"""Iterations after an onset within which it shows; as closely as onsets are told (docs/zoo.md)."""


class LoopTrials:
    """Trials of a loop of the user's own, one arm at a time, in this process.

    Loops are their owner's code and cannot be begun in the middle, so two things keep them short. A control that is the
    run to the last bit until after the onset is not trained further: the run stands for it. An arm that until then is
    the one it was tried on to the last bit changes nothing, and ends.

    run : the patient
    trial : trains once as its context says, recorded under `context.log`, and returns the run
    iterations : of every arm; None is as many as the run has
    own : interventions besides Flatline's, tried before them; one of a known name takes its place
    seed : of the arms; None is the run's
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
        seed: int | None = None,
        told: Told | None = None,
    ) -> None:
        evaluated = run.evaluation_iterations
        if not len(evaluated):
            raise RunError(f"run {run.name} has no evaluation to compare arms by; call recorder.evaluation in the loop")
        self.run, self.trial, self.spent = run, trial, 0
        self.seed = int(run.info.get("seed") or 0) if seed is None else seed
        self.iterations = int(evaluated[-1]) if iterations is None else iterations
        self.every = int(np.median(np.diff([0, *evaluated]))) or 1
        own = tuple(own)
        theirs = [one for one in interventions() if one.name not in {other.name for other in own}]
        self.known = {one.name: one for one in (*own, *theirs)}
        self._diagnosis = diagnose(run)
        self.seen_from = _onset(self._diagnosis)
        self._gives = _gives(run, self._diagnosis)
        self._sessions: dict[str, Session] = {}
        self._tried_on: dict[tuple[str, ...], Arm] = {}
        self._told = told or (lambda arms, done, total: None)

    def control(self) -> Arm:
        """The loop with nothing changed: the run itself, once it is proved that the trial repeats it to the bit."""
        patient = Arm((), self.run.path)
        session = self._session(Arm(()), self.seed)
        at = self._shows_at(patient, self._diagnosis) or self.every
        as_long = self.iterations in self.run.evaluation_iterations
        if as_long and at < self.iterations:
            session.advance(at)
            if session.fault is None and _same(self.run, ReadOnce(session.path), at):
                self.spent += at
                self._end(session)
                if session.fault is not None:
                    raise RunError(f"the trial of {self.run.name} with nothing changed: {session.fault}")
                note = f"the run itself, which its trial repeats to the bit (up to {at})"
                return replace(patient, seconds=seconds_of(self.run), note=note).stands(self.iterations)
        (arm,) = self.train([Arm(())], self.iterations)
        if arm.standing is None or not arm.standing.iterations:
            raise RunError(f"the trial of {self.run.name} with nothing changed {arm.note or 'made no evaluation'}")
        return arm

    def why_not(self, arm: Arm, name: str) -> str | None:
        """Why it cannot be tried on an arm."""
        one = self.known[name]
        return None if one.suits_loops else "only a recipe can be given it; offer it as a Switch that the loop makes"

    def prescribe(self, arm: Arm, name: str) -> Arm:
        """A new arm with one intervention more."""
        if arm.standing is None or arm.path is None:
            raise RunError(f"the arm {arm.name} was not trained, so nothing can be prescribed for it (revive)")
        given = (*arm.given, name)
        self._tried_on[given] = arm
        return Arm(given)

    def train(self, arms: Sequence[Arm], until: int) -> list[Arm]:
        """The arms, as far as that, one after the other."""
        return [self._train(arm, until, self.seed, (arms, number)) for number, arm in enumerate(arms)]

    def train_seeds(self, arm: Arm, seeds: Sequence[int], until: int) -> list[Arm]:
        """The arm with each of these seeds."""
        return [self._train(Arm(arm.given), until, seed, ([arm], 0)) for seed in seeds]

    def drop(self, arms: Sequence[Arm]) -> None:
        """End their loops, which frees their networks and closes their logs."""
        for arm in arms:
            self._end(self._session(arm, self.seed))

    def close(self) -> None:
        """End what still waits."""
        for session in self._sessions.values():
            self._end(session)

    def _train(self, arm: Arm, until: int, seed: int, place: tuple[Sequence[Arm], int]) -> Arm:
        self._told(place[0], place[1], len(place[0]))
        session = self._session(arm, seed)
        first = self._first_look(arm, until) if arm.standing is None and seed == self.seed else until
        found = self._advanced(arm, session, first)
        if first < until and not found.is_out:
            if _same(ReadOnce(self._tried_on[arm.given].path), ReadOnce(session.path), first):  # type: ignore[arg-type]
                self._end(session)
                note = f"changes nothing: the same as {self._tried_on[arm.given].name} to the bit, up to {first}"
                return replace(found, note=note, is_out=True)
            found = self._advanced(found, session, until)
        return found

    def _advanced(self, arm: Arm, session: Session, until: int) -> Arm:
        before = 0 if arm.standing is None else arm.standing.iterations
        seconds = session.advance(until)
        if session.fault is not None:
            if not isinstance(session.fault, Exception):
                raise session.fault
            said = str(session.fault) or type(session.fault).__name__
            return replace(arm, standing=None, is_out=True, note=f"could not be trained: {said}")
        found = replace(arm, path=session.path, seconds=arm.seconds + seconds).stands(until)
        reached = 0 if found.standing is None else found.standing.iterations
        self.spent += max(0, reached - before)
        return found if reached else replace(found, standing=None, is_out=True, note="made no evaluation")

    def _first_look(self, arm: Arm, until: int) -> int:
        """Where an arm is held against the one it was tried on; `until` where that would be no earlier."""
        tried_on = self._tried_on.get(arm.given)
        if tried_on is None or tried_on.standing is None:
            return until
        return min(self._shows_at(tried_on, tried_on.standing.diagnosis) or until, until)

    def _shows_at(self, arm: Arm, diagnosis: Diagnosis) -> int | None:
        """The first evaluation of an arm by which what is wrong with it shows; None where nothing is."""
        if diagnosis.cause is None or arm.path is None:
            return None
        evaluated = ReadOnce(arm.path).evaluation_iterations
        return next((int(at) for at in evaluated if at >= _onset(diagnosis) + SETTLES), None)

    def _session(self, arm: Arm, seed: int) -> Session:
        parts = [self.run.name, *(arm.given or (UNCHANGED,)), *([] if seed == self.seed else [f"seed-{seed}"])]
        name = MARK.join(parts)
        if name not in self._sessions:
            given = [self.known[one] for one in arm.given]
            context = InterventionContext(
                given, Path(self.run.path).parent / name, self.iterations, seed, self._patient(arm)
            )
            self._sessions[name] = Session(partial(self.trial, context), context)
        return self._sessions[name]

    def _patient(self, arm: Arm) -> Patient:
        tried_on = self._tried_on.get(arm.given)
        if tried_on is None or tried_on.standing is None or tried_on.path is None:
            return Patient(None, self._gives, self._diagnosis, self.run)
        run = ReadOnce(tried_on.path)
        return Patient(None, _gives(run, tried_on.standing.diagnosis), tried_on.standing.diagnosis, run)

    def _end(self, session: Session) -> None:
        """Its log closed, and the parent named in the arm's run.json, as arms of recipes have it."""
        session.end()
        if (session.path / "run.json").is_file():
            given = list(session.context.given)
            parent = {"run": self.run.name, "path": str(self.run.path), "from_iteration": 0, "given": given}
            write_json(session.path / "run.json", {**read_info(session.path), "parent": parent})


def _onset(diagnosis: Diagnosis) -> int:
    """Of the cause; 0 where there is none."""
    return 0 if diagnosis.cause is None else diagnosis.findings[0].onset  # the cause is the first


def _gives(run: Run, diagnosis: Diagnosis) -> str | None:
    """What the network gives: as the diagnosis found it where the loop called probabilities logits."""
    called = any(one.kind == "broken-objective" and one.variant == "inferred" for one in diagnosis.findings)
    return "probabilities" if called else run.info.get("output_kind")


def _same(one: Run, other: Run, until: int) -> bool:
    """Whether two runs are the same to the bit up to an iteration: losses, scores of evaluations."""
    if not all(until in run.evaluation_iterations for run in (one, other)):
        return False
    losses = [run.series("loss").loc[: until - 1].to_numpy() for run in (one, other)]
    scores = [run.evaluation_scalars.loc[:until, ["loss", "lwlrap"]].to_numpy(dtype=float) for run in (one, other)]
    return all(np.array_equal(a, b, equal_nan=True) for a, b in (losses, scores))
