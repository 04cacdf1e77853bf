"""The docs' tables of detectors from the code: `python -m flatline.diagnostics.detector_table docs/diagnosis.md`."""

import ast
import inspect
import sys
from pathlib import Path

from .advice import ADVICE
from .causes import EXPLAINS
from .detectors import DETECTORS
from .findings import KINDS

BEGIN, END = "<!-- detectors:begin -->", "<!-- detectors:end -->"

FOLDER = Path(__file__).parent / "detectors"

READS: dict[str, tuple[str, ...]] = {
    "broken-objective": ("output_min", "output_max", "loss", "label_entropy", "rho", "ln2_distance"),
    "label-problem": (
        *("input_spread", "input_scale", "target_min", "target_max", "positives", "lwlrap", "loss", "label_entropy"),
        *("rho", "clip_spread", "update_ratio", "weight_norm", "saturation", "hidden_spread"),
    ),
    "non-finite": ("loss", "nonfinite_gradients", "nonfinite_inputs"),
    "frozen-parameters": ("gradient_norm", "update_ratio", "nonfinite_gradients"),
    "learning-rate-too-high": ("update_ratio", "weight_norm", "loss", "label_entropy", "learning_rate"),
    "exploding-gradients": (
        *("gradient_norm_total", "gradient_norm_unclipped", "gradient_norm", "loss", "label_entropy"),
    ),
    "saturation-plateau": ("saturation", "hidden_spread", "rank_agreement", "rho", "loss", "label_entropy"),
    "vanishing-through-time": ("hidden_gradient", "saturation", "hidden_spread"),
    "dead-units": ("zero_share", "activation_saturation", "saturation", "hidden_spread"),
    "attention-collapse": ("attention_entropy", "attention_peak", "attention_sum", "loss", "label_entropy"),
    "single-class-collapse": ("top_class_share", "rank_agreement", "positives"),
    "gradient-death": (
        *("gradient_norm_total", "gradient_norm_unclipped", "gradient_norm", "loss", "label_entropy", "rho"),
    ),
    "learning-rate-too-low": ("update_ratio", "weight_norm", "loss", "label_entropy", "learning_rate"),
    "constant-predictor": (
        *("rank_agreement", "class_lwlrap", "clip_spread", "class_spread", "top_class_share", "weight_norm"),
    ),
    "bypassed-recurrence": ("ablation", "saturation", "hidden_spread", "gradient_norm"),
}
"""Signals that each detector asks for by itself; whether something was learned is asked of the evaluations, and of loss
and label_entropy where there are none. A test watches what is asked."""


def detector_tables() -> str:
    """Markdown: what each kind is and reads, what it brings about, and every threshold with its origin."""
    thresholds = [
        f"| `{path.stem}` | `{name}` | {_cell(value)} | {_cell(said)} |"
        for path in sorted(FOLDER.glob("*.py"))
        for name, value, said in constants(path)
    ]
    kinds = _table("| kind | when | variants | signals |", [_kind_row(kind) for kind in DETECTORS])
    causes = _table("| this, where it was there first | brings about |", [_cause_row(name) for name in EXPLAINS])
    bounds = _table("| file | threshold | value | what it bounds, and where it is from |", thresholds)
    return f"{kinds}\n\n{causes}\n\n{bounds}"


def with_table(page: str) -> str:
    """The page with the tables between its markers made anew."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{detector_tables()}\n{END}{rest.partition(END)[2]}"


def constants(path: Path) -> list[tuple[str, str, str]]:
    """Name, value and docstring of each constant of a file but its kinds; an empty docstring where there is none."""
    source = path.read_text(encoding="utf-8")
    body = ast.parse(source).body
    found = []
    for place, node in enumerate(body):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and not _names_kinds(node.value):
            name, after = node.targets[0].id, body[place + 1] if place + 1 < len(body) else None
            said = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            if name.isupper():
                found.append((name, ast.get_source_segment(source, node.value) or "", str(said)))
    return found


def _kind_row(kind: str) -> str:
    variants = ", ".join(f"`{variant}`" for of, variant in ADVICE if of == kind and variant)
    signals = ", ".join(f"`{name}`" for name in READS[kind])
    return f"| `{kind}`: {KINDS[kind]} | {_cell(inspect.getdoc(DETECTORS[kind]) or '')} | {variants} | {signals} |"


def _cause_row(name: str) -> str:
    explained = ", ".join(f"`{other}`" for other in sorted(EXPLAINS[name], key=lambda of: (*of.partition("/"),)))
    return f"| `{name}` | {explained} |"


def _names_kinds(node: ast.AST) -> bool:
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return all(isinstance(part, ast.Constant) and part.value in KINDS for part in parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: str, rows: list[str]) -> str:
    return "\n".join([head, "|".join(["", *[" --- "] * (head.count("|") - 1), ""]), *rows])


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
