"""The dropout masks that a fused RNN drew between its layers, drawn again."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence


def interlayer_dropout_masks(
    rnn: nn.RNNBase, rng_state: Tensor, n_frames: int, n_clips: int, packed: PackedSequence | None = None
) -> list[Tensor] | None:
    """What the CPU kernel multiplied each layer's output by, 1/(1-p) included, for every layer but the last.

    The kernel draws noise ~ Bernoulli(1-p) in the layout of the layer's output, (frame, clip, feature) whatever
    `batch_first` says, or the rows of a packed sequence, layer after layer. It is drawn here from a generator of its
    own; no random state is touched.

    rng_state : the CPU's, from before the call (`torch.get_rng_state()`)
    n_frames, n_clips : of the whole batch, since a draw depends on all of it; take the clips you want afterwards
    packed : what the call was given, where that was a packed sequence; its data are not read
    Returns (clip, frame, directions * out) by layer, 0 on a packed sequence's padding; None where nothing was dropped
    (evaluation, p = 0, one layer) or the draw was not the CPU's.
    Source: ours, by experiment on torch 2.13; held against the kernel in tests/diagnostics/through_time.
    """
    weight = rnn.weight_hh_l0
    assert isinstance(weight, Tensor)
    if not rnn.training or rnn.dropout == 0 or rnn.num_layers == 1 or weight.device.type != "cpu":
        return None
    generator = torch.Generator()
    generator.set_state(rng_state)
    rows = (n_frames, n_clips) if packed is None else (packed.data.shape[0],)
    noise = weight.detach().new_empty(rnn.num_layers - 1, *rows, weight.shape[1] * (1 + rnn.bidirectional))
    return [_clips_first(_drawn(layer, rnn.dropout, generator), packed, n_frames) for layer in noise]


def _drawn(noise: Tensor, p: float, generator: torch.Generator) -> Tensor:
    if p == 1:
        return noise.zero_()  # nothing is drawn
    return noise.bernoulli_(1 - p, generator=generator).div_(1 - p)


def _clips_first(mask: Tensor, packed: PackedSequence | None, n_frames: int) -> Tensor:
    if packed is None:
        return mask.transpose(0, 1)
    mask_of = PackedSequence(mask, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
    return pad_packed_sequence(mask_of, batch_first=True, total_length=n_frames)[0]
