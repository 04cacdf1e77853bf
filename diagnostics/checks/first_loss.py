"""Whether the first loss is that of a net that knows nothing yet."""

from collections.abc import Iterator

import numpy as np

from .fault import Fault
from .subject import Subject

HIGH = 2.0
"""Times the loss of scores that are the same for every class. Logits with a spread of s add about s**2 / 8 to ln 2, so
this is a spread of 2.4; the story's nets and the healthy nets of the tests start at .1 to 1.2, double sigmoids at 1.2
to 1.4 (which `checks.scores` proves instead). Ours."""

LOW = 0.5
"""Times the loss of the labels' own frequencies, below which a net knows something already. Ours."""


def check_first_loss(subject: Subject) -> Iterator[Fault]:
    """A loss that cannot be computed, has several values, or is far from its expected first value.

    That is the caller's own criterion of scores 0 (p = .5 for BCE: ln 2; 1/K for cross-entropy: ln K), and of the best
    scores that are the same for all clips: the entropy of the labels' frequencies, where prior bias starts.
    """
    first = subject.first
    if first.loss_failure:
        yield Fault("loss-fails", "critical", "loss", {}, first.loss_failure)
        return
    n_values = getattr(first.loss, "numel", lambda: 1)()
    if n_values != 1:
        yield Fault("loss-not-scalar", "critical", "loss", {"n_values": n_values})
    evidence = measured(subject)
    loss, ignorant, prior = evidence["loss"], evidence["ignorant_loss"], evidence["prior_loss"]
    if not np.isfinite(loss):
        return
    if loss > HIGH * ignorant > 0:
        yield Fault("first-loss-high", "warning", "loss", {**evidence, "ratio": loss / ignorant})
    elif loss < LOW * prior:
        yield Fault("first-loss-low", "info", "loss", evidence)


def measured(subject: Subject) -> dict[str, float]:
    """The first loss, and what it is held against; NaN where it cannot be said."""
    scores, target, objective = subject.scores, subject.target, subject.objective
    if scores is None or target is None or subject.is_loss_barred:
        return {"loss": subject.first.loss_value, "ignorant_loss": np.nan, "prior_loss": np.nan}
    return {
        "loss": subject.first.loss_value,
        "ignorant_loss": objective.of_nothing_known(scores, target),
        "prior_loss": objective.of_prior(scores, target),
    }
