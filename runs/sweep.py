"""A sweep: many runs as variants of a recipe, from one YAML file."""

import dataclasses
import json
import os
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import pydantic
import yaml

from ..diagnostics.errors import FlatlineError, unknown
from .recipe import STRICT, Recipe, load_recipe

BUILT_IN = Path(__file__).parent / "sweeps"

MOST_RUNS = 1000
"""Of a sweep; more are a slip in a grid, and would be listed by nothing; ours."""


class SweepError(FlatlineError):
    """A sweep that cannot be read, or whose runs cannot be told apart."""


@dataclass(frozen=True)
class Variant:
    """One thing that is tried: a recipe, and what is changed of it.

    recipe : a built-in name, or a YAML file beside the sweep's; None is the sweep's
    settings : values by key of a recipe, dotted for inner keys
    """

    __pydantic_config__ = STRICT

    recipe: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ForRate:
    """Another sweep, taken instead where the data have that sample rate or a higher one."""

    __pydantic_config__ = STRICT

    from_hz: int
    sweep: str


@dataclass(frozen=True)
class Sweep:
    """Variants, each with every choice of the grid and every seed.

    recipe, settings : what all runs have, unless their variant says otherwise
    variants : by name; without any there is one, of the sweep's recipe
    grid : axis -> choices. Either names, each with settings; or a list of values, where the axis is a key of a recipe
    seeds : one run each
    epochs : so many for every run, evaluated after each; None leaves `iterations` and `evaluate_every` as they are
    lr_range : variants that get a learning-rate range test besides
    for_data : another sweep for data of a higher sample rate
    """

    __pydantic_config__ = STRICT

    name: str
    description: str = ""
    recipe: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)
    grid: dict[str, dict[str, dict[str, Any]] | list[Any]] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0])
    epochs: int | None = None
    lr_range: list[str] = field(default_factory=list)
    for_data: ForRate | None = None


@dataclass(frozen=True)
class Planned:
    """A run of a sweep.

    variant, choices : what it is one of; `label` is both
    epochs : that `iterations` is still to be set from; None where the recipe says it
    """

    name: str
    variant: str
    choices: Mapping[str, str]
    seed: int
    recipe: Recipe
    epochs: int | None = None
    is_range_test: bool = False

    @property
    def label(self) -> str:
        """Variant and choices: what runs of several seeds have in common."""
        return " ".join([self.variant, *self.choices.values()])


ADAPTER = pydantic.TypeAdapter(Sweep)


def sweep_names() -> list[str]:
    """Names of the built-in sweeps."""
    return sorted(path.stem for path in BUILT_IN.glob("*.yaml"))


def load_sweep(address: str | Path) -> tuple[Sweep, Path]:
    """A built-in sweep by name, or one from a YAML file; and the folder beside which its recipes lie.

    Raises SweepError or UnknownNameError saying what is wrong and where.
    """
    built_in = BUILT_IN / f"{address}.yaml"
    path = built_in if os.path.isfile(built_in) else Path(address)
    if not os.path.isfile(path):
        raise unknown("sweep", str(address), sweep_names(), "neither built in nor a YAML file")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SweepError(f"{path} is not YAML ({' '.join(str(error).split())}); see docs/sweeps.md") from None
    except OSError as error:
        raise SweepError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    if not isinstance(values, dict):
        raise SweepError(f"{path} holds no keys and values, as a sweep has them; see docs/sweeps.md")
    return _checked({"name": path.stem, **values}, path), path.parent


def _checked(values: dict[str, Any], path: Path) -> Sweep:
    if isinstance(values.get("seeds"), int) and not isinstance(values["seeds"], bool):
        values = {**values, "seeds": list(range(values["seeds"]))}
    try:
        sweep = ADAPTER.validate_python(values)
    except pydantic.ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "unexpected_keyword_argument":
            raise unknown("key", key, _keys_at(fault["loc"]), f"sweep {path}") from None
        raise SweepError(f"{key} is {fault['input']!r} ({path}): {fault['msg']}; see docs/sweeps.md") from None
    for key, wrong in _faults(sweep):
        raise SweepError(f"{key} {wrong} ({path}); see docs/sweeps.md")
    return sweep


def _keys_at(place: tuple[Any, ...]) -> list[str]:
    level = {"variants": Variant, "for_data": ForRate}.get(str(place[0]), Sweep)
    return [entry.name for entry in dataclasses.fields(level)]


def _faults(sweep: Sweep) -> Iterator[tuple[str, str]]:
    """Keys whose values are of the right type and make no sweep."""
    if not sweep.seeds or len({*sweep.seeds}) < len(sweep.seeds) or min(sweep.seeds) < 0:
        yield "seeds", f"is {sweep.seeds}: give different whole numbers from 0, or how many there are"
    if sweep.epochs is not None and sweep.epochs < 1:
        yield "epochs", f"is {sweep.epochs}: give 1 or more"
    if not sweep.recipe and not all(variant.recipe for variant in sweep.variants.values() or [Variant()]):
        yield "recipe", "is missing, and not every variant has one of its own: give it"
    for axis, choices in sweep.grid.items():
        if not choices:
            yield f"grid.{axis}", "has no choices: give a list of values, or names with settings"
    for name in sweep.lr_range:
        if name not in variants_of(sweep):
            yield "lr_range", f"names {name!r}, which is none of the variants ({', '.join(variants_of(sweep))})"
    n_runs = len(variants_of(sweep)) * len(sweep.seeds)
    for choices in sweep.grid.values():
        n_runs *= len(choices)
    if n_runs > MOST_RUNS:
        yield "grid", f"makes {n_runs} runs, more than {MOST_RUNS}: give fewer choices or seeds"


