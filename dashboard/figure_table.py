"""The docs' list of figures, made from the code: `python -m flatline.dashboard.figure_table docs/figures.md`."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import fill
from typing import Any

from . import figures
from .report_figures import ATTRIBUTION, CLASSES, COMPARISON, LOCALISATION, VITALS, caption_of

BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"

DIAGNOSIS = ("findings-timeline", "evidence", "carried-share", "revival")

LEARNING_RATE = ("lr-range",)
"""Of a range test, which is no page of its own."""

PAGES = {
    "Vital signs": VITALS,
    "Classes": CLASSES,
    "Localisation": LOCALISATION,
    "Attribution": ATTRIBUTION,
    "Diagnosis": DIAGNOSIS,
    "Several runs": COMPARISON,
    "Learning rate": LEARNING_RATE,
}
"""Graphs in the order of the docs, by the dashboard's page."""

PICTURES = "images/figures"
"""Where the docs' pictures lie."""

CALLED = {"run": "run", "runs": "[run, other]", "finding": "finding", "summary": "summary"}
"""What is given for an argument that has no default."""


def figure_table() -> str:
    """Markdown: each public figure with its call, its picture, how to read it, and its function of tables."""
    parts = []
    for page, graphs in PAGES.items():
        parts.append(f"## {page}")
        parts += [_entry(graph.replace("-", "_"), caption_of(graph)) for graph in graphs]
    return "\n\n".join(parts)


def with_table(page: str) -> str:
    """The page with the list between its markers made anew."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{figure_table()}\n{END}{rest.partition(END)[2]}"


def names() -> list[str]:
    """The public figures of runs, in the order of the docs."""
    return [graph.replace("-", "_") for graphs in PAGES.values() for graph in graphs]


def _entry(name: str, caption: str) -> str:
    draw = getattr(figures, name)
    given = [CALLED[argument] for argument, about in _arguments(draw) if about.default is about.empty]
    options = [f"`{argument}`" for argument, about in _arguments(draw) if about.default is not about.empty]
    tables = getattr(figures, f"{name}_figure")
    return "\n\n".join(
        [
            f"### {name}\n\n```python\nflatline.figures.{name}({', '.join(given)})\n```",
            _wrapped(f"{_first(draw)} {caption}"),
            f"![{name}]({PICTURES}/{name}.png)",
            _wrapped(f"Options: {', '.join(options)}."),
            _wrapped(f"Of tables, `{name}_figure({_needed(tables)})`: {_first(tables)}"),
        ]
    )


def _wrapped(text: str) -> str:
    return fill(text, 119, break_long_words=False, break_on_hyphens=False)


def _arguments(function: Callable[..., Any]) -> list[tuple[str, inspect.Parameter]]:
    return list(inspect.signature(function).parameters.items())


def _needed(function: Callable[..., Any]) -> str:
    """Arguments without a default; those that are given by name with an equals sign."""
    needed = [(name, about) for name, about in _arguments(function) if about.default is about.empty]
    return ", ".join(f"{name}=" if about.kind is about.KEYWORD_ONLY else name for name, about in needed)


def _first(function: Callable[..., Any]) -> str:
    """The first sentence of its docstring."""
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
