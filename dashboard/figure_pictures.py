"""Pictures of every figure, for the docs: `python -m flatline.dashboard.figure_pictures COLLAPSED LEARNING OUT`."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from ..diagnostics.errors import FlatlineError
from ..runs.run import Run
from ..runs.summary import summarise
from . import figures
from .browser import browser
from .figure_table import COMPARISON, names
from .figures.marks import marks_of

WIDTH = 840
"""Pixels of a picture."""

LEARNED = (
    "attribution_map",
    "attribution_checks",
    "lwlrap",
    "localisation_map",
    "clip_scores",
    "map_growth",
    "carried_share",
    "class_shares",
)
"""Figures of the run that learns; the others show the one that collapsed."""

FIRST, LAST = 0, 59
"""Iterations shown of the heatmaps of parameters: a picture of more takes twice the bytes and tells the same."""

MOST_PX = 780
"""Height of a picture; of a taller figure the top is shown."""

PAGE = "<!doctype html><body style='margin:0'><div id='figure'></div>"

DRAW = "async figure => { await Plotly.newPlot('figure', figure.data, figure.layout, {staticPlot: true}); }"


def main(arguments: list[str] | None = None) -> int:
    """Take the pictures; exit code 2 with one message where they cannot be taken."""
    parser = argparse.ArgumentParser(prog="python -m flatline.dashboard.figure_pictures", description=__doc__)
    parser.add_argument("collapsed", type=Path, help="a run that collapsed")
    parser.add_argument("learning", type=Path, help="a run that learned, with pinned clips")
    parser.add_argument("--lr-range", type=Path, help="a range test; left out, its figure says that there is none")
    parser.add_argument("out", type=Path, help="folder for the PNG files")
    chosen = parser.parse_args(arguments)
    try:
        ranged = None if chosen.lr_range is None else Run(chosen.lr_range)
        for path in pictures(Run(chosen.collapsed), Run(chosen.learning), chosen.out, ranged):
            print(path)
    except FlatlineError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def pictures(collapsed: Run, learning: Run, out: Path, ranged: Run | None = None) -> Iterator[Path]:
    """Write a PNG of every public figure of runs; gives their paths.

    ranged : a learning-rate range test
    Raises FlatlineError if a run cannot be read, or Playwright or a browser is missing.
    """
    drawn = figures_of(collapsed, learning, ranged)
    out.mkdir(parents=True, exist_ok=True)
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": WIDTH, "height": 600})
        page.set_content(PAGE)
        page.add_script_tag(content=get_plotlyjs())
        for name, figure in drawn.items():
            path = out / f"{name}.png"
            _shoot(page, figure, path)
            yield path


def figures_of(collapsed: Run, learning: Run, ranged: Run | None = None) -> dict[str, go.Figure]:
    """Every public figure of runs, by its name."""
    summary = summarise(collapsed)
    marks = marks_of(summary["diagnosis"]["findings"])
    special: dict[str, Callable[..., go.Figure]] = {
        "findings_timeline": lambda: figures.findings_timeline(summary),
        "evidence": lambda: figures.evidence(collapsed, summary["diagnosis"]["findings"][0]),
        **{name: lambda name=name: _of(name, [collapsed, learning]) for name in map(_function, COMPARISON)},
        **{name: lambda name=name: _of(name, learning) for name in LEARNED},
        "lr_range": lambda: figures.lr_range(ranged or learning),
        "gradient_heatmap": lambda: figures.gradient_heatmap(collapsed, first=FIRST, last=LAST, marks=marks),
        "gradient_lines": lambda: figures.gradient_lines(collapsed, marks=marks),
        "compare_heatmaps": lambda: figures.compare_heatmaps([collapsed, learning], first=FIRST, last=LAST),
    }
    return {name: special.get(name, lambda name=name: _of(name, collapsed))() for name in names()}


def _function(graph: str) -> str:
    return graph.replace("-", "_")


def _of(name: str, shown: Any) -> go.Figure:
    return getattr(figures, name)(shown)


def _shoot(page: Any, figure: go.Figure, path: Path) -> None:
    """Of one figure, as high as it is."""
    content = json.loads(str(figure.update_layout(width=WIDTH).to_json()))
    page.evaluate(DRAW, content)
    height = page.locator("#figure").bounding_box()["height"]
    page.screenshot(path=path, clip={"x": 0, "y": 0, "width": WIDTH, "height": min(height, MOST_PX)}, full_page=True)


if __name__ == "__main__":
    sys.exit(main())
