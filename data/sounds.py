"""The 80 classes of the embedded data set.

Most families are told apart by their spectrum. The last, of 24 classes, is made of twins: each plays the other
backwards, so both have the same spectrum and only the order of their frames tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from . import renders
from .knobs import ORDERED_S, STEADY_S
from .renders import Render


@dataclass(frozen=True)
class Sound:
    """One class: how an event of it is made from a generator and a number of samples.

    duration_s : shortest and longest event
    twin       : the class that differs in temporal order only
    """

    name: str
    render: Render
    duration_s: tuple[float, float] = STEADY_S
    twin: str | None = None


def _twins(forwards: str, backwards: str, render: Render) -> Iterator[Sound]:
    yield Sound(forwards, render, ORDERED_S, backwards)
    yield Sound(backwards, partial(renders.backwards, render=render), ORDERED_S, forwards)


def _steady_sounds() -> Iterator[Sound]:
    for f0 in (110, 165, 247, 370, 554, 831, 1245, 1864):
        yield Sound(f"Organ_{f0}_Hz", partial(renders.organ, f0=f0))
    for frequency in (700, 1350, 2600, 5000):
        yield Sound(f"Whistle_{frequency}_Hz", partial(renders.whistle, frequency=frequency))
    for carrier in (440, 1050, 2000, 3800):
        yield Sound(f"Tremolo_{carrier}_Hz", partial(renders.tremolo, carrier=carrier))
    for centre in (480, 960, 1900, 3900):
        yield Sound(f"Warble_{centre}_Hz", partial(renders.warble, centre=centre))
    for f0 in (130, 220, 392, 660, 1100):
        yield Sound(f"Pluck_{f0}_Hz", partial(renders.pluck, f0=f0))
    for base in (260, 430, 720, 1180):
        yield Sound(f"Bell_{base}_Hz", partial(renders.bell, base=base))
    for name, centre in (("low", 600), ("high", 2300)):
        yield Sound(f"Siren_{name}", partial(renders.siren, centre=centre))
    yield from _noises()
    yield from _vowels()


def _noises() -> Iterator[Sound]:
    for name, centre in (
        ("Rumble", 200),
        ("Roar", 450),
        ("Wind", 900),
        ("Steam", 1800),
        ("Spray", 3400),
        ("Sizzle", 6000),
    ):
        yield Sound(name, _hiss_at(centre))
    for name, centres in (("Surf", (300, 2600)), ("Waterfall", (650, 4800)), ("Drizzle", (1300, 6200))):
        yield Sound(name, _hiss_at(*centres))
    for name, rate_hz, resonance in (
        ("Woodblock", 3, 1100),
        ("Castanets", 10, 2600),
        ("Engine", 25, 330),
        ("Ratchet", 35, 5200),
        ("Hammer", 4, 420),
        ("Typewriter", 8, 4000),
    ):
        yield Sound(name, partial(renders.pulses, rate_hz=rate_hz, resonance=resonance))
    for name, resonance in (("Fire_crackle", 1500), ("Static_crackle", 5500)):
        yield Sound(name, partial(renders.crackle, resonance=resonance))


def _hiss_at(*centres: float) -> Render:
    return lambda rng, n: renders.hiss(rng, n, *centres)


def _vowels() -> Iterator[Sound]:
    low = {"a": (730, 1090, 2440), "e": (530, 1840, 2480), "i": (270, 2290, 3010), "o": (570, 840, 2410)}
    for vowel, formants in (low | {"u": (300, 870, 2240)}).items():
        yield Sound(f"Low_voice_{vowel}", partial(renders.vowel, f0=120, formants=formants))
    for vowel, formants in {"a": (1030, 1370, 3170), "i": (370, 3200, 3730), "u": (430, 1170, 3260)}.items():
        yield Sound(f"Child_voice_{vowel}", partial(renders.vowel, f0=290, formants=formants))


def _ordered_sounds() -> Iterator[Sound]:
    for band, low, high in (("low", 180, 700), ("mid", 600, 2300), ("high", 1900, 6800)):
        yield from _twins(f"Chirp_up_{band}", f"Chirp_down_{band}", partial(renders.rising_chirp, low=low, high=high))
    for band, low, high in (("low", 230, 460), ("mid", 640, 1280), ("high", 1700, 3400)):
        yield from _twins(
            f"Notes_low_high_{band}", f"Notes_high_low_{band}", partial(renders.low_high, low=low, high=high)
        )
    for timbre, resonance in (("dull", 750), ("bright", 3000)):
        names = f"Clicks_accelerating_{timbre}", f"Clicks_slowing_{timbre}"
        yield from _twins(*names, partial(renders.accelerating, resonance=resonance))
    for band, low, high in (("low", 150, 600), ("mid", 700, 2200), ("high", 2500, 7000)):
        yield from _twins(f"Crescendo_{band}", f"Decrescendo_{band}", partial(renders.crescendo, low=low, high=high))
    yield from _twins("Whoosh_up", "Whoosh_down", partial(renders.rising_sweep, low=300, high=5500))


SOUNDS = tuple(sorted((*_steady_sounds(), *_ordered_sounds()), key=lambda sound: sound.name))
CLASSES = tuple(sound.name for sound in SOUNDS)
# Pairs of classes that only temporal order tells apart.
TEMPORAL_TWINS = tuple((s.name, s.twin) for s in _ordered_sounds() if s.twin is not None and s.name < s.twin)
