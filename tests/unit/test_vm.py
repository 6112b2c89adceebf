"""The pair of machines where no machine is needed: its switch, gateway, kernel, recipe and command."""

from __future__ import annotations

import socket
import struct
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from fixtures.vm import counter, kernel, qemu, recipe
from fixtures.vm.gateway import MAC, answers, checksum
from fixtures.vm.image import Image
from fixtures.vm.keeper import _forwarded
from fixtures.vm.spec import DEFAULT_SPEC, PairSpec
from fixtures.vm.switch import GATEWAY_PORT, Segment, Switch, Wires
from matrix.errors import ConfigError, WorldError

A, B = bytes.fromhex("525400bb0001"), bytes.fromhex("525400bb0002")
ALL = b"\xff" * 6
TAG_200 = bytes.fromhex("810000c8")
GATEWAYS = {0: IPv4Interface("192.168.2.1/24"), 200: IPv4Interface("192.168.200.1/24")}


def frame(to: bytes, source: bytes, tag: bytes = b"", body: bytes = b"\x08\x00") -> bytes:
    """A frame of the least length."""
    return (to + source + tag + body).ljust(60, b"\0")


def arp(wanted: str, own: str = "192.168.2.210") -> bytes:
    """Type and payload of an ARP request of A's."""
    return struct.pack(
        ">HHHBBH6s4s6s4s", 0x806, 1, 0x800, 6, 4, 1, A, socket.inet_aton(own), bytes(6),
        socket.inet_aton(wanted),
    )  # fmt: skip


def echo(to: str, payload: bytes = b"payload", ttl: int = 64) -> bytes:
    """Type and payload of an echo request."""
    message = struct.pack(">BBHHH", 8, 0, 0, 7, 1) + payload
    message = message[:2] + struct.pack(">H", checksum(message)) + message[4:]
    return b"\x08\x00" + struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(message), 1, 0x4000, ttl, 1, 0,
        socket.inet_aton("192.168.2.210"), socket.inet_aton(to),
    ) + message  # fmt: skip


def test_the_switch_learns_each_address_for_each_vlan() -> None:
    """Unknown: everywhere. Known: that port alone; the same address on a VLAN is another one."""
    switch = Switch((GATEWAY_PORT, 0, 1))
    assert list(switch.out(0, frame(B, A))) == [GATEWAY_PORT, 1]
    assert list(switch.out(1, frame(A, B))) == [0]
    assert list(switch.out(0, frame(B, A))) == [1]
    assert list(switch.out(0, frame(B, A, TAG_200))) == [GATEWAY_PORT, 1]
    assert list(switch.out(0, frame(ALL, A))) == [GATEWAY_PORT, 1]


def test_a_frame_goes_back_where_it_came_from_only_with_a_hairpin() -> None:
    """Reflective relay, of broadcasts too; the gateway never hears itself."""
    plain, reflecting = Switch((GATEWAY_PORT, 0)), Switch((GATEWAY_PORT, 0), hairpin=True)
    for switch in (plain, reflecting):
        list(switch.out(0, frame(ALL, B)))
    assert list(plain.out(0, frame(B, A))) == []
    assert list(reflecting.out(0, frame(B, A))) == [0]
    assert list(reflecting.out(0, frame(ALL, A))) == [GATEWAY_PORT, 0]
    assert list(reflecting.out(GATEWAY_PORT, frame(ALL, MAC))) == [0]


def test_a_trunk_carries_its_vlans_and_untagged_frames_only() -> None:
    """VLAN 200 is dropped where only 300 is carried."""
    switch = Switch((0, 1), trunk=frozenset({300}))
    assert list(switch.out(0, frame(ALL, A, TAG_200))) == []
    assert list(switch.out(0, frame(ALL, A, bytes.fromhex("8100012c")))) == [1]
    assert list(switch.out(0, frame(ALL, A))) == [1]


def test_a_stream_is_cut_into_frames_wherever_it_breaks() -> None:
    """Two frames, byte by byte, are two frames, unchanged; what is no frame is dropped."""

    class Heard(Segment):
        def hear(self, port: int, frame: bytes) -> None:
            heard.append((port, frame))

    heard: list[tuple[int, bytes]] = []
    wires = Wires(Heard(Switch((0,)), {}), 0)
    sent = [frame(ALL, A, TAG_200), frame(B, A) * 20]
    for byte in b"".join(struct.pack(">I", len(one)) + one for one in sent):
        wires.data_received(bytes([byte]))
    assert heard == [(0, sent[0]), (0, sent[1])]
    assert list(Switch((0, 1)).out(0, b"short")) == []


@pytest.mark.parametrize(("tag", "address"), [(b"", "192.168.2.1"), (TAG_200, "192.168.200.1")])
def test_the_gateway_answers_arp_for_its_own_address_alone(tag: bytes, address: str) -> None:
    """On each VLAN that it has an address on, tagged as it was asked."""
    (said,) = answers(frame(ALL, A, tag, arp(address)), GATEWAYS)
    assert said.startswith(A + MAC + tag + b"\x08\x06")
    _, operation, mac, own, target, asker = struct.unpack_from(">6sH6s4s6s4s", said, 14 + len(tag))
    assert (operation, mac, own) == (2, MAC, socket.inet_aton(address))
    assert (target, asker) == (A, socket.inet_aton("192.168.2.210"))
    assert list(answers(frame(ALL, A, tag, arp("192.168.2.99")), GATEWAYS)) == []
    assert list(answers(frame(ALL, A, tag, arp(address)), {})) == []


