import numpy as np


def x_log_x(x: np.ndarray) -> np.ndarray:
    """X ln x, 0 at 0: what never or always happens is no surprise; NaN below 0.

    >>> x_log_x(np.array([0.0, 1.0])).tolist()
    [0.0, 0.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x == 0, 0.0, x * np.log(x))


def binary_entropy(p: np.ndarray) -> np.ndarray:
    """Of a yes with probability p, in nats; NaN outside [0, 1]."""
    return -(x_log_x(p) + x_log_x(1 - p))


def logistic_entropy(logits: np.ndarray) -> np.ndarray:
    """Binary entropy of sigmoid(logit), exact for large logits: ln(1 + e) + |x| e/(1 + e), e = exp(-|x|)."""
    size = np.abs(logits)
    small = np.exp(-size)
    with np.errstate(invalid="ignore"):
        return np.log1p(small) + np.where(np.isinf(size), 0.0, size * small / (1 + small))


def softmax_entropy(logits: np.ndarray) -> np.ndarray:
    """(clip,) entropy of the softmax over the last axis, in nats."""
    with np.errstate(invalid="ignore"):
        shifted = logits - logits.max(axis=-1, keepdims=True)
        weights = np.exp(shifted)
        total = weights.sum(axis=-1)
        return np.log(total) - np.where(weights > 0, weights * shifted, 0).sum(axis=-1) / total
