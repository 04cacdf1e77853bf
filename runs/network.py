from ..models import OptionError, Tagger, build
from .recipe import Recipe, RecipeError


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
