"""A real Slurm of one node in a private folder: Debian's packages, unpacked and started without being installed.

Nothing is written elsewhere, nothing outlives the process that started it, and any user can start one. Nothing is
accounted, as on many small clusters: there is no ``sacct``. The node claims more cores than the machine has, so that
several jobs run side by side.
"""

from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = (
    *("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins"),
    *("munge", "libmunge2", "libhwloc15", "liblua5.1-0"),
)
CORES = 16
PARTITIONS = ("main", "urgent", "paused")
"""What a job is sent to: the default; one whose jobs preempt those of the others; one that starts none."""

_CONF = """
ClusterName=bed
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/spool/controller
SlurmdSpoolDir={folder}/spool/node
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
PluginDir={libraries}/slurm-wlm
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=0,sched_interval=1,batch_sched_delay=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MaxArraySize={most_tasks}
MinJobAge={forget_seconds}
KillWait=2
SlurmdTimeout=10
SlurmctldTimeout=10
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
PartitionName=paused Nodes={host} MaxTime=INFINITE State=DOWN
"""


class MissingPackagesError(Exception):
    """Debian's packages can't be had here."""


@dataclass
class Bed:
    """A cluster that is started, and ended with all its jobs.

    Parameters
    ----------
    folder
        Where all of it lies.
    most_tasks
        MaxArraySize: an array has fewer tasks.
    forget_seconds
        MinJobAge: after this time a finished job is unknown.
    """

    folder: Path
    most_tasks: int = 5
    forget_seconds: int = 2
    _daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _guard: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def environment(self) -> dict[str, str]:
        """All that a client needs to know."""
        return {
            "SLURM_CONF": str(self.folder / "etc" / "slurm.conf"),
            "LD_LIBRARY_PATH": f"{self._libraries}:{self._libraries}/slurm-wlm",
            "PATH": f"{self.root}/usr/bin:{os.environ['PATH']}",
        }

    @property
    def _libraries(self) -> Path:
        (folder,) = {path.parent.parent for path in self.root.glob("usr/lib/*/slurm-wlm/auth_munge.so")}
        return folder

    def start(self) -> None:
        """Fetch the packages, write the settings, and start all three daemons.

        Raises
        ------
        MissingPackagesError
            Where this is no Debian with apt, or no package can be fetched.
        """
        for name in ("root", "etc", "log", "run", "spool/controller", "spool/node"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("etc", "log"):
            (self.folder / name).chmod(0o700)
        unpack(self.folder / "packages", self.root)
        self._start_guard()
        key = self.folder / "etc" / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        controller_port, node_port = free_ports(2)
        (self.folder / "etc" / "slurm.conf").write_text(
            _CONF.format(
                folder=self.folder,
                host=socket.gethostname().partition(".")[0],
                user=getpass.getuser(),
                libraries=self._libraries,
                controller_port=controller_port,
                node_port=node_port,
                most_tasks=self.most_tasks,
                forget_seconds=self.forget_seconds,
                cores=CORES,
            )
        )
        self.start_munge()
        self.start_controller()
        self.start_node()
        wait_until(lambda: "idle" in self.ask("sinfo", "-h", "-p", "main", "-o", "%T"), 20, "the node comes up")

    def start_munge(self) -> None:
        run = self.folder / "run"
        options = {
            "key-file": self.folder / "etc" / "munge.key",
            "socket": run / "munge.socket",
            "pid-file": run / "munged.pid",
            "log-file": self.folder / "log" / "munged.log",
            "seed-file": self.folder / "spool" / "munge.seed",
        }
        self._start("munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in options.items()))
        wait_until((run / "munge.socket").exists, 10, "munged listens")

    def start_controller(self) -> None:
        self._start("slurmctld", "-D")
        wait_until(lambda: "UP" in self.ask("scontrol", "ping"), 20, "the controller answers")

    def start_node(self) -> None:
        host = socket.gethostname().partition(".")[0]
        self._start("slurmd", "-D", "-N", host, "-d", str(self._program("slurmstepd")))

    def kill(self, name: str) -> None:
        """Kill a daemon at once, as a machine that crashes would."""
        daemon = self._daemons.pop(name)
        daemon.kill()
        daemon.wait()

    def ask(self, *command: str) -> str:
        """Run a client; return what it prints, also where it fails."""
        done = subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout + done.stderr

    def tasks(self, *states: str) -> list[str]:
        """Return the jobs and tasks of arrays in one of some states; where none is named, all that wait or run."""
        chosen = ["-t", ",".join(states)] if states else []
        return self.ask("squeue", "-h", "-r", *chosen, "-o", "%i").split()

    def clear(self) -> None:
        """End all jobs, and let the node take others."""
        self.ask("scancel", "--user", getpass.getuser())
        wait_until(lambda: not self.ask("squeue", "-h"), 30, "all jobs end")
        host = socket.gethostname().partition(".")[0]
        if "drain" in self.ask("sinfo", "-h", "-p", "main", "-o", "%T"):
            self.ask("scontrol", "update", f"nodename={host}", "state=resume")

    def stop(self) -> None:
        """End jobs and daemons, whatever state they are in."""
        with suppress(Exception):
            self.clear()
        if self._guard is not None:
            self._guard.communicate()
        for daemon in self._daemons.values():
            daemon.wait()

    def _start_guard(self) -> None:
        """Start what ends all of it when this process does, however it ends: its standard input is closed then."""
        command = [sys.executable, "-c", _GUARD, str(Path(__file__).parent), str(self.root)]
        self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def _program(self, name: str) -> Path:
        places = [self.root / "usr" / "sbin" / which for which in (name, f"{name}-wlm")]
        return next(path for path in places if path.is_file() and not path.is_symlink())

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / "log" / f"{name}.out").open("ab") as output:
            self._daemons[name] = subprocess.Popen(
                [str(self._program(name)), *arguments],
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )


def unpack(packages: Path, root: Path) -> None:
    """Fetch Debian's packages and unpack them; where apt knows none yet, with lists of our own."""
    if "ID=debian" not in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        raise MissingPackagesError("this is not Debian, whose packages of Slurm the bed is made of")
    lists = packages / "lists"
    (lists / "partial").mkdir(parents=True)
    own = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={packages}"]
    if reason := _apt(packages, "download", *PACKAGES):
        reason = _apt(packages, *own, "update") or _apt(packages, *own, "download", *PACKAGES)
        if reason:
            raise MissingPackagesError(f"apt can't fetch the packages of Slurm: {reason}")
    for package in packages.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)


def _apt(folder: Path, *arguments: str) -> str:
    """Run apt-get in a folder; return why it failed, empty where it did not."""
    try:
        done = subprocess.run(
            ["apt-get", "--quiet", *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else " ".join(done.stderr.split()[-30:])


_GUARD = """
import sys
sys.path.insert(0, sys.argv[1])
from slurm_bed import kill_programs
sys.stdin.read()
kill_programs(sys.argv[2])
"""


def kill_programs(folder: str) -> None:
    """Kill every program that lies in a folder, with all that it started: daemons, and what runs the jobs."""
    while programs := [pid for pid in process_ids() if read_link(pid, "exe").startswith(f"{folder}/")]:
        for pid in [*programs, *(child for program in programs for child in descendants(program))]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something is so; fail where it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        time.sleep(0.05)


def process_ids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def read_link(pid: int, name: str) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/{name}").readlink())
    return ""


def descendants(pid: int) -> list[int]:
    """Return the process ids of children and their children."""
    found: list[int] = []
    for folder in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            for child in map(int, (folder / "children").read_text().split()):
                found += [*descendants(child), child]
    return found
