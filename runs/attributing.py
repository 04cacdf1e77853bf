"""Attributions of a run's network for one clip, answered from the run where it keeps them already."""

import hashlib
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..diagnostics.attribution.agreement import agreement
from ..diagnostics.attribution.baselines import baseline_of
from ..diagnostics.attribution.found import Options
from ..diagnostics.attribution.names import DEFAULT_BASELINE, DEFAULT_METHOD, Of, check_names, method_named
from ..diagnostics.errors import RunError, unknown
from ..models import Tagger
from .attribution_clips import GivenClip, find_clip, reference_mels, silent_frame
from .attribution_limit import mark_as_lasting
from .attribution_store import ARRAYS, FOLDER, Stored, key_of, read_stored, write_stored
from .checkpoints import checkpoints_of, facts_of, find, load_weights_at
from .jsons import to_json, write_file
from .network import build_network, device_of
from .predict import run_inputs
from .recipe import RecipeError, recipe_from_dict
from .run import Run
from .task import prepare

if TYPE_CHECKING:
    from ..diagnostics.attribution.attribute import Attribution

MEAN_FILE = "training-mean-{of}.npy"
"""(mel,) mean of the training clips' frames, scaled, kept beside the attributions once it was asked for; `of`
stands for the data root (`_mark`)."""