def variants_of(sweep: Sweep) -> dict[str, Variant]:
    """The variants by name; the one that a sweep without any has is named as its recipe."""
    return sweep.variants or {Path(sweep.recipe or sweep.name).stem: Variant()}


def plan(sweep: Sweep, folder: Path, **overrides: Any) -> list[Planned]:
    """Every run of a sweep: variants by choices by seeds, range tests last.

    folder : beside which YAML recipes lie
    overrides : top-level keys of every recipe, as for `load_recipe`; `iterations` sets aside the sweep's epochs
    Raises SweepError naming the run whose recipe is wrong, and runs that are the same.
    """
    epochs = None if overrides.get("iterations") is not None else sweep.epochs
    runs = [
        _planned(sweep, folder, name, choices, seed, epochs, overrides)
        for name in variants_of(sweep)
        for choices in product(*(_choices(axis, given) for axis, given in sweep.grid.items()))
        for seed in sweep.seeds
    ]
    _refuse_same(runs)
    return runs + [_range_test(sweep, folder, name, overrides) for name in dict.fromkeys(sweep.lr_range)]


Choice = tuple[str, str, dict[str, Any]]
"""An axis, the name of what is chosen there, its settings."""


def _choices(axis: str, given: dict[str, dict[str, Any]] | list[Any]) -> list[Choice]:
    if isinstance(given, dict):
        return [(axis, name, settings) for name, settings in given.items()]
    return [(axis, f"{axis}={value}", {axis: value}) for value in given]


def _planned(
    sweep: Sweep,
    folder: Path,
    variant: str,
    choices: tuple[Choice, ...],
    seed: int,
    epochs: int | None,
    overrides: dict[str, Any],
) -> Planned:
    chosen = {axis: name for axis, name, _ in choices}
    parts = [variant, *chosen.values(), *([f"seed{seed}"] if len(sweep.seeds) > 1 else [])]
    settings = {key: value for _, _, given in choices for key, value in given.items()}
    name = "-".join(parts).replace("/", "_").replace(" ", "")
    recipe = _recipe(sweep, folder, variant, settings, name, {**overrides, "seed": seed})
    return Planned(name, variant, chosen, seed, recipe, epochs)


def _range_test(sweep: Sweep, folder: Path, variant: str, overrides: dict[str, Any]) -> Planned:
    seed, name = sweep.seeds[0], f"{variant}-lr-range".replace("/", "_").replace(" ", "")
    recipe = _recipe(sweep, folder, variant, {}, name, {**overrides, "seed": seed, "iterations": None})
    return Planned(name, variant, {}, seed, recipe, is_range_test=True)


def _recipe(
    sweep: Sweep, folder: Path, variant: str, settings: dict[str, Any], name: str, overrides: dict[str, Any]
) -> Recipe:
    own = variants_of(sweep)[variant]
    address = own.recipe or sweep.recipe or ""
    beside = folder / address
    all_settings = {**sweep.settings, **own.settings, **settings}
    if "seed" in all_settings:
        raise SweepError(f"seed is among the settings of {name} (sweep {sweep.name}); give seeds: [0, 1, 2] instead")
    for key in ("iterations",):
        if overrides.get(key) is not None:
            all_settings.pop(key, None)
    words = [f"{key}={json.dumps(value)}" for key, value in all_settings.items()]
    try:
        recipe = load_recipe(beside if os.path.isfile(beside) else address, words, **overrides)
    except FlatlineError as error:
        raise SweepError(f"sweep {sweep.name}, run {name}: {error}") from None
    return replace(recipe, name=name)


def _refuse_same(runs: list[Planned]) -> None:
    """Two runs of one name would be one folder; two of one recipe are one run trained twice."""
    names: dict[str, Planned] = {}
    recipes: dict[str, Planned] = {}
    for run in runs:
        values = {key: value for key, value in run.recipe.to_dict().items() if key not in ("name", "description")}
        recipe = json.dumps(values, sort_keys=True)
        if run.name in names:
            raise SweepError(f"two runs are called {run.name} (grid, variants); give their choices other names")
        if recipe in recipes:
            raise SweepError(
                f"{recipes[recipe].name} and {run.name} are the same recipe (grid, variants); drop one, or change it"
            )
        names[run.name] = recipes[recipe] = run


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is a fault, and not silently the later one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise yaml.YAMLError(f"the key {key!r} stands there twice, line {node.start_mark.line + 1} and after")
        return super().construct_mapping(node, deep)
