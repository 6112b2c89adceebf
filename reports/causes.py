"""The causes of a run as the reports show them, and ``docs/causes.md``.

Rule 1: what names a fault and what names none (``unknown``) never look alike; a cause without
cells is a warning, and no warning makes a run bad.
Rule 2: how a cause is told, mended and sourced stands in ``matrix.causes.RULES`` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from matrix.cause import Confidence
from matrix.cause import Rule as Row
from matrix.causes import RULES
from matrix.probes import Verdict
from matrix.record import CauseRecord, CellRecord, Run

UNKNOWN = str(Confidence.UNKNOWN)

SYMBOLS: dict[str, str] = {
    Confidence.CERTAIN: "\N{BLACK CIRCLE}" * 3,
    Confidence.LIKELY: "\N{BLACK CIRCLE}" * 2 + "\N{WHITE CIRCLE}",
    Confidence.POSSIBLE: "\N{BLACK CIRCLE}" + "\N{WHITE CIRCLE}" * 2,
    Confidence.UNKNOWN: "?",
}

CONFIDENCES: dict[str, str] = {
    Confidence.CERTAIN: "a fact that explains this by itself, such as a link without carrier",
    Confidence.LIKELY: "fits all that was seen, and nothing that was seen speaks against it",
    Confidence.POSSIBLE: "fits what was seen, but something else would fit as well",
    Confidence.UNKNOWN: "no fault is named, only what was seen",
}

_KINDS: dict[str, tuple[str, ...]] = {
    "no-carrier": ("no-carrier", "parent-down"),
    "host-busy": ("host-busy", "container-lossy"),
    "promiscuous-refused": ("promiscuous-refused", "forged-transmits-refused", "mac-limit"),
    "vlan-missing": ("vlan-missing", "vlan-other-id", "vlan-untagged"),
    "echo-dropped": ("echo-requests-dropped", "echo-replies-dropped"),
    "names": ("name-wrong", "resolver-dead"),
    "name-server": ("name-server-silent", "name-server-lacks-names"),
    "gateway": ("gateway-gone", "gateway-mute", "gateway-stale"),
    "proxy-arp": ("proxy-arp", "gateway-proxy-arp"),
    "duplicate-address": ("duplicate-address", "duplicate-mac"),
    "hairpin": ("hairpin", "host-shim"),
    "container-stopped": ("container-stopped", "container-paused"),
    "container-changed": ("container-link", "container-address"),
    "ipv6": ("ipv6-neighbours", "ipv6-dropped"),
    "mtu-narrow": ("mtu-narrow", "mtu-told", "mtu-link"),
    "cast-lost": ("cast-lost", "cast-doubled"),
}
"""The names of the causes that a rule finds; a rule that is not here finds one, of its own name."""

_ROWS: dict[str, Row] = {kind: r for r in RULES for kind in _KINDS.get(r.name, (r.name,))}

_TTL_255 = (
    (
        "The article's puzzle: on the plain LAN a ping of a container is answered with ttl=255, on "
        "the VLAN with ttl=64. A Linux container sends 64 (net.ipv4.ip_default_ttl), on both "
        "networks alike, and a router on the way would make it less, not more. So the reply with "
        "255 is not the container's."
    ),
    (
        "Stacks that answer an echo with 255: NetBSD, OpenBSD and what descends from them "
        "(icmp_reflect sets MAXTTL), lwIP (ICMP_TTL is 255 unless set otherwise), routers and many "
        "small devices. The networks that a hypervisor makes up itself are built on such stacks: "
        "slirp (QEMU's user network, VirtualBox's NAT) and lwIP (VirtualBox's NAT Network). They "
        "answer for addresses of their subnet in somebody else's stead; a frame with a VLAN tag "
        "they do not answer, which would fit the 64 on the VLAN."
    ),
    (
        "So where the machines are on a shared or NAT network, or a proxy or a second holder of "
        "the address is on the LAN, a ping can succeed that never reached the container. This "
        "harness calls that IMPOSTOR, never PASS: it looks at the target's own end, and at the MAC "
        "address that replied. Which of them it was on the article's machines, the article does not "
        "tell."
    ),
)

_MORE: dict[str, tuple[str, ...]] = {
    "proxy-arp": _TTL_255,
    "duplicate-address": (
        (
            "A reply with ttl 255 is no Linux container's, which sends 64: a router, a printer or "
            "another small device has the address, or a network that a hypervisor makes up itself."
        ),
    ),
}
"""What more there is to say of a rule's faults, a paragraph each."""

_MORE_SOURCES: dict[str, tuple[str, ...]] = {
    "proxy-arp": (
        "Linux ip-sysctl.rst: ip_default_ttl",
        "NetBSD and OpenBSD sys/netinet/ip_icmp.c: icmp_reflect",
        "lwIP src/core/ipv4/icmp.c: icmp_input",
    ),
}


_TELLING = (Verdict.FAIL, Verdict.LEAK, Verdict.IMPOSTOR, Verdict.FLAPPING)
"""Verdicts of cells where something was seen that should not be."""


@dataclass(frozen=True, slots=True)
class Section:
    """What is to be known of a rule's faults. ``kinds`` are the names they have in run.json."""

    rule: Row
    kinds: tuple[str, ...]
    more: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """Its place in the report and in the docs."""
        return f"rule-{self.rule.name}"


