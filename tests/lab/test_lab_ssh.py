"""The SSH connection against a real sshd: nothing of a command's output may be lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fixtures.lab import Lab
from fixtures.ssh import Connection, connect
from matrix.errors import WorldError


@pytest.fixture
def connection(lab: Lab) -> Iterator[Connection]:
    """A connection to the lab's first host."""
    made = connect("dev-master-01", lab.ssh_config)
    yield made
    made.close()


def test_output_that_comes_after_the_exit_status_is_read(connection: Connection) -> None:
    """The shell ends at once, its child speaks later: sshd sends the exit status first."""
    for _ in range(5):
        ran = connection.run(("sh", "-c", "(sleep 0.2; echo late; echo oops >&2) & exit 3"))
        assert (ran.status, ran.out, ran.err) == (3, "late\n", "oops\n")


def test_much_output_on_both_streams_does_not_block(connection: Connection) -> None:
    """More than a channel's window on stderr, while stdout is read too."""
    ran = connection.run(("sh", "-c", "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero"))
    assert (ran.status, len(ran.out), len(ran.err)) == (0, 3000000, 3000000)


def test_an_argument_is_an_argument(connection: Connection) -> None:
    """Nothing in an argument is for the shell."""
    hostile = "a b'\"$(id);&|\n*"
    assert connection.run(("printf", "%s", hostile)).out == hostile


def test_a_command_that_does_not_end_is_given_up(connection: Connection) -> None:
    """A clear word within the time given."""
    with pytest.raises(WorldError, match="did not end within"):
        connection.run(("sleep", "60"), timeout_s=0.3)
