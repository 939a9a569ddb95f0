"""A real Slurm cluster of one node on this machine, on loopback, with accounting; stopped at the end.

It has a partition `cpu`, the default, and a partition `gpu`, whose node has a GPU in name only: Slurm grants,
binds and counts it, but it is a null device.

By hand, as root: ``python -m tests.slurm.cluster COMMAND ARGUMENT ...`` runs a command beside it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PACKAGES = ("slurm-wlm", "slurmdbd", "munge", "mariadb-server")
CONFIGURATION = Path("/etc/slurm/slurm.conf")  # jobs lose SLURM_CONF, so it must be here
DATABASE_PORT = 33306


class CannotStart(RuntimeError):
    """No cluster can be started here; the text says why."""


def install() -> None:
    """Install missing Debian packages.

    Raises:
        CannotStart: not root, or packages cannot be had.
    """
    if os.geteuid() != 0:
        raise CannotStart("Slurm's daemons need root")
    if all(map(shutil.which, ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd"))):
        return
    if shutil.which("apt-get") is None:
        raise CannotStart("no apt-get to install Slurm with")
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "capture_output": True, "text": True}
    for command in (
        ["apt-get", "update"],
        ["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES],
    ):
        found = subprocess.run(command, check=False, timeout=400, **quiet)  # type: ignore[call-overload]
        if found.returncode:
            raise CannotStart(f"{' '.join(command)}: {found.stderr.strip()[-300:]}")


@contextmanager
def cluster() -> Iterator[Path]:
    """The cluster runs inside the block; yields the folder of its logs.

    Raises:
        CannotStart: packages cannot be installed, or another Slurm is configured here.
    """
    install()
    if CONFIGURATION.exists() and not CONFIGURATION.is_symlink():
        raise CannotStart(f"{CONFIGURATION} belongs to another Slurm")
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        _start_munge(stack, folder)
        _start_database(stack, folder)
        _write_configuration(folder)
        CONFIGURATION.unlink(missing_ok=True)
        CONFIGURATION.symlink_to(folder / "slurm.conf")
        stack.callback(CONFIGURATION.unlink, missing_ok=True)
        _start_slurm(stack, folder)
        yield folder


def _daemon(stack: ExitStack, folder: Path, name: str, command: list[str]) -> None:
    """Start a foreground program, and stop it with the exit stack."""
    log = stack.enter_context((folder / f"{name}.out").open("w"))
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=environment)

    def end() -> None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(end)


def _wait(what: str, ready: Callable[[], bool], folder: Path, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            logs = "\n".join(
                f"{path.name}: {path.read_text()[-1000:]}" for path in sorted(folder.glob("*.out"))
            )
            raise CannotStart(f"{what} did not start\n{logs}")
        time.sleep(0.1)


def works(*command: str) -> bool:
    """Whether a command exits with 0."""
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _start_munge(stack: ExitStack, folder: Path) -> None:
    if works("sh", "-c", "munge -n | unmunge"):
        return  # one is running already
    key = Path("/etc/munge/munge.key")
    if not key.exists():
        key.write_bytes(os.urandom(1024))
        shutil.chown(key, "munge", "munge")
        key.chmod(0o400)
    for place in ("/run/munge", "/var/log/munge", "/var/lib/munge"):
        Path(place).mkdir(mode=0o755, exist_ok=True)
        shutil.chown(place, "munge", "munge")
    _daemon(stack, folder, "munged", ["runuser", "-u", "munge", "--", "/usr/sbin/munged", "--foreground"])
    _wait("munged", lambda: works("sh", "-c", "munge -n | unmunge"), folder)


def _start_database(stack: ExitStack, folder: Path) -> None:
    data, place = folder / "mysql", folder / "mysqld"
    for path in (data, place):
        path.mkdir()
        shutil.chown(path, "mysql", "mysql")
    make = ["mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}", "--skip-test-db"]
    subprocess.run(make, check=True, capture_output=True, timeout=120)
    options = [f"--datadir={data}", f"--socket={place}/socket", f"--pid-file={place}/pid", "--user=mysql"]
    options += ["--bind-address=127.0.0.1", f"--port={DATABASE_PORT}"]
    _daemon(stack, folder, "mariadbd", ["/usr/sbin/mariadbd", "--no-defaults", *options])
    client = ["mariadb", f"--socket={place}/socket", "--user=root", "--execute"]
    _wait("mariadbd", lambda: works(*client, "select 1"), folder)
    words = "create database slurm_acct_db; grant all on slurm_acct_db.* to slurm@'%' identified by 'slurm'; "
    subprocess.run([*client, words + "flush privileges"], check=True, capture_output=True)


def _write_configuration(folder: Path) -> None:
    host = socket.gethostname().partition(".")[0]
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    hardware = subprocess.run(["slurmd", "-C"], check=True, capture_output=True, text=True).stdout.split()
    memory = next(word for word in hardware if word.startswith("RealMemory="))
    cores = max(2, os.cpu_count() or 2)
    (folder / "slurm.conf").write_text(
        f"""ClusterName=fpc
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
AccountingStorageTRES=gres/gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageEnforce=limits,qos
AccountingStorageHost=127.0.0.1
ReturnToService=2
MinJobAge=3600
KillWait=10
MpiDefault=none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.out
SlurmdLogFile={folder}/slurmd.out
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} {memory} Gres=gpu:fake:1 Feature=fakes State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""
    )
    os.mknod(folder / "gpu0", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu Type=fake File={folder}/gpu0\n")
    accounting = folder / "slurmdbd.conf"
    accounting.write_text(
        f"""AuthType=auth/munge
DbdHost=localhost
DbdAddr=127.0.0.1
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={DATABASE_PORT}
StorageUser=slurm
StoragePass=slurm
LogFile={folder}/slurmdbd.out
PidFile={folder}/slurmdbd.pid
"""
    )
    accounting.chmod(0o600)


def _start_slurm(stack: ExitStack, folder: Path) -> None:
    _daemon(stack, folder, "slurmdbd", ["slurmdbd", "-D"])
    _wait("slurmdbd", lambda: works("sacctmgr", "--noheader", "list", "cluster"), folder)
    if not works("sacctmgr", "--immediate", "add", "cluster", "fpc"):
        raise CannotStart("sacctmgr cannot add a cluster")
    _daemon(stack, folder, "slurmctld", ["slurmctld", "-D", "-i"])
    _wait("slurmctld", lambda: works("scontrol", "ping"), folder)
    _daemon(stack, folder, "slurmd", ["slurmd", "-D"])
    idle = 'test "$(sinfo --noheader --partition=cpu --format=%T)" = idle'
    _wait("slurmd", lambda: works("sh", "-c", idle), folder)


if __name__ == "__main__":
    with cluster():
        sys.exit(subprocess.run(sys.argv[1:], check=False).returncode)
