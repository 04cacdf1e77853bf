"""Telling a log, and the person, what happened, without ending what is measured."""

import sys
import warnings
from collections.abc import Callable
from typing import Any, Protocol

from .errors import FlatlineError

OURS = __name__.rpartition(".")[0]
"""Modules whose lines a warning does not point at."""


class Sink(Protocol):
    """Whatever takes rows: a list will do. `runs.log.RunLog` takes maps, evaluations and events too."""

    def append(self, row: Any, /) -> object:
        """Take one iteration's row."""


class Nowhere:
    """A sink that keeps nothing: of several processes that train together one writes."""

    def append(self, row: Any, /) -> None:
        """Take it, and forget it."""


class Teller:
    """Calls what a full log has and a bare sink need not, and measures under guard.

    heard : called with each event too
    """

    def __init__(self, log: Sink) -> None:
        self.log = log
        self._faulty: set[str] = set()
        self.heard: Callable[..., None] | None = None

    def tell(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Call the log's method, if it has it."""
        if method == "event" and self.heard is not None:
            self.heard(*args, **kwargs)
        if (call := getattr(self.log, method, None)) is not None:
            call(*args, **kwargs)

    def warn(self, kind: str, iteration: int, text: str, **details: Any) -> None:
        """Say it to the log, as an event, and to the person, whose warnings may be errors."""
        self.tell("event", kind, iteration, **details)
        try:
            warnings.warn(text, stacklevel=_levels_up())
        except Warning:  # where warnings are errors: an instrument must not end what it measures
            print(f"flatline: {text}", file=sys.stderr)

    def guarded(self, what: str, iteration: int, measure: Callable[..., Any], *args: Any) -> Any:
        """What was measured, None after a fault: that is told once, for an instrument must not end what it measures."""
        try:
            return measure(*args)
        except Exception as error:
            fault = str(error) if isinstance(error, FlatlineError) else f"{type(error).__name__}: {error}"
        if what not in self._faulty:
            self._faulty.add(what)
            text = f"{what} could not be recorded at iteration {iteration} (told once): {fault}"
            self.warn("signal-fault", iteration, text, signal=what, fault=fault)
        return None


def _levels_up() -> int:
    """How far up the stack the first line outside the recorder is, for `warnings.warn` in the caller."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(OURS):
        frame, level = frame.f_back, level + 1
    return level
