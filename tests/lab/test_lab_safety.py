"""A host is never cut off, and is left as it was found: on two real hosts, over real connections."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fixtures import docker_socket
from fixtures.build import Built, build, take_down
from fixtures.engine import Engine
from fixtures.host import open_host
from fixtures.lab import Lab
from fixtures.ssh import connect
from matrix.errors import WorldError
from matrix.fingerprint import difference
from matrix.site import read_site
from matrix.topology import Host
from tests.lab.conftest import ROOT, MatrixRun, command, environment, on_host
from tests.lab.management import FAR, NEAR, management

ONE_CELL = ["-k", "vlan and c5 and c6 and address"]
SITE = ROOT / "sites" / "lab.toml"


def site(folder: Path, *changes: tuple[str, str]) -> Path:
    """The lab's site with something written otherwise."""
    text = SITE.read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "site.toml"
    path.write_text(text)
    return path


REPLACE = ("vlan = 200\n", "vlan = 200\nreplace_default_route = true\n")


@pytest.mark.parametrize("source", [NEAR, FAR])
def test_a_default_route_is_proven_or_put_back(
    lab: Lab,
    matrix: Callable[..., MatrixRun],
    fingerprint: Callable[[], list[str]],
    tmp_path: Path,
    source: str,
) -> None:
    """From the hosts' own LAN the new route cuts nothing; from behind the gateway it does.

    Nobody has the gateway's address on the VLAN, so answers to machines elsewhere go nowhere.
    """
    with management(lab, source, tmp_path) as config:
        before = fingerprint()
        path = site(tmp_path, REPLACE)
        run = matrix(f"--site={path}", f"--ssh-config={config}", *ONE_CELL)
        assert fingerprint() == before
    hosts = run.record["hosts"]
    assert [host["difference"] for host in hosts] == [[], []], run.text
    assert all("default via 192.168.2.1 dev enp0s5" in host["after"]["routes"] for host in hosts)
    said = "\n".join(run.record["trouble"])
    notes = "\n".join(run.record["notes"])
    if source == NEAR:
        assert run.code == 0, run.text
        assert len(re.findall("confirmed by a new SSH connection", notes)) == 2, notes
    else:
        assert run.code != 0
        assert "cut the way by which we reach the host" in said, run.text
        assert "the host has put its default route back by itself" in said, run.text
        assert "Traceback" not in run.text


ROUTES = """
import json, subprocess, sys
sys.path.insert(0, sys.argv[1])
from fixtures.agent import guard
def ip(*words):
    subprocess.run(["ip", *words], check=True)
def routes():
    return subprocess.run(
        ["ip", "-d", "route"], check=True, capture_output=True, text=True).stdout.splitlines()
for pair in (("nic1", "far1"), ("nic2", "far2")):
    ip("link", "add", pair[0], "type", "veth", "peer", "name", pair[1])
    for end in pair:
        ip("link", "set", end, "up")
ip("addr", "add", "10.1.0.2/24", "dev", "nic1")
ip("addr", "add", "10.1.0.3/24", "dev", "nic1")
ip("addr", "add", "10.2.0.2/24", "dev", "nic2")
for route in json.loads(sys.argv[2]):
    ip("route", "add", "default", *route.split())
before = routes()
record = {"gateway": "10.2.0.1", "link": "nic2", **guard.plan("10.2.0.1", "nic2")}
guard.take(record)
assert guard.plan("10.2.0.1", "nic2")["already"]
assert routes()[0].split()[1:6] == ["default", "via", "10.2.0.1", "dev", "nic2"], routes()
assert guard.put_back(record) == "put back"
assert routes() == before, (routes(), before)
assert guard.put_back(record) in ("was back", "put back"), "twice is harmless"
assert routes() == before, (routes(), before)
# The link goes, and with it our route; what there was comes back all the same.
guard.take(record)
ip("link", "del", "nic2")
guard.put_back(record)
assert routes() == [line for line in before if " dev nic2 " not in line], routes()
# Somebody else has set another one meanwhile: not ours to touch.
ip("route", "replace", "default", "via", "10.1.0.77", "dev", "nic1")
theirs = routes()
assert guard.put_back(record) == ("another stays" if record["old"] else "was back")
assert routes() == theirs
"""


