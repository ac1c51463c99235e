"""What the local server bears: `./run python benchmarks/serve.py [--model hierarchical_vae-2bar] [--seconds 10]`.

The newest version of a pushed model is served by `./run drumline serve` on loopback, in its own process. 1, 8 and 64
clients ask for one beat at a time without pause; beside them the same SavedModel, called in this process one beat at a
time. Requests a second, the median and the 99th percentile of their times, and errors. `ratio` is to the calls in this
process. Then 64 clients go on while a new version comes and another process of clients is killed: no request may be
lost. `--requests 50000` asks so often, and tells how the server's memory grew.
"""

import argparse
import asyncio
import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.play.chaining import seeds_of
from drumline.play.pushed_models import PushedModel, pushed_model
from drumline.serving.client import AsyncClient, AsyncModel, Client
from drumline.serving.errors import ServingError
from rich.console import Console
from rich.table import Table

from benchmarks.ingest import cpu

CLIENTS = (1, 8, 64)
RUNS = Path(__file__).parent.parent / "runs"
_ADDRESS = re.compile(r"gRPC (\S+:\d+)")


@dataclass
class Measured:
    """The seconds of each request that was answered, how long all took together, and how many were not answered."""

    times: list[float] = field(default_factory=list)
    errors: int = 0
    took: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.times) / self.took

    def cells(self, single: "Measured") -> list[str]:
        median, late = (1000 * float(np.percentile(self.times, part)) for part in (50, 99))
        ratio = f"{self.rate / single.rate:.1f}"
        return [f"{self.rate:.0f}", f"{median:.1f}", f"{late:.1f}", str(self.errors), ratio]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="hierarchical_vae-2bar")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--requests", type=int, default=0, help="how many while the server's memory is watched")
    parser.add_argument("--as-client", metavar="ADDRESS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    name, _, bars = arguments.model.rpartition("-")
    pushed = pushed_model(RUNS / "serving", name, int(bars.removesuffix("bar")))
    inputs = inputs_of(pushed)
    if arguments.as_client:
        print("asking", flush=True)
        asyncio.run(load(arguments.as_client, arguments.model, 8, *next(iter(inputs.items())), arguments.seconds))
        return
    with tempfile.TemporaryDirectory() as folder, served(pushed, Path(folder)) as (address, process):
        table = Table("signature", "clients", "requests/s", "p50, ms", "p99, ms", "errors", "ratio")
        table.title = f"{arguments.model}, {arguments.seconds:.0f} s each; {cpu()}"
        for signature, of_one in inputs.items():
            single = in_process(pushed, signature, of_one, arguments.seconds)
            table.add_row(signature, "in process", *single.cells(single))
            for clients in CLIENTS:
                measured = asyncio.run(load(address, arguments.model, clients, signature, of_one, arguments.seconds))
                table.add_row("", str(clients), *measured.cells(single))
        Console().print(table)
        signature, of_one = next(iter(inputs.items()))
        if arguments.requests:
            print(memory(process, address, arguments.model, signature, of_one, arguments.requests))
        print(reload(Path(folder), pushed, address, signature, of_one, arguments.seconds))


def inputs_of(pushed: PushedModel) -> dict[str, dict[str, np.ndarray]]:
    """What is asked: for each signature the inputs of one beat."""
    noise = {"temperature": np.ones(1, np.float32), "seed": seeds_of(0, range(1))}
    window = np.random.default_rng(0).integers(0, 2, (1, pushed.bars * STEPS_PER_BAR, len(DRUMS)))
    drawn = {"sample": noise} if "sample" in pushed.signatures else {"continue": noise | {"velocities": window}}
    return drawn | {"serving_default": {"velocities": window}}


@contextlib.contextmanager
def served(pushed: PushedModel, runs: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The address of a server that has a copy of the model's newest version, and its process."""
    shutil.copytree(pushed.folder / str(pushed.version), version_in(runs, pushed, 1))
    command = ["-m", "drumline", "--runs", str(runs), "serve", "--port", "0", "--rest-port", "0"]
    server = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        if not (found := _ADDRESS.search(line)):
            sys.exit(f"the server did not start: {line}")
        yield found[1], psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait()


def version_in(runs: Path, pushed: PushedModel, number: int) -> Path:
    return runs / "serving" / pushed.folder.name / str(number)


def in_process(pushed: PushedModel, signature: str, inputs: dict[str, np.ndarray], seconds: float) -> Measured:
    """One call after the other of the SavedModel."""
    pushed.call(signature, **inputs)  # the first makes ready
    measured, start = Measured(), time.perf_counter()
    while (now := time.perf_counter()) < start + seconds:
        pushed.call(signature, **inputs)
        measured.times.append(time.perf_counter() - now)
    measured.took = time.perf_counter() - start
    return measured


async def load(
    address: str,
    name: str,
    clients: int,
    signature: str,
    inputs: dict[str, np.ndarray],
    seconds: float = float("inf"),
    requests: float = float("inf"),
) -> Measured:
    """So many clients at a time, each with a channel of its own, for a time or for so many requests."""
    measured, left = Measured(), iter(range(int(min(requests, 1 << 62))))

    async def ask(model: AsyncModel, end: float) -> None:
        while (now := time.perf_counter()) < end and next(left, None) is not None:
            try:
                await model.call(signature, **inputs)
                measured.times.append(time.perf_counter() - now)
            except ServingError as error:
                print(error, file=sys.stderr)
                measured.errors += 1

    async with contextlib.AsyncExitStack() as stack:
        models = [(await stack.enter_async_context(AsyncClient(address))).model(name) for _ in range(clients)]
        await asyncio.gather(*(model.call(signature, **inputs) for model in models))  # the first connects
        start = time.perf_counter()
        await asyncio.gather(*(ask(model, start + seconds) for model in models))
        measured.took = time.perf_counter() - start
    return measured


def memory(
    process: psutil.Process, address: str, name: str, signature: str, inputs: dict[str, np.ndarray], requests: int
) -> str:
    """The server's resident memory at each fifth of the requests of 64 clients."""
    sizes, answered, errors = [process.memory_info().rss], 0, 0
    for _ in range(5):
        measured = asyncio.run(load(address, name, CLIENTS[-1], signature, inputs, requests=requests // 5))
        sizes.append(process.memory_info().rss)
        answered, errors = answered + len(measured.times), errors + measured.errors
    megabytes = ", ".join(f"{size / 1e6:.0f}" for size in sizes)
    return f"memory over {answered} requests, {errors} errors: {megabytes} MB"


def reload(
    runs: Path, pushed: PushedModel, address: str, signature: str, inputs: dict[str, np.ndarray], seconds: float
) -> str:
    """What 64 clients see while a new version comes and a process of 8 more clients is killed."""
    name = pushed.folder.name
    command = [sys.executable, __file__, "--model", name, "--as-client", address, "--seconds", "600"]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    other.stdout.readline()

    async def disturbed() -> Measured:
        asked = asyncio.create_task(load(address, name, CLIENTS[-1], signature, inputs, 3 * seconds))
        await asyncio.sleep(seconds)
        new = version_in(runs, pushed, 2)
        await asyncio.to_thread(shutil.copytree, version_in(runs, pushed, 1), new.with_name("unfinished"))
        new.with_name("unfinished").rename(new)
        await asyncio.sleep(seconds)
        other.kill()
        return await asked

    try:
        measured = asyncio.run(disturbed())
    finally:
        other.kill()
        other.wait()
    with Client(address) as client:
        states = client.model(name).states()
    return (
        f"a hot reload and a killed client: {len(measured.times)} answered, {measured.errors} errors; "
        f"the longest took {1000 * max(measured.times):.0f} ms; versions now {states}"
    )


if __name__ == "__main__":
    main()
