"""The clip that a person names: one that the run keeps, one of its data root, or any audio file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data import (
    SILENCE_DB,
    ClipSet,
    DataError,
    FeatureSettings,
    load_dataset,
    log_mel,
    pad,
    read_clip,
    training_split,
)
from ..data.clipset import Clip
from ..diagnostics.errors import RunError
from .kept_clips import KeptClip, kept_clip, kept_clips
from .recipe import Recipe
from .run import Run
from .task import Scaling


@dataclass(frozen=True, eq=False)
class GivenClip:
    """A clip as a run's network is given it.

    name : in the run or data root; the absolute path of any other file
    mel : (frame, mel) float32, scaled, padded with silence or cut as in training
    n_real : frames that are not padding
    labels : true classes; None where they are not known
    """

    name: str
    mel: np.ndarray
    n_real: int
    labels: tuple[str, ...] | None
    frame_s: float | None


def find_clip(
    run: Run,
    clip: str,
    settings: FeatureSettings,
    scaling: Scaling,
    data: Path | None,
    *,
    labelled: bool = False,
    files: bool = True,
) -> GivenClip:
    """The clip: of the run's pinned ones, of the data root (`data`, or the run's own), or an audio file.

    An audio file is mixed down to one channel and resampled; one that lies in the data root has that clip's labels.

    labelled : look the labels of an audio file up
    files : any audio file will do; False for a name that came over a network, which may open none
    Raises RunError for a name that nothing answers to, DataError for a file that cannot be used.
    """
    if clip in kept_clips(run):
        return _of_kept(kept_clip(run, clip))
    path = Path(clip)
    is_file = files and path.is_file()
    found = None
    if not is_file or labelled:
        found = clip_in_data(run, clip, data)
    if found is not None:
        return clip_of_file(found.path, found.fname, found.labels, settings, scaling)
    if files and (is_file or path.is_dir() or len(path.parts) > 1):
        return clip_of_file(path, str(path.absolute()), None, settings, scaling)
    raise RunError(
        f"no clip is called {clip!r} (run {run.name}): the run keeps {_some(kept_clips(run))}; give one of these, a "
        f"clip of {_root(run, data) or 'a data root (--data)'}{', or an audio file' if files else ''}"
    )


def reference_mels(run: Run, like: np.ndarray, most: int = 8) -> np.ndarray | None:
    """(clip, frame, mel) of pinned clips that have a clip's size, for what the network says of others; None: none."""
    found = []
    for name in kept_clips(run)[:most]:
        try:
            mel = kept_clip(run, name).mel
        except RunError:
            continue
        if mel.shape == like.shape:
            found.append(mel)
    return np.stack(found) if found else None


def evaluated_clips(run: Run, recipe: Recipe, clipset: ClipSet) -> list[int]:
    """Which clips of a data root a run was not trained on: its test clips, else those held out; of a foreign root all.

    Returns indices into `clipset.clips`.
    """
    wanted = recipe.data
    if clipset.has_labelled_test and wanted.fold is None:
        return clipset.split("test").tolist()
    if str(clipset.root.resolve()) != str(run.info["data"].get("root")):
        return list(range(len(clipset)))
    split = training_split(
        clipset, curated=wanted.curated, noisy=wanted.noisy, seed=recipe.seed, fold=wanted.fold, n_folds=wanted.n_folds
    )
    return split.validation.tolist()


def silent_frame(scaling: Scaling, n_mels: int) -> np.ndarray:
    """(mel,) what a silent frame is in the network's input."""
    return scaling.apply(np.full((1, n_mels), SILENCE_DB, dtype=np.float32))[0]


def _of_kept(clip: KeptClip) -> GivenClip:
    n_real = len(clip.mel) if clip.n_real is None else clip.n_real
    return GivenClip(clip.name, np.asarray(clip.mel, dtype=np.float32), n_real, clip.labels, clip.frame_s)


def clip_of_file(
    path: Path, name: str, labels: tuple[str, ...] | None, settings: FeatureSettings, scaling: Scaling
) -> GivenClip:
    """An audio file as a run's network is given it.

    Raises DataError for one that cannot be used.
    """
    frames = log_mel(read_clip(path, settings.rate_hz).samples, settings)
    padded, mask = pad([frames], settings.n_frames)
    mel = np.ascontiguousarray(scaling.apply(padded)[0], dtype=np.float32)
    return GivenClip(name, mel, int(mask[0].sum()), labels, settings.hop_length / settings.rate_hz)


def clip_in_data(run: Run, clip: str, data: Path | None) -> Clip | None:
    """The clip of a data root by name or path; None where the root is not there or does not have it."""
    root = _root(run, data)
    if root is None:
        return None
    try:
        clips = load_dataset(root, on_problem="collect").clips
    except DataError:
        if data is not None:
            raise
        return None
    path = Path(clip).absolute()
    named = [one for one in clips if one.fname == clip]
    return next(iter(named or [one for one in clips if one.path.absolute() == path]), None)


def _root(run: Run, data: Path | None) -> Path | None:
    if data is not None:
        return data
    described: Any = run.info.get("data") or {}
    root = described.get("root")
    return Path(root) if root is not None and Path(root).is_dir() else None


def _some(names: list[str], most: int = 8) -> str:
    if not names:
        return "none"
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
