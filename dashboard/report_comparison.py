"""The part of a report that puts its runs side by side: where each stands, and what their recipes differ in."""

from collections.abc import Sequence

from ..runs.comparing import in_words
from ..runs.standing import RECENT, Comparison, Standing
from .markup import Markup, element, together
from .report_words import table

MOST_KEYS = 60
"""Differing keys of the recipes that are listed; the others are counted."""

HEADS = (
    *("run", "verdict", "cause", "since iteration", "lwlrap, last"),
    *("chance", "constant level", "loss", "gradient norm", "lowest part", "the RNN carries", "iterations"),
)


def standings(compared: Comparison, places: Sequence[str]) -> Markup:
    """A row a run, each a link to its section.

    places : ids of the sections
    """
    heads = list(HEADS)
    if compared.common is not None:
        heads.insert(5, f"lwlrap at {compared.common:,}")
    rows = [
        _row(standing, place, has_common=compared.common is not None)
        for standing, place in zip(compared.runs, places, strict=True)
    ]
    note = f"Loss and gradient norms: median of the last {RECENT} iterations. –: not recorded."
    return element("div", table(heads, rows), element("p", note, class_="dimmed"), class_="card pad")


def differences(compared: Comparison) -> Markup:
    """Keys of the recipes down, runs across."""
    found = compared.differences
    heading = element("h3", "What differs in their recipes")
    silent = [standing.name for standing in compared.runs if not standing.has_recipe]
    without = f"Without a recipe, only loss and seed are known: {', '.join(silent)}." if silent else None
    note = None if without is None else element("p", without, class_="dimmed")
    if not len(found):
        return together([heading, element("p", "Nothing that the runs say of themselves."), note])
    rows = [
        [str(key), *map(in_words, values)]
        for key, values in zip(found.index, found.to_numpy(dtype=object), strict=True)
    ]
    more = len(rows) - MOST_KEYS
    rest = element("p", f"and {more} more keys", class_="dimmed") if more > 0 else None
    body = table(["", *map(str, found.columns)], rows[:MOST_KEYS])
    return together([heading, element("div", body, rest, note, class_="card pad")])


def _row(standing: Standing, place: str, *, has_common: bool) -> list[str]:
    norm = f"{_number(standing.lowest_norm)} {standing.lowest_part}" if standing.lowest_part else "–"
    share, low, high = (f"{100 * value:.0f}" for value in (standing.rnn_share, standing.rnn_low, standing.rnn_high))
    return [
        element("a", standing.name, href=f"#{place}"),
        element("span", element("span", standing.verdict, class_="word"), class_=standing.verdict),
        standing.cause or "–",
        "–" if standing.onset is None else f"{standing.onset:,}",
        _score(standing.lwlrap),
        *([_score(standing.common_lwlrap)] if has_common else []),
        _score(standing.chance),
        _score(standing.constant),
        _number(standing.loss),
        _number(standing.gradient_norm),
        norm,
        f"{share} % ({low} to {high})" if standing.rnn_share == standing.rnn_share else "–",
        f"{standing.iterations:,}{'' if standing.status == 'finished' else f' ({standing.status})'}",
    ]


def _score(value: float) -> str:
    return f"{value:.3f}" if value == value else "–"


def _number(value: float) -> str:
    return f"{value:.3g}" if value == value else "–"
