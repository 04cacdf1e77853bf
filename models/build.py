from typing import Any

from .attention_only import AttentionOnly
from .cgrnn import CGRNN
from .heads import HEADS
from .options import OptionError, check_options
from .resnet import ResNet
from .simple_cgrnn import SimpleCGRNN
from .tagger import Tagger

ARCHITECTURES: dict[str, type[Tagger]] = {
    "cgrnn": CGRNN,
    "simple-cgrnn": SimpleCGRNN,
    "attention-only": AttentionOnly,
    "resnet": ResNet,
}


def build(
    architecture: str,
    head: str,
    *,
    n_classes: int,
    n_mels: int,
    options: dict[str, Any] | None = None,
    head_options: dict[str, Any] | None = None,
) -> Tagger:
    """A tagger by the names of its architecture and head.

    options, head_options : keyword arguments of the two classes
    Raises OptionError for a name or option that is not known, listing those that are, and a value that does not fit.
    """
    network, top = _pick("architecture", architecture, ARCHITECTURES), _pick("head", head, HEADS)
    options, head_options = options or {}, head_options or {}
    check_options(options, network, f"architecture {architecture}", "model.options")
    check_options(head_options, top, f"head {head}", "model.head_options")
    return network(top, n_classes, n_mels, **options, **head_options)  # type: ignore[call-arg]


def _pick(what: str, name: str, known: dict[str, Any]) -> Any:
    if name not in known:
        raise OptionError(f"unknown {what} {name!r} (model.{what}); known: {', '.join(known)}")
    return known[name]
