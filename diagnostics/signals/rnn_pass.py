"""What a hook on an RNN's forward pass can see of it, batch first and of a few clips."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from ..through_time import RnnCall, interlayer_dropout_masks
from .sampling import every

CLIPS = 4
"""Clips of a batch whose hidden gradients are looked at; ours: a frame's gradient dies in all clips alike."""

REPLAYED = 2**21
"""Hidden states (clip x frame x unit, all layers) that are replayed at most, about 50 MB; of long clips fewer. Ours."""


@dataclass
class RnnPass:
    """One call of an RNN in training, and the gradients that a backward pass brings to it.

    clips : which clips of the batch are looked at, in the order of a packed sequence where it is one
    n_frames, lengths : padded frames, and (clip,) real ones on the CPU, None where all are
    packed : the packed input, whose data are not kept
    as_called : the RNN's settings and the weights of this call, where it may be replayed
    output, final, final_cell : gradients, (clip, frame, directions * out) and (layers * directions, clip, size)
    """

    rnn: nn.RNNBase
    clips: slice
    n_frames: int
    lengths: Tensor | None
    packed: PackedSequence | None
    as_called: Any = None
    inputs: Tensor | None = None
    initial: Any = None
    masks: Any = None
    output: Tensor | None = None
    final: Tensor | None = None
    final_cell: Tensor | None = None
    handles: list[Any] = field(default_factory=list)

    def hook(self, given: Any, states: Any, guard: Callable[[Callable[[Tensor], None]], Any]) -> None:
        """Put hooks on the tensors that the RNN gave."""
        final, final_cell = states if isinstance(states, tuple) else (states, None)
        data = given.data if isinstance(given, PackedSequence) else given
        for tensor, keep in ((data, self._keep_output), (final, self._keep_final), (final_cell, self._keep_cell)):
            if tensor is not None and tensor.requires_grad:
                self.handles.append(hooked(tensor, keep, guard))

    def unhook(self) -> None:
        """Take them off."""
        for handle in self.handles:
            handle.remove()
        self.handles.clear()

    def call(self, scale: Any) -> RnnCall | None:
        """What is needed to replay it; None without inputs or gradients.

        scale : of the loss, which the gradients are divided by
        """
        output = self.direct()
        if self.inputs is None or output is None or not len(output):
            return None
        final, cell = (None if state is None else state / scale for state in (self.final, self.final_cell))
        return RnnCall(self.inputs, output / scale, self.lengths, self.initial, final, cell, self.masks)

    def direct(self) -> Tensor | None:
        """Gradient of the output, zeros where only the final states are used; None where nothing came back."""
        some_state = self.final if self.final is not None else self.final_cell
        if self.output is not None or some_state is None:
            return self.output
        width = (self.rnn.proj_size or self.rnn.hidden_size) * (2 if self.rnn.bidirectional else 1)
        return some_state.new_zeros(some_state.shape[1], self.n_frames, width)

    def _keep_output(self, gradient: Tensor) -> None:
        if self.packed is not None:
            padded, _ = unpacked(self.packed._replace(data=gradient))
        else:
            padded = clips_first(gradient, self.rnn.batch_first)
        self.output = added(self.output, full_precision(padded[self.clips]))

    def _keep_final(self, gradient: Tensor) -> None:
        self.final = added(self.final, self._states(gradient))

    def _keep_cell(self, gradient: Tensor) -> None:
        self.final_cell = added(self.final_cell, self._states(gradient))

    def _states(self, states: Tensor) -> Tensor:
        """A copy of some clips' states (layer, clip, unit); one clip where there is no batch dimension."""
        if states.ndim == 2:
            return full_precision(states.unsqueeze(1))
        if self.packed is not None and self.packed.sorted_indices is not None:
            states = states.index_select(1, self.packed.sorted_indices)
        return full_precision(states[:, self.clips])

    def keep_call(self, given: Any, initial: Any, random_state: Tensor | None) -> None:
        """Keep what a replay needs: weights, inputs, initial states, and the dropout masks that were drawn."""
        given = given._replace(data=given.data.detach()) if self.packed is not None else given.detach()
        padded = unpacked(given)[0] if self.packed is not None else clips_first(given, self.rnn.batch_first)
        self.as_called = _as_called(self.rnn)
        if draws_masks(self.rnn):
            if random_state is None or padded.device.type != "cpu":
                return  # what was dropped cannot be known: no replay
            packed = None if self.packed is None else PackedSequence(self.packed.data, self.packed.batch_sizes)
            masks = interlayer_dropout_masks(self.as_called, random_state, self.n_frames, len(padded), packed)
            self.masks = None if masks is None else [mask[self.clips] for mask in masks]
        if initial is not None:
            is_several = isinstance(initial, (tuple, list))
            self.initial = tuple(map(self._states, initial)) if is_several else self._states(initial)
        self.inputs = padded[self.clips].clone()


