"""The lab's capsule: it comes up, it serves, and whatever ends it, nothing of it is left."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fixtures.lab import Lab, statedir
from fixtures.lab.status import HostStatus
from matrix.errors import WorldError
from tests.lab.conftest import ROOT

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="looks at every process, and becomes another user"
)

DEADLINE_S = 30.0
LAB = (sys.executable, "-m", "fixtures.lab")


def until(what: str, holds: Callable[[], object]) -> None:
    """Wait for something to be true."""
    end = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < end, f"not within {DEADLINE_S:.0f} s: {what}"
        time.sleep(0.002)


def start_time(pid: int) -> str:
    """What tells this process from a later one of the same id; nothing for a dead one."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] in "ZX" else words[19]


def pids() -> list[int]:
    """Every process of the machine."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def link_to(path: str) -> str:
    """What a link of /proc says, nothing if it is gone."""
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


def links_here() -> set[str]:
    """The links of the machine itself."""
    return {name for _, name in socket.if_nameindex()}


@dataclass
class Place:
    """A state folder of our own, and all that a lab in it could leave on the machine."""

    directory: Path
    links: set[str] = field(default_factory=links_here)
    members: dict[int, str] = field(default_factory=dict)

    def lab(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the lab's in this folder."""
        argv = [*LAB, *arguments, "--dir", str(self.directory)]
        return subprocess.run(
            argv, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )

    def begin(self) -> subprocess.Popen[str]:
        """Begin an ``up`` and do not wait for it."""
        return subprocess.Popen(
            [*LAB, "up", "--dir", str(self.directory)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def up(self) -> dict[str, Any]:
        """Bring a lab up; its status, and its processes are remembered."""
        done = self.lab("up")
        assert done.returncode == 0, done.stderr
        status: dict[str, Any] = json.loads(self.lab("status", "--json").stdout)
        self.remember(status["pid"])
        return status

    def remember(self, first: int) -> None:
        """Take down who is in the lab's PID namespace."""
        namespace = link_to(f"/proc/{first}/ns/pid")
        assert namespace
        members = [pid for pid in pids() if link_to(f"/proc/{pid}/ns/pid") == namespace]
        assert len(members) > 8
        self.members |= {pid: start_time(pid) for pid in members}

    def remains(self) -> list[str]:
        """Everything of the lab that is still there."""
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        found = [line for line in mounts if str(self.directory) in line]
        found += [f"link {name}" for name in links_here() - self.links]
        if self.directory.exists():
            # os.walk, not rglob: a folder may go away while we look, and that is what we wait for.
            found += [
                name for folder, _, files in os.walk(self.directory) for name in (folder, *files)
            ]
        found += map(str, cgroup_folders(self.directory))
        for pid in set(pids()) - {os.getpid()}:
            words = [link_to(f"/proc/{pid}/fd/{n}") for n in range(3)]
            try:
                words.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"))
            except OSError:
                continue
            if str(self.directory) in " ".join(words):
                found.append(f"process {pid} {words}")
        found += [
            f"process {pid} of the lab"
            for pid, began in self.members.items()
            if began and start_time(pid) == began
        ]
        return found


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A folder of our own. Nothing may be left in it or of it when the test is over."""
    number = abs(hash(request.node.name)) % 10**8
    made = Place(Path(f"/tmp/l2c-{os.getpid()}-{number}"))  # noqa: S108  the lab checks it
    try:
        yield made
    finally:
        made.lab("down")
    assert made.remains() == []


def test_down_leaves_nothing(place: Place) -> None:
    """After up, a container and down there is no file, process, mount, cgroup or link of the lab."""
    status = place.up()
    ssh = ["ssh", "-F", status["ssh_config"], "dev-node-01"]
    script = "hostname; docker run -d --network none busybox sleep 1000"
    said = subprocess.run([*ssh, script], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[0] == "dev-node-01"
    place.remember(status["pid"])
    assert cgroup_folders(place.directory)
    done = place.lab("down")
    assert place.remains() == []
    assert (done.returncode, done.stderr) == (0, "")
    assert place.lab("down").stdout == f"no lab in {place.directory}\n"


def test_up_and_down_twenty_times(place: Place) -> None:
    """Two labs beside each other come up every time, and every time nothing is left."""

    def ten_times(directory: Path) -> None:
        for _ in range(10):
            lab = Lab.start(state_dir=directory, lifeline=True)
            try:
                assert len(lab.status().hosts) == 2
            finally:
                lab.stop()
            assert not directory.exists()

    beside = place.directory.with_name(f"{place.directory.name}-2")
    with ThreadPoolExecutor(2) as two:
        for done in [two.submit(ten_times, one) for one in (place.directory, beside)]:
            done.result()
    assert Place(beside, place.links).remains() == []


def test_the_next_up_clears_away_what_a_killed_lab_left(place: Place) -> None:
    """After kill -9 of the first process (it ends all others) the next up finds leftovers, no lab."""
    for _ in range(2):
        status = place.up()
        os.kill(status["pid"], signal.SIGKILL)
        done = place.lab("up")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("lab up in ")
        assert not [pid for pid, began in place.members.items() if start_time(pid) == began]
        assert place.lab("down").returncode == 0
        assert place.remains() == []


def test_down_clears_away_what_a_killed_lab_left(place: Place) -> None:
    """So does down; and status says that there is no lab."""
    os.kill(place.up()["pid"], signal.SIGKILL)
    status = place.lab("status")
    assert status.returncode == 1
    assert status.stderr.startswith(f"lab: no lab is up in {place.directory}\n  -> ")
    assert place.lab("down").stdout == f"the lab in {place.directory} is gone\n"
    assert place.remains() == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("lock", signal.SIGINT),
        ("spec.json", signal.SIGTERM),
        ("starter.json", signal.SIGINT),
        ("starter.json", signal.SIGTERM),
        ("hosts", signal.SIGINT),
        ("hosts/dev-node-01/ssh.sock", signal.SIGTERM),
        ("known_hosts", signal.SIGINT),
        ("known_hosts", signal.SIGTERM),
    ],
)
def test_an_interrupted_up_leaves_nothing(
    place: Place, moment: str, number: signal.Signals
) -> None:
    """SIGTERM and SIGINT while it comes up: one line, exit code 130, nothing left."""
    begun = place.begin()
    until(moment, (place.directory / moment).exists)
    begun.send_signal(number)
    said, error = begun.communicate(timeout=DEADLINE_S)
    if begun.returncode == 0:  # it was up before the signal came
        assert moment == "known_hosts"
        assert said.startswith("lab up in ")
        return
    assert place.remains() == []
    assert begun.returncode == 130
    assert error == "lab: interrupted; nothing is left of what was begun\n"
    assert not said


_STARTER = """
import sys
from pathlib import Path
from fixtures.lab import Lab, statedir
lab = Lab.start(state_dir=Path(sys.argv[1]), lifeline=True)
print(lab.status().pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("moment", ["spec.json", "starter.json", "hosts", ""])
def test_a_lab_ends_with_its_killed_starter(place: Place, moment: str) -> None:
    """After kill -9 of whoever holds the lifeline the lab takes itself down, files and all."""
    with subprocess.Popen(
        [sys.executable, "-c", _STARTER, str(place.directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as starter:
        if moment:
            until(moment, (place.directory / moment).exists)
        else:
            assert starter.stdout is not None
            place.remember(int(starter.stdout.readline()))
        starter.kill()
    if moment == "spec.json":  # there may have been no capsule yet to clean up behind it
        until("nobody is left", lambda: Lab.find(place.directory) is None)
        assert place.lab("down").returncode == 0
    until("nothing is left", lambda: not place.remains())


@pytest.mark.parametrize(
    ("program", "script", "says"),
    [
        ("dockerd", None, "lab: the lab needs dockerd\n  -> apt install docker.io\n"),
        (
            "dockerd",
            "echo no luck >&2; exit 3",
            "lab: dev-(master|node)-01: dockerd does not start: it ended with code 3; no luck\n",
        ),
        (
            "sshd",
            "echo no keys >&2; exit 255",
            "lab: dev-(master|node)-01: sshd does not start: it ended with code 255; no keys\n",
        ),
        ("ip", "echo no wires >&2; exit 1", "lab: .*: no wires\n"),
    ],
    ids=["missing dockerd", "broken dockerd", "broken sshd", "broken ip"],
)
def test_a_failed_start_leaves_nothing(
    place: Place, tmp_path: Path, program: str, script: str | None, says: str
) -> None:
    """A missing or broken program: one sentence that says so, exit code 1, nothing left."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert path is not None
    stand_in = tmp_path / program
    stand_in.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    stand_in.chmod(0o755 if script else 0o644)
    done = in_private_mounts(
        f"mount --bind {stand_in} {os.path.realpath(path)}; cd {shlex.quote(str(ROOT))}; "
        f"exec {shlex.join([*LAB, 'up', '--dir', str(place.directory)])}"
    )
    assert place.remains() == []
    assert done.returncode == 1, done.stderr
    assert re.fullmatch(says, done.stderr), done.stderr
    assert not done.stdout


def test_status_and_a_second_up(place: Place) -> None:
    """The pids of status --json are alive; a second up says that there is a lab, and starts none."""
    status = place.up()
    for host in status["hosts"]:
        for pid in (host["pid"], host["sshd"]["pid"], host["dockerd"]["pid"]):
            assert start_time(pid), host
        for name in ("sshd", "dockerd"):
            command = Path(f"/proc/{host[name]['pid']}/comm").read_text(encoding="utf-8")
            assert command == f"{name}\n"
    assert start_time(status["switch"]["pid"])
    assert start_time(status["gateway"]["pid"])
    again = place.lab("up")
    assert again.returncode == 0
    assert again.stdout.startswith(f"the lab is up already, in {place.directory}\n")
    assert json.loads(place.lab("status", "--json").stdout) == status
    with pytest.raises(WorldError, match="a lab is up already"):
        Lab.start(state_dir=place.directory)
    os.kill(status["hosts"][0]["dockerd"]["pid"], signal.SIGKILL)
    until("dockerd is gone", lambda: "NOT RUNNING" in place.lab("status").stdout)


def test_a_site_file_s_lab_and_readers_who_hang_up(place: Place, tmp_path: Path) -> None:
    """--site builds that site's lab or says each fault; a closed pipe is no error and no traceback."""
    bad = tmp_path / "bad.toml"
    bad.write_text("nonsense = 1\n", encoding="ascii")
    for site, says in ((bad, f"{bad}:1: nonsense: "), (tmp_path / "none", f"{tmp_path}/none: ")):
        done = place.lab("up", "--site", str(site))
        assert done.returncode == 2
        assert says in done.stderr
        assert all(line.startswith(f"{tmp_path}/") for line in done.stderr.splitlines())
        assert "Traceback" not in done.stderr
        assert place.remains() == []
    up = ["up", "--site", str(ROOT / "sites/lab-vlan-gateway.toml")]
    for words in (up, up, ["status"], ["ssh-config"]):
        done = hang_up_on([*LAB, *words, "--dir", str(place.directory)])
        assert (done.returncode, done.stderr) == (0, ""), words
    lab = Lab.find(place.directory)
    assert lab is not None
    assert lab.status().gateway.addresses == ("192.168.2.1/24", "192.168.200.1/24")
    other = place.lab("up")
    assert other.returncode == 1
    assert other.stderr.startswith(f"lab: another lab is up in {place.directory}: dev-master-01")


def test_ssh_leads_in_and_a_host_cannot_write_to_the_machine(lab: Lab) -> None:
    """Plain ssh logs in; the machine's disk is read-only there, although our folder lies on it."""
    for host in lab.spec.hosts:
        argv = ["ssh", "-F", str(lab.ssh_config), host.name, "hostname; touch /usr/l2m /opt/l2m"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.stdout == f"{host.name}\n"
        assert done.stderr.count("Read-only file system") == 2, done.stderr


_LISTEN = """
import socket, struct, sys
port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
port.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: where the kernel keeps the tag
port.bind((sys.argv[1], 0))
while True:
    frame, more, _, _ = port.recvmsg(2048, 256)
    kind, tag = struct.unpack_from("!HH", frame, 12)
    for level, what, data in more:
        status, _, _, _, _, tci, tpid = struct.unpack_from("=IIIHHHH", data)
        if (level, what) == (263, 8) and status & 0x10:
            kind, tag = tpid or 0x8100, tci
    if kind == 0x8100:
        print(tag & 0xFFF, flush=True)
        break
"""


def test_the_vlan_socket(lab: Lab) -> None:
    """add: frames leave with the tag; del: links and queues are as before."""
    status = lab.status()
    host = status.hosts[0]
    path = f"/proc/{host.pid}/root/run/l2matrix-lab/vlan.sock"
    if not Path(path).exists():
        pytest.skip("this kernel has 8021q: hosts make their sub-interfaces themselves")
    before = wires(host)
    name = f"{host.nic}.123"
    add = {"do": "add", "parent": host.nic, "name": name, "vlan": 123}
    assert ask(path, add) == {"ok": True}
    try:
        assert name in wires(host)
        assert "exists" in ask(path, add)["error"]
        listen = ["nsenter", f"--net={status.switch.netns}", sys.executable, "-c", _LISTEN]
        enter(host, f"ip addr add 10.9.9.1/24 dev {name}; ip link set {name} up")
        with subprocess.Popen([*listen, host.port], stdout=subprocess.PIPE, text=True) as listener:
            try:
                until(
                    "a tagged frame on the switch port",
                    lambda: enter(host, "echo > /dev/udp/10.9.9.2/9") or listener.poll() == 0,
                )
                assert listener.stdout is not None
                assert listener.stdout.read() == "123\n"
            finally:
                listener.kill()
    finally:
        gone = ask(path, {"do": "del", "name": name})
    assert gone == {"ok": True}
    assert wires(host) == before
    assert "no VLAN" in ask(path, {"do": "del", "name": name})["error"]
    assert "want" in ask(path, {"do": "dance"})["error"]


_BECOME_A_USER = """
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/over /mnt/work /mnt/home
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/over,workdir=/mnt/work overlay /etc
echo "l2user:x:4711:4711::/mnt/home:/bin/bash" >> /etc/passwd
echo "l2user:x:4711:" >> /etc/group
echo "l2user:200000:65536" >> /etc/subuid
echo "l2user:200000:65536" >> /etc/subgid
chmod 644 /etc/subuid /etc/subgid
chown 4711:4711 /mnt/home
"""
_AS_A_USER = "setpriv --reuid 4711 --regid 4711 --clear-groups env -i HOME=/mnt/home PATH=$PATH "
_USERS_SCRIPT = r"""
set -e
lab() { "$PYTHON" -m fixtures.lab "$@" --dir /mnt/home/lab; }
on() { where=$1; shift; ssh -F /mnt/home/lab/ssh_config "$where" "$@"; }
wire='docker network create -d macvlan --subnet 192.168.2.0/24 -o parent=enp0s5 wire'
run='docker run -d --network wire'
lab up
lab status --json > /mnt/home/status
on dev-master-01 "hostname; id -u; $wire && $run --ip 192.168.2.240 --name c1 busybox sleep 99"
on dev-node-01 "hostname; id -u; $wire && $run --ip 192.168.2.241 --name c2 busybox sleep 99"
on dev-master-01 "docker exec c1 ping -c 1 -W 5 192.168.2.241"
on dev-master-01 "docker exec c1 ping -c 1 -W 5 192.168.2.1"
on dev-node-01 "docker info --format '{{.Driver}} {{.SecurityOptions}}'"
echo "echo in the shell: \$(hostname) \$(id -u) \$(pwd)" | lab shell dev-node-01
"$PYTHON" -c "$ASK_FOR_A_VLAN"
lab down
rm /mnt/home/status
ls -A /mnt/home
"""
_ASK_FOR_A_VLAN = """
import json
from pathlib import Path
from fixtures.lab import vlan_socket
from matrix.errors import WorldError
status = json.loads(Path("/mnt/home/status").read_text())
path = f"/proc/{status['hosts'][0]['pid']}/root{vlan_socket.PATH}"
try:
    vlan_socket.ask(path, {"do": "add", "parent": "enp0s5", "name": "enp0s5.9", "vlan": 9})
    print("made a VLAN")
except FileNotFoundError:
    print("no socket: this kernel has 8021q")
except WorldError as error:
    print(error)
"""
_NO_VLAN = (
    "the lab cannot add enp0s5.9: a VLAN needs the kernel's 8021q module (as root: modprobe 8021q), "
    "or a lab that root started: without root the lab cannot make one by eBPF"
)


def test_a_lab_without_root() -> None:
    """An ordinary user's lab: real daemons, macvlan containers that reach each other, no traces."""
    if as_a_user('"$PYTHON" -c "import fixtures.lab.__main__"').returncode:
        pytest.skip("an ordinary user cannot read this checkout or its Python")
    done = as_a_user(_USERS_SCRIPT)
    said = done.stdout
    assert done.returncode == 0, done.stderr + said
    assert said.startswith("lab up in ")
    for name in ("dev-master-01", "dev-node-01"):
        assert f"\n{name}\n0\n" in said
    assert said.count("1 packets transmitted, 1 packets received") == 2
    assert re.search(r"^vfs \[.*name=rootless.*\]$", said, re.MULTILINE), said
    assert "\nin the shell: dev-node-01 0 /root\n" in said
    assert f"\n{_NO_VLAN}\n" in said or "\nno socket: this kernel has 8021q\n" in said, said
    assert said.endswith("\nthe lab in /mnt/home/lab is gone\n"), said


def test_the_matrix_without_root() -> None:
    """An ordinary user runs the bridge scenario on a lab of his own, and every cell holds."""
    if as_a_user('"$PYTHON" -c "import fixtures.lab.__main__"').returncode:
        pytest.skip("an ordinary user cannot read this checkout or its Python")
    done = as_a_user(
        "export L2MATRIX_LAB_DIR=/mnt/home/lab; "
        '"$PYTHON" -m pytest -p no:cacheprovider -m bridge --report-dir /mnt/home/runs && '
        "ls -A /mnt/home"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "+ 40 PASS  - 16 BLOCKED" in done.stdout, done.stdout
    assert done.stdout.endswith("\nruns\n"), done.stdout


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ("echo > /etc/subuid", "lab: /etc/subuid gives the user l2user no 65536 ids, and "),
        ("echo > /etc/subgid", "lab: /etc/subgid gives the user l2user no 65536 ids, and "),
        (
            "echo 0 > /mnt/none; mount --bind /mnt/none /proc/sys/user/max_user_namespaces",
            "lab: this machine does not let ordinary users make user namespaces",
        ),
    ],
    ids=["no subuid", "no subgid", "no user namespaces"],
)
def test_what_a_user_lacks_is_one_sentence(spoil: str, says: str) -> None:
    """No subordinate ids, no user namespaces: one sentence and its remedy, and nothing is made."""
    done = as_a_user('"$PYTHON" -m fixtures.lab up --dir /mnt/home/lab; ls -A /mnt/home', spoil)
    if "Permission denied" in done.stderr:
        pytest.skip("an ordinary user cannot read this checkout or its Python")
    assert done.stderr.startswith(says)
    assert re.fullmatch(r"lab: .*\n  -> .*\n", done.stderr)
    assert not done.stdout


def as_a_user(script: str, spoil: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script as a user whom only our own mount namespace knows."""
    words = [f"PYTHON={sys.executable}", f"ASK_FOR_A_VLAN={_ASK_FOR_A_VLAN}"]
    words += ["PYTHONDONTWRITEBYTECODE=1", "bash", "-c", script]
    return in_private_mounts(
        f"{_BECOME_A_USER}\n{spoil}\ncd {shlex.quote(str(ROOT))}\n"
        f"exec {_AS_A_USER} {shlex.join(words)}"
    )


def in_private_mounts(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in mount and PID namespaces of its own, which end with it."""
    argv = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    argv += ["bash", "-ec", script]
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def hang_up_on(argv: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program whose output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            argv,
            cwd=ROOT,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    finally:
        os.close(writer)


def cgroup_folders(directory: Path) -> list[Path]:
    """The lab's cgroups, in every hierarchy that is mounted."""
    name = statedir.cgroup_name(directory)
    found: list[Path] = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        if line.partition(" - ")[2].startswith("cgroup"):
            walk = os.walk(line.split(" ")[4])
            found += [Path(folder) for folder, _, _ in walk if Path(folder).name == name]
    return found


def enter(host: HostStatus, script: str) -> str:
    """Run a script in a host, without SSH."""
    argv = [*host.enter.split(), "bash", "-ec", script]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def wires(host: HostStatus) -> str:
    """A host's links, queues and filters."""
    return enter(host, f"ip -o link; tc qdisc; tc filter show dev {host.nic} ingress")


def ask(path: str, request: dict[str, object]) -> dict[str, Any]:
    """One line to the VLAN socket, and its answer."""
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(path)
        asker.sendall(json.dumps(request).encode() + b"\n")
        answer: dict[str, Any] = json.loads(asker.makefile().readline())
    return answer
