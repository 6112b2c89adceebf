"""The record: ``run.json``, the one truth that every report is a function of.

Written in phases: ``planned`` before a host is touched, ``observed`` when the probes are back,
``judged`` at the end; a crash leaves the last phase. ``load`` refuses another schema by name, so
that an old report tool never misreads a new file. Bytes are canonical: sorted keys, no clock, no
set order; equal runs give equal bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from matrix.errors import ConfigError
from matrix.exchange import Exchange
from matrix.lifecycle_record import EventRecord
from matrix.spread import Spread
from matrix.topology import ETHERNET_MTU, Probe
from matrix.way import Trace

SCHEMA = "l2matrix-run/1"


@dataclass(frozen=True, slots=True)
class LinkFact:
    """A link as netlink shows it. ``vlan`` is the 802.1Q id where the kernel says one.

    ``promiscuity`` is the kernel's own count of who wants promiscuous mode on it.
    """

    name: str
    kind: str
    mac: str
    mtu: int
    state: str
    promiscuity: int
    parent: str = ""
    vlan: int | None = None
    alias: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a host really looks like, measured, at one moment.

    ``routes`` are those of IPv4's main table, as a person reads them; ``routing`` all of every
    table, in full; ``neighbours`` those that somebody has typed in. The last five are empty in the
    record of a version that did not look at them.
    """

    kernel: str
    python: str
    docker_version: str
    docker_api: str
    boot_id: str
    neighbour_limit: int
    links: tuple[LinkFact, ...]
    routes: tuple[str, ...]
    networks: tuple[str, ...]
    containers: tuple[str, ...]
    routing: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostRecord:
    """A host of the run: facts before we touched it and after, and what went wrong with it."""

    name: str
    parent: str
    address: str
    before: HostFacts | None = None
    after: HostFacts | None = None
    trouble: str = ""
    difference: tuple[str, ...] = ()
    hairpin: bool = False


@dataclass(frozen=True, slots=True)
class ObservedRecord:
    """One cell's evidence. Times in milliseconds. See ``matrix.probes.Observation``."""

    sent: int
    received: int
    rtts_ms: tuple[float, ...]
    ttl: int | None
    ttls: tuple[int, ...]
    repliers: tuple[str, ...]
    duplicates: int
    request_seen: str
    requests_seen: int
    neighbour_mac: str
    neighbour_state: str
    resolved: tuple[str, ...] | None
    resolver: str
    resolver_code: str
    resolver_ms: float | None
    error: str
    raw: str
    command: str
    rivals: tuple[str, ...] = ()
    reply_macs: tuple[str, ...] = ()
    replies_left: int | None = None
    by_frames: bool = False
    address: str = ""
    spread: Spread | None = None
    through_macs: tuple[str, ...] = ()
    no_route: bool = False


@dataclass(frozen=True, slots=True)
class OverrideRecord:
    """The site's override on a cell, and what the physics says of the cell.

    ``until`` is an ISO 8601 date, ``line`` the override's place in the site file. Where
    ``in_force`` is False it had expired, and the cell is judged by the physics.
    """

    ticket: str
    expect: str
    until: str
    because: str
    line: int
    in_force: bool
    physics: str
    physics_because: str


@dataclass(frozen=True, slots=True)
class CrossingRecord:
    """What the target's link saw of the source's frames below IP. See ``matrix.probes.Crossing``."""

    sent: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    heard_by: tuple[str, ...] = ()
    hears: tuple[str, ...] = ()
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class CellRecord:
    """One cell: question, expectation, evidence, verdict.

    ``selected`` is False for a cell that ran only as a control of selected ones. ``observed`` is
    None where the probe did not run; ``not_run`` then says why. ``verdict`` is "" until judged.
    ``trace`` is the way of its frames, where it was asked again with witnesses. ``target_scenario``
    is "" where the target stands in the cell's own scenario; ``crossing`` is there where it does not.
    ``probe`` is the kind of probe; of another than an echo the evidence is in ``exchange``, and
    ``observed`` is None.
    """

    id: str
    scenario: str
    source: str
    source_kind: str
    source_host: str
    target: str
    target_kind: str
    target_host: str
    by: str
    relation: str
    address: str
    expected: str
    expected_ttl: int | None
    because: str
    remedy: str
    selected: bool = True
    verdict: str = ""
    reason: str = ""
    cause: str = ""
    next_command: str = ""
    controls: tuple[str, ...] = ()
    observed: ObservedRecord | None = None
    not_run: str = ""
    trace: Trace | None = None
    override: OverrideRecord | None = None
    how: tuple[str, ...] = ()
    target_scenario: str = ""
    crossing: CrossingRecord | None = None
    probe: str = "icmp"
    exchange: Exchange | None = None
    expected_bytes: int | None = None

    @property
    def asked_by(self) -> str:
        """The last part of its id: by address, by name, or the kind of probe."""
        return self.by if self.probe == Probe.ICMP else self.probe


