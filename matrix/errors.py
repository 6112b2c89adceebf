"""Errors by who is to blame, so that a message tells its reader what to do.

``ConfigError``  you: the site file or an option. Says file, line, what is wrong, what to write.
``WorldError``   the world: a host, a command, a file system. Carries the host and its own words.
``UnsafeChange`` us, refusing: what was asked for could hurt a host; says why and what else to do.

A bug of ours is a plain exception with a traceback; nothing here catches it.
"""

from __future__ import annotations

from typing import final

from matrix.grid import plain

LONGEST = 4000
"""Columns that are kept of each part of an error's words."""


@final
class ConfigError(Exception):
    """The input is wrong: the site file, the ssh_config or an option.

    The text may hold several lines, one for each fault (``file:line: key: what, what to write``).
    """


class WorldError(Exception):
    """Something outside of us did not do what it should.

    Attributes:
        host: name of the host it happened on, or "" where it happened here.
        what: what we wanted to do, in a few words.
        said: the foreign side's own words.
        fix: what a person can do next.
        words: all of it but the host, for where the host is said already.

    All of them are safe to show: what a terminal would obey is made visible, and length is bounded.
    """

    def __init__(self, what: str, *, host: str = "", said: str = "", fix: str = "") -> None:
        # Some of this may be a hostile host's own words, on their way to a terminal.
        self.host, self.what, self.said, self.fix = (
            plain(text, LONGEST, keep="\n") for text in (host, what, said.strip(), fix)
        )
        text = f"{self.what}: {self.said}" if self.said else self.what
        if self.fix:
            text += f"\n  -> {self.fix}"
        self.words = text
        super().__init__(f"{self.host}: {text}" if self.host else text)


@final
class UnsafeChange(Exception):  # noqa: N818  a refusal, not an error of anybody's
    """A change was refused because it could cut a host off or break what is not ours."""