def _as_called(rnn: nn.RNNBase) -> Any:
    """An RNN's settings and the weights that it has just used: to ask a parametrised one again may draw or count."""
    settings = ("mode", "num_layers", "bidirectional", "bias", "dropout", "training", "hidden_size", "proj_size")
    weights = [weight.detach() for weight in rnn._flat_weights]  # type: ignore[union-attr]
    names = dict(zip(rnn._flat_weights_names, weights, strict=True))
    return SimpleNamespace(**{name: getattr(rnn, name) for name in settings}, **names)


def is_plain(rnn: nn.Module) -> bool:
    """Whether the module runs PyTorch's own forward pass: what another one does cannot be replayed."""
    return getattr(rnn.forward, "__func__", None) in (nn.RNN.forward, nn.GRU.forward, nn.LSTM.forward)


def draws_masks(rnn: nn.RNNBase) -> bool:
    """Whether a training pass drops some of what one layer hands to the next."""
    return rnn.dropout > 0 and rnn.num_layers > 1


def begin(rnn: nn.RNNBase, given: Any) -> RnnPass:
    """A pass whose gradients are awaited, from the input that the RNN was given."""
    if isinstance(given, PackedSequence):
        # In the packed order: the original one would have to be read from the device.
        packed = given._replace(data=torch.empty(len(given.data), device="meta"))
        lengths = unpacked(given._replace(data=torch.empty(len(given.data), 1)))[1]
        n_clips, n_frames = len(lengths), len(given.batch_sizes)
        clips = every(n_clips, clips_of(rnn, n_frames))
        return RnnPass(rnn, clips, n_frames, lengths[clips], packed)
    n_clips, n_frames = clips_first(given, rnn.batch_first).shape[:2]
    return RnnPass(rnn, every(n_clips, clips_of(rnn, n_frames)), n_frames, None, None)


def clips_of(rnn: nn.RNNBase, n_frames: int) -> int:
    """How many clips are looked at: fewer of very long ones."""
    states = n_frames * rnn.hidden_size * rnn.num_layers * (2 if rnn.bidirectional else 1)
    return max(1, min(CLIPS, REPLAYED // max(states, 1)))


def clips_first(values: Tensor, batch_first: bool) -> Tensor:
    """(clip, frame, feature) from any of the forms an RNN takes."""
    if values.ndim == 2:
        return values.unsqueeze(0)
    return values if batch_first else values.transpose(0, 1)


def unpacked(packed: PackedSequence) -> tuple[Tensor, Tensor]:
    """(clip, frame, feature), and (clip,) lengths on the CPU; clips in the packed order, longest first."""
    return pad_packed_sequence(PackedSequence(packed.data, packed.batch_sizes), batch_first=True)


def full_precision(values: Tensor) -> Tensor:
    """A copy in float32, or in float64 where it is that."""
    return values.detach().to(torch.promote_types(values.dtype, torch.float32), copy=True)


def added(before: Tensor | None, gradient: Tensor) -> Tensor:
    """What several backward passes through one graph bring."""
    return gradient if before is None else before + gradient


def hooked(tensor: Tensor, keep: Callable[[Tensor], None], guard: Callable[[Callable[[Tensor], None]], Any]) -> Any:
    """The handle of a hook that gives a tensor's gradient to `keep`.

    A view's hook is lost when the view is modified in place, for that gives it another node; its base's is not.
    """
    base, size, stride = tensor._base, tensor.size(), tensor.stride()
    if base is None or not base.is_contiguous() or not base.requires_grad:
        return tensor.register_hook(guard(keep))
    start = tensor.storage_offset() - base.storage_offset()

    def keep_of_base(gradient: Tensor) -> None:
        gradient = gradient.contiguous()
        keep(gradient.as_strided(size, stride, gradient.storage_offset() + start))

    return base.register_hook(guard(keep_of_base))
