"""Single-class collapse: which classes are learned, which only profit from a ranking, which are ever put on top."""

from pathlib import Path

import dash_mantine_components as dmc
from dash import Dash

from ...runs.run import Run
from .. import figures
from ..judging import Judge
from . import figure_page
from .cards import Card, placed

CARDS = (
    Card("class-lwlrap", figures.class_lwlrap, axis="", wide=True, height=460),
    Card("class-heatmap", figures.class_heatmap, wide=True, height=620),
    Card("class-shares", figures.class_shares, axis="", wide=True, height=460),
)


def layout(run: Run) -> dmc.SimpleGrid:
    """The page, its figures still to come."""
    return placed(CARDS)


def register(app: Dash, logs: Path, judge: Judge) -> None:
    """The callbacks of this page's figures."""
    figure_page.register(app, logs, judge, CARDS)
