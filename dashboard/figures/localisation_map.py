"""Where in a clip the model looks for each class: the clip's log-mel and its recorded maps on one axis of time."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...diagnostics.errors import FlatlineError, unknown
from ...runs.kept_clips import Event, KeptClip, clip_scores, kept_clip
from ...runs.maps import reader_of
from ...runs.run import Run
from .clip_panels import (
    Panel,
    add_boxes,
    add_padding,
    mel_panel,
    shortened,
    stack,
    time_axis,
    together,
)
from .lines import joined
from .theme import blank, message, note, theme_named

TITLE = "Localisation maps"

ROWS = 12
"""Classes of a map, at most; of more, the true ones and those that score highest."""

ROW_PX = 17

KINDS = {
    "sigmoid": "sigmoid: each frame by itself",
    "softmax-class": "softmax over classes: the classes of a frame share 1",
    "softmax-time": "softmax over time: the frames of a class share 1",
    "weights": "weights as the model gives them",
}
"""What a map's numbers mean, by its kind."""

HOW_TO_RECORD = (
    "No maps were recorded. Name the modules that give them, Recorder(attention={...}), or train a recipe whose head "
    "localises (story-attention, story-published)."
)


def localisation_map(
    run: Run,
    theme: str = "light",
    *,
    iteration: int | None = None,
    clip: str | None = None,
    map: str | None = None,
    class_name: str | None = None,
) -> go.Figure:
    """The maps of a pinned clip at one iteration; of a run without pinned clips, the batch's mean.

    iteration : exactly; None is the newest that has a map
    clip : None is the first pinned one
    map : None draws all
    class_name : is drawn and marked, even if the model ranks it low
    """
    try:
        return _of_run(run, theme, iteration, clip, map, class_name)
    except FlatlineError as error:
        return message(TITLE, str(error), theme_named(theme))


def _of_run(
    run: Run, theme: str, iteration: int | None, clip: str | None, map: str | None, class_name: str | None
) -> go.Figure:
    if map is not None and map not in run.map_names:
        raise unknown("map", map, run.map_names, f"run {run.name}")
    if class_name is not None and class_name not in run.classes:
        raise unknown("class", class_name, run.classes, f"run {run.name}")
    clip = next(iter(run.info.get("clips") or []), None) if clip is None else clip
    kept, missing = kept_or_why(run, clip)
    maps: dict[str, np.ndarray | str] = {}
    reader = reader_of(run.path, clip)
    for name in run.map_names if map is None else [map]:
        recorded = reader.iterations(name)
        iteration = int(recorded[-1]) if iteration is None and recorded.size else iteration
        maps[name] = (
            reader.read(iteration, name)
            if iteration is not None and iteration in recorded
            else nearest_text(recorded, iteration)
        )
    return localisation_map_figure(
        maps,
        run.info.get("maps") or {},
        run.classes,
        theme,
        clip=kept,
        clip_name=clip,
        iteration=iteration,
        scores=scores_at(run, clip, iteration),
        class_name=class_name,
        missing=missing,
        revision=f"{run.name}/{clip}",
    )


