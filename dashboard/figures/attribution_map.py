"""What in a clip moved a class: log-mel, attribution, its sum by frame, the network's own maps and true onsets."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from ...diagnostics.attribution.names import method_named
from ...diagnostics.errors import FlatlineError
from ...runs.attribution_store import Stored
from ...runs.kept_clips import Event, KeptClip
from ...runs.maps import reader_of
from ...runs.run import Run
from ..chosen import Chosen, choose
from .clip_panels import Panel, add_boxes, add_padding, mel_panel, shortened, stack, time_axis, together
from .lines import joined
from .localisation_map import KINDS
from .theme import blank, message, note, theme_named

TITLE = "Attribution"

CUT = 99.5
"""Percentile of the absolute values at which the colours end; ours: one cell of thousands must not pale all others."""

MEL_PX, ATTRIBUTION_PX, SUM_PX, MAP_PX = 170, 190, 84, 34
"""Heights of the panels; of the maps' panel, of one map."""

UNITS = {"logits": "of the logit", "probabilities": "of the probability"}
"""Of which the values are parts."""

NO_CLIP = "No clip is pinned, and no attribution is kept: name a clip of the data."

NO_INFORMATION = "carries no information"


def attribution_map(
    run: Run,
    theme: str = "light",
    *,
    iteration: int | None = None,
    clip: str | None = None,
    class_name: str | None = None,
    method: str | None = None,
    baseline: str | None = None,
    limit: float | None = None,
) -> go.Figure:
    """What of a clip moved one class's output, as the run keeps it: red for, blue against.

    iteration : of the weights, exactly; None is the newest that is kept
    clip : None is the first pinned one, else one that there is an attribution of
    class_name : None is the clip's first label, else the best-scored; "top" the best-scored
    method : None is integrated gradients, or, where that is not kept, one that is
    baseline : None is silence
    limit : where the colours end, to compare with another; None is this attribution's own
    """
    try:
        chosen = choose(run, iteration=iteration, clip=clip, class_name=class_name, method=method, baseline=baseline)
        return of_chosen(chosen, theme, limit)
    except FlatlineError as error:
        return message(TITLE, str(error), theme_named(theme))


def of_chosen(chosen: Chosen, theme: str = "light", limit: float | None = None) -> go.Figure:
    """The figure of what was chosen; where the run does not keep it, of the rest, and what is missing is said."""
    run = chosen.run
    values = None if chosen.stored is None else chosen.stored.arrays()
    clip = chosen.kept or (None if chosen.stored is None or values is None else _clip_of(chosen.stored, values["mel"]))
    if clip is None:
        return message(TITLE, _missing(chosen), theme_named(theme))
    return attribution_map_figure(
        None if values is None else values["attribution"],
        clip,
        theme,
        stored=chosen.stored,
        class_name=chosen.class_name,
        method=chosen.method,
        iteration=chosen.iteration,
        maps=maps_of(chosen),
        kinds=run.info.get("maps") or {},
        missing=_missing(chosen),
        limit=limit,
        revision=f"{run.name}/{clip.name}",
    )


