"""Results of runs: table, report, results."""

import json
import os
import sys
from pathlib import Path

import click
from drumline.commands.group import drumline, quiet, relative, show


@drumline.command()
@click.option("--wide", is_flag=True, help="All columns, wider than 80 characters.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list with every metric.")
@quiet
def table(runs, wide, as_json):
    """List the models that runs have evaluated.

    The latest is the last.

    teacher-forced: accuracy of each step given the true steps before it; sampled: given the model's own steps. For an
    autoencoder both are reconstruction of a window that it was given, for a forecaster prediction.
    """
    from drumline.results import tables
    from drumline.results.store import all_results

    results = all_results(runs / "metadata.sqlite")
    if as_json:
        click.echo(json.dumps(tables.to_json(results), indent=2))
    else:
        show(tables.tabulate_runs(results, wide=wide))


@drumline.command()
@click.argument("numbers", metavar="[RUN]...", nargs=-1, type=int)
@click.option("--out", type=click.Path(path_type=Path), help="The HTML file.", show_default="runs/reports/run-RUN.html")
@quiet
def report(runs, numbers, out):
    """Write the HTML report of one run, or of several.

    Several runs are shown side by side. The report opens in the browser.

    RUN is a number from `./run drumline table`; the default is the latest run.
    """
    from drumline.results.report_files import write_report

    path = write_report(runs, numbers, out)
    click.echo(relative(path))
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        click.launch(str(path))


@drumline.command()
@click.option("--profile", default="", help="Results of this profile.", show_default="that of the latest run")
@click.option(
    "--corpus", default="", help="Results on this corpus: the name of its folder.", show_default="the latest run's"
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The Markdown file to write, such as docs/RESULTS.md."
)
@quiet
def results(runs, profile, corpus, out):
    """Write a Markdown page of results: every model and random seed."""
    from drumline.results.run import select_results
    from drumline.results.store import latest_of_seeds

    selected = select_results(latest_of_seeds(runs / "metadata.sqlite"), profile, corpus)
    # Slow to import, so after what may fail.
    from drumline.results.markdown import Setting, render_markdown

    text = render_markdown(selected, Setting.here())
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    click.echo(str(out))


@drumline.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def tensorboard(runs, arguments):
    """Show learning curves in TensorBoard.

    It shows all trainings, finished and in progress.

    ARGUMENTS go to TensorBoard, for example --port 6007.
    """
    logdir = f"trained:{runs / 'pipelines'},training:{runs / 'checkpoints'}"
    os.execvp(sys.executable, [sys.executable, "-m", "tensorboard.main", "--logdir_spec", logdir, *arguments])
