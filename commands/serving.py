"""What listens on a port: serve, listen."""

from pathlib import Path

import click
from drumline.commands.group import Number, drumline, quiet, show

from drumline.errors import InputError


@drumline.command()
@click.option("--bars", type=int, default=2, help="Length of the beats in bars.")
@click.option("--models", default="", help="Pushed models to compare, with commas.", show_default="all of that length")
@click.option("--count", type=click.IntRange(1, 1000), default=20, help="Beats of each model.")
@click.option(
    "--answers",
    type=click.Path(path_type=Path),
    help="SQLite file of the answers.",
    show_default="runs/listening/answers.sqlite",
)
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 accepts connections from the network.")
@click.option("--port", type=click.IntRange(0, 65535), default=8600, help="Port; 0 takes a free one.")
@click.option("--results", "only_results", is_flag=True, help="Print the results so far instead of serving.")
@quiet
def listen(runs, bars, models, count, answers, host, port, only_results):
    """Run a listening test: which is the better beat?

    Pairs of beats of held-out songs and of the pushed models, blind. The answers rank them.
    """
    answers = answers or runs / "listening" / "answers.sqlite"
    if only_results:
        from drumline.play.listening.table import table_of

        show(table_of(answers, bars))
        return
    from drumline.play.listening.sources import listen as serve

    names = tuple(name.strip() for name in models.split(",") if name.strip())
    serve(runs, bars, names, count, answers, host, port)


@drumline.command()
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 accepts connections from the network.")
@click.option("--port", type=click.IntRange(0, 65535), default=8500, help="Port of the gRPC API; 0 takes a free one.")
@click.option(
    "--rest-port", type=click.IntRange(0, 65535), default=8501, help="Port of the REST API; 0 takes a free one."
)
@click.option(
    "--models-folder", type=click.Path(path_type=Path), help="Folder of the models.", show_default="runs/serving"
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="ModelServerConfig that names models, versions and labels."
)
@click.option("--batch-size", type=click.IntRange(1, 4096), default=64, help="Batch size: most rows that run together.")
@click.option("--batch-timeout-ms", type=Number(0, 1000), default=2.0, help="Milliseconds to wait for a batch to fill.")
@click.option("--queue", type=click.IntRange(1, 1024), default=256, help="Requests of one signature that may wait.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Certificate of the server (PEM).")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Key of the certificate (PEM).")
@click.option(
    "--client-ca",
    type=click.Path(path_type=Path),
    help="Authority of the clients' certificates (PEM); switches mutual TLS on.",
)
@quiet
def serve(
    runs,
    host,
    port,
    rest_port,
    models_folder,
    config,
    batch_size,
    batch_timeout_ms,
    queue,
    tls_cert,
    tls_key,
    client_ca,
):
    """Serve the pushed models over gRPC and REST.

    The API is that of TensorFlow Serving.

    New versions are taken up while it runs. Ctrl-C ends it, after the last answer; what it does stands in
    runs/logs/serve.log. Metrics: /monitoring/prometheus/metrics on the REST port.
    """
    if bool(tls_cert) != bool(tls_key) or (client_ca and not tls_cert):
        raise InputError("--tls-cert and --tls-key belong together, and --client-ca needs them")
    from drumline.serving import logs
    from drumline.serving.batching import BatchLimits
    from drumline.serving.server import ModelServer, serve
    from drumline.serving.tls import ServerTls

    logs.write_to(runs / "logs" / "serve.log")
    limits = BatchLimits(batch_size, batch_timeout_ms / 1000, queue)
    tls = ServerTls(tls_cert, tls_key, client_ca) if tls_cert else None
    folder = models_folder or runs / "serving"
    serve(ModelServer(folder, host, port, rest_port, config=config, limits=limits, tls=tls), click.echo)
