"""1,000 malformed site files: each is read, or it is one ConfigError in words; never another."""

from __future__ import annotations

import contextlib
import random
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from matrix.errors import ConfigError
from matrix.plan import plan
from matrix.site import read_site

TEXT = (Path(__file__).parents[2] / "sites" / "lab.toml").read_text()
OVERRIDE = (
    '[[override]]\ncells = "bridge:c1:*"\nexpect = "reply"\nticket = "T-1"\nuntil = 2026-12-31\n'
)
ALLOT = (
    '[scenario.allot.dev-master-01]\nrange = "192.168.200.32/27"\ncontainers = 3\nprefix = "w"\n\n'
)
TEXT += ALLOT + OVERRIDE
JUNK = [
    "", "true", "-1", "0", "1e400", "nan", "99999999999999999999999", '""', '"x"', "[]", "{}", "[[]]",
    "2026-12-31", "1979-05-27T07:32:00Z", "07:32:00", '"0.0.0.0"', '"255.255.255.255/0"', '"::1"',
    '"192.168.2.0/33"', '"192.168.2.1"', '"192.168.200.0/31"', '"10.0.0.0/8"', '"c1"', '"gateway"',
    r'"\u001b]0;x\u0007"', r'"\u202e"', '"' + "a" * 3000 + '"', "[1, 'x', {a = 1}]", "{a = {b = []}}",
    '["dev-master-01"]', "0x7f", "inf", '"*"', '"[["', '"bridge:c1:c3:address"', "vlan",
]  # fmt: skip


def spoil(text: str, choose: random.Random) -> str:
    """The file with some lines otherwise."""
    lines = text.splitlines()
    for _ in range(choose.choice((1, 1, 2, 4))):
        place = choose.randrange(len(lines))
        how = choose.random()
        key, equals, _ = lines[place].partition("=")
        if how < 0.6 and equals:
            lines[place] = f"{key}= {choose.choice(JUNK)}"
        elif how < 0.7:
            del lines[place]
        elif how < 0.8:
            lines.insert(choose.randrange(len(lines)), lines[place])
        elif how < 0.9 and equals:
            word = choose.choice(["x", "name", "'a b'", '"\\u001b[2J"', "host", '"…"', "a.b", "1"])
            lines[place] = f"{word} ={lines[place].partition('=')[2]}"
        else:
            cut = choose.randrange(len(lines[place]) + 1)
            lines[place] = lines[place][:cut] + choose.choice('"=[]{}\x00\x7f\t#é\ud800')
    return "\n".join(lines) + "\n"


@settings(max_examples=100, deadline=None, database=None)
@given(st.integers(0, 2**32))
def test_a_malformed_site_is_a_config_error(seed: int) -> None:
    """And a site that is read after all has a plan."""
    read_or_refuse(seed)


@pytest.mark.thorough
@settings(max_examples=1000, deadline=None, database=None)
@given(st.integers(0, 2**32))
def test_a_thousand_malformed_sites_are_config_errors(seed: int) -> None:
    """The same, ten times as often."""
    read_or_refuse(seed)


def read_or_refuse(seed: int) -> None:
    """Read one that is spoiled."""
    text = spoil(TEXT, random.Random(seed))  # noqa: S311  no secret
    said = ""
    try:
        site = read_site(text, name="s.toml")
    except ConfigError as error:
        said = str(error)
    else:
        assert sum(1 for _ in plan(site, date(2026, 1, 1))) >= 0
    assert said.replace("\n", "").isprintable()
    assert len(said) < 40_000


@settings(deadline=None, database=None)
@given(st.text(max_size=60))
@example("[" * 2000)
@example("a = " + "[" * 2000)
@example("a = " + "{a=" * 2000)
@example("a." * 2000 + "b = 1")
@example("a = 1" + "0" * 2000)
def test_any_text_is_no_traceback(text: str) -> None:
    """A few characters of anything, and what is made to be deep or long."""
    with contextlib.suppress(ConfigError):
        read_site(text, name="s.toml")


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".", "-x", "a\nb", "", "a" * 99, "/etc"])
def test_no_name_of_a_site_is_a_path(name: str) -> None:
    """Names stand in file names and arguments: what could lead elsewhere is refused."""
    for key in ("name", "network"):
        old = re.search(rf'^{key} = "(bridge|macnet)"', TEXT, re.MULTILINE)
        assert old
        shown = name.replace("\n", "\\n")
        with pytest.raises(ConfigError):
            read_site(TEXT.replace(old[0], f'{key} = "{shown}"'), name="s.toml")