@pytest.mark.parametrize(
    "there",
    [
        [],
        ["via 10.1.0.1 dev nic1"],
        ["via 10.1.0.1 dev nic1 proto dhcp src 10.1.0.3 mtu 1400 metric 100"],
        [
            "via 10.1.0.1 dev nic1 proto static src 10.1.0.3 mtu lock 1400",
            "dev nic1 scope link metric 9",
        ],
        ["nexthop via 10.1.0.1 dev nic1 weight 3 nexthop via 10.1.0.9 dev nic1"],
        ["via 192.0.2.9 dev nic1 onlink proto 77"],
    ],
)
def test_a_default_route_comes_back_as_it_was(there: list[str]) -> None:
    """With its protocol, source, metric, next hops and flags, as the kernel told them."""
    argv = ["unshare", "--net", sys.executable, "-c", ROUTES, str(ROOT), json.dumps(there)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


def test_the_guard_acts_when_its_agent_is_killed(
    lab: Lab, fingerprint: Callable[[], list[str]]
) -> None:
    """Confirmed or not: what changed the route has ended, so the route goes back, within a moment."""
    before = fingerprint()
    name = "dev-master-01"
    session = open_host(lab_host(lab, name), lab.ssh_config, {}, lambda _host, _what: None)
    gateway, link = "192.168.2.1", "enp0s5"
    plan = session.agent.call("default_route", do="plan", gateway=gateway, link=link)
    record = {"undo": "default-route", "link": link, "gateway": gateway, "name": "t1", **plan}
    program = (ROOT / "fixtures" / "agent" / "guard.py").read_text()
    session.journal.note("route", record)
    session.agent.call(
        "default_route", do="take", record=record, name="t1", after_s=60, program=program
    )
    assert session.agent.call("default_route", do="confirm", name="t1") == {"guarded": True}
    assert f"default via {gateway}" in on_host(
        lab, name, "ip route; stat -c '%a %U' /run/l2matrix/*"
    )
    assert on_host(lab, name, "stat -c '%a %U' /run/l2matrix /run/l2matrix/*").split("\n")[:-1] == [
        "700 root",
        "600 root",
        "600 root",
    ]
    on_host(lab, name, f"kill -9 {session.agent.hello['pid']}")
    for _ in range(50):
        if "default via" not in on_host(lab, name, "ip route"):
            break
    assert "default via" not in on_host(lab, name, "ip route")
    session.close()
    again = open_host(lab_host(lab, name), lab.ssh_config, {}, lambda _host, _what: None)
    assert again.remove_leftovers()
    again.close()
    assert fingerprint() == before


def lab_host(lab: Lab, name: str) -> Host:
    """A host of the lab as a site declares it."""
    spec = next(host for host in lab.spec.hosts if host.name == name)
    return Host(spec.name, spec.nic, spec.address)


def test_what_would_cut_our_way_is_refused(
    lab: Lab,
    matrix: Callable[..., MatrixRun],
    fingerprint: Callable[[], list[str]],
    tmp_path: Path,
) -> None:
    """The VLAN's subnet holds the address by which we come: the host would answer us by the VLAN.

    Said before anything is changed, with the reason and what else to do.
    """
    changes = [
        ("192.168.200.0/24", "10.0.0.0/8"),
        ('gateway = "192.168.200.1"', 'gateway = "10.0.0.1"'),
        *[(f'"192.168.200.{n}"', f'"10.0.0.{n}"') for n in (10, 11, 100, 101, 102, 103)],
    ]
    with management(lab, FAR, tmp_path) as config:
        before = fingerprint()
        run = matrix(f"--site={site(tmp_path, *changes)}", f"--ssh-config={config}", "-k", "vlan")
        assert fingerprint() == before
    assert run.code != 0
    assert "would bring a route to 10.0.0.0/8, and this machine, 10.99.0.1, is in there" in run.text
    assert "nothing was changed" in run.text
    assert "ip link add" not in json.dumps(run.record["timeline"])
    assert "Traceback" not in run.text


CHANGES = [
    ("ip link set enp0s5 promisc on", "ip link set enp0s5 promisc off", "promiscuity was 0, is 1"),
    (
        "ip addr add 10.7.0.1/32 dev enp0s5",
        "ip addr del 10.7.0.1/32 dev enp0s5",
        "links: enp0s5: addresses was",
    ),
    (
        "ip route add 10.8.0.0/16 dev enp0s5 table 100 src 192.168.2.210",
        "ip route del 10.8.0.0/16 table 100",
        "routing: new 10.8.0.0/16 src 192.168.2.210 dev enp0s5 table 100",
    ),
    (
        "ip rule add from 10.9.0.0/16 fwmark 7 table 100",
        "ip rule del from 10.9.0.0/16 fwmark 7 table 100",
        "rules: new ipv4 32765: from 10.9.0.0/16 to all table 100",
    ),
    (
        "ip neigh add 192.168.2.99 lladdr 02:00:00:00:00:99 dev enp0s5 nud permanent",
        "ip neigh del 192.168.2.99 dev enp0s5",
        "neighbours: new 192.168.2.99 dev enp0s5 lladdr 020000000099 permanent",
    ),
    (
        "ip neigh add proxy 192.168.2.98 dev enp0s5",
        "ip neigh del proxy 192.168.2.98 dev enp0s5",
        "neighbours: new 192.168.2.98 dev enp0s5 proxy",
    ),
    (
        "echo 2 > /proc/sys/net/ipv4/conf/enp0s5/arp_announce",
        "echo 0 > /proc/sys/net/ipv4/conf/enp0s5/arp_announce",
        "arp_announce=2",
    ),
    ("docker tag busybox:latest x:y", "docker rmi x:y", "images: new busybox:latest x:y"),
    ("docker network create x", "docker network rm x", "networks: new x bridge"),
]


def test_the_link_that_has_our_address_carries_us_as_well() -> None:
    """In a namespace of its own: what we send may come in by another link than answers leave by."""
    look = (
        "import json; from fixtures.agent import access as a; "
        "out = a.way('198.51.100.9')[1]; "
        "print(json.dumps([a.carriers([out, *a.owners('192.0.2.1')]), "
        "a.carriers([out, *a.owners('2001:db8::1')]), a.carriers([out])]))"
    )
    made = (
        "ip link add low type veth peer name low2 && ip link add out type veth peer name out2 && "
        "ip link add in type bridge && ip link set low master in && "
        "for link in in low low2 out out2; do ip link set $link up; done && "
        "ip addr add 192.0.2.1/24 dev in && ip -6 addr add 2001:db8::1/64 dev in nodad && "
        f'ip route add 198.51.100.0/24 dev out && {sys.executable} -c "{look}"'
    )
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", made],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # A veth's other end, in one namespace with it, counts as what it sits on.
    every = ["in", "low", "low2", "out", "out2"]
    assert json.loads(done.stdout) == [every, every, ["out", "out2"]]


def test_whatever_changes_is_named(lab: Lab) -> None:
    """Each kind of thing, alone and by its own name; and nothing once it is back."""
    session = open_host(lab_host(lab, "dev-master-01"), lab.ssh_config, {}, lambda _h, _w: None)
    try:
        before = session.facts()
        said = on_host(lab, "dev-master-01", "; ".join(do for do, _, _ in CHANGES))
        found = difference(before, session.facts())
        on_host(lab, "dev-master-01", "; ".join(undo for _, undo, _ in reversed(CHANGES)))
        assert [words for _, _, words in CHANGES if not any(words in f for f in found)] == [], (
            found,
            said,
        )
        assert difference(before, session.facts()) == ()
        assert difference(session.facts(), None) == ()
    finally:
        session.close()


SETTINGS = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
from fixtures.agent import fingerprint as f
subprocess.run("ip link add nic1 type veth peer name far1".split(), check=True)
for family, wanted in (("ipv4", f.IPV4), ("ipv6", f.IPV6)):
    for name in wanted.values():
        path = "/proc/sys/net/%s/conf/nic1/%s" % (family, name)
        old = open(path).read().strip()
        new = "1400" if name == "mtu" else "1" if old != "1" else "0"
        with open(path, "w") as file:
            file.write(new)
        (line,) = [s for s in f.fingerprint({})["sysctls"] if "net.%s.conf.nic1:" % family in s]
        assert "%s=%s" % (name, new) in line.split(), (name, new, line)
        with open(path, "w") as file:
            file.write(old)
"""


def test_the_settings_are_those_that_they_are_called() -> None:
    """Numbers of the kernel's headers against its own names: each is set, and must be seen."""
    argv = ["unshare", "--net", sys.executable, "-c", SETTINGS, str(ROOT)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


@pytest.mark.thorough
def test_a_hung_docker_costs_seconds_and_keeps_nothing_else_standing(
    lab: Lab, fingerprint: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dockerd is stopped in its tracks when everything stands: links go back without it.

    What is left is named, with the commands that remove it; the next run removes it.
    """
    before = fingerprint()
    name = "dev-master-01"
    topology = read_site(SITE.read_text(), name="lab.toml")
    session = open_host(topology.host(name), lab.ssh_config, {}, lambda _host, _what: None)
    built = Built()
    build(session, topology, topology.scenarios, built)
    assert not built.failed
    monkeypatch.setattr(docker_socket, "PING_S", 1.0)
    daemon = next(host for host in lab.status().hosts if host.name == name).dockerd.pid
    assert daemon is not None
    os.kill(daemon, signal.SIGSTOP)
    try:
        began = time.monotonic()
        (trouble,) = take_down(session, built)
        with pytest.raises(WorldError, match="Docker does not answer"):
            session.engine.containers()
        assert time.monotonic() - began < 15
        assert "c1" in trouble.what
        assert "docker rm -f c1 c2 c5 c6; docker network rm" in trouble.fix
        assert "enp0s5.200" not in on_host(lab, name, "ip -o link")
        session.close()
        with pytest.raises(WorldError, match="Docker does not answer"):
            open_host(topology.host(name), lab.ssh_config, {}, lambda _host, _what: None)
        assert time.monotonic() - began < 30
    finally:
        os.kill(daemon, signal.SIGCONT)
    again = open_host(topology.host(name), lab.ssh_config, {}, lambda _host, _what: None)
    assert "container c1" in again.remove_leftovers()
    again.close()
    assert fingerprint() == before


def test_host_keys_are_always_checked(lab: Lab, tmp_path: Path) -> None:
    """Known, beside lines that we do not read; unknown; changed; revoked; by an authority alone."""
    name = "dev-master-01"
    (key,) = [
        line.partition(" ")[2]
        for line in (lab.state_dir / "known_hosts").read_text().splitlines()
        if line.startswith(f"{name} ")
    ]
    other = (lab.state_dir / "id_ed25519.pub").read_text().rpartition(" ")[0]
    known = tmp_path / "known_hosts"
    config = tmp_path / "ssh_config"
    text = lab.ssh_config.read_text()
    config.write_text(text.replace(f'"{lab.state_dir}/known_hosts"', f'"{known}"'))
    assert str(known) in config.read_text()
    strange = f"@cert-authority * {other}\n@odd x y\n\x1b]0;x\x07 \xff\n@revoked * {other}\nx y\n"
    known.write_text(f"{strange}{name} {key}\n", encoding="latin-1")
    connect(name, config).close()
    for lines, words in (
        ("", "its host key is unknown: ssh-ed25519 SHA256:"),
        (f"{name} {other}\n", "its host key has changed"),
        (f"@cert-authority * {key}\n", "(lines of @cert-authority are not read)"),
        (f"{name} {key}\n@revoked * {key}\n", "marks @revoked"),
        (f"@revoked elsewhere {key}\n", "marks @revoked"),
    ):
        known.write_text(lines)
        with pytest.raises(WorldError) as caught:
            connect(name, config)
        assert words in str(caught.value)
        assert "fix" not in words
        assert caught.value.fix


SECRET = "hunter2-do-not-print"  # noqa: S105  planted, to be found
HOSTILE_LINK = b"\x1b]0;\xff<b>\x07\xe2\x80\xae"


def test_secrets_and_hostile_names_stay_where_they_are(
    lab: Lab, tmp_path: Path, fingerprint: Callable[[], list[str]]
) -> None:
    """Planted in env, labels and commands of a container, in the SSH configuration and here.

    And a link with a name made of escapes, markup, no UTF-8 and a change of direction: it is in no
    output as it is.
    """
    config = tmp_path / "ssh_config"
    config.write_text(f"# {SECRET}\n{lab.ssh_config.read_text()}")
    name = "dev-master-01"
    before = fingerprint()
    link = HOSTILE_LINK.decode("latin-1")
    octal = "".join("\\" + format(byte, "03o") for byte in HOSTILE_LINK)
    rename = f"printf '{octal}'"
    plant = (
        f"docker run -d --name spy --network none --label s={SECRET} -e S={SECRET} busybox "
        f'sleep 999999; ip link add spy type veth peer name spy2; ip link set spy name "$({rename})"; '
        f"ip link set spy2 alias '<script>alert(1)</script>{link[:4]}'"
    )
    reports = tmp_path / "reports"
    try:
        said = on_host(lab, name, plant)
        done = subprocess.run(
            command(reports, f"--ssh-config={config}", "-q", "-k", "bridge and c1"),
            cwd=ROOT,
            env={**environment(lab), "PLANTED_TOKEN": SECRET, "DOCKER_AUTH": SECRET},
            capture_output=True,
            check=False,
            timeout=120,
        )
    finally:
        on_host(lab, name, "docker rm -f spy; ip link del spy2")
    assert done.returncode == 0, (done.stdout, said)
    files = {
        p.name: p.read_bytes() for p in reports.rglob("*") if p.is_file() and not p.is_symlink()
    }
    assert {"run.json", "report.html", "junit.xml"} <= set(files)
    assert b"spy busybox" in files["run.json"], "the container was seen"
    assert b"spy2" in files["run.json"], "and so was the link"
    for where, data in {**files, "out": done.stdout, "err": done.stderr}.items():
        assert SECRET.encode() not in data, where
        if where != "packets.pcapng":
            assert b"\x1b" not in data, where
            assert b"\x07" not in data, where
    assert b"<script>alert" not in files["report.html"]
    assert "\u202e" not in files["report.html"].decode()
    assert fingerprint() == before


FALSE_DOCKER = """
import gzip, os, socket, sys, threading, time
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\n"
def answer(caller, how):
    asked = caller.recv(65536)
    if b"GET /version" in asked and how in ("bomb", "elsewhere", "digits", "none"):
        body = b'{"Version": "20.10.24", "ApiVersion": "1.41"}'
        caller.sendall(HEAD + b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
        asked = caller.recv(65536)
    if how == "hangs":
        time.sleep(60)
    elif how == "endless":
        caller.sendall(HEAD + b"Content-Length: 99999999999\\r\\n\\r\\n[")
        while True:
            caller.sendall(b'"aaaaaaaa",' * 10000)
    elif how == "drips":
        caller.sendall(HEAD + b"Content-Length: 1000\\r\\n\\r\\n")
        while True:
            caller.sendall(b" "); time.sleep(0.1)
    elif how == "headers":
        caller.sendall(HEAD)
        while True:
            caller.sendall(b"X: y\\r\\n" * 1000)
    else:
        body = {
            "deep": b"[" * 100000, "none": b"\\xff\\x00{", "list": b"[]", "empty": b"",
            "odd": b'{"Version": {}, "ApiVersion": 7}', "digits": b"1" * 10000,
            "bomb": gzip.compress(bytes(50 << 20)), "elsewhere": b"{}",
        }[how]
        more = {"bomb": b"Content-Encoding: gzip\\r\\n"}.get(how, b"")
        head = HEAD if how != "elsewhere" else (
            b"HTTP/1.1 302 Found\\r\\nLocation: http://192.0.2.1:1/evil\\r\\n")
        caller.sendall(head + more + b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
    caller.close()
def serve(caller, how):
    try:
        first = caller.recv(5, socket.MSG_PEEK)
        start = caller.recv(64, socket.MSG_PEEK)
        if b"/_ping" in start and how != "hangs":
            caller.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nOK"); caller.close()
        else:
            answer(caller, how)
    except OSError:
        pass
def listen(server, how):
    while True:
        threading.Thread(target=serve, args=(server.accept()[0], how), daemon=True).start()
for how in sys.argv[1:]:
    server = socket.socket(socket.AF_UNIX); server.bind("/run/false-%s.sock" % how); server.listen(64)
    threading.Thread(target=listen, args=(server, how), daemon=True).start()
print("up", flush=True)
sys.stdin.read()
os._exit(0)
"""
LIES = (
    "hangs", "drips", "deep", "none", "list", "empty", "odd", "digits", "bomb", "elsewhere",
    "endless", "headers",
)  # fmt: skip


def test_a_false_docker_is_a_world_error(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it answers: in words, and within bounds of time and memory."""
    monkeypatch.setattr(docker_socket, "ANSWER_S", 6.0)
    monkeypatch.setattr(docker_socket, "LOOK_S", 1.0)
    monkeypatch.setattr(docker_socket, "PING_S", 3.0)
    monkeypatch.setattr(docker_socket, "LARGEST", 1 << 20)
    connection = connect("dev-master-01", lab.ssh_config)

    def lied_to(how: str) -> str:
        try:
            Engine(connection, f"/run/false-{how}.sock").containers()
        except WorldError as error:
            return str(error)
        return "nothing"

    try:
        server = connection.start(("python3", "-c", FALSE_DOCKER, *LIES))
        assert server.recv(3) == b"up\n"
        with ThreadPoolExecutor(4) as pool:
            said = dict(zip(LIES, pool.map(lied_to, LIES), strict=True))
        server.shutdown_write()
        assert server.recv(1) == b"", "it has ended"
        on_host(lab, "dev-master-01", "rm -f /run/false-*")
    finally:
        connection.close()
    for how, words in said.items():
        assert words.startswith("dev-master-01: "), (how, words)
        assert len(words) < 5000
    assert "Docker does not answer" in said["hangs"]
    assert "has a Location, which Docker never sends" in said["elsewhere"]
    assert "has a Content-Encoding, which Docker never sends" in said["bomb"]
    assert "more than 1 MB" in said["endless"]
    assert "timed out" in said["drips"]
