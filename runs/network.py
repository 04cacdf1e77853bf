from ..models import Tagger, build
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
    except (ValueError, TypeError, RuntimeError) as error:  # ours, or what PyTorch says of a value it cannot take
        options = {**model.options, **model.head_options}
        raise RecipeError(
            f"{error} (building {model.architecture} with {model.head} and {options}, recipe {recipe.name}); "
            "`flatline models` lists the options"
        ) from None
