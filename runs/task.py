"""What a recipe makes of a data root: frames, targets, batches."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import (
    BinStandardisation,
    ClipSet,
    Features,
    FeatureSettings,
    FixedScaling,
    Problem,
    extract,
    load_dataset,
    pad,
    resolve_features,
    training_split,
)
from ..data.cache import cache_root
from ..data.content import content_hashes
from ..data.parallel import n_cores
from .recipe import Recipe, RecipeError

Scaling = FixedScaling | BinStandardisation
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Clips:
    """A batch: `inputs` (clip, frame, mel), `mask` (clip, frame) True where real, `target` (clip, class).

    `indices` (clip,) are those of the data set.
    """

    inputs: Tensor
    mask: Tensor
    target: Tensor
    indices: np.ndarray


@dataclass(frozen=True)
class Task:
    """Frames and labels of a data root as a recipe wants them.

    place : (clip,) where a clip's frames stand in `features`; -1 for one that the recipe does not use
    train, validation : indices into `clipset.clips`
    skipped : clips left out because they cannot be used
    fingerprint : of classes and of the clips that are used: order, names, labels, bytes
    """

    clipset: ClipSet
    settings: FeatureSettings
    features: Features
    place: np.ndarray
    scaling: Scaling
    targets: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    validation_kind: str
    skipped: int
    fingerprint: str = ""

    @property
    def prior(self) -> np.ndarray:
        """(class,) share of training clips with each class."""
        return self.targets[self.train].mean(axis=0)

    def sampled_prior(self, sampling: str) -> np.ndarray:
        """(class,) share of clips with each class in the batches of that sampling, on average."""
        if sampling == "shuffled":
            return self.prior
        labels = self.targets[self.train] > 0
        return np.mean([self.targets[clips].mean(axis=0) for clips in _by_class(self.train, labels)], axis=0)

    def batch(self, indices: np.ndarray) -> Clips:
        """The clips at these indices, padded with silence, cut from the start where longer, scaled."""
        padded, mask = pad([self.features[place] for place in self.place[indices].tolist()], self.settings.n_frames)
        return Clips(
            torch.from_numpy(np.ascontiguousarray(self.scaling.apply(padded), dtype=np.float32)),
            torch.from_numpy(mask),
            torch.from_numpy(self.targets[indices]),
            indices,
        )

    def validation_batches(self, size: int = 64) -> Iterator[Clips]:
        """The validation clips in order."""
        for start in range(0, len(self.validation), size):
            yield self.batch(self.validation[start : start + size])

    def description(self) -> dict[str, Any]:
        """What run.json keeps, so that a checkpoint can be used again on other clips."""
        return {
            "root": str(self.clipset.root.resolve()),
            "layout": self.clipset.layout,
            "split": self.validation_kind,
            "features": self.settings.to_dict(),
            "scaling": self.scaling.to_dict(),
            "counts": {"train": len(self.train), "validation": len(self.validation), "skipped": self.skipped},
            "fingerprint": self.fingerprint,
        }


def prepare(recipe: Recipe, root: Path, *, progress: Progress | None = None, cache_dir: Path | None = None) -> Task:
    """Load, split and extract (or find in the cache) what the recipe needs.

    Raises DataError for data that cannot be used, unless `data.skip_bad` says to leave such clips out.
    """
    wanted = recipe.data
    clipset = load_dataset(root, on_problem="collect")
    split = training_split(
        clipset, curated=wanted.curated, noisy=wanted.noisy, seed=recipe.seed, fold=wanted.fold, n_folds=wanted.n_folds
    )
    used = np.concatenate([split.train, split.validation])
    wants = {"curated": wanted.curated, "noisy": wanted.noisy, "test": split.kind == "test"}
    problems = of_splits(clipset.problems, [name for name, is_used in wants.items() if is_used])
    if problems and not wanted.skip_bad:
        load_dataset(root)  # raises one error for them all
    settings = resolve_features(wanted.features, clipset.sample_rate_hz)
    paths = [clipset.clips[index].path for index in used]
    on_bad = "skip" if wanted.skip_bad else "raise"
    features = extract(paths, settings, progress=progress, cache_dir=cache_dir, on_bad=on_bad)
    place = np.full(len(clipset), -1)
    place[used] = np.arange(len(used))
    bad = used[[position for position, _ in features.bad]] if features.bad else []
    train, validation = split.train[~np.isin(split.train, bad)], split.validation[~np.isin(split.validation, bad)]
    _refuse_too_few(recipe, root, len(train), len(validation))
    scaling = FixedScaling() if wanted.scaling == "fixed" else BinStandardisation.fit(features, place[train])
    skipped = len(problems) + len(bad)
    mark = _fingerprint(clipset, train, validation, cache_root(cache_dir))
    targets = clipset.targets()
    return Task(clipset, settings, features, place, scaling, targets, train, validation, split.kind, skipped, mark)


def _fingerprint(clipset: ClipSet, train: np.ndarray, validation: np.ndarray, cache: Path) -> str:
    """Of all that decides what a batch holds, wherever the clips lie; bytes that the cache knows are not read again."""
    clips = [clipset.clips[index] for index in np.concatenate([train, validation])]
    content = content_hashes([clip.path for clip in clips], cache / "content", n_cores())
    facts = [clipset.classes, len(train), [(clip.fname, clip.labels) for clip in clips], content]
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()


def of_splits(problems: Sequence[Problem], splits: Collection[str]) -> list[Problem]:
    """The problems that concern these splits, by the name of the file at fault (`train_noisy.csv`, `test/`)."""
    return [
        problem for problem in problems if any(split in "/".join(Path(problem.file).parts[-2:]) for split in splits)
    ]


def _refuse_too_few(recipe: Recipe, root: Path, n_train: int, n_validation: int) -> None:
    if n_train < recipe.batch_size:
        raise RecipeError(
            f"{root} has {n_train} usable training clips, fewer than the batch of {recipe.batch_size}; "
            "set batch_size lower or add clips"
        )
    if not n_validation:
        raise RecipeError(f"{root} has no usable clip to evaluate on; `flatline data check {root}` says why")


def batch_order(
    task: Task, batch_size: int, seed: int, start: int = 0, sampling: str = "shuffled"
) -> Iterator[tuple[int, np.ndarray]]:
    """(epoch, indices) without end: each epoch a new seeded order of training clips, less its last partial batch.

    start : batches that have been drawn before
    sampling : "class-balanced" draws a class for each place of a batch, all alike, and then one of its clips, so that
        an epoch has as many batches and holds some clips again and others not; classes without clips are left out
    """
    epoch, done = divmod(start, len(task.train) // batch_size)
    draw = _balanced(task) if sampling == "class-balanced" else partial(_permuted, task.train)
    while True:
        order = draw(np.random.default_rng([seed, epoch]))
        for first in range(done * batch_size, len(order) - batch_size + 1, batch_size):
            yield epoch, order[first : first + batch_size]
        epoch, done = epoch + 1, 0


def _permuted(clips: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(clips)


def _balanced(task: Task) -> Callable[[np.random.Generator], np.ndarray]:
    """What draws as many clips as an epoch has, by class."""
    of_class = _by_class(task.train, task.targets[task.train] > 0)

    def draw(rng: np.random.Generator) -> np.ndarray:
        chosen, place = rng.integers(len(of_class), size=len(task.train)), rng.random(len(task.train))
        return np.array([of_class[one][int(at * len(of_class[one]))] for one, at in zip(chosen, place, strict=True)])

    return draw


def _by_class(clips: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """The clips of each class that has any; `labels` is (clip, class) bool."""
    return [clips[has] for has in labels.T if has.any()]
