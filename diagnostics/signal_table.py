"""The docs' table of signals, made from the code: `python -m flatline.diagnostics.signal_table docs/signals.md`."""

import sys
from pathlib import Path

from .ablation_infos import INFOS as ABLATIONS
from .levels import LEVELS, SIGNALS
from .pinned import PinnedClips
from .recorder import ROW_INFOS
from .signals import SignalInfo

BEGIN, END = "<!-- signals:begin -->", "<!-- signals:end -->"


def signal_table() -> str:
    """Markdown: column, level, what it means, unit; and what each subject costs."""
    rows = [_row(info, "every row", "all") for info in ROW_INFOS]
    rows += [_row(info, kind.subject, _lowest(kind.subject)) for kind in SIGNALS for info in kind.infos]
    scores, openness = PinnedClips.infos
    rows += [_row(scores, "pinned clips", "all, at evaluations"), _row(openness, "openness", "deep, at evaluations")]
    rows += [_row(info, "ablations", _ablated_by(info)) for info in ABLATIONS]
    columns = _table("| column | subject | from level | what it means | unit |", rows)
    costs = [f"| `{kind.subject}` | {_lowest(kind.subject)} | {kind.cost} |" for kind in SIGNALS]
    return f"{columns}\n\n{_table('| subject | from level | what an iteration of it costs |', costs)}"


def with_table(page: str) -> str:
    """The page with the table between its markers made anew."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{signal_table()}\n{END}{rest.partition(END)[2]}"


def _row(info: SignalInfo, subject: str, level: str) -> str:
    return f"| `{info.name}` | {subject} | {level} | {info.meaning.replace('|', chr(92) + '|')} | {info.unit} |"


def _ablated_by(info: SignalInfo) -> str:
    return "`flatline ablate`" if ".silence." in info.name else "`flatline train`, at few evaluations"


def _lowest(subject: str) -> str:
    return next(level for level, subjects in LEVELS.items() if subject in subjects)


def _table(head: str, rows: list[str]) -> str:
    return "\n".join([head, "|".join(["", *[" --- "] * (head.count("|") - 1), ""]), *rows])


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
