"""What came of runs: table, report, results."""

import json
import os
from pathlib import Path

import click
from drumline.commands.group import drumline, quiet, relative, show


@drumline.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON list, with every figure.")
@quiet
def table(runs, as_json):
    """Every model that a run has evaluated, the latest last."""
    from drumline.results import tables
    from drumline.results.store import all_results

    results = all_results(runs / "metadata.sqlite")
    if as_json:
        click.echo(json.dumps(tables.as_json(results), indent=2))
    else:
        show(tables.runs(results))


@drumline.command()
@click.argument("numbers", metavar="[RUN]...", nargs=-1, type=int)
@click.option("--out", type=click.Path(path_type=Path), help="The HTML file.", show_default="runs/reports/run-RUN.html")
@quiet
def report(runs, numbers, out):
    """Write the page of a run, or of two or more side by side, and open it in the browser.

    RUN is a number from `./run drumline table`; without one, the latest run.
    """
    from drumline.results.report_files import write_report

    path = write_report(runs, numbers, out)
    click.echo(relative(path))
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        click.launch(str(path))


@drumline.command()
@click.option("--profile", default="", help="Of which profile.", show_default="that of the latest run")
@click.option(
    "--corpus", default="", help="On which corpus, by the name of its folder.", show_default="the latest run's"
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The Markdown file, as docs/RESULTS.md.")
@quiet
def results(runs, profile, corpus, out):
    """Write a page of all that was measured: every model and seed of a profile on a corpus."""
    from drumline.results.markdown import Setting, render_markdown, select_results
    from drumline.results.store import latest_of_seeds

    text = render_markdown(
        select_results(latest_of_seeds(runs / "metadata.sqlite"), profile, corpus), Setting.relative()
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    click.echo(str(out))
