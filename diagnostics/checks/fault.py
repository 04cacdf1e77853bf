from collections.abc import Mapping
from dataclasses import dataclass, field

from ..findings import Severity


@dataclass(frozen=True)
class Fault:
    """One thing that a check found, in numbers; what to say of it stands in `words.WORDS` under its key.

    where : the module, parameter, or "inputs", "target", "loss", "optimizer"; empty for the network as a whole
    detail : a name or message that belongs into the sentence and is no number
    """

    key: str
    severity: Severity
    where: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)
    detail: str = ""