def localisation_map_figure(
    maps: Mapping[str, np.ndarray | str],
    kinds: Mapping[str, str],
    classes: Sequence[str],
    theme: str = "light",
    *,
    clip: KeptClip | None = None,
    clip_name: str | None = None,
    iteration: int | None = None,
    scores: pd.Series | None = None,
    class_name: str | None = None,
    missing: str = "",
    revision: str | None = None,
) -> go.Figure:
    """The clip's log-mel, and below it each map, classes down, time across; true events are outlined.

    maps : (frame, class) by name, or in words why there is none
    kinds : what was applied to each, "softmax-time" ...
    clip : what is kept of the clip; None where nothing is, and frames are the axis
    clip_name : None for the mean over the batch
    scores : by class, which orders the rows; None orders by the highest value in the maps
    missing : what to say of a clip of which nothing is kept
    """
    chosen = theme_named(theme)
    drawn = [values for values in maps.values() if isinstance(values, np.ndarray)]
    if clip is None and not drawn:
        why = next((text for text in maps.values() if isinstance(text, str)), HOW_TO_RECORD)
        return message(TITLE, joined(why, missing), chosen)
    figure = blank(_title(clip_name, iteration), chosen, revision)
    panels = [] if clip is None else [mel_panel(clip)]
    top = len(panels)
    wanted = order(classes, clip.labels if clip is not None else None, class_name, scores, drawn)
    for name, values in maps.items():
        panels.append(_panel(name, values, kinds.get(name, ""), clip, wanted, classes, class_name))
    if not maps:
        panels.append(Panel("maps", 70, text=HOW_TO_RECORD.replace(". ", ".<br>", 1)))
    stack(figure, panels, chosen)
    time_axis(figure, clip, max(map(len, drawn), default=1))
    if clip is not None:
        _add_events(figure, panels, clip, top)
        add_padding(figure, clip)
    return note(figure, joined(missing, _note(clip, clip_name, classes, wanted, bool(drawn))))


def kept_or_why(run: Run, clip: str | None) -> tuple[KeptClip | None, str]:
    """What a run keeps of a clip, or in words that it keeps nothing.

    Raises UnknownNameError for a clip that was not pinned.
    """
    if clip is None:
        return None, ""
    if clip not in (run.info.get("clips") or []):
        raise unknown("pinned clip", clip, run.info.get("clips") or [], f"run {run.name}")
    try:
        return kept_clip(run, clip), ""
    except FlatlineError:
        return None, "this run keeps no spectrogram and no sound of the clip; train it again to see and hear it"


def nearest_text(recorded: np.ndarray, iteration: int | None, what: str = "map") -> str:
    """In words that nothing was recorded at an iteration, and where the nearest are.

    >>> nearest_text(np.array([0, 50, 100]), 60)
    'No map was recorded at iteration 60; the nearest are at 50 and 100.'
    """
    if not recorded.size or iteration is None:
        return f"No {what} has been recorded yet."
    before, after = recorded[recorded < iteration], recorded[recorded > iteration]
    places = [f"{found[at]:,}" for found, at in ((before, -1), (after, 0)) if found.size]
    nearest = f"the nearest are at {' and '.join(places)}" if len(places) == 2 else f"the nearest is at {places[0]}"
    return f"No {what} was recorded at iteration {iteration:,}; {nearest}."


def scores_at(run: Run, clip: str | None, iteration: int | None) -> pd.Series | None:
    """The model's scores of a clip at exactly that evaluation; None where there are none."""
    if clip is None or iteration is None:
        return None
    table = clip_scores(run, clip)
    return table.loc[iteration] if iteration in table.index and table.loc[iteration].notna().any() else None


def order(
    classes: Sequence[str],
    labels: Sequence[str] | None,
    class_name: str | None,
    scores: pd.Series | None,
    maps: Sequence[np.ndarray],
    most: int = ROWS,
) -> list[str]:
    """Classes to be drawn: the true ones first, then by score, or where there is none by the highest value in a map."""
    by_class = [values for values in maps if values.shape[1] == len(classes)]
    if scores is not None and len(scores) == len(classes):
        height = scores.to_numpy(dtype=float)
    elif by_class:
        height = np.nanmax(np.nan_to_num(np.concatenate(by_class), nan=-np.inf), axis=0)
    else:
        height = np.zeros(len(classes))
    ranked: list[str] = [
        classes[int(place)] for place in np.argsort(-np.nan_to_num(height, nan=-np.inf), kind="stable")
    ]
    asked = [] if class_name is None else [class_name]
    first = dict.fromkeys([*(label for label in labels or () if label in classes), *asked])
    return list(dict.fromkeys([*first, *ranked]))[: max(most, len(first))]


