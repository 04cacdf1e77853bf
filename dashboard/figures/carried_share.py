"""What each part of a network carries of its score, by replacing it with its mean: the newest ablation of a run."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...diagnostics.ablation_shares import ALL, BYPASSED, PartShare, in_words, meaning
from ...runs.run import Run
from .findings_timeline import SEVERITY_COLOURS
from .theme import Theme, blank, message, note, theme_named

TITLE = "What each part carries of the score"

PREFIX = "ablation."

ENDINGS = (".low", ".high", ".score")

ROW_PX = 36

ROOM_PX = 150

WORDS = {
    "rnn": "RNN",
    "rnns": "all RNNs",
    "attention": "attention",
    "attentions": "all attention",
    "conv": "convolution",
    "frame_shuffle": "order of frames",
}
"""Kinds of parts in words; any other is said by its name."""

PIECES = {
    "silence.half1": "first half of the frames",
    "silence.half2": "second half of the frames",
    **{f"silence.band{n}": f"mel bins, quarter {n}" for n in range(1, 5)},
    "silence.band1": "mel bins, lowest quarter",
    "silence.band4": "mel bins, highest quarter",
}


def carried_share(run: Run, theme: str = "light") -> go.Figure:
    """Shares of a run's newest ablation, those of its evaluations and of `flatline ablate` alike."""
    return carried_share_figure(run.ablations, theme, name=run.name if run.recipe else None, revision=run.name)


def carried_share_figure(
    ablations: pd.DataFrame, theme: str = "light", *, name: str | None = "RUN", revision: str | None = None
) -> go.Figure:
    """A bar a part: the share of the score above the constant level that is lost without it, with its 95 % interval.

    ablations : iteration x column (`ablation.rnn.gru`, `.low`, `.high`, `.score`, `ablation_score` ...), ascending
    name      : of the run, for the command that makes an ablation; None of a loop of one's own, for which there is none
    """
    chosen = theme_named(theme)
    parts = newest_parts(ablations)
    if not parts:
        own = "flatline.ablate(model, batches) in your loop, handed to recorder.evaluation(ablations=),"
        how = own if name is None else f"flatline ablate {name}"
        text = f"No part of this network was ablated. What each carries of the score is found out by: {how}"
        return message(TITLE, text.rstrip(","), chosen, 240)
    iteration, row = ablations.index[-1], ablations.iloc[-1]
    known = [part for part in parts if np.isfinite(part.share)]
    if not known:
        text = "The whole network is at the constant level, so there is no score of which a part could carry a share."
        return message(TITLE, text, chosen, height=240)
    figure = blank(TITLE, chosen, revision, height=carried_height(len(known)))
    figure.add_trace(_bars(known, chosen))
    _levels(figure, known, chosen)
    clips = row.get("ablation_clips", np.nan)
    of = f" on {clips:,.0f} clips" if np.isfinite(clips) else ""
    score = row.get("ablation_score", np.nan)
    whole = f" · whole network {score:.3f}" if np.isfinite(score) else ""
    return note(figure, f"at iteration {iteration:,}{of}{whole} · bars: 95 % interval")


def carried_height(parts: int) -> int:
    """Pixels of the figure of so many parts."""
    return ROOM_PX + ROW_PX * max(2, parts)


def newest_parts(ablations: pd.DataFrame) -> list[PartShare]:
    """The parts of the newest row, each once: a network's only RNN is not told again as all its RNNs."""
    if not len(ablations):
        return []
    row = ablations.iloc[-1].to_dict()
    names = [name for name in row if name.startswith(PREFIX) and not name.endswith(ENDINGS) and _is_there(row, name)]
    parts = [name.removeprefix(PREFIX) for name in names]
    once = {whole for whole, one in ALL.items() if sum(part.startswith(f"{one}.") for part in parts) == 1}
    return [_part(row, part) for part in parts if part not in once]


def _is_there(row: Mapping[str, float], name: str) -> bool:
    """Whether the newest ablation tried a part: one without a share has a score at least."""
    return any(np.isfinite(row.get(name + end, np.nan)) for end in ("", ".score"))


def _part(row: Mapping[str, float], part: str) -> PartShare:
    share, low, high, score = (row.get(f"{PREFIX}{part}{end}", np.nan) for end in ("", *ENDINGS))
    return PartShare(part, _label(part), score, share, low, high)


def _label(part: str) -> str:
    if part in PIECES:
        return PIECES[part]
    kind, _, where = part.partition(".")
    if kind == "frame_shuffle":
        where = f"of {where.removeprefix('rnn.')}"
    return f"{WORDS.get(kind, kind)} {where}".strip()


def _bars(parts: list[PartShare], theme: Theme) -> go.Bar:
    shares = np.array([part.share for part in parts])
    high, low = (np.array([getattr(part, end) for part in parts]) for end in ("high", "low"))
    bypassed = [bool(part.high < BYPASSED) for part in parts]
    colours = SEVERITY_COLOURS[theme.name]
    return go.Bar(
        x=shares,
        y=[part.label for part in parts],
        orientation="h",
        width=0.6,
        name="share of the score",
        marker={"color": [colours["warning"] if quiet else theme.parts["conv"] for quiet in bypassed]},
        error_x={
            "array": np.nan_to_num(high - shares),
            "arrayminus": np.nan_to_num(shares - low),
            "color": theme.text,
            "thickness": 1.4,
        },
        customdata=[[in_words(part)] for part in parts],
        hovertemplate="%{customdata[0]}<extra></extra>",
    )


def _levels(figure: go.Figure, parts: list[PartShare], theme: Theme) -> None:
    """Words beside each bar, and the line below which a part carries next to none."""
    style = {"color": theme.muted, "dash": "dash", "width": 1.2}
    figure.add_shape(type="line", x0=BYPASSED, x1=BYPASSED, xref="x", y0=0, y1=1, yref="paper", line=style)
    figure.add_annotation(
        text=f"next to none below {BYPASSED:.0%}",
        x=BYPASSED,
        xref="x",
        y=1,
        yref="paper",
        xanchor="left",
        yanchor="bottom",
    )
    for part in parts:
        end = float(np.nanmax([part.share, part.high, 0.0]))
        means = meaning(part).lstrip(": ")
        said = f"{round(100 * part.share) + 0:d} %{f' · {means}' if part.high < BYPASSED and means else ''}"
        place = {"x": end, "xref": "x", "xanchor": "left", "xshift": 8, "y": part.label, "yref": "y"}
        figure.add_annotation(text=said, **place, font={"size": 12, "color": theme.text}, bgcolor=theme.plot)
    ends = [part.high for part in parts if np.isfinite(part.high)] + [part.share for part in parts]
    starts = [part.low for part in parts if np.isfinite(part.low)]
    figure.update_xaxes(
        title_text="share of the score above the constant level",
        tickformat=".0%",
        range=[min([-0.02, *starts]) * 1.05, max([1.0, *ends]) * 1.18],
    )
    figure.update_yaxes(autorange="reversed", ticks="", ticklabelstandoff=6, showgrid=False)
