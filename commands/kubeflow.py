"""The pipeline on Kubeflow Pipelines."""

from pathlib import Path

import click
from drumline.commands.group import Commands, Number, drumline, quiet, relative

from drumline.folders import ensure_writable

FILES = Path(__file__).parent.parent / "kubeflow"


@drumline.group(cls=Commands)
def kubeflow():
    """Compile the pipeline for Kubeflow and run it there."""


@kubeflow.command(name="compile")
@click.option("--image", default="drumline:0.1.0", help="Container image of all steps, with tag or digest.")
@click.option("--gpus", type=click.IntRange(0), default=1, help="GPUs of each machine that trains.")
@click.option(
    "--machines", type=click.IntRange(1), default=1, help="Machines that train a model together, in a TrainJob."
)
@click.option("--models", default="", help="Models, with commas.", show_default="all")
@click.option("--profile", default="cpu", help="Profile whose lengths and models are compiled: a name or a TOML file.")
@click.option("--tune", is_flag=True, help="First search the sizes of lstm and conv, in short trainings.")
@click.option(
    "--pipeline-root",
    default="minio://mlpipeline/v2/artifacts",
    help="Object storage of the artifacts: minio://, s3:// or gs://.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=FILES, show_default="kubeflow", help="Folder of the files."
)
@quiet
def compile_(runs, image, gpus, machines, models, profile, tune, pipeline_root, out):
    """Write drums-2bar.yaml and drums-16bar.yaml for Kubeflow Pipelines.

    What differs from run to run (corpus, profile, seed, steps, thresholds) is a parameter of `submit`.
    """
    from drumline.kubeflow.compile import ClusterOptions, compile_pipeline, config_of
    from drumline.pipeline.config import split_names
    from drumline.pipeline.profiles import Profile

    cluster = ClusterOptions(image, gpus, pipeline_root, machines)
    names = split_names(models)
    texts = {
        f"drums-{bars}bar.yaml": compile_pipeline(config_of(bars, names, tune=tune, profile=profile), cluster)
        for bars in Profile.read(profile).lengths
    }
    ensure_writable(out)
    for name, text in texts.items():
        (out / name).write_text(text)
        click.echo(relative((out / name).absolute()))


@kubeflow.command()
@click.argument("package", metavar="FILE_OR_LENGTH")
@click.option("--host", required=True, envvar="KF_PIPELINES_ENDPOINT", help="Address of the UI, with http(s)://.")
@click.option(
    "--param", "params", metavar="NAME=VALUE", multiple=True, help="Value of a parameter or setting; may be repeated."
)
@click.option("--experiment", default="drumline", help="Experiment; created if it does not exist.")
@click.option("--pipeline-root", metavar="URL", help="Object storage of the artifacts.", show_default="the file's")
@click.option(
    "--service-account", help="Service account of the pods, such as drumline-runner.", show_default="the server's"
)
@click.option("--no-cache", is_flag=True, help="Run every node again, ignoring the cache.")
@click.option(
    "--cron", metavar="FIELDS", help="Schedule instead of a run now, such as '0 3 * * *'; replaces the one before."
)
@click.option("--no-wait", is_flag=True, help="Start the run and do not wait for its end.")
@click.option("--timeout", metavar="MINUTES", type=Number(0), help="Most minutes to wait.", show_default="to its end")
@click.option(
    "--token-file", type=click.Path(path_type=Path), help="File with a bearer token, read again at each request."
)
@click.option("--ca-file", type=click.Path(path_type=Path), help="Certificates of the authorities to trust (PEM).")
@click.option("--namespace", help="Namespace, on a server with many users.")
@quiet
def submit(
    runs,
    package,
    host,
    params,
    experiment,
    pipeline_root,
    service_account,
    no_cache,
    cron,
    no_wait,
    timeout,
    token_file,
    ca_file,
    namespace,
):
    """Upload a compiled pipeline, run it, and wait for its end.

    FILE_OR_LENGTH is a file of `./run drumline kubeflow compile`, or 2 or 16 for kubeflow/drums-2bar.yaml or
    drums-16bar.yaml. The same file is uploaded once. Ends with 0 where the run succeeds, else with 1; Ctrl-C ends the
    waiting, not the run.
    """
    from drumline.kubeflow.kfp_connection import Connection
    from drumline.kubeflow.kfp_server import KubeflowClient
    from drumline.kubeflow.package import read_package
    from drumline.kubeflow.parameters import check_values
    from drumline.kubeflow.submit import RunError, Submission, wait

    package = read_package(package)
    values = package.values(params)
    check_values(values, package.bars)
    submission = Submission(
        package.without_cache() if no_cache else package,
        values,
        experiment,
        pipeline_root,
        service_account,
    )
    server = KubeflowClient(Connection(host, token_file, ca_file), namespace)
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