def _panel(
    name: str,
    values: np.ndarray | str,
    kind: str,
    clip: KeptClip | None,
    wanted: Sequence[str],
    classes: Sequence[str],
    class_name: str | None,
) -> Panel:
    if isinstance(values, str):
        return Panel(name, len(wanted) * ROW_PX, text=values)
    rows, columns = list(wanted), [classes.index(label) for label in wanted]
    if values.shape[1] != len(classes):  # a map that is not over classes: a MultiheadAttention's, a scalar one
        columns = list(range(min(values.shape[1], ROWS)))
        rows = [f"column {column}" for column in columns]
    x = np.arange(len(values) + 1) - 0.5 if clip is None else clip.edges(len(values))
    labels = clip.labels if clip is not None else None
    marked = tuple(_marked(row, labels or (), class_name) for row in rows)
    said = f"  {joined(KINDS.get(kind, kind), _uniform(kind, values))}"
    height = max(len(rows) * ROW_PX, 60)
    return Panel(name, height, said, x=x, z=values[:, columns].T, rows=tuple(rows), marked=marked, unit="weight")


def _uniform(kind: str, values: np.ndarray) -> str:
    """What a map that says nothing holds everywhere."""
    share = {"softmax-class": values.shape[1], "softmax-time": values.shape[0]}.get(kind)
    return "" if share is None else f"a map that says nothing is {1 / share:.2g} everywhere"


def _marked(row: str, labels: Sequence[str], class_name: str | None) -> str:
    text = shortened(row)
    text = f"<b>● {text}</b>" if row in labels else text
    return f"▸ <u>{text}</u>" if row == class_name else text


def _add_events(figure: go.Figure, panels: Sequence[Panel], clip: KeptClip, top: int) -> None:
    """Outline when each class is truly heard: on the log-mel with its name, and on its rows of the maps."""
    events = clip.events or ()
    if clip.frame_s is None:
        return
    bins = clip.mel.shape[1]
    whole = together(events)
    add_boxes(figure, [(event, -0.5, bins - 0.5) for event in whole], "y", "true event")
    for place, event in enumerate(whole):
        figure.add_annotation(
            text=event.label,
            name="true event",
            x=event.onset_s,
            xref="x",
            xanchor="left",
            y=bins - 0.5,
            yref="y",
            yanchor="top",
            xshift=3,
            yshift=-3 - 17 * (place % 3),
            font={"size": 11, "color": "#ffffff"},
            bgcolor="rgba(0,0,0,0.6)",
        )
    for number, panel in enumerate(panels[top:], start=top + 1):
        add_boxes(figure, _on_rows(events, panel), "y" if number == 1 else f"y{number}", "true event")


def _on_rows(events: Sequence[Event], panel: Panel) -> list[tuple[Event, float, float]]:
    rows = {row: place for place, row in enumerate(panel.rows)}
    found = [(event, rows[event.label]) for event in events if event.label in rows]
    return [(event, row - 0.44, row + 0.44) for event, row in found]


def _title(clip_name: str | None, iteration: int | None) -> str:
    what = "mean over the batch" if clip_name is None else f"clip {clip_name}"
    return f"{TITLE} · {what}" + ("" if iteration is None else f" · iteration {iteration:,}")


def _note(
    clip: KeptClip | None, clip_name: str | None, classes: Sequence[str], wanted: Sequence[str], has_maps: bool
) -> str:
    """What the outlines mean, how many classes are drawn, and what is not known."""
    parts = []
    if clip is not None and clip.labels is not None:
        parts.append("● true label")
    if clip is not None:
        parts.append("outlined: truly heard" if clip.events else "true onsets are not known")
    if has_maps:
        parts.append(f"{len(wanted)} of {len(classes)} classes")
    if clip_name is None:
        parts.append("no clip is pinned: the batch's mean, whose frames are those of different clips")
    return joined(*parts)
