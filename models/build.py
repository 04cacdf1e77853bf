import inspect
from typing import Any

from .attention_only import AttentionOnly
from .cgrnn import CGRNN
from .heads import HEADS
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
    Raises ValueError for a name or option that is not known, listing those that are.
    """
    network, top = _pick("architecture", architecture, ARCHITECTURES), _pick("head", head, HEADS)
    options, head_options = options or {}, head_options or {}
    _refuse_unknown(f"architecture {architecture}", options, network)
    _refuse_unknown(f"head {head}", head_options, top)
    return network(top, n_classes, n_mels, **options, **head_options)  # type: ignore[call-arg]


def options_of(kind: type) -> list[str]:
    """Names of a class's keyword-only arguments: what a recipe can set."""
    parameters = inspect.signature(kind).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _pick(what: str, name: str, known: dict[str, Any]) -> Any:
    if name not in known:
        raise ValueError(f"unknown {what} {name!r} (recipe, model.{what}); known: {', '.join(known)}")
    return known[name]


def _refuse_unknown(what: str, given: dict[str, Any], kind: type) -> None:
    known = options_of(kind)
    for name in given:
        if name not in known:
            raise ValueError(f"unknown option {name!r} of {what} (recipe, model); known: {', '.join(known) or 'none'}")
