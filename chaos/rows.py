"""The table of chaos: what goes wrong, in which phases of a run, how long, and what it must say.

Rule of this file: values only.
"""

from __future__ import annotations

from dataclasses import dataclass

from chaos import strikes
from chaos.strikes import Strike


@dataclass(frozen=True, slots=True)
class Phase:
    """A moment of a run: after a line with these words, ``from_s`` to ``to_s`` later.

    ``fault``: a fault of the lab's catalogue that the run needs to come there.
    """

    name: str
    words: str
    from_s: float
    to_s: float
    fault: str = ""


OPENING = Phase("opening", "connecting", 0.0, 0.12)
PREFLIGHT = Phase("preflight", "connecting", 0.12, 0.45)
BUILDING = Phase("building", "network macnet", 0.0, 1.8)
PROBING = Phase("probing", "probing", 0.0, 1.0)
WITNESSING = Phase("witnessing", "with witnesses", 0.0, 0.6, "vlan-missing")
TEARING = Phase("tearing down", "putting everything back", 0.0, 0.5)
PHASES = (OPENING, PREFLIGHT, BUILDING, PROBING, WITNESSING, TEARING)
ANY = Phase("any moment", "", 0.0, 7.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of chaos.

    Attributes:
        name: for ``--only`` and the page.
        what: in words, for the page.
        strike: what is done to a host or the run.
        phases: when.
        hold_s: how long until it is healed; None: only after the run has ended.
        frame: a strike that stands from before the run until after the cleanup.
        kills: the run itself is killed by it.
        heals: the run itself puts everything back; no cleanup is needed.
        waits: the agent may not have heard that its run is over: cleanup waits for the lease's end.
        true: of a reason, what the strike makes true: a FAIL that says so is right.
        rounds: of a soak, for each phase.
        deadline_s: the run must have ended so long after it was struck.
    """

    name: str
    what: str
    strike: Strike
    phases: tuple[Phase, ...] = PHASES
    hold_s: float | None = None
    frame: Strike | None = None
    kills: bool = False
    heals: bool = False
    waits: bool = False
    true: str = ""
    rounds: int = 2
    deadline_s: float = 90.0


NO_NAMES = r"127\.0\.0\.11 gave no answer"
"""dockerd is the name server of its containers: while it does not answer, no name resolves."""

ROWS = (
    Row(
        "controller-kill",
        "the run's own process is killed (SIGKILL)",
        strikes.kill_controller,
        phases=(ANY,),
        kills=True,
        rounds=50,
    ),
    Row("agent-kill", "the agent on a host is killed", strikes.kill_agent, heals=True),
    Row("ssh-cut", "sshd's processes of our connection are killed", strikes.kill_sshd, heals=True),
    Row(
        "ssh-reset",
        "every SSH packet of a host is answered with RST, for 1 s",
        strikes.reset_ssh,
        hold_s=1.0,
        heals=True,
    ),
    Row(
        "ssh-stall",
        "SSH packets of a host vanish, for 3 s",
        strikes.stall_ssh,
        hold_s=3.0,
        heals=True,
    ),
    Row(
        "ssh-stall-long",
        "SSH packets of a host vanish for 40 s, longer than an agent may be silent",
        strikes.stall_ssh,
        hold_s=40.0,
        waits=True,
        rounds=1,
        deadline_s=150.0,
    ),
    Row(
        "ssh-dead",
        "SSH packets of a host vanish until the run has ended",
        strikes.stall_ssh,
        waits=True,
        rounds=1,
        deadline_s=150.0,
    ),
    Row(
        "host-vanishes",
        "a host's cable is pulled and its SSH port silent until the run has ended",
        strikes.vanish,
        waits=True,
        rounds=1,
        deadline_s=150.0,
    ),
    Row(
        "docker-pause",
        "dockerd is stopped in its tracks (SIGSTOP) for 2 s",
        strikes.hang_docker,
        true=NO_NAMES,
        hold_s=2.0,
        heals=True,
    ),
    Row(
        "docker-hang",
        "dockerd is stopped in its tracks until the run has ended",
        strikes.hang_docker,
        true=NO_NAMES,
        rounds=1,
    ),
    Row(
        "docker-restart",
        "dockerd is ended and started again at once",
        strikes.stop_docker,
        true=NO_NAMES,
        hold_s=0.0,
        rounds=1,
    ),
    Row(
        "docker-stop",
        "dockerd is ended; started again after the run",
        strikes.stop_docker,
        true=NO_NAMES,
        rounds=1,
    ),
    Row(
        "docker-kill",
        "dockerd is killed (SIGKILL) and started again at once",
        strikes.kill_docker,
        true=NO_NAMES,
        hold_s=0.0,
        rounds=1,
    ),
    Row(
        "disk-full",
        "no byte is left on the disk of the host's journal",
        strikes.full_disk,
        phases=(OPENING,),
        frame=strikes.small_disk,
    ),
    Row(
        "disk-read-only",
        "the disk of the host's journal refuses to write, from a moment on",
        strikes.read_only,
        frame=strikes.small_disk,
        rounds=1,
    ),
)