def test_the_gateway_echoes_what_is_sent_to_it() -> None:
    """The same payload, type 0, a fresh ttl, checksums that hold; nothing for anybody else."""
    (said,) = answers(frame(MAC, A, body=echo("192.168.2.1", b"odd", ttl=3)), GATEWAYS)
    head, message = said[14:34], said[34 : 14 + struct.unpack_from(">H", said, 16)[0]]
    assert head[8] == 64
    assert checksum(head) == checksum(message) == 0
    assert (message[0], message[4:]) == (0, struct.pack(">HH", 7, 1) + b"odd")
    assert list(answers(frame(MAC, A, body=echo("192.168.2.2")), GATEWAYS)) == []
    assert list(answers(frame(B, A, body=echo("192.168.2.1")), GATEWAYS)) == []
    broken = bytearray(frame(MAC, A, body=echo("192.168.2.1")))
    broken[42] ^= 1
    assert list(answers(bytes(broken), GATEWAYS)) == []
    for length in range(60):
        list(answers(frame(MAC, A, body=echo("192.168.2.1"))[:length], GATEWAYS))


def test_the_kernel_is_found_in_what_debian_packs_it_in() -> None:
    """By the two fields of the boot protocol; anything else is refused in words."""
    body = b"\x02\x21\x4c\x18" + b"compressed" + b"size"
    image = bytearray(0x400)
    image[0x1F1] = 1
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", image, 0x248, 0x10, len(body))
    image[2 * 512 :] = bytes(0x10) + body
    assert kernel.payload(bytes(image)) == body[:-4]
    with pytest.raises(WorldError, match="no bzImage"):
        kernel.payload(b"MZ")
    image[2 * 512 + 0x10] = 0x1F
    with pytest.raises(WorldError, match="LZ4"):
        kernel.payload(bytes(image))


def test_a_machine_is_known_by_its_command() -> None:
    """Names, addresses and MAC addresses of its own; nothing gets out by its way in."""
    first, second = (
        qemu.command(
            DEFAULT_SPEC, machine, Image(Path("/c")), accel=qemu.TCG, disk=5, wire=6, monitor=7,
            resume=False, khz=2_600_000,
        )
        for machine in DEFAULT_SPEC.machines
    )  # fmt: skip
    assert "l2matrix.name=dev-master-01 l2matrix.address=192.168.2.210/24" in " ".join(first)
    assert "tsc_early_khz=2600000" in " ".join(first)
    assert {w for w in first if "mac=" in w}.isdisjoint(w for w in second if "mac=" in w)
    (user,) = (word for word in first if word.startswith("user,"))
    assert "restrict=on" in user
    assert "hostfwd=tcp:127.0.0.1:0-:22" in user


def test_the_clock_of_an_emulated_machine_is_told_or_is_no_counter() -> None:
    """KVM needs nothing; without a rate the counter is not used."""
    assert qemu.clock(qemu.KVM, 1) == ""
    assert qemu.clock(qemu.TCG, None) == " tsc=unstable clocksource=hpet"


def test_the_rate_of_a_counter_is_the_median_of_its_rates() -> None:
    """One try that was interrupted for half a second changes nothing."""
    now_ns, lags = 0, iter([0, 0, 0, 500_000_000, 0, 0, 0, 0, 0, 0])

    def sleep(span_s: float) -> None:
        nonlocal now_ns
        now_ns += round(span_s * 1e9)

    def clock() -> int:
        nonlocal now_ns
        now_ns += next(lags)
        return now_ns

    assert counter._measure(lambda: now_ns * 26 // 10, clock, sleep) == 2_600_000


def test_the_port_of_a_machine_is_what_the_monitor_says() -> None:
    """As QEMU 7.2 prints it."""
    said = (
        "Hub -1 (way-in):\r\n"
        "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
        "  TCP[HOST_FORWARD]  12       127.0.0.1 38543       10.0.2.15    22     0     0\r\n"
    )
    assert _forwarded(said) == 38543
    with pytest.raises(WorldError, match="forwards no port"):
        _forwarded("")


def test_the_recipe_names_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal recipes, equal names; another package, another name."""
    before = recipe.key()
    assert before == recipe.key()
    monkeypatch.setattr(recipe, "PACKAGES", (*recipe.PACKAGES, "fping"))
    assert recipe.key() != before


def test_a_spec_survives_json_and_refuses_what_cannot_be_built() -> None:
    """Every attribute comes back; a VLAN that does not exist is named."""
    spec = replace(DEFAULT_SPEC, trunk=(200,), hairpin=True, memory_mib=1024, cpus=2)
    assert PairSpec.from_json(spec.to_json()) == spec
    for wrong, words in (
        ({"trunk": (4095,)}, "4095"),
        ({"memory_mib": 64}, "64"),
        ({"cpus": 0}, "0"),
    ):
        with pytest.raises(ConfigError, match=words):
            replace(DEFAULT_SPEC, **wrong)
