"""What is missing of a run's log, told by run.json and the names of files alone."""

from .reading import SegmentReader
from .run import Run


def damage(run: Run) -> list[str]:
    """What should be there and is not, a sentence each; empty for a whole log, and for one that holds nothing yet.

    A file that is there and cannot be read is no matter of this: whoever reads it is told.
    """
    iterations = SegmentReader(run.path / "iterations", run.path / "tail" / "iterations").segments()
    evaluated = SegmentReader(run.path / "evaluations", run.path / "tail" / "evaluations").last_iteration()
    last = max((segment.last for segment in iterations), default=-1)
    found = []
    if last >= 0 and "parameters" not in run.info:
        found.append("run.json names no parameters, so their gradient norms cannot be shown: it was changed or cut.")
    if evaluated is not None and evaluated > last + 1:
        lost = f"{last + 1:,} to {evaluated - 1:,}"
        found.append(f"The run was evaluated at iteration {evaluated:,}, but iterations {lost} are not there.")
    starts = [-1, *(segment.last for segment in iterations)]
    gaps = [(end + 1, segment.first - 1) for end, segment in zip(starts, iterations, strict=False)]
    found += [f"Iterations {first:,} to {final:,} are not there." for first, final in gaps if final >= first]
    if run.status == "finished" and last < 0 and evaluated is None and run.info.get("iterations_planned"):
        found.append("The run finished, but none of its iterations is there.")
    return found