SEVERAL = ("top", "true", "all")
"""What stands for a class that the clip decides, or for several."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Settings:
    """What can be chosen of an attribution besides method and class.

    baseline : one of `BASELINES`
    of : logits or probabilities; None is what the network gives
    noise : noisy copies to average over; 0 is none
    """

    baseline: str = DEFAULT_BASELINE
    of: Of | None = None
    noise: int = 0

    def options(self) -> Options:
        """As the methods take them."""
        return Options(noise=self.noise)


class Attributor:
    """A run's network at one of its checkpoints, ready to be asked.

    iteration : of a checkpoint that is there; None is that of the best evaluation, else the last one
    data : data root; None is the run's own
    weights : a hash of the checkpoint's weights
    Raises RunError for a run without a recipe, such a checkpoint or a folder of its own, or where weights and recipe do
    not fit.
    """

    def __init__(self, run: Run, iteration: int | None = None, data: Path | None = None) -> None:
        check_run(run)
        self.run, self.data = run, data
        self.settings, self.scaling = run_inputs(run)
        self.recipe = recipe_from_dict(run.recipe, f"run {run.name}")
        self.checkpoint, self.iteration = _checkpoint(run, iteration)
        self.weights = hashlib.blake2b(self.checkpoint.read_bytes(), digest_size=10).hexdigest()
        self._model: Tagger | None = None
        self._mean: np.ndarray | None = None
        self._references: dict[tuple[int, ...], np.ndarray | None] = {}

    @property
    def model(self) -> Tagger:
        """The network with the checkpoint's weights, in eval mode, on the recipe's device where that is here."""
        if self._model is None:
            model = build_network(self.recipe, len(self.run.classes), self.settings.n_mels)
            load_weights_at(self.checkpoint, model)
            try:
                device = device_of(self.recipe)
            except RecipeError:  # trained on a GPU, looked at elsewhere
                device = torch.device("cpu")
            self._model = model.to(device).eval()
        return self._model

    def clip(self, name: str, *, labelled: bool = False, files: bool = True) -> GivenClip:
        """A clip by name or, with `files`, any audio file (`find_clip`)."""
        return find_clip(self.run, name, self.settings, self.scaling, self.data, labelled=labelled, files=files)

    @torch.no_grad()
    def scores(self, mels: np.ndarray, n_real: Sequence[int]) -> np.ndarray:
        """(clip, class) as the model gives them, for (clip, frame, mel)."""
        device = next(self.model.parameters()).device
        mask = torch.arange(mels.shape[1]) < torch.as_tensor(n_real).unsqueeze(1)
        masked = mask.to(device) if self.recipe.data.mask else None
        return self.model(torch.from_numpy(mels).to(device), masked).float().cpu().numpy()

    def classes(self, wanted: str, clip: GivenClip) -> list[str]:
        """Names of the classes meant by a name, `top`, `true` or `all`.

        Raises UnknownNameError for a name that is not known, RunError for `true` where the labels are not.
        """
        known = self.run.classes
        if wanted in known:
            return [wanted]
        if wanted == "all":
            return list(known)
        if wanted == "top":
            return [known[int(self.scores(clip.mel[None], [clip.n_real])[0].argmax())]]
        if wanted == "true":
            return _true(clip, known)
        raise unknown("class", wanted, [*known, *SEVERAL], f"run {self.run.name}")

    def attribute(
        self,
        clip: GivenClip,
        class_name: str,
        methods: Sequence[str] = (DEFAULT_METHOD,),
        settings: Settings | None = None,
        *,
        checks: bool = True,
    ) -> "list[Attribution]":
        """Attributions of one class, computed; nothing is read from the run's store or kept there.

        checks : False leaves out what takes most of the time (`diagnostics.attribution.attribute.attribute`)
        """
        from ..diagnostics.attribution.attribute import attribute  # captum: not where the store has the answer

        chosen = settings or Settings()
        start = self._baseline(chosen.baseline, clip)
        return attribute(
            self.model,
            clip.mel,
            self.run.classes.index(class_name),
            methods,
            gives=self.model.output,
            baseline=start,
            of=chosen.of,
            n_real=clip.n_real,
            masked=self.recipe.data.mask,
            references=self._others(clip.mel),
            options=chosen.options(),
            checks=checks,
        )

    def key(self, clip: GivenClip, class_name: str, method: str, settings: Settings) -> str:
        """Where the run keeps it: of the clip's content, what is asked, the options, the weights, and a mean baseline.

        Raises RunError for a mean that is not kept, of data that are not there.
        """
        about = {
            "class": class_name,
            "method": method,
            "settings": asdict(settings),
            "options": asdict(settings.options()),
            "iteration": self.iteration,
            "weights": self.weights,
            "n_real": clip.n_real,
        }
        if settings.baseline == "mean":
            about["mean"] = self._training_mean().tolist()
        return key_of(about, clip.mel)

    def keep(
        self, clip: GivenClip, class_name: str, found: "Attribution", settings: Settings, seconds: float
    ) -> Stored:
        """Keep one in the run."""
        facts = {
            "clip": clip.name,
            "class_name": class_name,
            **{name: getattr(found, name) for name in ("method", "output", "baseline_output", "delta", "steps")},
            **{name: getattr(found, name) for name in ("converged", "informative", "why", "of")},
            "iteration": self.iteration,
            "frame_s": clip.frame_s,
            "checks": _checks(found, self.run.classes),
            "options": {
                **asdict(settings),
                **asdict(settings.options()),
                "checkpoint": self.checkpoint.name,
                **self._foreign(settings),
            },
            "seconds": seconds,
        }
        arrays = {"attribution": found.values, "mel": clip.mel[: clip.n_real], "facts": np.array(to_json(facts))}
        if found.checks is not None:
            arrays |= {name: getattr(found.checks.curves, name) for name in ARRAYS}
        return write_stored(self.run.path, self.key(clip, class_name, found.method, settings), facts, arrays)

    def _others(self, like: np.ndarray) -> np.ndarray | None:
        """(clip, class) scores of the run's pinned clips that have a clip's size; None where there are none."""
        if like.shape not in self._references:
            mels = reference_mels(self.run, like)
            self._references[like.shape] = None if mels is None else self.scores(mels, [mels.shape[1]] * len(mels))
        return self._references[like.shape]

    def _baseline(self, name: str, clip: GivenClip) -> torch.Tensor:
        real = torch.from_numpy(clip.mel[: clip.n_real])
        mean = self._training_mean() if name == "mean" else None
        return baseline_of(name, real, silence=silent_frame(self.scaling, self.settings.n_mels), mean=mean)

    def _training_mean(self) -> np.ndarray:
        """(mel,) of the training clips' own frames, scaled; computed once a data root, then read from the run."""
        if self._mean is None:
            given = (self.data or self._own_root()).resolve()
            self._mean = _read_mean(self._mean_file(given), self.settings.n_mels)
            if self._mean is None:
                self._mean, fingerprint = _mean_of_training(self, given)
                is_own = fingerprint == self.run.info["data"].get("fingerprint")  # its own data, which were moved
                for root in {given, self._own_root()} if is_own else {given}:
                    _write_mean(self._mean_file(root), self._mean)
        return self._mean

    def _foreign(self, settings: Settings) -> dict[str, str]:
        """`mean_of` among the options: the data root, where the baseline is the mean of other data than the run's."""
        if settings.baseline != "mean" or self.data is None or self.data.resolve() == self._own_root():
            return {}
        own = _read_mean(self._mean_file(self._own_root()), self.settings.n_mels)
        is_own = own is not None and np.array_equal(own, self._training_mean())
        return {} if is_own else {"mean_of": str(self.data.resolve())}

    def _own_root(self) -> Path:
        """The run's data root as it was recorded, which need not be there."""
        return Path(str(self.run.info["data"].get("root"))).resolve()

    def _mean_file(self, root: Path) -> Path:
        return self.run.path / FOLDER / MEAN_FILE.format(of=_mark(root))