def attribution_map_figure(
    values: np.ndarray | None,
    clip: KeptClip,
    theme: str = "light",
    *,
    stored: Stored | None = None,
    class_name: str | None = None,
    method: str = "",
    iteration: int | None = None,
    maps: Mapping[str, np.ndarray | str] | None = None,
    kinds: Mapping[str, str] | None = None,
    missing: str = "",
    limit: float | None = None,
    revision: str | None = None,
) -> go.Figure:
    """The panels of one clip on one axis of time; true events are outlined.

    values : (frame, mel) of the real frames, signed; None where there is no attribution, and `missing` says so
    stored : what is known of it, its verdict above all
    maps : (frame,) of the class by map, or in words why there is none
    kinds : what was applied to each map, "softmax-time" ...
    limit : where the colours end; None is the 99.5th percentile of the absolute values
    """
    chosen = theme_named(theme)
    says_nothing = stored is not None and not stored.informative
    figure = blank(_title(clip.name, class_name, method, iteration, says_nothing), chosen, revision)
    panels = [mel_panel(clip, MEL_PX)]
    if values is None:
        panels.append(Panel("attribution", SUM_PX, text=missing or "There is none."))
    else:
        unit = "" if stored is None else UNITS[stored.of]
        end = limit_of(values) if limit is None else limit
        panels.append(_attribution_panel(values, clip, end, unit, method, faded=says_nothing))
        panels.append(_sum_panel(values, clip, unit, faded=says_nothing))
    if class_name is not None:
        panels += _map_panels(class_name, maps or {}, kinds or {}, clip)
    stack(figure, panels, chosen)
    time_axis(figure, clip)
    _add_events(figure, clip, class_name, panels)
    add_padding(figure, clip)
    if says_nothing:
        _add_verdict(figure, chosen.alarm)
    return note(figure, _note(clip, class_name))


def limit_of(values: np.ndarray) -> float:
    """Where the colours of an attribution end; 1 for one without a finite value other than zero."""
    finite = np.abs(values[np.isfinite(values)])
    return float(np.percentile(finite, CUT)) or float(finite.max()) or 1.0 if finite.size else 1.0


def maps_of(chosen: Chosen) -> dict[str, np.ndarray | str]:
    """(frame,) of the class by map, as recorded nearest to the weights' iteration, or why there is none.

    A map of another iteration says so in its name.
    """
    run, name = chosen.run, chosen.class_name
    if name not in run.classes or chosen.clip is None:
        return {}
    reader = reader_of(run.path, chosen.clip)
    found: dict[str, np.ndarray | str] = {}
    for module in run.map_names:
        recorded = reader.iterations(module)
        if not recorded.size:
            found[module] = "No map of this clip was recorded."
            continue
        at = int(recorded[-1] if chosen.iteration is None else recorded[np.abs(recorded - chosen.iteration).argmin()])
        values = reader.read(at, module)
        label = module if chosen.iteration in (None, at) else f"{module} at iteration {at:,}, the nearest"
        is_by_class = values.shape[1] == len(run.classes)
        found[label] = values[:, run.classes.index(name)] if is_by_class else "It is not over classes."
    return found


def _missing(chosen: Chosen) -> str:
    """Why there is no attribution to be seen; empty where there is one."""
    if chosen.stored is not None:
        return ""
    if chosen.clip is None:
        return NO_CLIP
    what = f"{chosen.method} of {chosen.class_name or 'its class'}"
    at = "" if chosen.iteration is None else f" at iteration {chosen.iteration:,}"
    kept = ", ".join(f"{one:,}" for one in chosen.elsewhere)
    return f"Not computed: {what}{at}." + (f" It is kept at {kept}." if kept else "")


def _clip_of(stored: Stored, mel: np.ndarray) -> KeptClip:
    """A clip of which no more is kept than an attribution's own spectrogram."""
    return KeptClip(stored.clip, mel, frame_s=stored.frame_s, n_real=len(mel))


def _attribution_panel(
    values: np.ndarray, clip: KeptClip, limit: float, unit: str, method: str, *, faded: bool
) -> Panel:
    said = f": colours end at ±{limit:.2g}{f' {unit}' if unit else ''}"
    return Panel(
        "attribution",
        ATTRIBUTION_PX,
        joined(said, method_named(method).says if method else ""),
        x=clip.edges()[: len(values) + 1],
        z=values.T,
        hz=clip.hz if clip.hz is not None and len(clip.hz) == values.shape[1] else None,
        limit=limit,
        faded=faded,
    )


def _sum_panel(values: np.ndarray, clip: KeptClip, unit: str, *, faded: bool) -> Panel:
    line = values.sum(axis=1, dtype=np.float64)
    return Panel(
        "sum by frame",
        SUM_PX,
        f": {line.sum():+.3g}{f' {unit}' if unit else ''} in all",
        x=clip.edges()[: len(values) + 1],
        line=line,
        unit="sum",
        faded=faded,
    )


