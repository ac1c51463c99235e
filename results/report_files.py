"""The pages of runs that are over, made anew from the facts that their Report nodes left."""

import json
from collections.abc import Sequence
from pathlib import Path

from drumline.drums import audio
from drumline.results.examples import Facts
from drumline.results.report_page import render_report
from drumline.results.store import FINISHED, artifacts_of, store_of

from drumline.errors import InputError
from drumline.folders import ensure_writable

REPORT, PAGE, FACTS = "report", "index.html", "report.json"  # output of the node Report, and its files


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
    html = render_report(
        [_facts(there[number]) for number in numbers], audio.why_unavailable() or audio.render_one_shots()
    )
    out.write_text(html)
    return out


def reported_runs(metadata: Path) -> dict[int, Path]:
    """The folder of the report of each run that has one, by the run's number."""
    store = store_of(metadata)
    found = {}
    for run in store.get_contexts_by_type("pipeline_run"):
        for execution in store.get_executions_by_context(run.id):
            if execution.last_known_state in FINISHED:
                for report in artifacts_of(store, execution, "report"):
                    found[run.id] = Path(report.uri)
    return {number: folder for number, folder in found.items() if (folder / FACTS).exists()}


def _facts(folder: Path) -> Facts:
    try:
        return json.loads((folder / FACTS).read_text())
    except ValueError as error:
        raise InputError(f"{folder / FACTS}: not the facts of a report ({error}); train again with --force") from error
