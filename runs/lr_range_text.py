"""A range test in a terminal, and as JSON."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from .display import stdout
from .jsons import to_json
from .lr_range_curve import RangeCurve, Suggestion, curve_of_run, nothing
from .run import Run

BLOCKS = "▁▂▃▄▅▆▇█"

WIDTH = 60
"""Characters of the curve."""

USES = {
    "lowest": "a cycle's lower end: the loss has begun to fall",
    "steepest": "a constant rate: the loss falls fastest",
    "highest": "a cycle's upper end: the lowest loss, before it rises",
}


def as_dict(run: Run, suggestion: Suggestion, figure: Path | None) -> dict[str, Any]:
    """As `flatline lr-range --json` prints it; a rate that is not suggested is null."""
    asked = run.info.get("lr_range") or {}
    return {
        "run": str(run.path),
        "status": run.status,
        "from": asked.get("first"),
        "to": asked.get("last"),
        "iterations": len(run),
        **vars(suggestion),
        "figure": None if figure is None else str(figure.resolve()),
    }


def sparkline(curve: RangeCurve, width: int = WIDTH) -> str:
    """The smoothed loss as a line of blocks, each a stretch of the rates' logarithm; blank where no point is.

    >>> sparkline(RangeCurve(np.array([1e-4, 1e-3, 1e-2]), np.array([2.0, 1.0, 2.0]), 0.0, 2.0, math.nan), 3)
    '█▁█'
    """
    if not len(curve.losses):
        return ""
    low, high = float(curve.losses.min()), float(curve.losses.max())
    heights = (curve.losses - low) / ((high - low) or 1.0)
    logs = np.log(curve.rates)
    span = (logs[-1] - logs[0]) or 1.0
    places = np.minimum((width * (logs - logs[0]) / span).astype(int), width - 1)
    means = [heights[places == place].mean() if (places == place).any() else math.nan for place in range(width)]
    return "".join(" " if math.isnan(mean) else BLOCKS[round(mean * (len(BLOCKS) - 1))] for mean in means)


def print_range(run: Run, figure: Path | None, *, as_json: bool) -> None:
    """Print what a range test came to; a figure that was written is named."""
    found = curve_of_run(run)
    if found is None:  # interrupted before its second iteration
        curve, suggestion = None, nothing("too few iterations were recorded")
    else:
        _, _, curve, suggestion = found
    if as_json:
        print(to_json(as_dict(run, suggestion, figure), indent=1))
        return
    console = stdout()
    if curve is not None and len(curve.rates):
        console.print(f"loss {suggestion.first_loss:.4g} at first, {suggestion.least_loss:.4g} at its lowest")
        console.print(Text(sparkline(curve)))
        ends = f"{curve.rates[0]:.1e}", f"{curve.rates[-1]:.1e}"
        console.print(f"{ends[0]}{ends[1]:>{WIDTH - len(ends[0])}}")
    if suggestion.falls:
        console.print(_table(suggestion))
    console.print(Text(suggestion.why, "" if suggestion.falls else "bold red"))
    print(*([] if figure is None else [figure.resolve()]), run.path, sep="\n")


def _table(suggestion: Suggestion) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, use in USES.items():
        table.add_row(name, f"{getattr(suggestion, name):.2g}", use)
    return table
