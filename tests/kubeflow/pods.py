"""Processes that see of this machine what a pod sees of its node: an image, its volumes and folders of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
IMAGE = {  # as kubeflow/Dockerfile makes it
    "DRUMLINE_CACHE": "/opt/drumline",
    "DRUMLINE_CODE": "v1",
    "HOME": "/home/drumline",
    "LANG": "C.UTF-8",
    "NUMBA_CACHE_DIR": "/tmp/numba",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "USER": "drumline",
}
_SYSTEM = ("bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "sys", "usr", "var")
# A new root that holds links and mounts alone. $1: where; then ro or rw, a folder of this machine and its place, each;
# then -- and the command.
_ENTER = """
root=$1; shift
# In the userland of ./run, / is no mount, and all that are there are private already.
mount --make-rprivate / 2>/dev/null || true
mount -t tmpfs pod "$root"
for name in {system}; do
    if [ -L "/$name" ]; then cp -P "/$name" "$root/"
    elif [ -d "/$name" ]; then mkdir "$root/$name"; mount --rbind "/$name" "$root/$name"; fi
done
while [ "$1" != -- ]; do
    mkdir -p "$root/$3"
    mount --bind "$2" "$root/$3"
    [ "$1" = rw ] || mount -o remount,bind,ro "$root/$3"
    shift 3
done
shift
exec chroot "$root" env -C /drumline "$@"
""".replace("{system}", " ".join(_SYSTEM))
# Without root's rights, a user namespace gives them for mounts.
_UNSHARE = ["unshare", "--mount", "--propagation", "unchanged", *([] if os.geteuid() == 0 else ["--map-root-user"])]


def unavailable() -> str:
    """Why there can be no pods on this machine; "" where there can."""
    tried = [*_UNSHARE, "bash", "-euc", "mount --make-rprivate / || true; mount -t tmpfs pod /mnt"]
    finished = subprocess.run(tried, capture_output=True, text=True, check=False)
    return finished.stderr.strip() if finished.returncode else ""


@dataclass(frozen=True)
class Pod:
    """folder: its disk, which it sees as /minio, /tmp and the home folder.  mounts: folders by their paths in it."""

    folder: Path
    mounts: dict[str, Path]

    def place(self, path: str) -> Path:
        """Where on this machine a path of the pod's own disk is."""
        return self.folder / path.lstrip("/")

    def run(self, command: list[str], log: Path) -> int:
        """The exit code of a command in the pod; what it writes goes to a file."""
        own = {name: self.place(name) for name in ("/minio", "/tmp", IMAGE["HOME"])}
        for folder in (root := self.folder / "root", *own.values()):
            folder.mkdir(parents=True, exist_ok=True)
        image = {"/drumline": REPOSITORY, IMAGE["DRUMLINE_CACHE"]: Path(sys.prefix).parent}
        places = [("ro", image), ("rw", own), ("rw", self.mounts)]
        binds = [word for how, by in places for to, source in by.items() for word in (how, str(source), to)]
        with log.open("wb") as file:
            return subprocess.run(
                [*_UNSHARE, "bash", "-euc", _ENTER, "pod", str(root), *binds, "--", *command],
                env=IMAGE,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
