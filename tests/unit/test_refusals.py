"""A request that could not leave is put in the words of the one thing that refuses it."""

from __future__ import annotations

import errno

import pytest

from fixtures.agent_answers import _words


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EINVAL, "blackhole"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.EACCES, "prohibit"),
        (errno.ENETUNREACH, "no route"),
        (errno.EPERM, "firewall"),
    ],
)
def test_what_refused_a_request_is_named(number: int, said: str) -> None:
    """Each code names its own cause, and no other's."""
    words = _words(number)
    assert said in words
    others = {"type blackhole", "type unreachable", "type prohibit", "no route", "firewall"}
    assert sum(other in words for other in others) == 1
