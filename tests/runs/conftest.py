"""A network of a few hundred weights on the embedded data, made small: what it learns does not matter here."""

import pytest
import torch
from flatline.runs.recipe import load_recipe
from flatline.runs.task import prepare

SMALL = ("model.options.channels=2", "model.options.n_hidden=4", "batch_size=16", "iterations=6", "evaluate_every=3")


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Nets this small only lose by a second thread, much where the cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small_recipe():
    """small_recipe("story-plain", "key=value" ...) is a recipe with a small net and few iterations."""
    return lambda name="story-plain", *settings: load_recipe(name, [*SMALL, *settings])


@pytest.fixture(scope="session")
def small_task(tiny_data, small_recipe):
    """What every recipe without masks and standardisation makes of the data."""
    return prepare(small_recipe(), tiny_data)
