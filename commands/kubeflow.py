"""The pipeline on Kubeflow Pipelines."""

from pathlib import Path

import click

from commands.group import drums, quiet


@drums.group()
def kubeflow():
    """The pipeline on Kubeflow Pipelines (kubeflow/README.md)."""


@kubeflow.command()
@click.argument("package", metavar="FILE_OR_LENGTH")
@click.option("--host", required=True, envvar="KF_PIPELINES_ENDPOINT", help="The address of the UI, with http(s)://.")
@click.option("--param", "params", metavar="NAME=VALUE", multiple=True, help="A parameter's value; may be repeated.")
@click.option("--experiment", default="drumline", help="In which experiment; made where there is none.")
@click.option(
    "--pipeline-root", metavar="URL", help="Where artifacts go: minio://, s3:// or gs://.  [default: the file's]"
)
@click.option("--no-cache", is_flag=True, help="Run every node, also those whose result is cached.")
@click.option(
    "--cron", metavar="FIELDS", help="Not now but by the clock, such as '0 3 * * *'; replaces the one before."
)
@click.option("--no-wait", is_flag=True, help="Start the run and look no further.")
@click.option("--timeout", metavar="MINUTES", type=click.FloatRange(0), help="Wait no longer.  [default: to its end]")
@click.option("--token-file", type=click.Path(path_type=Path), help="A bearer token; read anew at each request.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="Whose TLS certificates to trust, PEM.")
@click.option("--namespace", help="Whose, on a server with many users.")
@quiet
def submit(
    runs,
    package,
    host,
    params,
    experiment,
    pipeline_root,
    no_cache,
    cron,
    no_wait,
    timeout,
    token_file,
    ca_file,
    namespace,
):
    """Upload a compiled pipeline, run it, and wait for its end.

    FILE_OR_LENGTH is a file of `./run drums kubeflow compile`, or 2 or 16 for kubeflow/drums-2bar.yaml or
    drums-16bar.yaml. The same file is uploaded once. Ends with 0 where the run succeeds, else with 1; Ctrl-C ends the
    waiting, not the run.
    """
    from kubeflow.kfp_connection import Connection
    from kubeflow.kfp_server import Server
    from kubeflow.package import read
    from kubeflow.submit import RunError, Submission, wait

    package = read(package)
    submission = Submission(
        package.without_cache() if no_cache else package, package.values(params), experiment, pipeline_root
    )
    server = Server(Connection(host, token_file, ca_file), namespace)
    if cron:
        submission.schedule(server, cron, click.echo)
        return
    run = submission.start(server, click.echo)
    if no_wait:
        return
    try:
        wait(server, run, package.nodes, click.echo, timeout and timeout * 60)
    except RunError as error:
        raise click.ClickException(str(error)) from error
