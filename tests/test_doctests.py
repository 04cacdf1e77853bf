"""Every example in a docstring runs: one test, since pytest's own collection trips over the root package's name."""

import doctest
import importlib
import pkgutil

import flatline
import pytest

NOT_IMPORTED = {"flatline.__main__"}

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(flatline.__path__, "flatline.")
    if not module.name.startswith("flatline.tests") and module.name not in NOT_IMPORTED
)


def test_the_walk_finds_every_package():
    assert {"flatline.runs.run", "flatline.data.audio", "flatline.models.cgrnn", "flatline.diagnostics.lwlrap"} <= set(
        MODULES
    )


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if not name.startswith("flatline.runs.adapters."):
            raise
        pytest.skip(str(error))
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0
