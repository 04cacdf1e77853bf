"""A sweep in a terminal, as JSON, and as files that other programs read."""

from pathlib import Path

from .display import stdout
from .jsons import to_json
from .sweep_table import EXPLANATION, Swept, as_csv, as_dict, as_markdown, table


def print_sweep(swept: Swept, page: Path, *, as_json: bool) -> None:
    """Print the table, what failed, and where the charts are; or JSON."""
    if as_json:
        facts = {"sweep": swept.sweep.name, "data": str(swept.data.resolve()), "logs": str(swept.logs.resolve())}
        tests = [vars(row) for row in swept.range_tests]
        content = as_dict(swept.rows, page, **facts, seconds=swept.seconds, range_tests=tests)
        print(to_json(content, indent=1))
        return
    console = stdout()
    console.print(table(swept.rows, console.width))
    console.print(EXPLANATION)
    for row in swept.failed:
        console.print(f"{row.name} failed: {row.failed}", style="red")
    n_runs = len(swept.rows) + len(swept.range_tests)
    print(f"{n_runs} runs, {swept.seconds / 60:.1f} minutes this time; they are under")
    print(swept.logs.resolve(), page.resolve(), sep="\n")


def write_tables(swept: Swept, folder: Path) -> list[Path]:
    """Write the tables: a line a run as CSV, a row a variant as Markdown."""
    contents = {
        "runs.csv": as_csv(swept.rows),
        "table.md": f"# {swept.sweep.name}\n\n{as_markdown(swept.rows)}\n{EXPLANATION}",
    }
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    return [folder / name for name in contents]
