"""The dashboard as a person starts it, in a process of its own, and what memory it takes; Linux only."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LOOK_S = 0.2
"""Seconds between two looks at the server's children."""

KB = 1024


@dataclass
class Served:
    """A server that runs. children : highest resident kB that each process it started was seen with, by its id."""

    address: str
    pid: int
    children: dict[int, int] = field(default_factory=dict)

    def peak_mb(self) -> float:
        """Most resident memory of the server's own process so far, in MB (10^6 bytes)."""
        return peak_kb(self.pid) * KB / 1e6

    def children_mb(self) -> float:
        """Most resident memory of the largest process it started, in MB; 0 if it started none."""
        return max(self.children.values(), default=0) * KB / 1e6


@contextmanager
def served(logs: Path) -> Iterator[Served]:
    """`flatline dashboard LOGS`, ready; ended afterwards."""
    command = [sys.executable, "-m", "flatline", "dashboard", str(logs), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        server = Served(_address(process), process.pid)
        threading.Thread(target=_watch, args=(process, server), daemon=True).start()
        yield server
    finally:
        process.terminate()
        process.wait()


def peak_kb(pid: int) -> int:
    """Most resident memory of a process so far; 0 of one that is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) if found else 0


def children_of(pid: int) -> list[int]:
    """Processes that a process started and that are there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid:
            found.append(int(path.parent.name))
    return found


def _address(process: "subprocess.Popen[str]") -> str:
    for line in process.stdout or ():
        if found := re.search(r"http://\S+/", line):
            return found[0]
    raise RuntimeError("the dashboard ended before it was ready")


def _watch(process: "subprocess.Popen[str]", server: Served) -> None:
    while process.poll() is None:
        for child in children_of(server.pid):
            server.children[child] = max(server.children.get(child, 0), peak_kb(child))
        time.sleep(LOOK_S)
