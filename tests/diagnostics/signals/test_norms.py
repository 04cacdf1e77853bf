import math

import pytest
import torch
from flatline.diagnostics.signals.norms import l2_norms


def test_norms_equal_the_root_of_summed_squares():
    tensors = [torch.randn(3, 4), torch.randn(5), torch.randn(())]
    expected = [math.sqrt(sum(value**2 for value in tensor.flatten().tolist())) for tensor in tensors]
    assert l2_norms(tensors).tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype):
    """A norm of 1e6 lies beyond float16, and 300 squared too."""
    norms = l2_norms([torch.full((10_000,), 1e4, dtype=dtype), torch.full((1,), 300.0, dtype=dtype), torch.ones(2)])
    assert norms.dtype == torch.float32
    assert norms.tolist() == pytest.approx([1e6, 300, math.sqrt(2)], rel=5e-3)


def test_mixed_with_doubles_and_complex_numbers_they_are_float32():
    norms = l2_norms([torch.tensor([3.0, 4.0], dtype=torch.float64), torch.tensor([3 + 4j])])
    assert norms.dtype == torch.float32
    assert norms.tolist() == [5, 5]


def test_nan_and_infinity_stay():
    norms = l2_norms([torch.tensor([1.0, float("nan")]), torch.tensor([float("inf"), 1.0])])
    assert math.isnan(norms[0])
    assert math.isinf(norms[1])


def test_no_tensors_have_no_norms():
    assert l2_norms([]).shape == (0,)
