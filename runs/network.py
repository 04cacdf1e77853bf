import torch

from ..models import HEADS, OptionError, Tagger, build
from ..models.inits import chrono_init, orthogonal_init
from .losses import resting_point
from .recipe import Recipe, RecipeError
from .task import Task


def build_network(recipe: Recipe, n_classes: int, n_mels: int) -> Tagger:
    """The recipe's network, its weights random.

    Raises RecipeError for a name, option or value that it cannot be built with.
    """
    model = recipe.model
    try:
        return build(
            model.architecture,
            model.head,
            n_classes=n_classes,
            n_mels=n_mels,
            options=model.options,
            head_options=model.head_options,
        )
    except OptionError as error:
        raise RecipeError(f"recipe {recipe.name}: {error}") from None
    except (ValueError, TypeError, RuntimeError, MemoryError) as error:  # PyTorch: sizes that no memory holds, mostly
        options = ", ".join(f"{name} {value}" for name, value in {**model.options, **model.head_options}.items())
        raise RecipeError(
            f"{model.architecture} with {model.head} cannot be built with {options or 'no options'} "
            f"(recipe {recipe.name}: {error}); give smaller ones (`flatline models` lists them)"
        ) from None


def make_model(recipe: Recipe, task: Task) -> Tagger:
    """The recipe's network, seeded, its output bias at the class prior if the recipe says so.

    Raises RecipeError for a name or option that is not known.
    """
    torch.manual_seed(recipe.seed)
    model = build_network(recipe, len(task.clipset.classes), task.settings.n_mels)
    initialise(model, recipe, task.settings.n_frames)
    if recipe.prior_bias:
        model.head.set_prior_bias(starting_prior(recipe, task))
    return model


def starting_prior(recipe: Recipe, task: Task) -> torch.Tensor:
    """(class,) probability at which a prior bias starts: that of what batches hold, at rest under the recipe's loss."""
    return resting_point(torch.from_numpy(task.sampled_prior(recipe.sampling)), recipe.focus)


def initialise(model: Tagger, recipe: Recipe, n_frames: int) -> None:
    """Begin the network's RNNs as the recipe says.

    Raises RecipeError for a network without any.
    """
    orthogonal = orthogonal_init(model) if "orthogonal" in recipe.init else 1
    chrono = chrono_init(model, n_frames) if "chrono" in recipe.init else 1
    if not (orthogonal and chrono):
        raise RecipeError(
            f"init is {recipe.init} (recipe {recipe.name}), but {recipe.model.architecture} has no RNN; "
            "set init=default"
        )


def gives(recipe: Recipe) -> str:
    """What a recipe's network gives: "logits" or "probabilities"."""
    return HEADS[recipe.model.head](1, 1, 1, **recipe.model.head_options).output


def device_of(recipe: Recipe) -> torch.device:
    """The recipe's device; "auto" is a GPU where there is one.

    Raises RecipeError for a device that PyTorch does not have.
    """
    name = recipe.device if recipe.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    try:
        probe = torch.zeros(1, device=name)
        probe.cpu()  # "meta" holds tensors too, and no numbers
        return probe.device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise RecipeError(f"device {name!r} is not to be had ({str(error).splitlines()[0]}); set device=cpu") from None
