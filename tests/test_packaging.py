"""What is installed is what is there, wherever the checkout lies."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import flatline
import pytest

ROOT = Path(__file__).parent.parent

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

LEFT_OUT = {"tests", "build", "dist", "logs", "docs", "node_modules"}

IGNORED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "logs", "build", "dist")


def package_folders(root):
    """Folders with an `__init__.py` reached through folders with one, as packages' names."""
    names = ["flatline"]
    for path in sorted(root.rglob("__init__.py")):
        parts = path.parent.relative_to(root).parts
        if parts and not parts[0].startswith(".") and parts[0] not in LEFT_OUT:
            names.append(".".join(["flatline", *parts]))
    return names


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout in a folder whose name is no identifier."""
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("copies") / "my.repo-main", ignore=IGNORED)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, checkout):
    """The names of the files in a wheel built from the copy, without reaching for anything."""
    if int(version("setuptools").split(".")[0]) < 77:
        pytest.skip(f"setuptools {version('setuptools')} is older than 77 and cannot build this project")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q"]
    done = subprocess.run([*build, "-w", folder, checkout], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as files:
        files.extractall(folder / "site")
        return folder / "site", set(files.namelist())


def test_the_listed_packages_are_the_folders_that_are_packages():
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(package_folders(ROOT))


def test_the_version_stands_in_one_form_everywhere():
    assert PROJECT["project"]["version"] == flatline.__version__


def test_a_wheel_holds_every_module_and_all_package_data(wheel):
    _, names = wheel
    modules = {
        f"flatline/{path.relative_to(ROOT)}"
        for package in package_folders(ROOT)
        for path in (ROOT / Path(*package.split(".")[1:])).glob("*.py")
    }
    recipes = {f"flatline/runs/recipes/{path.name}" for path in (ROOT / "runs" / "recipes").glob("*.yaml")}
    assets = {f"flatline/dashboard/assets/{path.name}" for path in (ROOT / "dashboard" / "assets").iterdir()}
    sweeps = {f"flatline/runs/sweeps/{path.name}" for path in (ROOT / "runs" / "sweeps").glob("*.yaml")}
    assert len(recipes) >= 12
    assert len(sweeps) >= 2
    assert assets
    assert modules | recipes | sweeps | assets | {"flatline/py.typed"} <= names
    assert not {name for name in names if name.startswith(("flatline/tests", "tests", "data/", "models/", "runs/"))}


def test_an_installed_wheel_knows_its_recipes(wheel, tmp_path):
    site, _ = wheel
    script = (
        "import flatline; from flatline.runs.recipe import recipe_names; print(flatline.__file__, len(recipe_names()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {script}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout.split() == [str(site / "flatline" / "__init__.py"), "12"], done.stderr


def test_the_suite_runs_in_a_folder_whose_name_is_no_identifier(checkout):
    some = ["tests/runs/test_columns.py", "tests/runs/test_jsons.py", "tests/data/test_errors.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *some],
        capture_output=True,
        text=True,
        cwd=checkout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_a_users_own_modules_beside_a_script_do_not_collide(tmp_path):
    for name in ("models", "data", "runs", "diagnostics", "cli"):
        (tmp_path / f"{name}.py").write_text(f"NAME = {name!r}\n")
    (tmp_path / "train.py").write_text(
        "import models, data, runs, diagnostics, cli\n"
        "import flatline, torch\n"
        "from flatline.models import build\n"
        "model = torch.nn.Linear(2, 1)\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "with flatline.Recorder(model, optimizer, log='logs/mine') as recorder:\n"
        "    loss = model(torch.ones(3, 2)).sum()\n"
        "    loss.backward()\n"
        "    optimizer.step()\n"
        "    recorder.step(loss=loss)\n"
        "print(models.NAME, data.NAME, runs.NAME, diagnostics.NAME, cli.NAME, len(flatline.Run('mine')))\n"
    )
    done = subprocess.run([sys.executable, "train.py"], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == "models data runs diagnostics cli 1", done.stderr
