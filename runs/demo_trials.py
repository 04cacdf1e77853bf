"""The end of the story: what brings each of its collapsed runs back, found by trials."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..data.parallel import n_cores
from .demo import Chapter, DemoError
from .revive.revived import Revived, stored_revival
from .revive.telling import run_names

ARMS = ("fix-objective", "prior-bias")
"""What the demo tries, alone and on top of each other: two of the remedies that the diagnoses of the story's collapsed
runs name. All of them, and three seeds, take some four minutes a run, and are what `flatline revive RUN` does."""

LIMITS = f"""\
Tried were {" and ".join(ARMS)}, alone and on top of each other, with one seed: what fits into a demo. All that a
diagnosis names, with three seeds, takes a few minutes a run: flatline revive RUN
"""

LEFT_OUT = "What cures the collapsed runs is left out of --quick; this finds it out: flatline revive story-plain"

Said = Callable[[str, str], None]
"""Called with a run's recipe and a sentence on its trials, from a thread."""


def collapsed(chapters: Sequence[Chapter]) -> list[Chapter]:
    """Those for which there is a cure to be found."""
    return [chapter for chapter in chapters if chapter.verdict == "collapsed"]


def cures(chapters: Sequence[Chapter], said: Said = lambda recipe, words: None) -> list[Revived]:
    """Trials of each run by `flatline revive`, as many runs at a time as there are cores; what each came to, in order.

    Raises DemoError with the last line of what failed trials said. Ctrl-C ends them in order: every arm stays a run.
    """
    at_once = max(1, min(len(chapters), n_cores()))
    children: list[subprocess.Popen[str]] = []
    ending = threading.Event()

    def tried(chapter: Chapter) -> Revived:
        if ending.is_set():
            raise KeyboardInterrupt
        return _tried(chapter, n_cores() // at_once, children, said)

    longest_first = sorted(chapters, key=lambda chapter: chapter.cause != "broken-objective")  # it takes two stages
    with ThreadPoolExecutor(at_once) as pool:
        futures = {chapter.recipe: pool.submit(tried, chapter) for chapter in longest_first}
        try:
            return [futures[chapter.recipe].result() for chapter in chapters]
        except BaseException:
            ending.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for child in children:
                child.send_signal(signal.SIGINT)
                child.wait()
            raise


def compared(chapters: Sequence[Chapter], revived: Sequence[Revived]) -> list[str]:
    """Names of the runs to put side by side: each that collapsed beside its cure; without trials all of the story."""
    if not revived:
        return [Path(chapter.run).name for chapter in chapters]
    return list(dict.fromkeys(name for one in revived for name in run_names(one)))


def _tried(chapter: Chapter, threads: int, children: list[subprocess.Popen[str]], said: Said) -> Revived:
    """One run's trials in a process of its own, which Ctrl-C reaches through us alone."""
    options = ["--arms", ",".join(ARMS), "--seeds", "1", "--jobs", "1"]
    child = subprocess.Popen(
        [sys.executable, "-m", "flatline", "revive", chapter.run, *options],
        stdout=subprocess.DEVNULL,  # it is kept in the run
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )
    children.append(child)
    last = "it said nothing"
    for line in child.stderr or ():
        last = line.strip() or last
        said(chapter.recipe, last)
    code, revived = child.wait(), stored_revival(Path(chapter.run))
    if code or revived is None:
        raise DemoError(f"the trials of {chapter.recipe} ended with exit code {code}: {last}")
    return revived
