from collections.abc import Iterable

import numpy as np
import torch

from ..diagnostics.pinned import evaluating
from ..models import Tagger
from .losses import Criterion
from .task import Clips


def scores_of(
    model: Tagger, batches: Iterable[Clips], *, use_mask: bool, criterion: Criterion | None = None
) -> tuple[np.ndarray, float]:
    """Scores (clip, class) of all batches in eval mode, as the model gives them, and the mean loss over clips.

    use_mask : hand the padding mask to the model
    criterion : None leaves the loss NaN
    """
    device = next(model.parameters()).device
    scores, losses, counts = [], [], []
    with torch.no_grad(), evaluating(model):
        for batch in batches:
            output = model(batch.inputs.to(device), batch.mask.to(device) if use_mask else None)
            scores.append(output.float().cpu().numpy())
            counts.append(len(output))
            losses.append(float("nan") if criterion is None else float(criterion(output, batch.target.to(device))))
    return np.concatenate(scores), float(np.average(losses, weights=counts))