@dataclass(frozen=True, slots=True)
class ScenarioRecord:
    """A scenario as declared, in plain words for the report.

    ``round``: scenarios of one round stood at the same time; see ``matrix.rounds``. ``subnets``: of
    the bridge driver, each host's own subnet.
    """

    name: str
    kind: str
    network: str
    mode: str
    subnet: str
    gateway: str
    gateway_present: bool
    vlan: int | None
    parents: dict[str, str]
    round: int = 1
    internal: bool = False
    mtu: int = ETHERNET_MTU
    remedies: tuple[str, ...] = ()
    driver: str = "macvlan"
    subnets: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotRunRecord:
    """A scenario that was not run: what these hosts lack, in the words that said so.

    ``cells`` are the ids of those that were selected. They have no verdict, and no record of their own.
    """

    scenario: str
    feature: str
    hosts: tuple[str, ...]
    said: str
    fix: str
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """The site file: its name, its bytes' SHA-256, and what it declares.

    ``text`` is the file itself, "" in the record of a version that did not keep it.
    """

    path: str
    sha256: str
    image: str
    echoes: int
    reply_deadline_s: float
    name_deadline_s: float
    scenarios: tuple[ScenarioRecord, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class CauseRecord:
    """One fault that explains cells, what to mend first first. See ``matrix.cause.Cause``."""

    rule: str
    where: str
    line: str
    confidence: str
    evidence: tuple[str, ...]
    cells: tuple[str, ...]
    look: str
    fix: str


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the run's timeline: seconds since the start, where, what."""

    at_s: float
    host: str
    what: str


@dataclass(frozen=True, slots=True)
class PhaseRecord:
    """A phase of the run, by the clock of who ran it: seconds since the start, from when to when."""

    name: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class EngineRecord:
    """A question to an engine, and its own words. See ``matrix.parent_rule.Finding``.

    ``since`` is the first major version of which ``expected`` holds; ``answer`` is "" where the engine
    was not asked; ``status`` is "" until it was.
    """

    id: str
    host: str
    question: str
    asks: str
    version: str = ""
    expected: str = ""
    since: int = 0
    means: str = ""
    fix: str = ""
    answer: str = ""
    said: str = ""
    status: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CoverageRecord:
    """How much of the plan was to be asked: ``full``, ``pairs`` or ``sample=K``.

    ``day`` is the UTC date that the choice was made for (ISO 8601), "" where all was chosen.
    ``cells_chosen`` are those before ``-k`` and ``-m``; controls come on top. ``shard`` is the part
    of the site that they are in, such as ``2/3``, "" where all of it was to be asked by one run.
    """

    mode: str
    day: str
    cells_chosen: int
    cells_in_plan: int
    shard: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A whole run. ``trouble`` holds what went wrong outside of any cell, in a person's words.

    ``cells_in_plan`` is the size of the whole matrix; ``cells`` holds those that were selected
    and their controls. ``prober`` describes how it was asked (name, waves, what was sent).
    ``coverage`` is None in the record of a version that always asked everything. ``evidence`` is
    what was seen around the cells (``matrix.scene_record``), None where it was not kept. ``phases``
    are empty in the record of a version that did not time them. ``lifecycle`` holds the events, in
    the order that they happened. ``not_run`` are the contrast scenarios whose driver a host lacks.
    """

    schema: str
    id: str
    phase: str
    started_at: str
    finished_at: str | None
    tool: dict[str, str]
    site: SiteRecord
    prober: dict[str, Any]
    cells_in_plan: int
    hosts: tuple[HostRecord, ...]
    cells: tuple[CellRecord, ...]
    notes: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()
    timeline: tuple[Step, ...] = field(default=())
    coverage: CoverageRecord | None = None
    causes: tuple[CauseRecord, ...] = ()
    evidence: dict[str, Any] | None = None
    phases: tuple[PhaseRecord, ...] = ()
    engines: tuple[EngineRecord, ...] = ()
    lifecycle: tuple[EventRecord, ...] = ()
    not_run: tuple[NotRunRecord, ...] = ()

    @property
    def cells_not_run(self) -> int:
        """How many selected cells belong to scenarios that were not run."""
        return sum(len(one.cells) for one in self.not_run)


_adapter: TypeAdapter[Run] = TypeAdapter(Run)


def dump(run: Run) -> bytes:
    """The run as canonical JSON, UTF-8, with a final newline."""
    text = json.dumps(run, default=_fields, sort_keys=True, indent=1, ensure_ascii=False)
    # A lone surrogate (undecodable bytes of a host's output) must not cost the run its record.
    return text.encode(errors="backslashreplace") + b"\n"


def _fields(record: Any) -> dict[str, Any]:
    """A record's fields, as they are: ``asdict`` would first copy everything below them."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def load(data: bytes, *, name: str = "run.json") -> Run:
    """Read a run back. ``name`` is for messages.

    Raises:
        ConfigError: the bytes are no run of the schema that this version reads.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: not JSON ({error}); give the run.json of a run") from error
    schema = found.get("schema") if isinstance(found, dict) else None
    if schema != SCHEMA:
        raise ConfigError(
            f"{name}: schema is {schema!r}, this version reads {SCHEMA!r}; "
            "render it with the version of the harness that wrote it"
        )
    try:
        return _adapter.validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{name}: {where}: {first['msg']}; the file was changed by hand or damaged"
        ) from error
