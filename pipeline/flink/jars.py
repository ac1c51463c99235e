"""The jars of pom.xml, in the cache."""

import fcntl
import hashlib
import logging
import os
import shutil
import subprocess
from pathlib import Path

from drumline.errors import InputError

POM = Path(__file__).with_name("pom.xml")
# The newest plugin would be another one tomorrow.
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def cached_jars() -> Path:
    """The folder of the jars; the first call fetches them (150 MB), by Maven. Raises InputError."""
    for program in ("java", "mvn"):
        if not shutil.which(program):
            raise InputError(f"Flink needs the program '{program}'; install a Java 17 or 21 runtime and Maven")
    home = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    cache = Path(os.environ.get("DRUMLINE_CACHE", Path(home, "drumline")))
    jars = cache / f"flink-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"
    if not jars.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with open(cache / "flink.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not jars.exists():
                _fetch(jars)
    return jars


def _fetch(jars: Path) -> None:
    logging.getLogger("drumline").info(f"fetching Flink and Beam's job server (150 MB) into {jars}")
    # Maven takes up the repository that an interrupted call left, but would keep a jar that was copied in part.
    partial = jars.with_name(f"{jars.name}.partial")
    shutil.rmtree(partial / "jars", ignore_errors=True)
    command = ["mvn", "--batch-mode", "--quiet", "--strict-checksums", f"--file={POM}", _COPY]
    command += [f"-Dmaven.repo.local={partial / 'repository'}", "-DincludeScope=runtime"]
    if subprocess.run([*command, f"-DoutputDirectory={partial / 'jars'}"], check=False).returncode:
        raise InputError("Maven could not fetch Flink (the log says why); is Maven Central reachable?")
    (partial / "jars").rename(jars)
    shutil.rmtree(partial)
