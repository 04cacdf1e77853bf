from collections.abc import Iterable


class FlatlineError(ValueError):
    """Something a user gave is wrong; the message says what, where, and what to do."""


class ShapeError(FlatlineError):
    """Two arrays that belong together differ in size."""


class ScoreError(FlatlineError):
    """Scores that cannot be ranked (NaN)."""


class AttachError(FlatlineError):
    """The recorder cannot be put on this model, optimiser or loop."""


class RunError(FlatlineError):
    """A run log that is not there, cannot be read or may not be written."""


class UnknownNameError(FlatlineError):
    """A name that nothing answers to; the message lists the known ones."""


def unknown(what: str, name: str, known: Iterable[object], where: str) -> UnknownNameError:
    """The error for a name that is not known, listing those that are."""
    listed = ", ".join(sorted(str(entry) for entry in known)) or "none"
    return UnknownNameError(f"unknown {what} {name!r} ({where}); known: {listed}")
