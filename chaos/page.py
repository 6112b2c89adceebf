"""docs/reliability.md: what was tried and survived, as a page. A pure function of the rounds."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.others import OTHERS
from chaos.rounds import Round
from chaos.rows import ROWS

_HEAD = """\
# What was done to it, and what it survived

Made by the soak, `./toxw run -e chaos`. Its own help tells how to play more rounds, other moments, or
one row alone, and to add them to these: the rounds of one page need not have been played at one time,
nor on one version. What broke in them was mended, and its row played again.

A real run on the embedded lab (real sshd, dockerd, macvlan; 112 cells) is struck at a random moment of
each phase: opening, preflight, building, probing, asking again with witnesses, tearing down. A round
is survived only if all of this is so:

- the run has ended within its deadline, and so has `cleanup`, both without a traceback;
- no verdict is untrue: each cell says what it says on a lab that nobody strikes, or INCONCLUSIVE with
  a reason, and then the run fails;
- links, addresses, routes, rules, settings, firewall, networks, containers, images, mounts, files and
  processes of both hosts, and processes of this machine, are as they were: after the run itself where
  its host could be reached, else after **one** `python -m fixtures cleanup` (`--wait=130` where
  the host's agent could not hear that its run is over: it ends after two minutes of silence);
- the next run passes.

"""

_TAIL = """
Not tried: a jump of this machine's clock (no deadline and no phase is measured by the time of day;
`tests/unit/test_clocks.py` looks for it in every source), and a loss of power in the middle of a write
to the host's journal, beyond the cut-off lines that its tests have.
"""


def page(rounds: Sequence[Round]) -> str:
    """The page, whole."""
    words = {row.name: row.what for row in ROWS} | {other.name: other.what for other in OTHERS}
    lines = ["| what | name | tried | survived | longest round |", "|---|---|---|---|---|"]
    for name, what in words.items():
        mine = [one for one in rounds if one.row == name]
        if not mine:
            continue
        tried = sum(one.tried for one in mine)
        survived = sum(one.tried for one in mine if one.survived)
        longest = max(one.took_s for one in mine)
        lines.append(f"| {what} | `{name}` | {tried:,} | {survived:,} | {longest:.0f} s |")
    said = [
        f"- `{one.row}`, {one.phase} + {one.after_s:g} s: {_plain(one.troubles[0])}"
        for one in rounds
        if not one.survived
    ]
    more = ["", "Not survived:", "", *said] if said else []
    return _HEAD + "\n".join([*lines, *more]) + "\n" + _TAIL


def _plain(text: str) -> str:
    return " ".join(text.split())[:200].replace("|", "\\|").replace("<", "&lt;")
