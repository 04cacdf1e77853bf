"""A headless browser of this machine, for pictures of the pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..diagnostics.errors import FlatlineError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium of this machine.

    Raises FlatlineError if Playwright or the browser is missing.
    """
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        raise FlatlineError(
            f"no browser found (looked for {', '.join(BROWSERS)}); install Chromium from your system's packages"
        )
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise FlatlineError("Playwright is not installed; pip install 'flatline[test]'") from error
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        try:
            yield chromium
        finally:
            chromium.close()
