"""The story as it happened: docs/story.md, and the README's table of it, from the runs that `flatline demo` left.

make story-page                                         trains the story anew, and writes both
python -m flatline.runs.story_page LOGS docs            writes them from runs that are there
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics.detectors.constant_predictor import one_over_rank
from ..diagnostics.errors import FlatlineError, RunError
from .demo import WHOLE_STORY, Chapter, chapter
from .jsons import to_json
from .read_once import ReadOnce
from .revive.revived import Revived, stored_revival
from .run import Run
from .story_text import page
from .summary import stored_summary, summarise

FACTS, PAGE = "story.json", "story.md"

BEGIN, END = "<!-- story:begin -->", "<!-- story:end -->"
"""Marks of the table in the README."""

CARRIERS = ("rnns", "attentions")
"""Parts whose shares of the score the story tells."""


def facts(logs: Path) -> dict[str, Any]:
    """What the story's runs under `logs` came to, as JSON has it: all that the page says in numbers.

    Raises RunError where a run of the story is missing, or a collapsed one was not tried to be cured.
    """
    runs = [_run(logs, recipe) for recipe in WHOLE_STORY]
    told = [_chapter(recipe, run) for recipe, run in zip(WHOLE_STORY, runs, strict=True)]
    first = runs[0].info
    found = {
        "versions": {name: first["versions"][name] for name in ("flatline", "torch", "python")},
        "seed": first["seed"],
        "clips": first["data"]["counts"],
        "n_classes": len(first["classes"]),
        "iterations": first["iterations_planned"],
        "chapters": told,
    }
    return json.loads(to_json(found))


def _run(logs: Path, recipe: str) -> Run:
    if not (logs / recipe / "run.json").is_file():
        raise RunError(
            f"there is no run {recipe} under {logs} (story_page); make it with `flatline demo --logs {logs}`"
        )
    return ReadOnce(logs / recipe)


def _chapter(recipe: str, run: Run) -> dict[str, Any]:
    row, summary = chapter(recipe, run), stored_summary(run.path) or summarise(run)
    cause, findings = summary["cause"], summary["diagnosis"]["findings"]
    revived = stored_revival(run.path)
    if row.verdict == "collapsed" and revived is None:
        raise RunError(f"nothing was tried on {recipe} (story_page {run.path}); `flatline demo` without --quick does")
    return {
        **{**asdict(row), "run": run.name},
        "onset": None if cause is None else findings[0]["onset"],
        "means": None if cause is None else cause["means"],
        "explanation": None if cause is None else findings[0]["explanation"],
        "order": summary["order"],
        "off_one_over_rank": one_over_rank(run.evaluation_lwlrap.iloc[-1].to_numpy(dtype=np.float64)),
        "rank_agreement": float(run.series("rank_agreement").iloc[-1]),
        "shares": {part: _share(run, part) for part in CARRIERS},
        "revived": None if revived is None else _revived(revived),
    }


def _share(run: Run, part: str) -> list[float] | None:
    """Share of the score that a part carries, and its interval, by the last ablation; None where it was not tried."""
    columns = [f"ablation.{part}{end}" for end in ("", ".low", ".high")]
    tried = run.ablations
    if not len(tried) or not {*columns} <= {*tried.columns}:
        return None
    found = tried[columns].iloc[-1].astype(float)
    return None if found.isna().any() else [float(value) for value in found]


def _revived(revived: Revived) -> dict[str, Any]:
    """Of trials what does not hang on the machine's folders."""
    named = [{**arm, "run": None if arm["run"] is None else Path(arm["run"]).name} for arm in revived.arms]
    kept = {name: getattr(revived, name) for name in ("from_iteration", "stages", "best", "diff", "against", "cost")}
    return {"run": Path(revived.run).name, "arms": named, **kept}


def chapter_table(chapters: Sequence[Chapter]) -> str:
    """The story's runs in Markdown, a row each, every score beside what it must be held against."""
    headings = ("recipe", "lwlrap", "chance", "constant", "gradient end/peak", "same class on top", "verdict")
    lines = [headings, ("---", *["---:"] * 5, "---")]
    for one in chapters:
        scores = (one.lwlrap, one.chance, one.constant, one.gradient_end)
        cells = (f"`{one.recipe}`", *(f"{score:.3f}" for score in scores), f"{one.top_class_share:.0%}")
        lines.append((*cells, one.outcome))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def chapters_of(found: Mapping[str, Any]) -> list[Chapter]:
    """The table's rows of such facts."""
    return [Chapter(**{name: one[name] for name in Chapter.__dataclass_fields__}) for one in found["chapters"]]


def story_page(found: Mapping[str, Any]) -> str:
    """docs/story.md of such facts."""
    return page(found, chapter_table(chapters_of(found)))


def with_table(readme: str, found: Mapping[str, Any]) -> str:
    """The README with the table between its marks made anew."""
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}\n{chapter_table(chapters_of(found))}\n{END}{rest.partition(END)[2]}"


def write(logs: Path, docs: Path) -> None:
    """Write the facts and the page into `docs`, and the table into the README beside that folder."""
    found = facts(logs)
    (docs / FACTS).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (docs / PAGE).write_text(story_page(found), encoding="utf-8")
    readme = docs.absolute().parent / "README.md"
    if readme.is_file():
        readme.write_text(with_table(readme.read_text(encoding="utf-8"), found), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write them; exit code 2 with one message where a run is missing."""
    parser = argparse.ArgumentParser(prog="python -m flatline.runs.story_page", description=__doc__)
    parser.add_argument("logs", type=Path, help="folder of the runs that `flatline demo` left")
    parser.add_argument("docs", type=Path, help="folder of story.md and story.json")
    given = parser.parse_args(arguments)
    try:
        write(given.logs, given.docs)
    except FlatlineError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
