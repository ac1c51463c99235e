"""Java programs that run no longer than a block of Python does."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from drumline.errors import InputError

CONF = Path(__file__).with_name("conf")


@dataclass
class Programs:
    """Programs by name, all in one process group, which each write a log into a folder."""

    logs: Path
    running: dict[str, subprocess.Popen] = field(default_factory=dict)

    def start_java(self, name: str, *arguments: str | Path) -> None:
        """Starts a program. It is told to end, too, when this process is killed."""
        options = [f"@{CONF / 'java.options'}", f"-Dlog4j2.configurationFile={CONF / 'log4j.properties'}"]
        with open(self.logs / f"{name}.log", "wb") as log:
            self.running[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "java", *options, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=self.group or 0,
            )

    @property
    def group(self) -> int | None:
        return next((process.pid for process in self.running.values()), None)

    def wait_until(self, ready: Callable[[], bool], seconds: float = 120) -> None:
        """Waits for what raises no OSError and is true. Raises InputError where that is not to be."""
        end = time.monotonic() + seconds
        while True:
            for name, process in self.running.items():
                if process.poll() is not None:
                    raise InputError(f"Flink's {name} ended with {process.returncode}; {self.logs / name}.log says why")
            with contextlib.suppress(OSError):
                if ready():
                    return
            if time.monotonic() > end:
                names = " and ".join(self.running)
                raise InputError(f"Flink's {names} did not start in {seconds:.0f} s; the logs are in {self.logs}")
            time.sleep(0.2)

    def stop(self, seconds: float = 15) -> None:
        """Ends them and what they started."""
        for end in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                if self.group:
                    os.killpg(self.group, end)
            for process in self.running.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)


@contextlib.contextmanager
def programs(logs: Path) -> Iterator[Programs]:
    """Programs that end with the block."""
    logs.mkdir(parents=True, exist_ok=True)
    started = Programs(logs)
    try:
        yield started
    finally:
        started.stop()
