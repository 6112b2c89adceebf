"""Whatever answers where a host's sshd should be: one WorldError, in bounded time and memory."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fixtures import ssh
from matrix.errors import WorldError

BANNER = b"SSH-2.0-OpenSSH_9.2\r\n"


def silent(caller: socket.socket) -> None:
    """Say nothing, and wait."""
    caller.recv(1)
    caller.recv(1 << 16)
    caller.recv(1)


def flood(caller: socket.socket) -> None:
    """A banner without an end."""
    while True:
        caller.sendall(b"a" * 65536)


def lines(caller: socket.socket) -> None:
    """Lines before the banner, without an end."""
    while True:
        caller.sendall(b"\x1b]0;gotcha\x07\r\n" * 1000)


def stalls(caller: socket.socket) -> None:
    """A banner, and then nothing."""
    caller.sendall(BANNER)
    silent(caller)


def garbage(caller: socket.socket) -> None:
    """A banner, and then no packets."""
    caller.sendall(BANNER + os.urandom(4096))
    silent(caller)


def huge(caller: socket.socket) -> None:
    """A packet that says it has 4 GB."""
    caller.sendall(BANNER + b"\xff\xff\xff\xff" + bytes(1 << 20))
    silent(caller)


def empty(caller: socket.socket) -> None:
    """A first packet that holds nothing to negotiate with."""
    caller.sendall(BANNER + b"\0\0\0\x0c\x0a\x14" + bytes(64))
    silent(caller)


def hangs_up(caller: socket.socket) -> None:
    """Nothing at all."""
    caller.close()


@contextlib.contextmanager
def listening(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on the loopback that behaves like that: its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                caller, _ = listener.accept()
                with caller:
                    behave(caller)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def test_whatever_answers_is_a_world_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All of them at once, each given a second."""
    monkeypatch.setattr(ssh, "CONNECT_S", 1.0)

    def connect(behave: Callable[[socket.socket], None]) -> str:
        config = tmp_path / behave.__name__
        with listening(behave) as port:
            config.write_text(
                f"Host h\n HostName 127.0.0.1\n Port {port}\n User u\n IdentitiesOnly yes\n"
                f" UserKnownHostsFile {tmp_path}/none\n GlobalKnownHostsFile {tmp_path}/none\n"
            )
            with pytest.raises(WorldError) as caught:
                ssh.connect("h", config).close()
        return str(caught.value)

    kinds = (silent, flood, lines, stalls, garbage, huge, empty, hangs_up)
    with ThreadPoolExecutor(len(kinds)) as pool:
        for said in pool.map(connect, kinds):
            assert said.startswith("h: no SSH connection to u@127.0.0.1"), said
            assert said.replace("\n", "").isprintable(), said
            assert len(said) < 6000
