"""A page shown in the reader's own browser, where this machine has a screen."""

import os
import sys
import webbrowser


def has_screen() -> bool:
    """Whether somebody sits before this machine's screen: a terminal, and a display for a window."""
    displays = sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    return sys.stdout.isatty() and bool(displays)


def open_on_screen(address: str) -> bool:
    """Open a page in a window of the reader's browser; returns whether one was.

    A browser within the terminal is never opened: it would take the terminal from what runs there.
    """
    if not has_screen():
        return False
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return False
    in_terminal = isinstance(found, webbrowser.GenericBrowser) and not isinstance(found, webbrowser.BackgroundBrowser)
    return not in_terminal and found.open(address)
