"""What a recipe may put into the options of an architecture or a head: their keyword-only arguments."""

import inspect
import typing
from collections.abc import Mapping
from typing import Any


class OptionError(ValueError):
    """An option that is not known or a value that it cannot take; the message says what, where, and what to give."""


def options_of(kind: type) -> list[str]:
    """Names of a class's keyword-only arguments: what a recipe can set."""
    return list(_kinds(kind))


def check_options(given: Mapping[str, Any], kind: type, what: str, key: str) -> None:
    """Refuse what the class would not take, or would take and not mean.

    A whole number is a size, 1 at least; a fraction is a share, 0 or more and below 1.

    what : the class in words, "architecture cgrnn"
    key : where a recipe has the options, "model.options"
    Raises OptionError.
    """
    kinds = _kinds(kind)
    for name, value in given.items():
        if name not in kinds:
            raise OptionError(
                f"unknown option {name!r} of {what} ({key}); known: {', '.join(kinds) or 'none'}. If the recipe "
                f"brought it and not you, drop the recipe's with --set {key}={{}}"
            )
        if wanted := _wanted(value, kinds[name]):
            raise OptionError(f"{key}.{name} is {value!r} ({what}); give {wanted}")


def _kinds(kind: type) -> dict[str, Any]:
    """The type of every option."""
    parameters = inspect.signature(kind).parameters.values()
    return {p.name: p.annotation for p in parameters if p.kind is p.KEYWORD_ONLY}


def _wanted(value: Any, kind: Any) -> str | None:
    """What to give instead of a value that does not fit its option's type; None for one that does."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    allowed = typing.get_args(kind)
    if kind is bool:
        return None if isinstance(value, bool) else "true or false"
    if kind is float:
        return None if is_number and 0 <= value < 1 else "a number from 0 to below 1"
    if kind is int or int in allowed:
        is_size = is_number and isinstance(value, int) and value >= 1
        return None if is_size or (value is None and kind is not int) else "a whole number of 1 or more"
    return None if value in allowed else " or ".join(map(str, allowed))
