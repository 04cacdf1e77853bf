from __future__ import annotations

from collections.abc import Iterator, Sequence

from .clipset import ClipSet
from .errors import Problem

N_NAMED = 5


def unlearnable(clipset: ClipSet) -> Iterator[Problem]:
    """Notes on classes that nothing can be learned of: those of no training clip, and those of every one.

    Judged by the rows that can be used; a set with a training CSV that cannot be read is not judged.
    """
    targets = clipset.targets(clipset.split("curated", "noisy"))  # (clip, class)
    if not len(targets) or not targets.any(1).all():
        return
    clips = targets.sum(0)
    absent = [name for name, n in zip(clipset.classes, clips, strict=True) if n == 0]
    everywhere = [name for name, n in zip(clipset.classes, clips, strict=True) if n == len(targets)]
    if absent:
        what = f"no training clip has the label {_named(absent)} ({len(absent)} of {len(clipset.classes)} classes)"
        yield _note(clipset, what, "add clips of it, or expect no score for it")
    if everywhere:
        what = f"each of the {len(targets)} training clips has the label {_named(everywhere)}"
        yield _note(clipset, what, "add clips without it: what never varies cannot be learned")


def _named(names: Sequence[str]) -> str:
    more = f" nor of {len(names) - N_NAMED} others" if len(names) > N_NAMED else ""
    return ", ".join(map(repr, names[:N_NAMED])) + more


def _note(clipset: ClipSet, what: str, remedy: str) -> Problem:
    return Problem(clipset.root, None, what, remedy, note=True)
