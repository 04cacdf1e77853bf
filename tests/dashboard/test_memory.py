import subprocess
import sys

import pytest

SERVE = """
import sys, threading
from pathlib import Path
import pyarrow as pa
from flatline.dashboard import app

def ready(address):
    print(pa.default_memory_pool().backend_name, flush=True)
    raise KeyboardInterrupt

try:
    app.serve(Path(sys.argv[1]), port=0, ready=ready)
except KeyboardInterrupt:
    pass
"""

GROWTH = """
import sys, threading
from pathlib import Path
from flatline.dashboard.memory import spare

if sys.argv[1] == "spare":
    spare()

def work():
    blocks = [bytes(60_000) for _ in range(300)]
    gate.wait()

gate = threading.Barrier(16)
threads = [threading.Thread(target=work) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
maps = Path("/proc/self/maps").read_text()
print(sum(int(line.split("-")[0], 16) % 2**26 == 0 for line in maps.splitlines()))
"""


def said(code, argument):
    done = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_server_gives_back_what_it_frees(tmp_path):
    assert said(SERVE, str(tmp_path)) == "system"


@pytest.mark.skipif(sys.platform != "linux", reason="arenas are glibc's")
def test_threads_share_few_arenas():
    few, many = int(said(GROWTH, "spare")), int(said(GROWTH, "as it is"))
    assert few < many
