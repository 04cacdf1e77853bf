"""The table of interventions, from the code: `python -m flatline.runs.interventions.table docs/interventions.md`."""

import inspect
import sys
from pathlib import Path

from ...diagnostics.advice import ADVICE
from . import INTERVENTIONS, Intervention

BEGIN, END = "<!-- interventions:begin -->", "<!-- interventions:end -->"

HEAD = "| intervention | changes | tried for | in a recipe | in a loop of your own | source |"


def intervention_table() -> str:
    """Markdown: a row an intervention, in the order in which they are tried where a diagnosis names none."""
    rows = [_row(one) for one in INTERVENTIONS]
    return "\n".join([HEAD, "|".join(["", *[" --- "] * (HEAD.count("|") - 1), ""]), *rows])


def with_table(page: str) -> str:
    """The page with the table between its markers made anew."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{intervention_table()}\n{END}{rest.partition(END)[2]}"


def treated(one: Intervention) -> list[str]:
    """Kinds of finding for which an intervention is tried: by its own word, and by their advice."""
    advised = [kind for (kind, _), advice in ADVICE.items() if one.name in advice.remedies]
    return sorted({*one.treats, *advised})


def _row(one: Intervention) -> str:
    is_of_recipes = type(one).recipe is not Intervention.recipe
    cells = (
        f"`{one.name}`",
        one.does,
        ", ".join(treated(one)),
        f"`{one.setting}`" if one.setting else "yes" if is_of_recipes else "no",
        ", ".join(f"`{hook}`" for hook in _hooks(one)) or "no",
        one.source,
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _hooks(one: Intervention) -> list[str]:
    hooks = [name for name, _ in inspect.getmembers(Intervention, inspect.isfunction) if name.startswith("on_")]
    return [name for name in hooks if getattr(type(one), name) is not getattr(Intervention, name)]


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
