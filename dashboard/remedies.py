"""What each intervention is, in one line, and what of a recipe it changes where a recipe has it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Remedy:
    """One intervention. setting : as `flatline train RECIPE --set` takes it; empty where it is no key of a recipe."""

    does: str
    setting: str = ""


REMEDIES: dict[str, Remedy] = {
    "fix-objective": Remedy(
        "make loss and output fit: logits into a loss on logits, probabilities into one on probabilities", "loss=bce"
    ),
    "prior-bias": Remedy(
        "start the output bias at logit(class prior), so that rare classes begin rare", "prior_bias=true"
    ),
    "lower-rate": Remedy("a learning rate three to ten times lower", "learning_rate=0.0003"),
    "higher-rate": Remedy("a learning rate three to ten times higher", "learning_rate=0.003"),
    "warm-up": Remedy("raise the learning rate slowly over the first hundred iterations"),
    "clip-gradients": Remedy("clip the norm of all gradients", "clip_norm=1"),
    "less-weight-decay": Remedy("less weight decay, or none", "weight_decay=0"),
    "layer-norm": Remedy("a LayerNorm before or in the RNN, so that its units do not run into their bounds"),
    "orthogonal-init": Remedy("orthogonal recurrent weights, which neither shrink nor blow up what they pass back"),
    "chrono-init": Remedy("gate biases that begin with a long memory (chrono initialisation)"),
    "gradient-highway": Remedy(
        "a residual connection round the RNN, by which the gradient reaches what lies before it"
    ),
    "input-attention": Remedy("a head that weighs the frames of the input itself", "model.head=input-attention"),
    "time-softmax": Remedy("take the attention's softmax over time instead of classes"),
    "linear-softmax": Remedy("pool over frames by linear softmax, which lets no single frame take all"),
    "mask-padding": Remedy("hand the padding mask to whatever pools over frames", "data.mask=true"),
    "standardise-features": Remedy("standardise each mel bin by the training clips", "data.scaling=standardise"),
    "class-balanced-sampling": Remedy("draw batches in which rare classes are as frequent as common ones"),
    "dropout": Remedy("dropout, more clips, or a smaller network"),
    "thaw": Remedy("give every parameter a gradient and an optimiser that holds it"),
    "fix-labels": Remedy("mend how labels are read and put together with their clips"),
    "fix-data": Remedy("mend what the loader gives"),
}
"""By name, as findings name them."""
