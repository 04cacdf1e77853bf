"""A figure as a file: a page that opens from disk, or a picture."""

from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from ..diagnostics.errors import FlatlineError
from .browser import browser

FORMS = (".html", ".png", ".svg")

SIZE = (1000, 500)
"""Pixels of a picture; a PNG has twice as many."""

DRAW = """async ({figure, form, width, height}) => {
    const whole = {data: figure.data, layout: figure.layout};
    return await Plotly.toImage(whole, {format: form, width, height, scale: form === 'png' ? 2 : 1});
}"""


def check_figure_file(path: Path) -> None:
    """Learn before the work, rather than after, that no figure can be written there.

    Raises FlatlineError for an ending that is none of FORMS, a folder that is not there, and a picture without a
    browser to take it.
    """
    if path.suffix not in FORMS:
        raise FlatlineError(f"{path} ends in none of {', '.join(FORMS)} (-o); choose one of these forms")
    if not path.parent.is_dir():
        raise FlatlineError(f"the folder {path.parent} of {path.name} is not there (-o); make it first")
    if path.suffix != ".html":
        with browser():
            pass


def write_figure(figure: go.Figure, path: Path) -> Path:
    """Write a figure as one HTML page that needs nothing else, or as a PNG or SVG through a headless browser.

    Raises FlatlineError as `check_figure_file` does, and if the file cannot be written.
    """
    try:
        if path.suffix == ".html":
            path.write_text(figure.to_html(include_plotlyjs=True, full_html=True), encoding="utf-8")
        else:
            path.write_bytes(_picture(figure, path.suffix[1:]))
    except OSError as error:
        raise FlatlineError(f"{path} cannot be written ({error.strerror or error}, -o); name another file") from error
    return path


def _picture(figure: go.Figure, form: str) -> bytes:
    from json import loads
    from urllib.request import urlopen

    width, height = SIZE
    with browser() as chromium:
        page: Any = chromium.new_page()
        page.set_content("<!doctype html><body></body>")
        page.add_script_tag(content=get_plotlyjs())
        given = {"figure": loads(str(figure.to_json())), "form": form, "width": width, "height": height}
        address = page.evaluate(DRAW, given)
    with urlopen(address) as picture:  # a data: address, of either coding
        return picture.read()
