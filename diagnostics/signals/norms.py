import torch
from torch import Tensor

LOW = {torch.float16, torch.bfloat16}


def l2_norms(tensors: list[Tensor]) -> Tensor:
    """(tensor,) float32 L2 norms, in one call; half precision is summed in float32, where 65,504 is no bound."""
    if not tensors:
        return torch.empty(0)
    dtypes = {tensor.dtype for tensor in tensors}
    summed_in = torch.float32 if dtypes & LOW and dtypes <= LOW | {torch.float32} else None
    # The public torch.linalg.vector_norm takes one tensor at a time: twice the cost for 60 of them.
    norms = torch._foreach_norm(tensors, 2, summed_in)  # pyright: ignore[reportPrivateImportUsage]
    try:
        return torch.stack(norms).float()
    except RuntimeError:  # of several devices; to ask each tensor first would cost as much as the norms of small ones
        return torch.stack([norm.to(norms[0].device, torch.float32, non_blocking=True) for norm in norms])
