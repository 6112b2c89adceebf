"""``docs/behaviour.md``: the truth table of macvlan, every entry with the runs that show it.

Rule 1: an entry is what was judged in the runs that are given, and nothing else: no rule and no word of
this file decides it. Where runs do not agree, or a cell was not as it should be, the entry says so.
Rule 2: what no run has shown says *not run*, in the table itself.
Rule 3: the page is a function of the runs' bytes; the same runs give the same page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from matrix.driver import Driver
from matrix.probes import By, Expected, Relation, Verdict
from matrix.record import CellRecord, Run, ScenarioRecord
from matrix.topology import EndpointKind, Probe
from reports.behaviour_engines import engine_tables
from reports.headline import headline
from reports.markdown import words

MODES = ("private", "vepa", "bridge", "passthru")
NOT_RUN, NO_CELL = "not run", "-"
_WORDS = {Verdict.PASS: "yes", Verdict.BLOCKED: "no"}

_HEAD = """\
# What macvlan does: the truth table, with its evidence

Made from run.json files: `pytest --site SITE` for each site of the first table, then `python -m
reports behaviour RUN... > docs/behaviour.md`. Up to the tables about Docker's versions nothing here is
written by hand but the headings: every entry is the verdict of cells that ran, and names the runs (a
letter, see the first table) and how many cells of each say so. **yes** is a reply with proof from both
ends, **no** is silence while its controls answered, **no such name** is the resolver's own answer;
`-`: there is no such cell in these runs; *not run*: no run of this page has shown it. Below each table
stands one cell of each entry, with what was seen.
"""


@dataclass(slots=True)
class Entry:
    """One entry of a table: how many cells said what, by run, and the first of them."""

    said: dict[str, Counter[str]] = field(default_factory=dict)
    example: tuple[str, CellRecord] | None = None

    def add(self, letter: str, cell: CellRecord) -> None:
        """Count one cell."""
        self.said.setdefault(_word(cell), Counter())[letter] += 1
        self.example = self.example or (letter, cell)

    @property
    def text(self) -> str:
        """The entry: its word, and the runs behind it."""
        parts = []
        for word, runs in sorted(self.said.items()):
            parts.append(f"{word} ({', '.join(f'{run}: {n}' for run, n in sorted(runs.items()))})")
        return " and ".join(parts)


Key = tuple[str, str]
"""A row and a column of a table."""

Placing = Callable[[CellRecord, ScenarioRecord, frozenset[str], frozenset[str]], Key | None]
"""Where a cell belongs in a table, given its scenario, the deaf and the reflecting hosts; or None."""


def markdown(runs: Sequence[Run]) -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_sections(runs)])


def _sections(runs: Sequence[Run]) -> Iterator[str]:
    letters = [chr(ord("A") + number) for number in range(len(runs))]
    yield "## The runs\n"
    yield "| run | id | site | kernel | Docker | outcome |\n|---|---|---|---|---|---|"
    for letter, run in zip(letters, runs, strict=True):
        kernels = sorted({h.before.kernel for h in run.hosts if h.before})
        engines = sorted({h.before.docker_version for h in run.hosts if h.before})
        site = PurePath(run.site.path).name
        told = (run.id, site, ", ".join(kernels), ", ".join(engines), headline(run).sentence)
        yield f"| {letter} | {' | '.join(words(text) for text in told)} |"
    lettered = list(zip(letters, runs, strict=True))
    for title, lead, columns, placing in _TABLES:
        yield f"\n## {title}\n\n{lead}\n"
        yield from _table(lettered, columns, placing)
    yield from engine_tables(lettered)


def _table(
    runs: Iterable[tuple[str, Run]], columns: tuple[str, ...], placing: Placing
) -> Iterator[str]:
    entries: dict[Key, Entry] = {}
    for letter, run in runs:
        scenarios = {scenario.name: scenario for scenario in run.site.scenarios}
        reflecting = frozenset(host.name for host in run.hosts if host.hairpin)
        deaf = {
            name: frozenset(
                c.source_host
                for c in run.cells
                if c.scenario == name and c.source_kind == EndpointKind.CONTAINER
            )
            for name, scenario in scenarios.items()
            if scenario.mode == "passthru"
        }
        for cell in run.cells:
            if cell.override is not None:
                continue  # judged by the site's word, not by what macvlan does
            home = scenarios[cell.scenario]
            key = placing(cell, home, deaf.get(cell.scenario, frozenset()), reflecting)
            if key is not None:
                entries.setdefault(key, Entry()).add(letter, cell)
    rows = sorted({row for row, _ in entries}, key=_order)
    yield f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}"
    for row in rows:
        texts = (entries[row, c].text if (row, c) in entries else NO_CELL for c in columns)
        yield f"| {row} | {' | '.join(texts)} |"
    if not rows:
        yield f"| {NOT_RUN} |{f' {NOT_RUN} |' * len(columns)}"
    yield "\n<details><summary>a cell of each entry, and what was seen</summary>\n"
    yield "| entry | run | cell | what was seen |\n|---|---|---|---|"
    for row in rows:
        for column in columns:
            entry = entries.get((row, column))
            if entry is not None and entry.example is not None:
                letter, cell = entry.example
                seen = words(cell.reason or cell.not_run)
                yield f"| {row}; {column} | {letter} | {words(cell.id)} | {seen} |"
    yield "\n</details>"


def _word(cell: CellRecord) -> str:
    if cell.verdict == Verdict.BLOCKED and cell.expected == Expected.NO_SUCH_NAME:
        return "no such name"
    if cell.verdict in _WORDS:
        return _WORDS[Verdict(cell.verdict)]
    return NOT_RUN if cell.not_run or not cell.verdict else f"**{cell.verdict}**"


_ORDER = (
    "container → itself", "container → sibling", "container → container", "container → its own",
    "container → its host", "container → another", "container → gateway", "host → its own",
    "host → container", "host → another", "host → gateway",
)  # fmt: skip


def _order(row: str) -> tuple[int, str]:
    place = next((n for n, begin in enumerate(_ORDER) if row.startswith(begin)), len(_ORDER))
    return place, row


_PAIRS = {
    Relation.ITSELF: "itself",
    Relation.SIBLING: "sibling on the same host",
    Relation.REMOTE: "container on another host",
    Relation.OWN_HOST: "its own host",
    Relation.OTHER_HOST: "another host",
    Relation.OWN_CONTAINER: "its own container",
    Relation.GATEWAY: "gateway",
    Relation.OTHER_SEGMENT: "container on another segment",
}


def _pair(cell: CellRecord, home: ScenarioRecord) -> str:
    kind = "host" if cell.source_kind == EndpointKind.HOST else "container"
    absent = cell.relation == Relation.GATEWAY and not home.gateway_present
    nobody = " that nobody owns" if absent else ""
    return f"{kind} → {_PAIRS[Relation(cell.relation)]}{nobody}"


def _by_mode(
    cell: CellRecord, home: ScenarioRecord, deaf: frozenset[str], reflecting: frozenset[str]
) -> Key | None:
    if home.remedies or home.internal or cell.target_scenario or cell.probe != Probe.ICMP:
        return None
    if home.driver != Driver.MACVLAN:
        return None  # docs/contrast.md
    row = _pair(cell, home) + (", by name" if cell.by == By.NAME else "")
    inside = cell.source_host == cell.target_host and cell.relation != Relation.ITSELF
    if inside and cell.source_host in reflecting:
        row += "; the switch port reflects"
    if cell.source_kind == EndpointKind.HOST and cell.source_host in deaf:
        row += "; the asking host's NIC is in passthru"
    elif cell.target_kind == EndpointKind.HOST and cell.target_host in deaf:
        row += "; that host's NIC is in passthru"
    return row, home.mode


_OTHERS = tuple(str(p) for p in Probe if p is not Probe.ICMP)


def _by_probe(
    cell: CellRecord, home: ScenarioRecord, _deaf: frozenset[str], reflecting: frozenset[str]
) -> Key | None:
    if cell.probe == Probe.ICMP or home.mode != "bridge" or home.remedies or reflecting:
        return None
    return _pair(cell, home), cell.probe


def _by_segment(
    cell: CellRecord, home: ScenarioRecord, _deaf: frozenset[str], _reflecting: frozenset[str]
) -> Key | None:
    if home.driver != Driver.MACVLAN:
        return None
    column = "untagged" if home.vlan is None else "VLAN"
    if cell.target_scenario:
        router = cell.expected == Expected.REPLY
        return f"{_pair(cell, home)}, {'by way of a router' if router else 'no router'}", column
    if home.internal and cell.by == By.ADDRESS and cell.probe == Probe.ICMP:
        return f"{_pair(cell, home)}, network made with --internal", column
    return None


def _by_remedy(
    cell: CellRecord, home: ScenarioRecord, _deaf: frozenset[str], _reflecting: frozenset[str]
) -> Key | None:
    if not home.remedies or cell.probe != Probe.ICMP:
        return None
    kinds = {line.partition(":")[0] for line in home.remedies}
    if len(kinds) > 1:
        return None  # which of them opened it no cell can say
    suffix = cell.target.rpartition(".")[2] if "." in cell.target else ""
    where = {"shim": "'s shim", "second": ", on the second network"}.get(suffix, "")
    by = ", by name" if cell.by == By.NAME else ""
    return _pair(cell, home) + where + by, kinds.pop()


_ABOUT_SEGMENTS = (
    "The column is where the source stands. [isolation.md](isolation.md) says what is listened for "
    "below IP."
)
_ABOUT_REMEDIES = (
    "What each one opens, and what stays as it was. [remedies-run.md](remedies-run.md) says what is "
    "built."
)

_TABLES: tuple[tuple[str, str, tuple[str, ...], Placing], ...] = (
    (
        "The four modes",
        "By echo, on the NIC and on VLANs. [modes.md](modes.md) says why.",
        MODES,
        _by_mode,
    ),
    (
        "Other probes",
        "In mode bridge. [protocols.md](protocols.md) says what each asks.",
        _OTHERS,
        _by_probe,
    ),
    (
        "Between segments, and --internal",
        _ABOUT_SEGMENTS,
        ("VLAN", "untagged"),
        _by_segment,
    ),
    (
        "Remedies",
        _ABOUT_REMEDIES,
        ("host-shim", "second-network", "add-host", "lan-dns"),
        _by_remedy,
    ),
)
