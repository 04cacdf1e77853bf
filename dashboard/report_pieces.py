"""The heavy pieces of a report, packed: figures in both themes, sounds; and which of them a page has room for."""

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

AROUND = 1_500
"""Bytes that stand around a piece in a page, at most: its place, its sentence, its buttons."""


@dataclass(frozen=True)
class Piece:
    """A figure or a sound as text that may stand in a page.

    key  : what it is told by
    rank : of pieces that do not all fit, those of the lowest rank are kept
    """

    key: str
    rank: int
    text: str

    @property
    def size(self) -> int:
        """Bytes in a page, with what stands around it; it is ASCII."""
        return len(self.text) + AROUND


def packed(text: str) -> str:
    """Text as base64 of its gzip, which a browser unpacks by itself; the same text always gives the same.

    >>> gzip.decompress(base64.b64decode(packed("a"))).decode()
    'a'
    """
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode("ascii")


def packed_figure(light: go.Figure, dark: go.Figure) -> str:
    """Two themes' drawings of the same numbers: the light one, and what is another in the dark one.

    Unpacked it is JSON: {"figure": {data, layout}, "dark": [[path, value], ...]}.
    """
    one, other = (json.loads(str(figure.to_json())) for figure in (light, dark))
    both = {"figure": one, "dark": list(changes(one, other))}
    return packed(json.dumps(both, separators=(",", ":"), allow_nan=False))


def changes(one: Any, other: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[list[str | int], Any]]:
    """Where two JSON values differ: the path, and what stands there in the other.

    >>> list(changes({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}))
    [(['a', 1, 'b'], 3)]
    """
    if one == other:
        return
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        pairs: Iterable[Any] = ((key, one[key], other[key]) for key in one)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = ((place, here, there) for place, (here, there) in enumerate(zip(one, other, strict=True)))
    else:
        yield list(path), other
        return
    for key, here, there in pairs:
        yield from changes(here, there, (*path, key))


def within(pieces: Sequence[Piece], room: int) -> dict[str, Piece]:
    """The pieces that fit into so many bytes, by key: the lowest ranks first, of a rank in the order given.

    One that does not fit is left out, and smaller ones after it may still be kept.

    >>> list(within([Piece("sound", 1, "a" * 9000), Piece("figure", 0, "bb"), Piece("more", 2, "c")], 9000))
    ['figure', 'more']
    """
    kept: dict[str, Piece] = {}
    for piece in sorted(pieces, key=lambda piece: piece.rank):
        if piece.key not in kept and piece.size <= room:
            kept[piece.key] = piece
            room -= piece.size
    return kept
