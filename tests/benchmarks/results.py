"""Results of benchmarks as plain values, as one table and as Markdown."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table
from timing import Benchmark, NotMeasured, Outcome

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

HEADINGS = ("benchmark", "figure", "lowest-highest", "target", "", "CPU ms", "own call ms")


def row(benchmark: Benchmark, outcome: Outcome) -> dict[str, Any]:
    """One result as plain values; "note" says why there is no figure."""
    of_benchmark = asdict(benchmark)
    if isinstance(outcome, NotMeasured):
        return {**of_benchmark, "verdict": "", "unit": "", "figure": None, "note": str(outcome)}
    bound = {"verdict": benchmark.verdict(outcome.figure), "unit": outcome.unit, "figure": outcome.figure, "note": ""}
    return {**of_benchmark, **bound, **asdict(outcome)}


def cells(result: dict[str, Any]) -> tuple[str, ...]:
    """What a table says of one result, under HEADINGS."""
    target = "" if result["target"] is None else f"{'<=' if result['at_most'] else '>='} {result['target']:g}"
    if result["figure"] is None:
        return result["name"], result["note"], "", target, "", "", ""
    figure, lowest, highest = (text(result[key], result["unit"]) for key in ("figure", "lowest", "highest"))
    times = f"{1e3 * result['slow_s']:.2f} / {1e3 * result['fast_s']:.2f}" if "slow_s" in result else ""
    step = "" if result.get("step_s") is None else f"{1e3 * result['step_s']:.2f}"
    unit = {"x": "x"}.get(result["unit"], f" {result['unit']}")
    return result["name"], f"{figure}{unit}", f"{lowest} to {highest}", target, result["verdict"], times, step


def text(figure: float, unit: str) -> str:
    """Three decimals where a hundredth of a ratio counts, one where it does not."""
    return f"{figure:.3f}" if unit == "x" and figure < 10 else f"{figure:.1f}"


def caption(machine: dict[str, Any]) -> str:
    """What the figures are, and of which machine."""
    return (
        f"CPU time and peak memory, medians of interleaved repetitions; {machine['cores']} cores at load "
        f"{machine['load']:g}, {machine['system']}, Python {machine['python']}, torch {machine['torch']}"
    )


def by_size(rows: Iterable[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Results that stand beside each other and were measured on the same."""
    groups: list[tuple[str, list[dict[str, Any]]]] = []
    for result in rows:
        if not groups or groups[-1][0] != result["size"]:
            groups.append((result["size"], []))
        groups[-1][1].append(result)
    return groups


def table(rows: Iterable[dict[str, Any]], machine: dict[str, Any]) -> Table:
    """The results for a person at a terminal."""
    drawn = Table(title=caption(machine))
    for heading in HEADINGS:
        drawn.add_column(heading, justify="left" if heading in ("benchmark", "") else "right", overflow="fold")
    for size, group in by_size(rows):
        drawn.add_section()
        for number, result in enumerate(group):
            name, *rest = cells(result)
            colour = {"met": "green", "short": "red"}.get(result["verdict"], "default")
            rest[3] = f"[{colour}]{rest[3]}[/{colour}]"
            drawn.add_row(f"{name}\n[dim]{size}[/dim]" if number == len(group) - 1 else name, *rest)
    return drawn


def markdown(rows: Iterable[dict[str, Any]], machine: dict[str, Any], command: str) -> str:
    """The results for a page: a table a size, after the command and the machine."""
    lines = [f"`{command}`: {caption(machine)}."]
    for size, group in by_size(rows):
        lines += [
            "",
            f"Measured on: {size}.",
            "",
            _line(HEADINGS),
            _line(("---", *["---:"] * 3, "---", "---:", "---:")),
        ]
        lines += [_line(cells(result)) for result in group]
    return "\n".join(lines)


def parts_of(page: Path) -> tuple[str, str]:
    """What stands before and after the page's tables, its markers included.

    Raises ValueError if the page has not exactly one pair of them.
    """
    written = page.read_text(encoding="utf-8")
    if written.count(BEGIN) != 1 or written.count(END) != 1 or written.index(BEGIN) > written.index(END):
        raise ValueError(f"{page} lacks its markers, or has them twice; put {BEGIN} and, below it, {END} into it")
    return written[: written.index(BEGIN) + len(BEGIN)], written[written.index(END) :]


def write_between(page: Path, said: str) -> None:
    """Replace what stands between the page's markers."""
    before, after = parts_of(page)
    page.write_text(f"{before}\n\n{said}\n\n{after}", encoding="utf-8")


def _line(values: Iterable[str]) -> str:
    return f"| {' | '.join(value.replace('|', '/') for value in values)} |"
