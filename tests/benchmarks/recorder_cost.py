"""What instruments cost an iteration: CPU time of the loop with one over that of the bare loop.

All cases of a net run in one process, on copies of one model that share their weights' memory, and have their turns of
one iteration one after the other, in another order each round, so that what slows the machine for a while slows all
alike. A process each would not do: by where its pages happen to lie, a whole process is up to 7 % faster or slower than
another (measured, bare against bare), and a copy with memory of its own up to 3 %.
"""

import gc
import random
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import torch
from instruments import BARE, CASES, Case
from loop import Bench, Loop, Seconds, write_a_log
from nets import NETS, Net
from timing import Benchmark, Group, NotMeasured, Outcome, Timed

WARM_UP = 1
"""Rounds before the first that counts: a first iteration does what no other does."""


class TakesTurns(Protocol):
    """Whatever runs an iteration when it is its turn."""

    def turn(self) -> Seconds:
        """What it took."""
        ...


@dataclass(frozen=True)
class Pair:
    """A case's iteration and the bare loop's in the same round."""

    case: Seconds
    bare: Seconds


Repetitions = list[list[Pair]]


def in_turns(loops: Mapping[Case, TakesTurns], repetitions: int, rounds: int) -> dict[Case, Repetitions | NotMeasured]:
    """The iterations of every case but the bare loop; NotMeasured for one that failed, after which the others go on."""
    order = random.Random(0)
    pairs: dict[Case, Repetitions] = {case: [[] for _ in range(repetitions)] for case in loops if case is not BARE}
    failed: dict[Case, NotMeasured] = {}
    for number in range(-WARM_UP, repetitions * rounds):
        due = [case for case in loops if case not in failed and (number < 0 or number % case.every == 0)]
        took: dict[Case, Seconds] = {}
        for case in order.sample(due, len(due)):
            try:
                held = scattered(order)
                took[case] = loops[case].turn()
                del held
            except NotMeasured as fault:
                failed[case] = fault
        if BARE in failed:
            return dict.fromkeys(pairs, failed[BARE])
        bare = took.pop(BARE)
        if number >= 0:
            for case, seconds in took.items():
                pairs[case][number // rounds].append(Pair(seconds, bare))
    return {**pairs, **{case: fault for case, fault in failed.items()}}


def scattered(order: random.Random) -> list[torch.Tensor]:
    """Memory of random sizes, so that each turn finds another heap: one layout can make a loop 2 % slower, for good.

    Source: Curtsinger and Berger 2013, "Stabilizer", section 2.
    """
    return [torch.empty(int(2 ** order.uniform(4, 18))) for _ in range(order.randrange(40))]


def timed(repetitions: Repetitions) -> Timed:
    """The ratio of each repetition; median, lowest and highest.

    A ratio is the median over rounds of the loop's part (forward, backward, the optimiser's step and every hook in
    them), which the machine's hiccups do not move, plus the mean of the instrument's own call over all repetitions:
    there lies what falls due once in many iterations (a flush, a costly measurement), which a median would lose.
    """
    every = [pair for repetition in repetitions for pair in repetition]
    step_s, bare_s = statistics.fmean(pair.case.step for pair in every), statistics.median(p.bare.total for p in every)
    ratios = [
        statistics.median((pair.case.total - pair.case.step) / pair.bare.total for pair in repetition) + step_s / bare_s
        for repetition in repetitions
        if repetition
    ]
    return Timed(
        statistics.median(pair.case.total - pair.case.step for pair in every) + step_s,
        bare_s,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        len(ratios),
        step_s,
        sum(pair.case.total for pair in every) / sum(pair.bare.total for pair in every),
    )


def measure(net: Net, chosen: Sequence[Benchmark], repetitions: int) -> list[Outcome]:
    """The outcome of each chosen case of the net."""
    asked = [_case(benchmark) for benchmark in chosen]
    write_a_log()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # waiting threads spin, and would be counted
    try:
        with ExitStack() as stack:
            outcomes: dict[Case, Outcome] = {}
            loops = standing(net, (BARE, *asked), stack, outcomes)
            gc.collect()
            gc.freeze()  # a collection that one case sets off goes through what came since, not through them all
            stack.callback(gc.unfreeze)
            for case, pairs in in_turns(loops, repetitions, net.rounds).items():
                outcomes[case] = pairs if isinstance(pairs, NotMeasured) else timed(pairs)
    finally:
        torch.set_num_threads(threads)
    return [outcomes[case] for case in asked]


def standing(net: Net, cases: Sequence[Case], stack: ExitStack, outcomes: dict[Case, Outcome]) -> dict[Case, Loop]:
    """A loop for each case that can be put on; why not, for the others, goes into `outcomes`."""
    bench, loops = Bench(net), {}
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    for number, case in enumerate(cases):
        if case.needs is not None and find_spec(case.needs) is None:
            outcomes[case] = NotMeasured("not installed")
            continue
        try:
            loops[case] = Loop(bench, case, folder / str(number), stack)
        except NotMeasured as fault:
            outcomes[case] = fault
    return loops


def benchmark(net: Net, case: Case) -> Benchmark:
    """What is asked of one case on one net."""
    return Benchmark(f"{net.name}: {case.name}", net.size, net.targets.get(case.name))


def group(net: Net) -> Group:
    """All cases on one net."""
    return Group(tuple(benchmark(net, case) for case in CASES), partial(measure, net))


def _case(of: Benchmark) -> Case:
    return next(case for case in CASES if of.name.endswith(f": {case.name}"))


GROUPS = tuple(group(NETS[key]) for key in ("seed", "simple", "demo"))