def check_run(run: Run) -> None:
    """Raise RunError for a run whose network cannot be built, or which lies where nothing can be kept."""
    if not run.recipe or "data" not in run.info:
        raise RunError(
            f"run {run.name} was recorded from a training loop of your own, so there is no recipe to build its "
            "network by; call flatline.diagnostics.attribution.attribute.attribute(model, clip, index) yourself"
        )
    if not isinstance(run.path, Path):
        raise RunError(f"run {run.name} lies in a store, where nothing can be added; copy it to a folder first")


def attribute_clip(
    run: Run,
    clip: str,
    wanted: str = "top",
    methods: Sequence[str] = (DEFAULT_METHOD,),
    *,
    iteration: int | None = None,
    data: Path | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> list[Stored]:
    """What of a clip moved a run's output for one class or several, by each method; kept in the run.

    What the run keeps already, for the same content, weights and options, is not computed again.

    clip : a pinned clip's name, one of the data root, or an audio file
    wanted : a class, or `top` (the best-scored), `true` (the clip's labels) or `all`
    iteration, data : as `Attributor`
    progress : called with (done, of) after each class
    Raises UnknownNameError, RunError or DataError, each with one message for a person.
    """
    chosen = settings or Settings()
    names = list(dict.fromkeys(methods))
    check_names(names, chosen.baseline)
    asked = Attributor(run, iteration, data)
    return attribute_given(asked, asked.clip(clip, labelled=wanted == "true"), wanted, names, chosen, progress)


def attribute_given(
    asked: Attributor,
    given: GivenClip,
    wanted: str,
    names: Sequence[str],
    chosen: Settings,
    progress: Progress | None = None,
) -> list[Stored]:
    """The same of a clip that is at hand, by a network that is."""
    classes = asked.classes(wanted, given)
    found: list[Stored] = []
    for done, class_name in enumerate(classes):
        if progress is not None:
            progress(done, len(classes))
        found += _with_agreements(_of_class(asked, given, class_name, names, chosen))
    if progress is not None:
        progress(len(classes), len(classes))
    return found


def _of_class(
    asked: Attributor, clip: GivenClip, class_name: str, methods: Sequence[str], settings: Settings
) -> list[Stored]:
    keys = {name: asked.key(clip, class_name, name, settings) for name in methods}
    kept = {name: read_stored(asked.run.path, key) for name, key in keys.items()}
    for key in keys.values():
        mark_as_lasting(asked.run.path, key)
    missing = [name for name, one in kept.items() if one is None]
    if missing:
        since = time.perf_counter()
        found = asked.attribute(clip, class_name, missing, settings)
        seconds = (time.perf_counter() - since) / len(missing)
        for one in found:
            kept[one.method] = replace(asked.keep(clip, class_name, one, settings, seconds), made=True)
    return [replace(one, clip=clip.name) for one in kept.values() if one is not None]


def _with_agreements(found: list[Stored]) -> list[Stored]:
    """Each with its rank correlation with every other method of the call, computed or read."""
    if len(found) < 2:
        return found
    values = {one.method: one.arrays()["attribution"] for one in found}
    among: dict[str, dict[str, float]] = {one.method: {} for one in found}
    for a, b in combinations(values, 2):
        among[a][b] = among[b][a] = agreement(values[a], values[b], (method_named(a).grain, method_named(b).grain))
    return [replace(one, checks={**one.checks, "agreement": among[one.method]}) for one in found]


def _checks(found: "Attribution", classes: Sequence[str]) -> dict[str, Any]:
    if found.checks is None:
        return {}
    index = found.checks.other_index
    return {
        **found.checks.curves.areas,
        "randomised_weights": found.checks.randomised,
        "other_class": found.checks.other_class,
        "other_class_name": None if index < 0 else classes[index],
        "agreement": found.checks.agreement,
    }


def _checkpoint(run: Run, iteration: int | None) -> tuple[Path, int]:
    names = ("best", "last") if iteration is None else (iteration,)
    for name in names:
        for path in find(run.path, name)[-1:]:
            if (facts := facts_of(path)) is not None:
                return path, facts.iteration
            raise RunError(f"checkpoint {path} cannot be read; name another with --iteration")
    there = ", ".join(str(one) for one in sorted({checkpoint.iteration for checkpoint in checkpoints_of(run.path)}))
    if iteration is None or not there:
        raise RunError(f"run {run.name} has no checkpoint; train it with `flatline train`")
    raise RunError(f"run {run.name} has no checkpoint of iteration {iteration} (--iteration); there are: {there}")


def _true(clip: GivenClip, known: Sequence[str]) -> list[str]:
    if clip.labels is None:
        raise RunError(
            f"the true labels of {clip.name} are not known (--class true); name a class, or say with --data which data "
            "root it belongs to"
        )
    labels = [label for label in clip.labels if label in known]
    if not labels:
        raise RunError(f"clip {clip.name} has none of the run's classes as a label (--class true); name a class")
    return labels


def _mark(root: Path) -> str:
    """A data root's place in a file's name."""
    return hashlib.blake2b(str(root).encode(), digest_size=10).hexdigest()


def _read_mean(file: Path, n_mels: int) -> np.ndarray | None:
    """(mel,) as kept; None where it is not, or is damaged."""
    try:
        found = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == (n_mels,) and np.isfinite(found).all() else None


def _write_mean(file: Path, mean: np.ndarray) -> None:
    held = io.BytesIO()
    np.save(held, mean, allow_pickle=False)
    try:
        file.parent.mkdir(exist_ok=True)
        write_file(file, held.getvalue())
    except OSError as error:
        raise RunError(f"{file.parent} cannot be written ({error.strerror or error}); see to the disk") from error


def _mean_of_training(asked: Attributor, root: Path) -> tuple[np.ndarray, str]:
    """(mel,) in the network's own input, whatever the root's clips would be scaled by; and the data's fingerprint.

    Raises RunError where the root is not there, or has other frames.
    """
    run, settings = asked.run, asked.settings
    if not root.is_dir():
        raise RunError(
            f"baseline mean needs the training clips of run {run.name}, which are no longer at {root}; say where they "
            "are with --data, or take --baseline silence"
        )
    task = prepare(asked.recipe, root)
    if task.settings != settings:
        raise RunError(
            f"the clips of {root} make other frames ({task.settings}) than run {run.name} was trained on ({settings}), "
            "so their mean is no baseline of it; give its own data with --data, or take --baseline silence"
        )
    total, count = np.zeros(settings.n_mels), 0
    for place in task.place[task.train].tolist():
        frames = asked.scaling.apply(np.asarray(task.features[place])[: settings.n_frames])
        total, count = total + frames.sum(axis=0, dtype=np.float64), count + len(frames)
    return (total / count).astype(np.float32), task.fingerprint
