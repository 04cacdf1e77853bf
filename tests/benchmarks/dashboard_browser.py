"""What a person at the dashboard waits for, by the clock of a headless Chromium."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WATCH = Path(__file__).with_name("dashboard_watch.js")

SCREEN = {"width": 1440, "height": 900}

PATIENCE_MS = 60_000

QUIET_MS = 400
"""Milliseconds without a request after which a page has come to rest."""

FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"

HEATMAP = "gradient-heatmap"

TABS = {
    "to classes": ("classes", "class-lwlrap"),
    "to localisation": ("localisation", "localisation-map"),
    "back to vitals": ("vitals", HEATMAP),
}
"""Pages in the order in which they are visited, and the first figure of each."""


@dataclass
class Visit:
    """A page of a browser that has been nowhere yet. Times are milliseconds."""

    page: Any
    under_way: set[Any] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def begun(self, request: Any) -> None:
        """Take note of a request."""
        self.under_way.add(request)
        self.asked.append(_asked(request))

    def over(self, request: Any) -> None:
        """Take note of its end."""
        self.under_way.discard(request)

    def open(self, address: str) -> None:
        """Go there, and wait for nothing."""
        self.page.goto(address, wait_until="commit")

    def since_start(self, kind: str, graph: str = "") -> float:
        """From the start of the navigation until something is to be seen."""
        self.watch(kind, graph)
        return self._seen(kind)

    def first_paint(self) -> float:
        """From the start of the navigation until the first words or picture."""
        return float(self.page.wait_for_function(FIRST_PAINT, timeout=PATIENCE_MS).json_value())

    def watch(self, kind: str, graph: str) -> None:
        """Look, from now on, for what becomes of a graph (SEEN in dashboard_watch.js)."""
        self.page.evaluate("([kind, id]) => bench.watch(kind, kind, id)", [kind, graph])

    def after(self, event: str, kind: str) -> float:
        """From the newest event of a type until what is looked for was to be seen."""
        return self._seen(kind) - float(self.page.evaluate("(type) => bench.event[type]", event))

    def rest(self) -> None:
        """Wait until the page asks for nothing more."""
        quiet = 0
        while quiet < QUIET_MS:
            self.page.wait_for_timeout(50)
            quiet = 0 if self.under_way else quiet + 50

    def _seen(self, name: str) -> float:
        told = self.page.wait_for_function("(name) => bench.at[name]", arg=name, timeout=PATIENCE_MS)
        return float(told.json_value())


@contextmanager
def visit(chromium: Any) -> Iterator[Visit]:
    """A fresh context: nothing cached, nothing compiled."""
    context = chromium.new_context(viewport=SCREEN)
    try:
        context.add_init_script(path=WATCH)
        page = context.new_page()
        made = Visit(page)
        page.on("request", made.begun)
        page.on("requestfinished", made.over)
        page.on("requestfailed", made.over)
        yield made
    finally:
        context.close()


def _asked(request: Any) -> str:
    """What a request is for: a callback's outputs, or the address."""
    if "/_dash-update-component" in request.url:
        return str((request.post_data_json or {}).get("output"))
    return request.url


def tour(visit: Visit, address: str, run: str) -> dict[str, float]:
    """Everything a person does with one run, from a browser that starts cold; milliseconds by what was waited for."""
    visit.open(f"{address}run/{run}/vitals")
    waited = {"first figure": visit.since_start("drawn", HEATMAP), "first contentful paint": visit.first_paint()}
    visit.rest()
    visit.open(f"{address}run/{run}/vitals")
    waited["first figure, browser warm"] = visit.since_start("drawn", HEATMAP)
    visit.rest()
    waited["cursor line after a key"] = key(visit, "Shift+Home", "moved", HEATMAP)
    for where, (page, graph) in TABS.items():
        waited[f"page switch, {where}"] = switch(visit, page, graph)
        visit.rest()
        if page == "classes":
            waited["bars after a key"] = key(visit, "Shift+End", "retitled", graph)
            visit.rest()
    return waited | zoom(visit)


def switch(visit: Visit, page: str, graph: str) -> float:
    """From a click on a tab until that page's first figure."""
    visit.watch("drawn", graph)
    visit.page.click(f"a.page-tab[href*='/{page}']")
    return visit.after("click", "drawn")


def key(visit: Visit, name: str, kind: str, graph: str) -> float:
    """From a key until what it does to a graph is to be seen."""
    visit.watch(kind, graph)
    visit.page.keyboard.press(name)
    return visit.after("keydown", kind)


def zoom(visit: Visit) -> dict[str, float]:
    """From the end of a drag over a third of the heatmap until it shows the old picture larger, and a finer one."""
    area = visit.page.locator(f"#{HEATMAP} .nsewdrag").first.bounding_box()
    for kind in ("stretched", "finer"):
        visit.watch(kind, HEATMAP)
    across = [area["x"] + area["width"] * share for share in (0.3, 0.45, 0.6)]
    middle = area["y"] + min(area["height"], SCREEN["height"] - area["y"]) / 2
    visit.page.mouse.move(across[0], middle)
    visit.page.mouse.down()
    for x in across[1:]:
        visit.page.mouse.move(x, middle)
    visit.page.mouse.up()
    return {
        "zoom, the old picture larger": visit.after("mouseup", "stretched"),
        "zoom": visit.after("mouseup", "finer"),
    }
