"""torchmortem beside the recorder in the same training, as its own page says to use it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer


def is_there() -> bool:
    """Whether it is installed."""
    try:
        import torchmortem  # noqa: F401
    except ImportError:
        return False
    return True


@contextmanager
def autopsy(model: nn.Module, optimizer: Optimizer, path: Path) -> Iterator[Any]:
    """Its README's quick start; what it found goes to `path`.

    A fault of its own is raised as PeerError, so that the run can be repeated without it.
    """
    from torchmortem import Autopsy

    one = Autopsy(model, optimizer=optimizer)
    _guarded(one.attach)
    try:
        yield lambda loss: _guarded(one.step, loss=loss)
    finally:
        _guarded(one.detach)
    report = one.get_report()
    findings = [_plain(finding) for finding in (report.findings if report else [])]
    path.write_text(json.dumps({"findings": findings, "note": ""}, indent=1))


class PeerError(Exception):
    """The peer failed, not the training."""


def _guarded(work: Any, **arguments: Any) -> None:
    try:
        work(**arguments)
    except Exception as fault:
        raise PeerError(f"{type(fault).__name__}: {fault}") from fault


def _plain(finding: Any) -> dict[str, Any]:
    return {
        "detector": finding.detector,
        "severity": finding.severity.name.lower(),
        "title": finding.title,
        "step_range": [int(step) for step in finding.step_range] if finding.step_range else None,
    }
