"""A network of a few hundred weights on the embedded data, made small: what it learns does not matter here."""

import importlib.util
import logging
import sys
import uuid
from pathlib import Path

import pytest
import torch
from flatline.runs.recipe import load_recipe
from flatline.runs.task import prepare

SOAK = Path(__file__).parent.parent / "benchmarks" / "soak_resume.py"

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


@pytest.fixture(scope="session")
def unlike():
    """unlike(reference, run) lists what is not the same in two runs; the soak's own."""
    spec = importlib.util.spec_from_file_location("soak_resume", SOAK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.differences


@pytest.fixture(scope="session")
def s3_server():
    """An S3-speaking server on loopback, and in the environment what a client needs for it."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line a request
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield server
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """The address of a folder of runs in an empty bucket; what is new there is looked for at short intervals."""
    import s3fs
    from flatline.runs import mirror

    monkeypatch.setattr(mirror, "SEND_S", 0.05)
    bucket = f"bucket-{uuid.uuid4().hex}"
    s3fs.S3FileSystem().mkdir(bucket)
    return f"s3://{bucket}/logs"


@pytest.fixture
def requests(s3_server):
    """What the server is asked for, one by one: ("GET", path)."""
    asked = []
    handler = logging.Handler()
    handler.emit = lambda record: asked.append(tuple(record.getMessage().split('"')[1].split()[:2]))
    logger = logging.getLogger("werkzeug")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield asked
    logger.removeHandler(handler)
    logger.level, logger.propagate = before
