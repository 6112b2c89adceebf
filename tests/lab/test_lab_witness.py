"""Witnesses on the lab: a fault is made at one place, and the run says that frames vanish there."""

from __future__ import annotations

import shlex
import signal
import struct
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fixtures.agent.capture import Capture
from fixtures.lab import Lab
from fixtures.lab.faults import broken
from tests.lab.conftest import ROOT, MatrixRun, command, environment, result

Matrix = Callable[..., MatrixRun]
Look = Callable[[], list[str]]
MASTER, NODE = "port-master-01", "port-node-01"
VLAN_TAG, ARP, IPV4, ECHO_REQUEST, ECHO_REPLY = 0x8100, 0x0806, 0x0800, 8, 0
INBOUND = 1


@contextmanager
def dropping(lab: Lab, rule: str) -> Iterator[None]:
    """The switch drops what this nft rule matches; its other frames pass."""
    enter = ["nsenter", "-t", str(lab.status().switch.pid), "-n", "nft"]
    hook = "{ type filter hook forward priority 0; }"
    script = f"add table bridge t\nadd chain bridge t f {hook}\nadd rule bridge t f {rule} drop\n"
    subprocess.run([*enter, "-f", "-"], input=script, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run([*enter, "delete", "table", "bridge", "t"], check=True)


def frames_of(run: MatrixRun) -> Counter[tuple[str, str, int | None, str]]:
    """The run's packet file: (interface, in or out, VLAN tag in the frame, what it is), counted."""
    data = (run.folder / "packets.pcapng").read_bytes()
    names: list[str] = []
    found: Counter[tuple[str, str, int | None, str]] = Counter()
    while data:
        kind, size = struct.unpack_from("<II", data)
        body, data = data[8 : size - 4], data[size:]
        if kind == 1:
            (length,) = struct.unpack_from("<H", body, 10)
            names.append(body[12 : 12 + length].decode())
        elif kind == 6:
            number, _, _, length, _ = struct.unpack_from("<IIIII", body)
            frame, options = body[20 : 20 + length], body[20 + (length + 3 & ~3) :]
            way = "in" if struct.pack("<HHI", 2, 4, INBOUND) in options else "out"
            found[names[number], way, *_what(frame)] += 1
    return found


def _what(frame: bytes) -> tuple[int | None, str]:
    kind, tag = int.from_bytes(frame[12:14], "big"), None
    if kind == VLAN_TAG:
        tag, frame = int.from_bytes(frame[14:16], "big"), frame[4:]
        kind = int.from_bytes(frame[12:14], "big")
    if kind == ARP:
        return tag, "ARP"
    assert kind == IPV4, frame
    return tag, {ECHO_REQUEST: "echo request", ECHO_REPLY: "echo reply"}[frame[34]]


def test_witnesses_are_bounded_never_promiscuous_and_gone_afterwards(lab: Lab) -> None:
    """They end by themselves; what is too much is counted; a link that is missing is said."""
    host = lab.status().hosts[0]

    def look() -> tuple[str, int]:
        """Who wants the NIC promiscuous, and how many packet sockets there are."""
        enter = ["nsenter", "-t", str(host.pid), "-n", "sh", "-c"]
        script = f"ip -d -o link show {host.nic}; grep -c . /proc/self/net/packet"
        done = subprocess.run([*enter, script], stdout=subprocess.PIPE, text=True, check=True)
        link, _, sockets = done.stdout.strip().rpartition("\n")
        return link.partition("promiscuity")[2].split()[0], int(sockets)

    before = look()
    job = {
        "taps": [[host.pid, ""], [host.pid, "nosuch0"]],
        "addresses": [host.address.partition("/")[0], "192.168.2.1"],
        "bytes": 1 << 16,
        "seconds": 60,
    }
    captures = [Capture({**job, "frames": most}) for most in (1, 100)]
    said = captures[1].placed()
    assert [host.pid, host.nic] in [tap[:2] for tap in said["taps"]]
    assert [why[1] for why in said["trouble"]] == ["nosuch0"]
    assert look() == (before[0], before[1] + 2 * len(said["taps"]))
    gone = ["ip", "neigh", "flush", "dev", host.nic]
    ping = ["ping", "-c", "1", "-W", "1", "192.168.2.1"]
    for argv in (gone, ping):
        subprocess.run(["nsenter", "-t", str(host.pid), "-n", *argv], check=True)
    (few, few_frames), (all_of_it, frames) = (capture.stop() for capture in captures)
    assert look() == before
    # An ARP request and its reply; the ping is not ours.
    assert (all_of_it["frames"], all_of_it["left_out"], all_of_it["expired"]) == (2, 0, False)
    assert (few["frames"], few["left_out"]) == (1, 1)
    assert len(frames) == 2 * len(few_frames)
    late = Capture({**job, "frames": 9, "seconds": 0})
    late._thread.join(timeout=30)  # nobody has told it to stop
    assert look() == before
    head, _ = late.stop()
    assert (head["frames"], head["expired"]) == (0, True)


def test_frames_of_a_vlan_that_one_switch_port_does_not_let_out(lab: Lab, matrix: Matrix) -> None:
    """The run names the two NICs between which they vanish, with their tag; the packets show it."""
    with dropping(lab, f'oifname "{NODE}" vlan id 200'):
        run = matrix("-m", "vlan", "-k", "address")
    assert run.code == 1, run.text
    for cell_id in ("vlan:c5:c7:address", "vlan:dev-master-01:dev-node-01:address"):
        cell = run.cell(cell_id)
        assert cell["verdict"] == "FAIL"
        assert cell["trace"]["words"][0].endswith(
            "left dev-master-01's enp0s5 tagged VLAN 200, never arrived at dev-node-01's enp0s5"
        ), cell["trace"]
    told = [line for line in run.text.splitlines() if line.startswith("  way:")]
    assert any("tagged VLAN 200, never arrived at dev-node-01's enp0s5" in line for line in told)
    assert '<td class="w-gone">' in (run.folder / "report.html").read_text()
    seen = frames_of(run)
    assert seen["dev-master-01 enp0s5", "out", 200, "ARP"]
    assert seen["dev-master-01 enp0s5.200", "out", None, "ARP"]
    assert seen["dev-node-01 enp0s5", "out", 200, "ARP"]
    assert seen["dev-master-01 enp0s5", "in", 200, "ARP"]
    assert not [key for key in seen if key[:2] == ("dev-node-01 enp0s5", "in")]
    assert not [key for key in seen if key[0].endswith("enp0s5") and key[2] != 200]


def test_replies_that_are_lost_in_one_direction(lab: Lab, matrix: Matrix) -> None:
    """ARP passes and requests arrive; the way back is where the run says that it ends."""
    with dropping(lab, f'iifname "{NODE}" oifname "{MASTER}" icmp type echo-reply'):
        run = matrix("-m", "bridge", "-k", "address")
    for cell in run.record["cells"]:
        lost = cell["expected"] == "reply" and (cell["source_host"], cell["target_host"]) == (
            "dev-master-01",
            "dev-node-01",
        )
        if not lost:
            assert cell["verdict"] != "FAIL", cell
            continue
        assert cell["verdict"] == "FAIL"
        words = "echo replies left dev-node-01's enp0s5, never arrived at dev-master-01's enp0s5"
        assert cell["trace"]["words"] == [words], cell["trace"]
        assert (cell["trace"]["sent"], cell["trace"]["answered"]) == (3, 0)
    seen = frames_of(run)
    assert seen["dev-node-01 enp0s5", "out", None, "echo reply"]
    assert seen["c3 eth0 (dev-node-01)", "in", None, "echo request"] == 9
    assert not seen["dev-master-01 enp0s5", "in", None, "echo reply"]


def test_a_port_that_sends_frames_back(lab: Lab, matrix: Matrix) -> None:
    """Hairpin on a switch port: containers reach their own host, and the run says by which way."""
    enter = ["nsenter", "-t", str(lab.status().switch.pid), "-n"]
    hairpin = [*enter, "ip", "link", "set", MASTER, "type", "bridge_slave", "hairpin"]
    subprocess.run([*hairpin, "on"], check=True)
    try:
        run = matrix("-m", "bridge", "-k", "c1 and dev-master-01")
    finally:
        subprocess.run([*hairpin, "off"], check=True)
    for cell_id in ("bridge:c1:dev-master-01:address", "bridge:dev-master-01:c1:address"):
        cell = run.cell(cell_id)
        assert cell["verdict"] == "LEAK"
        assert cell["trace"]["words"] == [
            "asked again with witnesses, 3 of 3 echo requests were answered",
            "they left dev-master-01 on the wire, and something out there sent them back",
        ]
    macs = run.cell("bridge:dev-master-01:c1:address")["trace"]["reply_macs"]
    assert macs == [run.cell("bridge:dev-master-01:c1:address")["observed"]["neighbour_mac"]]


def test_a_second_machine_that_holds_the_address(lab: Lab, matrix: Matrix) -> None:
    """Somebody on the switch answers for a host as well: its MAC address is told as none of ours."""
    with broken(lab, "duplicate-address"):
        # This direction alone: the other one's request would teach c1 the address without its asking.
        run = matrix("matrix/test_matrix.py::test_cell[bridge:c1:dev-node-01:address]")
    cell = run.cell("bridge:c1:dev-node-01:address")
    assert cell["verdict"] == "IMPOSTOR", cell
    words = " / ".join(cell["trace"]["words"])
    assert "ARP for 192.168.2.211 was answered by" in words
    assert "(none of ours)" in words


def test_ctrl_c_among_witnesses(lab: Lab, tmp_path: Path, fingerprint: Look) -> None:
    """Interrupted while cells are asked again: verdicts stand, and everything is put back."""
    before = fingerprint()
    found = next(h for h in lab.status().hosts if h.name == "dev-node-01")
    subprocess.run(shlex.split(found.unplug), check=True)
    try:
        process = subprocess.Popen(
            command(tmp_path, "-m", "bridge", "-k", "address"),
            cwd=ROOT,
            env={**environment(lab), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if "again, with witnesses" in line:
                break
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=60)
    finally:
        subprocess.run(shlex.split(found.plug), check=True)
    run = result(tmp_path, process.returncode, text)
    assert run.code == 2, text
    assert "Traceback" not in text
    assert run.record["phase"] == "judged"
    assert "FAIL" in run.verdicts().values()
    assert fingerprint() == before
