"""All runs of the zoo, as plain values: faults where they are placed, their healthy twins, and the healthy ones."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from faults import FAULTS
from healthy import HEALTHY, SEEDS
from placements import PLACEMENTS
from tasks import TASKS, Options


@dataclass(frozen=True)
class Planned:
    """One run.

    setting : the name among its task's healthy ones whose options it has
    fault : name; None for a healthy run
    onset : iteration at which the fault is switched on, 0 before the training; None for a healthy run
    """

    task: str
    setting: str
    seed: int
    fault: str | None = None
    onset: int | None = None

    @property
    def id(self) -> str:
        """Name of its folder."""
        name = f"{self.task}-{self.setting}-{self.seed}"
        return name if self.fault is None else f"{name}-{self.fault}" + (f"-at-{self.onset}" if self.onset else "")

    @property
    def twin(self) -> "Planned":
        """The same without the fault."""
        return replace(self, fault=None, onset=None)

    @property
    def half(self) -> str:
        """fit or report."""
        return TASKS[self.task].half

    @property
    def architecture(self) -> str:
        """Name of the network."""
        return TASKS[self.task].architecture

    @property
    def options(self) -> Options:
        """Of the training, the fault's included."""
        of_fault = FAULTS[self.fault].options if self.fault else {}
        of_setting = HEALTHY[self.task][self.setting]
        return TASKS[self.task].options(**{**of_setting, **of_fault})


PLACE = re.compile(r"(?P<task>[a-z]+)(:(?P<setting>[a-z-]+))?(@(?P<onset>\d+))?(/(?P<seed>\d+))?")


def placed(fault: str, place: str) -> Planned:
    """A faulty run from `task:setting@onset/seed`; "plain", from the start and 0 where left out."""
    found = PLACE.fullmatch(place)
    if found is None or found["task"] not in TASKS:
        raise ValueError(f"{place!r} is no place of a fault ({fault}); write task:setting@onset/seed")
    return Planned(found["task"], found["setting"] or "plain", int(found["seed"] or 0), fault, int(found["onset"] or 0))


def healthy() -> Iterator[Planned]:
    """The healthy runs that stand in the table, and twins that do not."""
    for task, settings in HEALTHY.items():
        for setting in settings:
            yield from (Planned(task, setting, seed) for seed in SEEDS.get(setting, (0,)))
    yield from (run.twin for run in faulty())


def faulty() -> Iterator[Planned]:
    """The faulty runs."""
    for fault, places in PLACEMENTS.items():
        yield from (placed(fault, place) for place in places.split())


PLAN = tuple(dict.fromkeys([*faulty(), *healthy()]))
"""Every run once."""
