"""How the map of one class grew over training."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...diagnostics.errors import FlatlineError, unknown
from ...runs.kept_clips import Event, KeptClip
from ...runs.maps import reader_of
from ...runs.run import Run
from .lines import joined
from .localisation_map import HOW_TO_RECORD, kept_or_why, order, scores_at
from .marks import Mark, add_marks
from .theme import HEATMAP_COLOURS, blank, message, note, theme_named

TITLE = "How the map grew"

COLUMNS = 200
"""Maps read, at most: of more, every second, third ... recorded one."""


def map_growth(
    run: Run,
    theme: str = "light",
    *,
    clip: str | None = None,
    map: str | None = None,
    class_name: str | None = None,
    first: int | None = None,
    last: int | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:
    """The map of one class at each iteration that recorded one: a pinned clip's, or the batch's mean without clips.

    clip, map : None is the first
    class_name : None is the clip's first true label, or where that is not known the class that scored highest at last
    first, last : iterations, both included; None is the run's own
    """
    try:
        return _of_run(run, theme, clip, map, class_name, (first, last), marks)
    except FlatlineError as error:
        return message(TITLE, str(error), theme_named(theme))


def _of_run(
    run: Run,
    theme: str,
    clip: str | None,
    map: str | None,
    class_name: str | None,
    stretch: tuple[int | None, int | None],
    marks: Sequence[Mark],
) -> go.Figure:
    if not run.map_names:
        return message(TITLE, HOW_TO_RECORD, theme_named(theme))
    name = run.map_names[0] if map is None else map
    if name not in run.map_names:
        raise unknown("map", name, run.map_names, f"run {run.name}")
    if class_name is not None and class_name not in run.classes:
        raise unknown("class", class_name, run.classes, f"run {run.name}")
    clip = next(iter(run.info.get("clips") or []), None) if clip is None else clip
    kept, missing = kept_or_why(run, clip)
    reader = reader_of(run.path, clip)
    recorded = within(reader.iterations(name), *stretch)
    if not recorded.size:
        return message(TITLE, f"No map {name} was recorded in this stretch of the run.", theme_named(theme))
    maps = reader.read_many(spaced(recorded, COLUMNS), name)
    width = max(values.shape[1] for values in maps.values())
    if width != len(run.classes):
        return message(TITLE, f"{name} is no map over the classes: it has {width} columns.", theme_named(theme))
    newest = list(maps.values())[-1]
    labels = None if kept is None else kept.labels
    scores = scores_at(run, clip, list(maps)[-1])
    class_name = class_name or order(run.classes, labels, None, scores, [newest], 1)[0]
    return map_growth_figure(
        growth_of(maps, run.classes.index(class_name)),
        theme,
        clip=kept,
        clip_name=clip,
        class_name=class_name,
        map_name=name,
        recorded=len(recorded),
        missing=missing,
        marks=marks,
        revision=f"{run.name}/{clip}/{name}",
    )


def map_growth_figure(
    growth: pd.DataFrame,
    theme: str = "light",
    *,
    clip: KeptClip | None = None,
    clip_name: str | None = None,
    class_name: str = "",
    map_name: str = "",
    recorded: int | None = None,
    missing: str = "",
    marks: Sequence[Mark] = (),
    revision: str | None = None,
) -> go.Figure:
    """The weight of each frame (from the bottom up) by iteration; when the class is truly heard stands at the left.

    growth : iteration x frame
    clip : whose seconds are the axis; None counts frames
    recorded : maps that there are, of which `growth` is a choice
    """
    chosen = theme_named(theme)
    title = f"{TITLE}: {class_name} · {'mean over the batch' if clip_name is None else f'clip {clip_name}'}"
    figure = blank(title, chosen, revision)
    values = growth.to_numpy(dtype=np.float32)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return message(TITLE, f"Every recorded value of {map_name} is NaN.", chosen)
    y = np.arange(growth.shape[1] + 1) - 0.5 if clip is None else clip.edges(growth.shape[1])
    figure.add_trace(
        go.Heatmap(
            x=column_edges(growth.index.to_numpy()),
            y=y,
            z=values.T,
            name="weight",
            zmin=min(0.0, float(finite.min())),
            zmax=float(finite.max()) or 1.0,
            colorscale=HEATMAP_COLOURS,
            colorbar={
                "thickness": 10,
                "outlinewidth": 0,
                "xpad": 8,
                "title": {"text": "weight", "side": "right", "font": {"size": 11}},
            },
            hoverongaps=False,
            customdata=np.tile(growth.index.to_numpy(), (growth.shape[1], 1)),
            hovertemplate="iteration %{customdata:,}<br>%{y:.2f}<br>weight %{z:.3g}<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="iteration", showgrid=False)
    is_timed = clip is not None and clip.frame_s is not None
    figure.update_yaxes(title_text="time in the clip (s)" if is_timed else "frame", showgrid=False)
    figure.update_layout(plot_bgcolor=chosen.missing, margin={"t": 56, "r": 90})
    if clip is not None and is_timed:
        figure.update_yaxes(range=[0, float(y[-1])])
        _add_truth(figure, [event for event in clip.events or () if event.label == class_name])
        _add_padding(figure, clip)
    add_marks(figure, marks, chosen)
    count = f"{len(growth):,} of {recorded or len(growth):,} recorded maps"
    return note(figure, joined(map_name, missing, count))


def within(iterations: np.ndarray, first: int | None, last: int | None) -> np.ndarray:
    """The iterations of a stretch, both ends included."""
    low = -np.inf if first is None else first
    high = np.inf if last is None else last
    return iterations[(iterations >= low) & (iterations <= high)]


def spaced(iterations: np.ndarray, most: int) -> np.ndarray:
    """At most so many of them, evenly chosen, the first and the last among them.

    >>> spaced(np.arange(10), 4).tolist()
    [0, 3, 6, 9]
    """
    if len(iterations) <= most:
        return iterations
    return iterations[np.linspace(0, len(iterations) - 1, most).round().astype(int)]


def growth_of(maps: dict[int, np.ndarray], column: int) -> pd.DataFrame:
    """Iteration x frame of one class; maps of fewer frames (shorter batches) are stretched to the longest."""
    n_frames = max(len(values) for values in maps.values())
    rows = [values[np.arange(n_frames) * len(values) // n_frames, column] for values in maps.values()]
    return pd.DataFrame(np.stack(rows), index=pd.Index(list(maps), name="iteration"))


def column_edges(iterations: np.ndarray) -> np.ndarray:
    """Where columns begin and end: half-way between neighbours.

    >>> column_edges(np.array([0, 50, 100])).tolist()
    [-25.0, 25.0, 75.0, 125.0]
    """
    if len(iterations) == 1:
        return np.array([iterations[0] - 0.5, iterations[0] + 0.5])
    half = np.diff(iterations) / 2
    inner = iterations[:-1] + half
    return np.concatenate([[iterations[0] - half[0]], inner, [iterations[-1] + half[-1]]])


def _add_padding(figure: go.Figure, clip: KeptClip) -> None:
    """Say from where on frames are padding."""
    if clip.n_real is None or clip.n_real >= len(clip.mel):
        return
    at = float(clip.edges()[clip.n_real])
    line = {"color": "#ffffff", "width": 1.2, "dash": "dot"}
    figure.add_shape(type="line", xref="paper", x0=0, x1=1, y0=at, y1=at, line=line, name="padding")
    figure.add_annotation(
        text="padding ↑",
        name="padding",
        xref="paper",
        x=1,
        xanchor="right",
        yref="y",
        y=at,
        yanchor="bottom",
        font={"size": 11, "color": "#ffffff"},
        bgcolor="rgba(0,0,0,0.55)",
    )


def _add_truth(figure: go.Figure, events: Sequence[Event]) -> None:
    """Lines across at the true onset and offset of the class."""
    for event in events:
        for at in (event.onset_s, event.offset_s):
            for colour, width in (("#000000", 3.0), ("#ffffff", 1.4)):
                line = {"color": colour, "width": width, "dash": "dash" if width < 2 else "solid"}
                figure.add_shape(type="line", xref="paper", x0=0, x1=1, y0=at, y1=at, line=line, name="true event")
        figure.add_annotation(
            text="truly heard",
            name="true event",
            xref="paper",
            x=0,
            xanchor="left",
            xshift=3,
            yref="y",
            y=(event.onset_s + event.offset_s) / 2,
            font={"size": 11, "color": "#ffffff"},
            bgcolor="rgba(0,0,0,0.55)",
        )
