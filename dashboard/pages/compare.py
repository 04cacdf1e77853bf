"""Runs, or groups of runs, side by side: the same figures on shared scales, and what differs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, html, no_update

from ...diagnostics.errors import RunError
from ...runs.comparing import in_words, recipe_differences
from ...runs.listing import run_folders
from ...runs.run import Run
from .. import figures
from ..addresses import Address, compare_address, parse, run_path
from ..judging import Judge
from ..shell import URL
from . import figure_page
from .cards import Card, placed
from .figure_page import reason

PICK, GROUP, DIFFERENCES = "compare-runs", "compare-by", "compare-differences"

GROUPS = {
    "": "each run for itself",
    "attention": "with and without attention",
    "architecture": "by architecture",
    "head": "by head",
    "loss": "by loss",
    "seed": "over seeds",
    "name": "by name (its number dropped)",
}
"""Ways to put runs together; any other key of the recipe can stand in the address (by=learning_rate)."""

MOST_KEYS = 40
"""Differing keys of the recipes that are listed."""


def _localisation(place: int) -> Callable[..., go.Figure]:
    def of_run(
        runs: Sequence[Run], theme: str = "light", *, iteration: int | None = None, clip: str | None = None
    ) -> go.Figure:
        if place >= len(runs):
            raise RunError(f"there is no run {place + 1} to compare; pick another one above")
        name = clip or common_clip(runs)
        drawn = [figures.localisation_map(run, theme, iteration=iteration, clip=name) for run in runs[:2]]
        figure = with_shared_scales(drawn[place], drawn)
        of_clip = "" if name is None else f" · {name}"
        return figure.update_layout(title_text=f"{runs[place].name}{of_clip} · iteration {iteration or 0:,}")

    return of_run


def with_shared_scales(figure: go.Figure, others: Sequence[go.Figure]) -> go.Figure:
    """The figure with the colours of each heatmap spanning what those of its name span in any of the figures."""
    maps: list[Any] = list(figure.select_traces({"type": "heatmap"}))
    every: list[Any] = [trace for other in others for trace in other.select_traces({"type": "heatmap"})]
    for trace in maps:
        alike = [one for one in every if one.name == trace.name]
        known = [(one.zmin, one.zmax) for one in alike if one.zmin is not None and one.zmax is not None]
        if known:
            trace.update(zmin=min(low for low, _ in known), zmax=max(high for _, high in known))
    return figure


def common_clip(runs: Sequence[Run]) -> str | None:
    """The first pinned clip of the first run that the second has, too; None where they share none."""
    first, *others = [run.info.get("clips") or [] for run in runs[:2]]
    return next((clip for clip in first if all(clip in clips for clips in others)), None)


CARDS = (
    Card("compare-curves", figures.compare_curves, wide=True, height=760),
    Card("compare-heatmaps", figures.compare_heatmaps, wide=True, height=640),
    Card("compare-classes", figures.compare_classes, axis="", wide=True, height=560),
    Card("compare-localisation-1", _localisation(0), axis="time", height=640),
    Card("compare-localisation-2", _localisation(1), axis="time", height=640),
)


def layout(logs: Path, address: Address) -> dmc.Stack:
    """The page of the runs that an address names."""
    pickers = dmc.Group([_pick(logs, address), _group(address)], gap="md", align="end")
    parts: list[Any] = [html.Div(pickers, className="card pad")]
    runs = [run for run in (_readable(logs, name) for name in address.runs) if run is not None]
    if len(address.runs) < 2:
        words = "Pick two runs or more above, or mark them in the table of all runs."
        return dmc.Stack([*parts, dmc.Alert(words, title="Nothing to compare yet", color="blue")], gap="md")
    return dmc.Stack([*parts, html.Div(differences(runs), id=DIFFERENCES), placed(CARDS)], gap="md")


def register(app: Dash, logs: Path, judge: Judge) -> None:
    """The callbacks of this page: the way to another comparison, and one a figure."""

    @app.callback(
        Output(URL, "href"),
        Input(PICK, "value"),
        Input(GROUP, "value"),
        State(URL, "pathname"),
        State(URL, "search"),
        prevent_initial_call=True,
    )
    def go_to(names: list[str], by: str, path: str | None, search: str | None) -> Any:
        address = parse(path or "/", search)
        if address is None or address.page != "compare" or (tuple(names), by or None) == (address.runs, address.by):
            return no_update
        return compare_address(names, by or None)

    figure_page.register(app, logs, judge, CARDS)


def differences(runs: Sequence[Run]) -> Any:
    """What differs in the recipes, as a table: keys down, runs across."""
    try:
        table = recipe_differences(runs)
    except Exception as error:
        return dmc.Text(reason(error, "the recipes"), size="sm", c="dimmed")
    title = dmc.Text("What differs in their recipes and data", fw=600)
    own = [run.name for run in runs if not run.recipe]
    if not len(table):
        words = f"No recipe is known of {', '.join(own)}: a loop of one's own." if own else "Nothing."
        nothing = dmc.Text(words, size="sm", c="dimmed")
        return html.Div([title, nothing], className="card pad")
    head = html.Thead(html.Tr([html.Th(""), *(html.Th(name) for name in table.columns)]))
    body = [
        html.Tr([html.Td(html.Code(str(key))), *(html.Td(in_words(value)) for value in values)])
        for key, values in zip(table.index[:MOST_KEYS], table.to_numpy()[:MOST_KEYS], strict=True)
    ]
    more = len(table) - MOST_KEYS
    rest = [dmc.Text(f"and {more} more keys", size="sm", c="dimmed")] if more > 0 else []
    return html.Div([title, html.Table([head, html.Tbody(body)], className="plain-table"), *rest], className="card pad")


def _pick(logs: Path, address: Address) -> dmc.MultiSelect:
    names = [path.name for path in run_folders(logs)]
    return dmc.MultiSelect(
        id=PICK,
        label="Runs",
        data=list(dict.fromkeys([*address.runs, *names])),
        value=list(address.runs),
        searchable=True,
        limit=50,
        miw=420,
        maw=900,
    )


def _group(address: Address) -> dmc.Select:
    ways = GROUPS if (address.by or "") in GROUPS else {**GROUPS, str(address.by): f"by {address.by}"}
    options = [{"value": way, "label": label} for way, label in ways.items()]
    return dmc.Select(id=GROUP, label="Lines of the curves", data=options, value=address.by or "", w=240)


def _readable(logs: Path, name: str) -> Run | None:
    path = run_path(logs, name)
    try:
        return None if path is None else Run(path)
    except Exception as error:
        reason(error, name)
        return None