@dataclass(frozen=True, slots=True)
class CauseSeen:
    """A cause with its cells of this run. ``number`` counts what names a fault, 0 for the rest.

    ``also`` are the other causes that explain some of the same cells: (number, how many).
    """

    record: CauseRecord
    cells: tuple[CellRecord, ...]
    number: int
    also: tuple[tuple[int, int], ...] = ()

    @property
    def known(self) -> bool:
        """Does it name a fault?"""
        return self.record.confidence != UNKNOWN

    @property
    def line(self) -> str:
        """The fault in a sentence; of what is unknown, what was seen."""
        return self.record.line.removeprefix(f"{UNKNOWN}: ")

    @property
    def symbol(self) -> str:
        """How sure, without a word and without colour."""
        return SYMBOLS.get(self.record.confidence, SYMBOLS[UNKNOWN])

    @property
    def traced(self) -> CellRecord | None:
        """The cell whose way shows the fault best; None where none of them can.

        Best is one that the evidence names, then one where frames were lost or, where something
        came through, arrived. One that proves nothing is never shown: it may be silent by design.
        """
        sure = [c for c in self.cells if c.trace is not None and c.verdict in _TELLING]
        return max(sure, key=self._shows, default=None)

    def _shows(self, cell: CellRecord) -> tuple[bool, bool]:
        passages = cell.trace.passages if cell.trace is not None else ()
        lost = any(passage.lost_at >= 0 for passage in passages)
        named = any(cell.id in text for text in self.record.evidence)
        return named, lost is (cell.verdict != Verdict.LEAK)

    @property
    def section(self) -> Section | None:
        """What is to be known of such faults; None where this version has no such rule."""
        return section_of(self.record.rule)


def causes_of(run: Run) -> tuple[CauseSeen, ...]:
    """The causes that explain cells of this run, what to mend first first."""
    by_id = {cell.id: cell for cell in run.cells}
    found = [(record, tuple(by_id[i] for i in record.cells if i in by_id)) for record in run.causes]
    found = [(record, cells) for record, cells in found if cells]
    known = [cells for record, cells in found if record.confidence != UNKNOWN]
    numbers = iter(range(1, len(known) + 1))
    sets = [{cell.id for cell in cells} for cells in known]
    seen = []
    for record, cells in found:
        number = 0 if record.confidence == UNKNOWN else next(numbers)
        mine = {cell.id for cell in cells}
        shared = [(n, len(mine & other)) for n, other in enumerate(sets, 1) if n != number]
        seen.append(CauseSeen(record, cells, number, tuple((n, m) for n, m in shared if m)))
    return tuple(seen)


def warnings_of(run: Run) -> tuple[CauseSeen, ...]:
    """The causes without any cell: something is wrong that no cell of the matrix can show."""
    ids = {cell.id for cell in run.cells}
    return tuple(CauseSeen(record, (), 0) for record in run.causes if not ids & {*record.cells})


def explained(run: Run) -> frozenset[str]:
    """The ids of the cells for which a fault is named."""
    return frozenset(c for r in run.causes if r.confidence != UNKNOWN for c in r.cells)


def unexplained(run: Run) -> frozenset[str]:
    """The ids of the cells of which the run says that it knows no cause."""
    return frozenset(c for r in run.causes if r.confidence == UNKNOWN for c in r.cells)


def section_of(name: str) -> Section | None:
    """What is to be known of a cause by that name; None where no rule of ours finds it."""
    rule = _ROWS.get(name)
    return _section(rule) if rule is not None else None


def sections_for(causes: Iterable[CauseSeen]) -> tuple[Section, ...]:
    """The sections that these causes ask for, each once, in the order of the docs."""
    asked = {found.rule.name for cause in causes if (found := cause.section) is not None}
    return tuple(_section(rule) for rule in RULES if rule.name in asked)


def _section(rule: Row) -> Section:
    name = rule.name
    sources = (*rule.sources, *_MORE_SOURCES.get(name, ()))
    return Section(rule, _KINDS.get(name, (name,)), _MORE.get(name, ()), sources)


_HEAD = """\
# Causes that a run can name

Where cells are not as expected, the run looks at the whole matrix, at what its witnesses saw on the
wire, at the hosts' links and routes and at who answered, and names what is at fault: once, with the
cells that it explains, what shows it, the command to see it with your own eyes, and what to do. The
report begins with these causes, in the order to mend them, and holds the sections of this page for
those that occur.

A wrong cause is worse than none, so each says how sure it is:

{confidences}

Where several causes fit equally, all are named, and a cell can stand under more than one. Where a
certain one explains a cell, less sure ones are not put beside it. A cause without cells is a
warning: nothing in the matrix shows it (every cell may be as it should be, and full-size frames
still be lost), so it does not make a run fail, but the report's first sentence counts it.

The article's puzzle, a ttl of 255 in replies of a "container", is explained [below](#rule-proxy-arp),
and in every report that names such a cause (`proxy-arp`).

Each section gives the names that its causes have in run.json and junit.xml. The lab can make most
of these faults (docs/faults.md): break it, run, and read what the report says.

This page is made from `matrix/causes/` and `reports/causes.py`: `python -m reports causes >
docs/causes.md`.

## Contents

{contents}
"""


def markdown() -> str:
    """The whole page ``docs/causes.md``."""
    sections = [_section(rule) for rule in RULES]
    head = _HEAD.format(
        confidences="\n".join(f"- **{name}**: {words}." for name, words in CONFIDENCES.items()),
        contents="\n".join(f"- [{s.rule.title}](#{s.anchor})" for s in sections),
    )
    return "\n".join([head, *(line for section in sections for line in _told(section))])


def _told(section: Section) -> Iterator[str]:
    rule = section.rule
    yield f'<a id="{section.anchor}"></a>\n\n## {rule.title}\n'
    yield f"In run.json: {', '.join(f'`{kind}`' for kind in section.kinds)}.\n"
    yield f"**How it shows.** {rule.shows}\n"
    yield f"**What to do.** {rule.fix}\n"
    yield from (f"{paragraph}\n" for paragraph in section.more)
    if section.sources:
        yield f"**Sources.** {'; '.join(section.sources)}.\n"
