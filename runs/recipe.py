"""A recipe: all that a run needs, as values; YAML on disk, `key=value` on the command line."""

import copy
import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml

from ..diagnostics.errors import FlatlineError, unknown
from .recipe_ranges import out_of_range

BUILT_IN = Path(__file__).parent / "recipes"

STRICT = pydantic.ConfigDict(extra="forbid", str_strip_whitespace=True)

LossKind = Literal["bce-with-logits", "bce"]

InitKind = Literal["default", "orthogonal", "chrono", "orthogonal-chrono"]

FocusKind = Literal["none", "focal", "asymmetric"]

ScheduleKind = Literal["constant", "warm-up", "cosine", "triangular", "triangular-exp"]


class RecipeError(FlatlineError):
    """A recipe that cannot be read or holds a value that does not fit."""


@dataclass(frozen=True)
class ModelRecipe:
    """Which network: `flatline models` lists architectures, heads and their options."""

    __pydantic_config__ = STRICT

    architecture: str = "cgrnn"
    head: str = "input-attention"
    options: dict[str, Any] = field(default_factory=dict)
    head_options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataRecipe:
    """Which clips, and how they become frames.

    features : a preset's name; "story" follows the data set's sample rate
    scaling : "fixed" is the seed's (dB + 20) / 20; "standardise" is per mel bin, from the training clips
    mask : hand the padding mask to the model
    curated, noisy : which training clips
    fold : of `n_folds` balanced ones for validation, instead of the seed's 33 % split; None keeps that
    skip_bad : leave out clips that cannot be used, counted, instead of refusing
    """

    __pydantic_config__ = STRICT

    features: str = "story"
    scaling: Literal["fixed", "standardise"] = "fixed"
    mask: bool = False
    curated: bool = True
    noisy: bool = True
    fold: int | None = None
    n_folds: int = 5
    skip_bad: bool = False


@dataclass(frozen=True)
class ScheduleRecipe:
    """How the learning rate goes over the iterations; `learning_rate` is its highest (see `schedules.rate_at`).

    kind : "constant"; "warm-up", then constant; "cosine" down to the lowest rate; "triangular" between the lowest rate
        and the highest and back; "triangular-exp", the same with an amplitude that decays
    warm_up : iterations in which the rate rises evenly from the lowest; for "warm-up" and "cosine"
    lowest : rate; below `learning_rate`
    step_epochs : half a cycle of the triangular kinds; fractions will do. The seed's 4
    decay : of "triangular-exp": what is left of the amplitude after each cycle
    """

    __pydantic_config__ = STRICT

    kind: ScheduleKind = "constant"
    warm_up: int = 0
    lowest: float = 0.0
    step_epochs: float = 4.0
    decay: float = 0.5


