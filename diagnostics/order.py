"""Whether the recorder is called before the optimiser's step instead of after it."""

ENOUGH_CALLS = 8
"""Calls of `step` in a row, after a first that found no optimiser step, that each found one; ours: accumulation over n
batches makes such rows too where an epoch ends early, but then the next epoch's first call finds none again."""


class StepOrder:
    """Watches calls of `step`: made too early, the first finds no optimiser step, each later one that of the last call.

    Loss and outputs of an iteration then stand beside the gradients of the one before.
    """

    def __init__(self) -> None:
        self._first_found_none = False
        self._calls = 0
        self._suspect = True

    def see(self, stepped: bool) -> None:
        """Count a call of `step`, before which an optimiser had stepped or not."""
        if self._calls == 0:
            self._first_found_none = not stepped
        elif not stepped:
            self._suspect = False
        self._calls += 1

    def is_wrong(self) -> bool:
        """Whether so many calls in a row say so that it can be told while the loop runs."""
        return self._fits() and self._calls > ENOUGH_CALLS

    def was_wrong(self, stepped: bool) -> bool:
        """Whether it was so, at the end of the loop: an optimiser has `stepped` after the last call, too."""
        return self._fits() and self._calls > 1 and stepped

    def _fits(self) -> bool:
        return self._first_found_none and self._suspect