def _map_panels(
    class_name: str, maps: Mapping[str, np.ndarray | str], kinds: Mapping[str, str], clip: KeptClip
) -> list[Panel]:
    """One panel a map, for two of them need not have the same number of frames."""
    if not maps:
        return [Panel("the network's own map", MAP_PX + 20, text="No maps were recorded of this clip.")]
    panels = []
    for name, values in maps.items():
        kind = kinds.get(name.split(" at iteration ")[0], "")
        said = f" of {class_name}  {KINDS.get(kind, kind)}".rstrip()
        if isinstance(values, str):
            panels.append(Panel(name, MAP_PX + 20, said, text=values))
            continue
        row = (shortened(class_name),)
        panels.append(
            Panel(name, MAP_PX, said, x=clip.edges(len(values)), z=values[None], rows=row, marked=row, unit="")
        )
    return panels


def _add_events(figure: go.Figure, clip: KeptClip, class_name: str | None, panels: list[Panel]) -> None:
    """Outline when sounds are truly heard: all of them over the log-mel, the class's own over all that is of it."""
    if clip.frame_s is None or not clip.events:
        return
    top = clip.mel.shape[1] - 0.5
    whole = together(clip.events)
    add_boxes(figure, [(event, -0.5, top) for event in whole], "y", "true event")
    for place, event in enumerate(whole):
        figure.add_annotation(
            text=event.label,
            name="true event",
            x=event.onset_s,
            xref="x",
            xanchor="left",
            y=top,
            yref="y",
            yanchor="top",
            xshift=3,
            yshift=-3 - 17 * (place % 3),
            font={"size": 11, "color": "#ffffff"},
            bgcolor="rgba(0,0,0,0.6)",
        )
    own = [event for event in clip.events if event.label == class_name]
    for number, panel in enumerate(panels[1:], start=2):
        if panel.z is not None:
            low, high = (-0.44, 0.44) if panel.rows else (-0.5, panel.z.shape[0] - 0.5)
            add_boxes(figure, [(event, low, high) for event in own], f"y{number}", "true event")
        elif panel.line is not None:
            _add_spans(figure, own, f"y{number}")


def _add_spans(figure: go.Figure, events: list[Event], axis: str) -> None:
    for event in events:
        figure.add_shape(
            type="rect",
            xref="x",
            yref=f"{axis} domain",
            x0=event.onset_s,
            x1=event.offset_s,
            y0=0,
            y1=1,
            line={"width": 0},
            fillcolor="#7a7f89",
            opacity=0.2,
            layer="below",
            name="true event",
        )


def _add_verdict(figure: go.Figure, colour: str) -> None:
    low, high = figure.to_dict()["layout"]["yaxis2"]["domain"]
    figure.add_annotation(
        text=f"<b>{NO_INFORMATION}</b>",
        name="verdict",
        xref="paper",
        yref="paper",
        x=0.5,
        y=(low + high) / 2,
        font={"size": 22, "color": colour},
    )


def _title(clip: str, class_name: str | None, method: str, iteration: int | None, says_nothing: bool) -> str:
    what = joined(f"{TITLE} of {class_name or 'a class'}", f"clip {clip}", method)
    at = "" if iteration is None else f"iteration {iteration:,}"
    return joined(what, at, NO_INFORMATION if says_nothing else "")


def _note(clip: KeptClip, class_name: str | None) -> str:
    labels = "labels not known" if clip.labels is None else f"true: {', '.join(clip.labels) or 'none'}"
    if not clip.events:
        return joined(labels, "true onsets are not known")
    own = any(event.label == class_name for event in clip.events)
    return joined(labels, "outlined: truly heard", "" if own else f"{class_name} is not heard in it")
