"""Peak memory of one case in a process of its own: `python peak_memory.py NET CASE ITERATIONS`, JSON on stdout."""

import json
import sys
import tempfile
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

import torch
from instruments import BARE, CASES
from loop import Bench, Loop, write_a_log
from nets import NETS


def peak(net: str, case: str, iterations: int) -> dict[str, float]:
    """MB of the recorder's libraries, and of the peak from before the instrument is put on to the last iteration."""
    torch.set_num_threads(1)
    libraries_mb, bench = loaded_mb(), Bench(NETS[net])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        forgot = forget_peak()
        loop = Loop(bench, next(known for known in (BARE, *CASES) if known.name == case), folder, stack)
        for _ in range(iterations):
            loop.turn()
        return {"libraries_mb": libraries_mb, "peak_mb": memory_mb("VmHWM") if forgot else float("nan")}


def loaded_mb() -> float:
    """MB that the recorder's libraries take, beyond what training takes; for every case, the bare loop too."""
    Bench(NETS["tiny"])
    before = memory_mb("VmRSS")
    write_a_log()
    return memory_mb("VmRSS") - before


def memory_mb(field: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process in MB of 10^6 bytes; NaN where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{field}:")), float("nan"))


def forget_peak() -> bool:
    """Let VmHWM start again from what is resident now; whether that is possible here."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        said = peak(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    print(json.dumps(said))
