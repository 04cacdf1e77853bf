"""What is shown where there is nothing to show: unknown pages, unknown and unreadable runs."""

from pathlib import Path

import dash_mantine_components as dmc
from dash import dcc, html

from ...runs.listing import run_folders
from ..addresses import HOME, run_address

MOST = 20
"""Known runs that are listed."""


def page_layout(path: str) -> dmc.Paper:
    """No page has this address."""
    return _card("No such page", f"There is nothing at {path}.", [])


def run_layout(logs: Path, name: str | None) -> dmc.Paper:
    """No run has this name; the known ones are listed."""
    known = [path.name for path in run_folders(logs)]
    links = [dmc.ListItem(dcc.Link(run, href=run_address(run))) for run in known[:MOST]]
    more = [dmc.Text(f"and {len(known) - MOST} more in the table", size="sm", c="dimmed")] if len(known) > MOST else []
    there = (
        [dmc.Text("Known runs:", fw=600), dmc.List(links), *more]
        if known
        else [dmc.Text("There are no runs there yet.")]
    )
    return _card("Unknown run", f"There is no run named {name!r} under {logs}.", there)


def unreadable_layout(name: str, reason: str) -> dmc.Paper:
    """The run is there, but its log cannot be read."""
    return _card(f"{name} cannot be read", reason, [])


def _card(title: str, text: str, more: list) -> dmc.Paper:
    home = dcc.Link("Back to all runs", href=HOME)
    inside = dmc.Stack([dmc.Title(title, order=3), dmc.Text(text), *more, html.Div(home)])
    return dmc.Paper(inside, className="card", p="xl", maw=760, mx="auto", mt="xl")
