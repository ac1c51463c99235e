"""Writing the report of finished runs, from the facts that their Report nodes left."""

from collections.abc import Sequence
from pathlib import Path

from drumline.results.report_facts import ReportFacts
from drumline.results.store import read_runs

from drumline.errors import InputError
from drumline.folders import ensure_writable


def write_report(runs: Path, numbers: Sequence[int], out: Path | None = None) -> Path:
    """Writes one page of the runs of these numbers, side by side; of none, of the latest run. Returns its path.

    out: by default below the folder of the runs, by the numbers. Raises InputError where a run has no report.
    """
    there = reported_runs(runs / "metadata.sqlite")
    if not there:
        raise InputError(f"{runs}: no run has a report yet; `./run demo` or `./run drumline train` makes one")
    numbers = list(numbers) or [max(there)]
    for number in numbers:
        if number not in there:
            raise InputError(f"run {number} has no report; there are those of {', '.join(map(str, sorted(there)))}")
    out = out or runs / "reports" / f"run-{'-'.join(map(str, numbers))}.html"
    ensure_writable(out.parent)
    # Slow to import, so after what may fail.
    from drumline.drums import audio
    from drumline.results.report_page import render_report

    html = render_report(
        [ReportFacts.load(there[number]) for number in numbers], audio.why_unavailable() or audio.render_one_shots()
    )
    out.write_text(html)
    return out


def reported_runs(metadata: Path) -> dict[int, Path]:
    """The folder of the report of each run that has one, by the run's number."""
    return {run.number: run.report for run in read_runs(metadata) if run.report}