@dataclass(frozen=True)
class Recipe:
    """All that a run needs besides the data's place.

    loss : what the criterion expects; nothing makes it fit the head's output, since a misfit is what some recipes show
    focus : bend the loss towards what is hard: "focal" or "asymmetric" (see `losses.criterion`)
    prior_bias : start the output bias at logit(class prior)
    init : of RNNs: "orthogonal" recurrent weights, "chrono" gate biases, or both (see `models.inits`)
    sampling : what a batch holds: "shuffled" has each clip once an epoch, "class-balanced" all classes as often
    evaluate_every : iterations
    clip_norm : total gradient norm to clip at; None does not clip
    early_stop : evaluations without a better lwlrap after which to stop; None goes on to the end
    pinned : validation clips whose scores and maps are kept at each evaluation
    ablate : at the last evaluation, and at few before it, find out what each part of the network carries of the score
    keep_checkpoints : healthy ones of earlier evaluations that are kept, besides the last and the best
    device : "auto" takes a GPU where there is one
    """

    __pydantic_config__ = STRICT

    name: str = "recipe"
    description: str = ""
    model: ModelRecipe = field(default_factory=ModelRecipe)
    data: DataRecipe = field(default_factory=DataRecipe)
    loss: LossKind = "bce-with-logits"
    focus: FocusKind = "none"
    prior_bias: bool = False
    init: InitKind = "default"
    sampling: Literal["shuffled", "class-balanced"] = "shuffled"
    seed: int = 0
    iterations: int = 350
    evaluate_every: int = 50
    batch_size: int = 32
    learning_rate: float = 1e-3
    schedule: ScheduleRecipe = field(default_factory=ScheduleRecipe)
    weight_decay: float = 0.0
    clip_norm: float | None = None
    early_stop: int | None = None
    level: Literal["light", "standard", "deep"] = "standard"
    pinned: int = 3
    ablate: bool = True
    keep_checkpoints: int = 8
    device: str = "auto"
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        for fault in out_of_range(self):
            raise RecipeError(fault)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as YAML holds them."""
        return dataclasses.asdict(self)


ADAPTER = pydantic.TypeAdapter(Recipe)


def recipe_names() -> list[str]:
    """Names of the built-in recipes."""
    return sorted(path.stem for path in BUILT_IN.glob("*.yaml"))


def load_recipe(address: str | Path, settings: Iterable[str] = (), **overrides: Any) -> Recipe:
    """A built-in recipe by name or one from a YAML file, with settings changed.

    settings : "key=value", dotted for inner keys ("model.head=mean"); the value is read as YAML
    overrides : top-level keys, which the settings must not have too; None leaves a key as it is
    Raises RecipeError or UnknownNameError saying what is wrong, where, and what is known.
    """
    values, where = _read(address)
    return recipe_with(values, where, settings, **overrides)


def recipe_with(values: dict[str, Any], where: str, settings: Iterable[str] = (), **overrides: Any) -> Recipe:
    """A recipe from plain values with settings changed, as by `load_recipe`; `where` is named in errors."""
    values = copy.deepcopy(values)
    given = {key: value for key, value in overrides.items() if value is not None}
    for setting in settings:
        key = setting.partition("=")[0]
        if key in given:
            raise RecipeError(f"{key} is given twice (--{key} {given[key]} and --set {setting}); give it once")
        _set(values, setting)
    values.update(given)
    return recipe_from_dict(values, where)


def recipe_from_dict(values: dict[str, Any], where: str) -> Recipe:
    """A checked recipe from plain values; `where` is named in errors."""
    try:
        return ADAPTER.validate_python(values)
    except pydantic.ValidationError as error:
        raise RecipeError(_first_fault(error, where)) from None


def _first_fault(error: pydantic.ValidationError, where: str) -> str:
    fault = error.errors()[0]
    context = fault.get("ctx", {})
    if "error" in context:  # one of our own checks
        return str(context["error"])
    path = [str(part) for part in fault["loc"]]
    key = ".".join(path)
    if fault["type"] == "unexpected_keyword_argument":
        return str(unknown("key", key, _keys_beside(key), where))
    if fault["type"] == "invalid_key" or path[-1] == "[key]":
        inside = ".".join(path[: path.index(str(fault["input"]))]) or "the recipe"
        return f"{inside} has the key {fault['input']!r} ({where}), which is no name; give names as keys"
    return f"{key} is {_shown(fault['input'])} ({where}); give {_wanted(fault)}"


WANTED = {
    "int": "a whole number, in digits",
    "float": "a number",
    "finite": "a number",
    "bool": "true or false",
    "string": "text",
    "dict": "keys and values, as in {channels: 12}",
    "dataclass": "keys and values, or set one key of it, as in --set model.head=mean",
}
"""What to give, by the first word of a pydantic fault's type."""


def _wanted(fault: Any) -> str:
    if fault["type"] == "literal_error":
        return fault["ctx"]["expected"].replace("'", "")
    return WANTED.get(fault["type"].partition("_")[0]) or fault["msg"]


def _shown(value: Any) -> str:
    """A value as a recipe's author wrote it."""
    return "empty" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)[:80]


def _keys_beside(key: str) -> list[str]:
    """The known keys at the level of a dotted key."""
    levels = {"model": ModelRecipe, "data": DataRecipe, "schedule": ScheduleRecipe}
    level = levels.get(key.partition(".")[0] if "." in key else "", Recipe)
    return [entry.name for entry in dataclasses.fields(level)]


def _read(address: str | Path) -> tuple[dict[str, Any], str]:
    built_in = BUILT_IN / f"{address}.yaml"
    path = built_in if os.path.isfile(built_in) else Path(address)
    if not os.path.isfile(path):  # unlike Path.is_file it takes any name
        raise unknown("recipe", str(address), recipe_names(), "neither built in nor a YAML file")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML ({' '.join(str(error).split())}); see docs/recipes.md") from None
    except OSError as error:
        raise RecipeError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    if not isinstance(values, dict):
        what = "is empty" if values is None else "holds a list" if isinstance(values, list) else "holds a single value"
        raise RecipeError(f"{path} {what}, where a recipe has keys and values; see docs/recipes.md")
    return {"name": path.stem, **values}, f"recipe {path.stem}"


def _set(values: dict[str, Any], setting: str) -> None:
    """Put "a.b=value" into nested values."""
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set takes key=value, not {setting!r}; as in --set learning_rate=0.0003")
    *path, last = key.split(".")
    for part in path:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"{part} is {_shown(inner)}, so {key} cannot be set (--set {setting}); set {part} itself")
        values = inner
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise RecipeError(f"the value of {key} is not YAML (--set {setting}); quote it") from None
