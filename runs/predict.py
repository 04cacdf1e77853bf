"""Scores of clips by a trained run, in Kaggle's submission form."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..data import (
    DataError,
    Features,
    FeatureSettings,
    Problem,
    audio_files,
    extract,
    load_dataset,
    pad,
    scaling_from_dict,
)
from ..data.errors import readable, summarise
from ..diagnostics.errors import RunError
from .checkpoints import load_weights
from .evaluate import scores_of
from .network import build_network
from .recipe import recipe_from_dict
from .run import Run
from .task import Clips, Scaling, of_splits


class Predictor:
    """A run's network with the weights of its best evaluation, and the way from clips to its input.

    Raises RunError if the run has no recipe (a loop of the user's own) or no checkpoint.
    """

    def __init__(self, run: Run) -> None:
        if not run.recipe or "data" not in run.info:
            raise RunError(
                f"run {run.name} was recorded from a training loop of your own, so there is no recipe to build its "
                "network by; give a run of `flatline train`"
            )
        self.classes = run.classes
        self.settings, self.scaling = run_inputs(run)
        self.recipe = recipe_from_dict(run.recipe, f"run {run.name}")
        self.model = build_network(self.recipe, len(self.classes), self.settings.n_mels)
        self.checkpoint = load_weights(run.path, self.model)

    def probabilities(self, features: Features) -> np.ndarray:
        """(clip, class) probabilities, whatever the head gives; a clip that could not be read is NaN throughout."""
        usable = np.flatnonzero(features.n_frames > 0)
        scores = np.full((len(features), len(self.classes)), np.nan, dtype=np.float32)
        if usable.size:
            given, _ = scores_of(self.model, self._batches(features, usable), use_mask=self.recipe.data.mask)
            scores[usable] = _sigmoid(given) if self.model.output == "logits" else given
        return scores

    def _batches(self, features: Features, indices: np.ndarray, size: int = 64) -> Iterator[Clips]:
        for start in range(0, len(indices), size):
            some = indices[start : start + size]
            padded, mask = pad([features[index] for index in some.tolist()], self.settings.n_frames)
            inputs = torch.from_numpy(np.ascontiguousarray(self.scaling.apply(padded), dtype=np.float32))
            yield Clips(inputs, torch.from_numpy(mask), torch.empty(len(some), 0), some)


def predict(
    run: Run, root: Path, *, skip_bad: bool = False, progress: Callable[[int, int], None] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """A table of `fname` and one column a class, and what was left out and why.

    root : a data root, whose test clips are scored, or any folder of audio files
    Raises DataError if there is nothing to score, or, unless `skip_bad` says to leave it out, for a clip that cannot be
    used.
    """
    predictor = Predictor(run)
    paths, problems = clips_under(root)
    if problems and not skip_bad:
        raise DataError(summarise(problems, f"{len(problems)} clips cannot be used", "leave them out with --skip-bad"))
    features = extract(paths, predictor.settings, progress=progress, on_bad="skip" if skip_bad else "raise")
    table = pd.DataFrame(predictor.probabilities(features), columns=predictor.classes)
    table.insert(0, "fname", [path.name for path in paths])
    left_out = [str(problem) for problem in (*problems, *(problem for _, problem in features.bad))]
    return table.drop(index=[index for index, _ in features.bad]), left_out


@readable()
def clips_under(root: Path) -> tuple[list[Path], list[Problem]]:
    """The audio files of a plain folder, or the test clips of a data root and what is wrong with the others of them.

    Raises DataError if there are none, or the folder may not be read.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder (--data); give a data root or a folder of audio files")
    if paths := audio_files(root):
        return paths, []
    dataset = load_dataset(root, on_problem="collect")
    paths = [dataset.clips[index].path for index in dataset.split("test")]
    problems = of_splits(dataset.problems, {"test"})
    if not paths and not problems:
        raise DataError(f"{root} has no test clips and no audio files of its own (--data); give a folder that has")
    return paths, problems


def run_inputs(run: Run) -> tuple[FeatureSettings, Scaling]:
    """How a run's clips became its input: settings of the features and their scaling, from run.json.

    Raises RunError where they do not stand there.
    """
    data = run.info["data"]
    try:
        return FeatureSettings(**data["features"]), scaling_from_dict(data["scaling"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{run.path / 'run.json'} does not say how clips become input ({error}); was it changed?"
        ) from None


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).sigmoid().numpy()
