"""TensorBoard over the scalars of a long run, as a person starts it."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from dashboard_logs import BLOCK, columns
from timing import NotMeasured

PATIENCE_S = 300.0


def write_events(folder: Path, n: int) -> int:
    """The scalars and the gradient norms by parameter of `n` iterations; an event each, which is its quickest form.

    Returns the number of tags.
    Raises NotMeasured where TensorBoard is not installed.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise NotMeasured("TensorBoard is not installed") from error
    tags, values = _scalars(min(n, BLOCK))
    writer = EventFileWriter(str(folder), max_queue_size=10_000)
    for iteration in range(n):
        row = values[iteration % len(values)]
        pairs = zip(tags, row, strict=True)
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in pairs])
        writer.add_event(Event(wall_time=1.7e9 + iteration, step=iteration, summary=summary))
    writer.close()
    return len(tags)


def _scalars(n: int) -> tuple[list[str], list[list[float]]]:
    table = columns(n)
    scalars = {name: array for name, array in table.items() if array.ndim == 1}
    norms = table["gradient_norm"]
    tags = [*scalars, *(f"gradient_norm/{place}" for place in range(norms.shape[1]))]
    return tags, np.column_stack([*scalars.values(), norms]).astype(float).tolist()


@contextmanager
def tensorboard(logs: Path, last: int) -> Iterator[str]:
    """TensorBoard at an address, once it has loaded up to an iteration."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--port", "0", "--host", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        address = _address(process)
        _wait(address, last)
        yield address
    finally:
        process.terminate()
        process.wait()


def _address(process: "subprocess.Popen[str]") -> str:
    for line in process.stderr or ():
        if found := re.search(r"http://\S+/", line):
            return found[0]
    raise NotMeasured("TensorBoard ended before it was ready")


def _wait(address: str, last: int) -> None:
    """Until a series reaches the iteration; it reads in the background, and shows what it has until then."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address}data/plugin/scalars/scalars?run=.&tag=loss") as answer:
                if json.load(answer)[-1][1] >= last:
                    return
        except OSError:
            pass
        time.sleep(0.5)
    raise NotMeasured(f"TensorBoard had not read its events after {PATIENCE_S:.0f} s")
