"""Attributions for a program that asks again and again: `python -m flatline.runs.attribution_worker`.

A request is a line of JSON on stdin, and its answers are lines of JSON on stdout; stderr is for people. One request is
answered at a time:

    {"id": 1, "run": "/logs/mine", "iteration": 350, "clip": "a.wav", "class": "zero", "methods": ["occlusion"],
     "baseline": "silence"}
    {"id": 1, "done": 0, "of": 1}                       ... as methods are done
    {"id": 1, "class": "zero", "refused": {}}           or {"id": 1, "error": "why"} or {"id": 1, "cancelled": true}

What is computed is kept in the run, and answered from there. SIGINT cancels the request under way, and the process
stays: torch, captum and the networks that were asked last are there for the next one. A request without a clip loads
the network and no more. It ends with its stdin.
"""

import json
import logging
import os
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..data import DataError
from ..diagnostics.attribution.names import check_names
from ..diagnostics.errors import AttachError, FlatlineError
from .run import Run

if TYPE_CHECKING:
    import numpy as np

    from .attributing import Attributor, Settings
    from .attribution_clips import GivenClip
    from .kept_clips import KeptClip

LOGGER = logging.getLogger(__name__)

MOST_NETWORKS = 3
"""Networks that stay loaded: two that are compared, and the one before; ours."""


class Worker:
    """What answers requests; `say` writes an answer."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._networks: OrderedDict[tuple[Any, ...], Attributor] = OrderedDict()
        self._may_stop = False
        self._stop = False

    def serve(self, lines: Iterable[str]) -> None:
        """Answer requests until there are none."""
        for line in lines:
            request = json.loads(line)
            self._stop = False
            try:
                with self._cancellable():
                    answer = self._answer(request)
            except KeyboardInterrupt:
                answer = {"cancelled": True}
            except (FlatlineError, DataError) as error:
                answer = {"error": str(error)}
            except Exception as error:
                LOGGER.exception("attribution failed")
                answer = {"error": f"{type(error).__name__}: {error}"}
            self._say({"id": request["id"], **answer})

    def cancel(self, *_: object) -> None:
        """Stop the request under way, as a handler of a signal: at once, or when what must be whole is done."""
        self._stop = True
        if self._may_stop:
            raise KeyboardInterrupt

    @contextmanager
    def _cancellable(self) -> Iterator[None]:
        self._may_stop = True
        try:
            yield
        finally:
            self._may_stop = False

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """What a cancel must not cut in two."""
        before, self._may_stop = self._may_stop, False
        try:
            yield
        finally:
            self._may_stop = before
        if before and self._stop:
            raise KeyboardInterrupt

    def _say(self, answer: dict[str, Any]) -> None:
        with self._whole():
            self._out.write(json.dumps(answer) + "\n")
            self._out.flush()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "clip" in request:
            self._say({"id": request["id"], "done": 0, "of": len(request["methods"])})
        asked = self._network(Path(request["run"]), request.get("iteration"))
        if "clip" not in request:
            _ = asked.model
            return {}
        from .attributing import Settings

        methods, settings = request["methods"], Settings(request["baseline"])
        check_names(methods, settings.baseline)
        clip = asked.clip(request["clip"], files=False)
        name = _class_of(asked, clip, request.get("class"))
        refused = {}
        for done, method in enumerate(methods, start=1):
            try:
                self._made(asked, clip, name, method, settings)
            except AttachError as error:
                refused[method] = str(error)
            self._say({"id": request["id"], "done": done, "of": len(methods)})
        return {"class": name, "refused": refused}

    def _made(self, asked: "Attributor", clip: "GivenClip", name: str, method: str, settings: "Settings") -> None:
        """Compute an attribution and keep it, unless the run keeps it already."""
        from .attributed_clips import keep_attributed
        from .attribution_limit import drop_oldest, mark_as_passing
        from .attribution_store import read_stored

        key = asked.key(clip, name, method, settings)
        if read_stored(asked.run.path, key) is not None:
            return
        since = time.perf_counter()
        (found,) = asked.attribute(clip, name, [method], settings)
        seconds = time.perf_counter() - since
        shown = _clip_beside(asked, clip)  # for long, perhaps: a cancel may cut it
        with self._whole():
            mark_as_passing(asked.run.path, key)  # first: of a process that ends here nothing stays for good
            if shown is not None:
                keep_attributed(asked.run.path, *shown)
            asked.keep(clip, name, found, settings, seconds)
            drop_oldest(asked.run.path)

    def _network(self, path: Path, iteration: int | None) -> "Attributor":
        """The network of a checkpoint, loaded already where it was asked for lately and is still the same."""
        from .attributing import Attributor

        run = Run(path)
        folder = path / "checkpoints"
        key = (path, iteration, _changed(path / "run.json"), _changed(folder))
        found = self._networks.pop(key, None) or Attributor(run, iteration)
        self._networks[key] = found
        while len(self._networks) > MOST_NETWORKS:
            self._networks.popitem(last=False)
        return found


def _class_of(asked: "Attributor", clip: "GivenClip", wanted: str | None) -> str:
    """The class of that name; where none is named, the clip's first label, or else the best-scored."""
    if wanted is None:
        true = [label for label in clip.labels or () if label in asked.run.classes]
        wanted = true[0] if true else "top"
    return asked.classes(wanted, clip)[0]


def _clip_beside(asked: "Attributor", clip: "GivenClip") -> "tuple[KeptClip, np.ndarray | None] | None":
    """What a page shows of a clip of the data, and its samples; None of a pinned one, which the run keeps anyway."""
    from .attribution_clips import clip_in_data
    from .kept_clips import KeptClip, kept_clips
    from .pinned_clips import events_in, mel_hz, sound

    there = None if clip.name in kept_clips(asked.run) else clip_in_data(asked.run, clip.name, asked.data)
    if there is None:
        return None
    samples, rate_hz = sound(there.path, asked.settings.duration_s)
    heard = events_in(Path(asked.run.info["data"]["root"])).get(clip.name)
    kept = KeptClip(
        name=clip.name,
        mel=clip.mel,
        labels=there.labels,
        frame_s=clip.frame_s,
        hz=mel_hz(asked.settings),
        n_real=clip.n_real,
        events=None if heard is None else tuple(one for one in heard if one.onset_s < asked.settings.duration_s),
        sample_rate_hz=rate_hz,
    )
    return kept, samples


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def main() -> None:
    """Answer the requests on stdin; stdout is for answers alone, whatever a library may print."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(out)
    signal.signal(signal.SIGINT, worker.cancel)
    import torch  # while nobody waits yet, and captum too

    from ..diagnostics.attribution import attribute  # noqa: F401
    from . import attributing  # noqa: F401

    torch.set_num_threads(max((os.cpu_count() or 1) // 2, 1))  # threads that wait for a training's are slower than one
    worker.serve(iter(sys.stdin.readline, ""))


if __name__ == "__main__":
    main()
