import sys
import webbrowser
from typing import ClassVar

import pytest
from flatline.dashboard import screen

PAGE = "http://127.0.0.1:8050/compare?runs=a,b"


class Window(webbrowser.BaseBrowser):
    """A browser that notes what it is asked for."""

    asked: ClassVar[list[str]] = []

    def open(self, url, new=0, autoraise=True):
        self.asked.append(url)
        return True


class InTerminal(webbrowser.GenericBrowser):
    """A browser such as w3m."""

    def open(self, url, new=0, autoraise=True):
        pytest.fail("it would take the terminal")


@pytest.fixture
def desk(monkeypatch):
    """A terminal on a machine with a display."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(Window, "asked", [])
    monkeypatch.setattr(webbrowser, "get", lambda: Window("window"))
    return monkeypatch


def test_a_page_opens_in_a_window_where_there_is_a_screen(desk):
    assert screen.open_on_screen(PAGE)
    assert Window.asked == [PAGE]


def test_without_a_display_or_a_terminal_nothing_is_opened(desk):
    desk.delenv("DISPLAY")
    assert not screen.open_on_screen(PAGE)
    desk.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert screen.has_screen()
    desk.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert not screen.open_on_screen(PAGE)
    assert Window.asked == []


def test_a_browser_within_the_terminal_and_none_at_all_are_let_be(desk):
    desk.setattr(webbrowser, "get", lambda: InTerminal("w3m"))
    assert not screen.open_on_screen(PAGE)

    def none():
        raise webbrowser.Error("could not locate runnable browser")

    desk.setattr(webbrowser, "get", none)
    assert not screen.open_on_screen(PAGE)
