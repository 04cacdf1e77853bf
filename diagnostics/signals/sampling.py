"""Which of many clips, frames or values are looked at."""


def spacing(count: int, most: int) -> int:
    """How far apart evenly spaced ones lie, so that there are `most` at most.

    >>> spacing(10, 4), spacing(3, 4), spacing(0, 4)
    (3, 1, 1)
    """
    return -(-count // most) or 1


def every(count: int, most: int) -> slice:
    """Evenly spaced ones from the first on, `most` at most."""
    return slice(None, None, spacing(count, most))
