"""The docs' tables of detectors, from the code: `python -m flatline.diagnostics.detector_table docs/diagnosis.md`."""

import ast
import inspect
import sys
from pathlib import Path

from .advice import ADVICE
from .detectors import DETECTORS
from .findings import KINDS

BEGIN, END = "<!-- detectors:begin -->", "<!-- detectors:end -->"

FOLDER = Path(__file__).parent / "detectors"

READS = ("scalar", "columns", "medians", "paths", "_is")
"""Methods of a view that are given a signal's name."""

BESIDE = {
    "gradient_norms": "gradient_norm",
    "unclipped_norm": "gradient_norm_total",
    "hidden_gradient_tables": "hidden_gradient.<rnn>",
    "ablation": "ablation.rnn.<rnn>",
    "newest_class_lwlrap": "evaluations: per-class lwlrap",
    "has_learned": "evaluations, else loss and label_entropy",
    "severity": "evaluations, else loss and label_entropy",
    "loss": "loss",
    "training_lwlrap": "lwlrap",
}
"""What other attributes of a view are made of."""


def detector_tables() -> str:
    """Markdown: what each kind is and reads, and every threshold with its origin."""
    kinds = [_kind_row(kind) for kind in DETECTORS]
    thresholds = [
        f"| `{path.stem}` | `{name}` | {value} | {_cell(said)} |"
        for path in sorted(FOLDER.glob("*.py"))
        for name, value, said in constants(path)
    ]
    head = "| kind | means | when | variants | reads |"
    return f"{_table(head, kinds)}\n\n{_table('| file | threshold | value | what it bounds, its unit and origin |', thresholds)}"


def with_table(page: str) -> str:
    """The page with the tables between its markers made anew."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{detector_tables()}\n{END}{rest.partition(END)[2]}"


def constants(path: Path) -> list[tuple[str, str, str]]:
    """Name, value and docstring of each threshold of a file; an empty docstring where there is none."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found = []
    for place, node in enumerate(body):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name) or _is_label(node.value):
            continue
        after = body[place + 1] if place + 1 < len(body) else None
        is_said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        value = ast.get_source_segment(path.read_text(encoding="utf-8"), node.value) or ""
        found.append((node.targets[0].id, value, str(after.value.value) if is_said else ""))
    return found


def signals_of(kind: str) -> list[str]:
    """Names of the signals that the detector of a kind asks for, with those of the helpers it imports."""
    path = Path(inspect.getfile(DETECTORS[kind]))
    files, found = [path, *_helpers(path)], {}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for name in _asked(node):
                found[name] = None
    return list(found)


def _helpers(path: Path) -> list[Path]:
    """Files beside a detector that are none themselves, and are imported by it."""
    own = {Path(inspect.getfile(detect)) for detect in DETECTORS.values()} | {FOLDER / "base.py"}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1]
    names = [
        name for node in froms for name in ([node.module] if node.module else [alias.name for alias in node.names])
    ]
    return [file for name in names if (file := FOLDER / f"{name}.py").is_file() and file not in own]


def _asked(node: ast.AST) -> list[str]:
    """Signals that a piece of code asks of a view."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "view":
        return [BESIDE[node.attr]] if node.attr in BESIDE else []
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in READS:
        return []
    return [name for name in [_name(node.args[0])] if name] if node.args else []


def _name(node: ast.AST) -> str:
    """A signal's name; of one that is put together, with what is put in as `<...>`."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [_name(part) if isinstance(part, ast.Constant) else f"<{_inner(part)}>" for part in node.values]
        return "".join(parts).replace("<suffix>", "").replace("<columns>.", "")
    return ""


def _inner(node: ast.AST) -> str:
    names = [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    return names[0] if names else "name"


def _kind_row(kind: str) -> str:
    said = inspect.getdoc(DETECTORS[kind]) or ""
    variants = ", ".join(f"`{variant}`" for of, variant in ADVICE if of == kind and variant)
    signals = ", ".join(f"`{name}`" if " " not in name else name for name in signals_of(kind))
    return f"| `{kind}` | {_cell(KINDS[kind])} | {_cell(said)} | {variants} | {_cell(signals)} |"


def _is_label(node: ast.AST) -> bool:
    """Whether a value is a kind's name, or names: no threshold."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return all(isinstance(part, ast.Constant) and part.value in KINDS for part in parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: str, rows: list[str]) -> str:
    return "\n".join([head, "|".join(["", *[" --- "] * (head.count("|") - 1), ""]), *rows])


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
