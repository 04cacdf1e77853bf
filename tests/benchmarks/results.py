"""Results of benchmarks as plain values and as one table."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.table import Table


def row(benchmark: Any, timed: Any) -> dict[str, Any]:
    """One result as plain values."""
    of_benchmark = {"name": benchmark.name, "size": benchmark.size, "target": benchmark.target}
    bound = {"at_most": benchmark.at_most, "verdict": benchmark.verdict(timed.ratio)}
    return {**of_benchmark, **bound, **asdict(timed)}


def table(rows: Iterable[dict[str, Any]], n_cores: int) -> Table:
    """The results for a person."""
    drawn = Table(title=f"CPU time, medians of interleaved repetitions, {n_cores} cores")
    for column in ("benchmark", "ratio", "lowest-highest", "target", "", "CPU ms"):
        drawn.add_column(column, justify="left" if column in ("benchmark", "") else "right", overflow="fold")
    for result in rows:
        target = "" if result["target"] is None else f"{'<=' if result['at_most'] else '>='} {result['target']:g}"
        drawn.add_row(
            f"{result['name']}\n[dim]{result['size']}[/dim]",
            f"{ratio_text(result['ratio'])}x",
            f"{ratio_text(result['lowest'])}-{ratio_text(result['highest'])}",
            target,
            {"met": "[green]met[/green]", "short": "[red]short[/red]"}.get(result["verdict"], ""),
            f"{1e3 * result['slow_s']:.2f} / {1e3 * result['fast_s']:.2f}",
        )
    return drawn


def ratio_text(ratio: float) -> str:
    """Three decimals where a hundredth counts, one where it does not."""
    return f"{ratio:.3f}" if ratio < 10 else f"{ratio:.1f}"
