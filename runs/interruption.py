"""Ctrl-C and SIGTERM, taken at a point where nothing is half done."""

import signal
from types import FrameType
from typing import Self

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """A context in which the first Ctrl-C (or SIGTERM) only sets `asked`; the second raises KeyboardInterrupt at once.

    Outside the main thread signals cannot be caught: `asked` then stays False.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        try:
            self._before = {number: signal.signal(number, self._ask) for number in STOPPING}
        except ValueError:  # not the main thread
            self._before = {}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
