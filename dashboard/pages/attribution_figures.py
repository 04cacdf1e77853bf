"""The figures of the page of attributions: map and checks of the run, and of what stands beside it."""

from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from ...diagnostics.errors import RunError
from ...runs.run import Run
from .. import figures
from ..chosen import Chosen
from ..figures.attribution_map import NO_INFORMATION, limit_of, of_chosen
from .attribution_choice import first_of, second_of
from .cards import Card


def _shown(place: int) -> Callable[..., go.Figure]:
    def of_run(
        run: Run,
        theme: str = "light",
        *,
        iteration: int | None = None,
        clip: str | None = None,
        class_name: str | None = None,
        method: str | None = None,
        baseline: str | None = None,
        beside: str | None = None,
        beside_iteration: str | None = None,
    ) -> go.Figure:
        asked = {"iteration": iteration, "clip": clip, "class": class_name, "method": method, "baseline": baseline}
        first = first_of(run, asked)
        if not beside:
            return of_chosen(first, theme)
        second = second_of(run.path.parent, first, beside, beside_iteration)
        chosen = (first, second.chosen)[place]
        if chosen is None:
            raise RunError(second.wrong)
        figure = of_chosen(chosen, theme, _shared_limit([first, second.chosen]))
        return figure.update_layout(title_text=_short_title(chosen))

    return of_run


def _short_title(chosen: Chosen) -> str:
    """What tells two columns apart; the rest is the same in both."""
    at = "" if chosen.iteration is None else f" · iteration {chosen.iteration:,}"
    nothing = f" · {NO_INFORMATION}" if chosen.stored is not None and not chosen.stored.informative else ""
    return f"{chosen.run.name}{at} · {chosen.class_name}{nothing}"


def _checks(place: int) -> Callable[..., go.Figure]:
    def of_run(
        run: Run,
        theme: str = "light",
        *,
        iteration: int | None = None,
        clip: str | None = None,
        class_name: str | None = None,
        method: str | None = None,
        baseline: str | None = None,
        beside: str | None = None,
        beside_iteration: str | None = None,
    ) -> go.Figure:
        asked = {"iteration": iteration, "clip": clip, "class": class_name, "method": method, "baseline": baseline}
        chosen = first_of(run, asked)
        if place:
            second = second_of(run.path.parent, chosen, beside or run.name, beside_iteration)
            if second.chosen is None:
                raise RunError(second.wrong)
            chosen = second.chosen
        return figures.attribution_checks(
            chosen.run,
            theme,
            iteration=chosen.iteration,
            clip=chosen.clip,
            class_name=chosen.class_name,
            method=chosen.method,
            baseline=chosen.baseline,
        )

    return of_run


def _shared_limit(pair: Sequence[Chosen | None]) -> float | None:
    """Where the colours of both columns end, so that one hue means one value; None where they have no common unit."""
    stored = [chosen.stored for chosen in pair if chosen is not None and chosen.stored is not None]
    if len({one.of for one in stored}) != 1:
        return None
    return max(limit_of(one.arrays()["attribution"]) for one in stored)


CARDS = (
    Card("attribution-map", _shown(0), axis="time", height=640),
    Card("attribution-map-beside", _shown(1), axis="time", height=640),
    Card("attribution-checks", _checks(0), axis=""),
    Card("attribution-checks-beside", _checks(1), axis=""),
)
