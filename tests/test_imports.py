"""Who may import whom (CONTRIBUTING.md), and what must not drag torch in."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from flatline.runs.log import RunLog

ROOT = Path(__file__).parent.parent

ALLOWED = {
    "data": set(),
    "models": set(),
    "diagnostics": set(),
    "runs": {"data", "models", "diagnostics"},
    "dashboard": {"runs", "diagnostics"},
}
"""Packages that each package may import besides itself."""

HEAVY = ("torch", "librosa", "dash", "captum")

LAZY = ("__init__.py", "__main__.py", "cli.py", "cli_attribution.py", "cli_experiments.py", "cli_reading.py")


def imported(path, root=ROOT):
    """Modules of this project that a file imports, as paths from the root ("runs.log"), with the line of each."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "flatline"]
            yield from ((name.partition(".")[2], node.lineno) for name in names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            assert len(package) >= node.level - 1, f"{path}:{node.lineno} leads out of the project"
            named = [*base, *(node.module or "").split(".")] if node.module else list(base)
            yield from ((".".join([*named, alias.name]), node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "flatline":
            yield from ((f"{node.module}.{alias.name}".partition(".")[2], node.lineno) for alias in node.names)


def offences(root, allowed=ALLOWED):
    return [
        f"{path.relative_to(root)}:{line} imports {name}"
        for package, others in allowed.items()
        for path in sorted((root / package).rglob("*.py"))
        for name, line in imported(path, root)
        if name.split(".")[0] not in {package, *others}
    ]


def test_every_package_imports_only_those_it_may():
    assert offences(ROOT) == []


@pytest.mark.parametrize(
    "line",
    [
        "from ..runs import log",
        "from ..runs.log import RunLog",
        "import flatline.runs",
        "from flatline.runs import log",
    ],
)
def test_the_walk_sees_every_form_of_import(tmp_path, line):
    (tmp_path / "diagnostics").mkdir()
    (tmp_path / "diagnostics" / "a.py").write_text(f"def f():\n    {line}\n")
    assert len(offences(tmp_path)) == 1


def test_diagnostics_imports_nothing_when_it_is_imported():
    assert ast.parse((ROOT / "diagnostics" / "__init__.py").read_text()).body == []


@pytest.mark.parametrize("name", LAZY)
def test_the_root_imports_nothing_heavy_at_its_head(name):
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    heads = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    modules = {alias.name.split(".")[0] for node in heads if isinstance(node, ast.Import) for alias in node.names}
    modules |= {(node.module or "").split(".")[0] for node in heads if isinstance(node, ast.ImportFrom)}
    assert modules <= set(sys.stdlib_module_names) | {"cli", "cli_attribution", "cli_reading"}


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A folder with one run."""
    folder = tmp_path_factory.mktemp("logs")
    log = RunLog(folder / "mine", {"classes": ["a"], "parameters": ["w"], "maps": {"m": "sigmoid"}})
    for iteration in range(5):
        log.append({"iteration": iteration, "epoch": 0, "wall_time": 1.0, "loss": 0.5, "gradient_norm": [1.0]})
        log.append_maps(iteration, {"m": [[0.0], [1.0]]})
    log.append_evaluation({"iteration": 5, "lwlrap": 0.5, "chance": 0.1, "constant": 0.2})
    log.close()
    return folder


READING = """
run = flatline.Run("mine", logs=logs)
run.gradient_norms, run.scalars, run.lwlrap, run.evaluations, run.evaluation_lwlrap, run.series("loss")
run.attention(2), run.events(), run.status, run.window("loss")
"""

STEPS = {
    "flatline": (HEAVY, "flatline.__version__, dir(flatline)"),
    "the command line's arguments": (HEAVY, "import flatline.cli; flatline.cli.parser()"),
    "Run": (("torch", "librosa", "captum", "dash"), READING),
    "lwlrap": (("torch", "librosa", "captum", "dash"), "flatline.lwlrap"),
    "listing": (("torch", "librosa", "captum", "dash"), "from flatline.runs.listing import list_runs; list_runs(logs)"),
    "runs export": (
        ("torch", "librosa", "captum", "dash"),
        "import sys; sys.stdout = sys.stderr\n"
        "from flatline.cli import main; main(['runs', 'export', 'mine', '--logs', logs, '--format', 'csv'])\n"
        "sys.stdout = sys.__stdout__",
    ),
    "runs prune": (
        ("torch", "librosa", "captum", "dash"),
        "import sys; sys.stdout = sys.stderr\n"
        "from flatline.cli import main; main(['runs', 'prune', logs, '--name', 'x', '--dry-run'])\n"
        "sys.stdout = sys.__stdout__",
    ),
    "figures": (("torch", "librosa", "captum"), "run = flatline.Run('mine', logs=logs); flatline.figures.loss(run)"),
    "dashboard": (
        ("torch", "librosa", "captum"),
        "from pathlib import Path\nfrom flatline.dashboard.app import create_app\ncreate_app(Path(logs))",
    ),
}
"""What is done in a process of its own, and what it must not have imported."""


@pytest.mark.parametrize("name", STEPS)
def test_reading_a_log_and_drawing_it_need_no_torch(name, logs):
    heavy, code = STEPS[name]
    script = f"import sys\nlogs = sys.argv[1]\nimport flatline\n{code}\nprint(sorted(set(sys.modules) & {set(heavy)}))"
    done = subprocess.run([sys.executable, "-c", script, logs], capture_output=True, text=True, cwd=logs)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
