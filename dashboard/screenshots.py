"""Pictures of the dashboard's pages: `python -m flatline.dashboard.screenshots LOGS OUT`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ..diagnostics.errors import FlatlineError
from ..runs.listing import list_runs
from .addresses import HOME, compare_address, run_address
from .app import create_app
from .browser import browser
from .judging import Judge
from .serving import in_thread

SCHEMES = ("light", "dark")
WIDTHS = (1280, 1920)

PAGES = ("vitals", "classes", "localisation", "attribution", "diagnosis")
"""Pages of a run that are taken."""


SETTLED = """() => {
    const graphs = [...document.querySelectorAll('.js-plotly-plot')].filter(one => one.offsetParent);
    const drawn = graphs.every(one => one._fullLayout && (one._fullLayout.title.text || one.data.length));
    const verdicts = [...document.querySelectorAll('#run-bar, .ag-cell[col-id=verdict], #diagnosis-words')];
    const waits = verdicts.some(one => /being judged|^…$/.test(one.innerText.trim()));
    return drawn && !waits;
}"""
"""Every figure has come, and so has every verdict."""


def main(arguments: list[str] | None = None) -> int:
    """Take the pictures; exit code 2 with one message where they cannot be taken."""
    parser = argparse.ArgumentParser(prog="python -m flatline.dashboard.screenshots", description=__doc__)
    parser.add_argument("logs", type=Path, help="folder of runs")
    parser.add_argument("out", type=Path, help="folder for the PNG files")
    parser.add_argument("--runs", nargs="*", help="runs to show (default: the best one and the worst one)")
    parser.add_argument("--widths", type=int, nargs="*", default=WIDTHS, help="widths of the window in pixels")
    parser.add_argument("--schemes", nargs="*", choices=SCHEMES, default=SCHEMES, help="light, dark (default: both)")
    chosen = parser.parse_args(arguments)
    try:
        for path in screenshots(chosen.logs, chosen.out, chosen.runs, chosen.widths, chosen.schemes):
            print(path)
    except FlatlineError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def screenshots(
    logs: Path,
    out: Path,
    names: Sequence[str] | None = None,
    widths: Sequence[int] = WIDTHS,
    schemes: Sequence[str] = SCHEMES,
) -> Iterator[Path]:
    """Write a PNG of every page, light and dark, at each width; gives their paths.

    names : runs to show; None takes the best and the worst by their last lwlrap. Two or more are compared, too
    Raises FlatlineError if Playwright or a browser is missing.
    """
    chosen = names or telling_runs(logs)
    pages = {"runs": HOME}
    pages |= {f"{page}-{name}": run_address(name, page) for name in chosen for page in PAGES}
    if len(chosen) > 1:
        pages["compare"] = compare_address(chosen)
    out.mkdir(parents=True, exist_ok=True)
    judge = Judge(logs)
    try:
        with in_thread(create_app(logs, judge).server) as base, browser() as chromium:
            for (name, address), scheme, width in product(pages.items(), schemes, widths):
                path = out / f"{name.replace(' ', '-')}-{scheme}-{width}.png"
                _shoot(chromium, base + address, scheme, width, path)
                yield path
    finally:
        judge.close()


def telling_runs(logs: Path) -> list[str]:
    """The runs with the highest and with the lowest last lwlrap, each once."""
    scored = list_runs(logs).dropna(subset=["lwlrap"]).sort_values("lwlrap")
    return list(dict.fromkeys(scored["name"].iloc[[-1, 0]])) if len(scored) else []


def _shoot(chromium: Any, url: str, scheme: str, width: int, path: Path) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    try:
        page.goto(url)
        page.wait_for_selector(".ag-row:visible, #page .card:visible")
        page.wait_for_function(SETTLED, timeout=60_000)
        page.wait_for_timeout(500)  # the last figure's transition
        page.screenshot(path=path, full_page=True)
    finally:
        page.close()


if __name__ == "__main__":
    sys.exit(main())
