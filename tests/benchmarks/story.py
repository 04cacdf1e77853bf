"""All twelve recipes of the story on one data root, as the Markdown table of docs/recipes.md.

make story                       the embedded data
make story STORY_ARGS="--data ROOT --iterations 500"
"""

import argparse
import tempfile
from pathlib import Path

from flatline.runs.commands import make_data
from flatline.runs.demo import embedded_data, tell_story
from flatline.runs.recipe import recipe_names
from flatline.runs.story_page import chapter_table


def main() -> None:
    """Train, with a line on stdout as each run ends, then print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--iterations", type=int)
    arguments.add_argument("--logs", type=Path, help="keep the runs here")
    given = arguments.parse_args()
    data = given.data or make_data(embedded_data(), seed=0)
    recipes = tuple(sorted(recipe_names(), key=lambda name: (name.endswith("-simple"), name)))
    with tempfile.TemporaryDirectory() as temporary:
        logs = given.logs or Path(temporary)
        chapters = tell_story(
            recipes, data, logs, given.iterations, lambda name, run: print(f"{name} ended", flush=True)
        )
    print(chapter_table(chapters))


if __name__ == "__main__":
    main()
