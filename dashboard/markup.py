"""HTML in which every text is escaped, whoever wrote it: names of runs, classes and clips are a user's."""

from collections.abc import Iterable
from html import escape

VOID = ("br", "hr", "img", "link", "meta")
"""Elements that have no end tag."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *children: str | None, **attributes: str | bool | None) -> Markup:
    """An element of HTML: children that are not Markup are escaped, None is left out.

    attributes : underscores become hyphens, a trailing one is dropped; True stands alone, None and False are left out

    >>> element("p", "a < b ", element("b", "R&D"), class_="said", data_form="csv", hidden=True)
    '<p class="said" data-form="csv" hidden>a &lt; b <b>R&amp;D</b></p>'
    """
    opening = "".join(_attribute(key, value) for key, value in attributes.items())
    closing = "" if name in VOID else f"{together(children)}</{name}>"
    return Markup(f"<{name}{opening}>{closing}")


def together(children: Iterable[str | None]) -> Markup:
    """Pieces one after the other, those that are not Markup escaped.

    >>> together(["<", None, Markup("<br>")])
    '&lt;<br>'
    """
    return Markup(
        "".join(child if isinstance(child, Markup) else escape(child) for child in children if child is not None)
    )


def _attribute(key: str, value: str | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(value)}"'
