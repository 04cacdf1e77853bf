"""What is heard on the page of attributions: a clip, and what the net used of it."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc

from ...diagnostics.errors import RunError
from ...runs.attributed_clips import attributed_clip
from ...runs.attribution_store import Stored
from ..audio import audio_address, used_address
from .attribution_choice import Side

THE_CLIP = {"value": "original", "label": "the clip"}


def sounds_of(sides: Sequence[Side]) -> dict[str, Any]:
    """Where the clip and what was used of it are heard, what can be picked of these, and what is to be said of them."""
    chosen = sides[0].chosen
    if chosen is None or chosen.clip is None:
        return {"sounds": None, "silent": True, "heard_said": None}
    try:
        kept = attributed_clip(chosen.run, chosen.clip)
    except RunError as error:
        return {"sounds": None, "silent": True, "heard_said": _small(str(error))}
    if kept.audio is None:
        words = f"No sound is kept of clip {chosen.clip}, so there is nothing to listen to."
        return {"sounds": None, "silent": True, "heard_said": _small(words)}
    used = [(one, one.stored) for side in sides if (one := side.chosen) is not None and one.stored is not None]
    sources = {"clip": chosen.clip, "original": audio_address(chosen.run.name, chosen.clip)}
    options = [THE_CLIP]
    is_one_run = len({one.run.path for side in sides if (one := side.chosen) is not None}) == 1
    for key, (one, stored) in zip(("used", "beside"), used, strict=False):
        at = f" at {one.iteration:,}" if is_one_run else ""
        label = "what the net used" if len(sides) == 1 else f"what {one.run.name}{at} used"
        sources[key] = used_address(one.run.name, stored.file.stem)
        options.append({"value": key, "label": label})
    return {
        "sounds": sources,
        "silent": False,
        "heard": options,
        "heard_said": _heard_said([stored for _, stored in used]),
    }


def _heard_said(used: Sequence[Stored]) -> Any:
    words = (
        "What the net used: the clip through the positive cells of the attribution, those that hold half of it whole, "
        "the others in proportion."
    )
    if not used:
        words = "What the net used can be heard once its attribution is computed."
    if any(not one.informative for one in used):
        words += " An attribution that carries no information makes a sound all the same: it means as little."
    return _small(words)


def _small(words: str) -> dmc.Text:
    return dmc.Text(words, size="sm", c="dimmed")
