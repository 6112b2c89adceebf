"""Causes in what became of an endpoint after it was made: its link, its address, its connection to us.

Looked at from inside the container's namespace at the end of the batch. Where its link is down or its
address gone, that explains whatever else goes wrong there (no route, no name server, no answer), so
the other rules keep out of it: ``unsound``.

Sources: rtnetlink(7) (IFF_UP, IFF_NOARP, RTM_GETADDR); arp(7) and ip-neighbour(8) (fixed entries);
nft(8) (NAT).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from matrix.cause import Cause, Confidence, Inner, Rule, Scene
from matrix.causes.frames import touches_end
from matrix.judge import FIXED
from matrix.probes import By, Cell, Relation, Verdict
from matrix.topology import Endpoint, EndpointKind


@lru_cache(maxsize=1)
def unsound(scene: Scene) -> dict[tuple[str, str], tuple[str, str]]:
    """Containers (scenario, name) whose link or address is not what they were made with.

    The name of the cause, and what is wrong, in words.
    """
    found = {}
    for (scenario, name), inner in sorted(scene.inner.items()):
        endpoint = scene.endpoint(scenario, name)
        if said := _wrong_inside(endpoint, inner):
            found[scenario, name] = said
    return found


def _wrong_inside(endpoint: Endpoint, inner: Inner) -> tuple[str, str] | None:
    """What is wrong with the link and the address of a container; None where nothing is."""
    if inner.addresses is None:
        return None  # nobody could look
    if not inner.macs:
        return "container-link", "has no link any more: it was disconnected from its network"
    if not inner.up:
        return "container-link", "has its link set down"
    if str(endpoint.address) not in {a.partition("/")[0] for a in inner.addresses}:
        has = f"it has {', '.join(inner.addresses)}" if inner.addresses else "it has no address"
        return "container-address", f"has not the address {endpoint.address} any more: {has}"
    if not inner.arp:
        return (
            "container-link",
            "has ARP switched off on its link: it asks nobody, and answers nobody",
        )
    return None


def _of(scene: Scene, scenario: str, name: str) -> tuple[str, ...]:
    """The cells of an endpoint that did not run, or in which something was lost."""
    return tuple(
        c.id
        for c in scene.bad()
        if touches_end(c, scenario, name)
        and (scene.not_run(c) or scene.verdict(c) in (Verdict.FAIL, Verdict.FLAPPING))
    )


def changed(scene: Scene) -> Iterator[Cause]:
    """Containers whose link is down or gone, or that have another address."""
    for (scenario, name), (rule, words) in unsound(scene).items():
        host = scene.endpoint(scenario, name).host
        if not (cells := _of(scene, scenario, name)):
            continue
        yield Cause(
            rule,
            f"{name} on {host}",
            f"{name} on {host} {words}",
            Confidence.CERTAIN,
            (f"netlink in {name}'s namespace: {words}",),
            cells,
            f"ssh {host} docker exec {name} ip addr",
            f"somebody changed {name} while it was probed: let it alone, and run again",
        )


def fixed_entries(scene: Scene) -> Iterator[Cause]:
    """Neighbour entries that somebody typed in, with a MAC address that is not the target's."""
    macs = {i.endpoint: {m.lower() for m in i.macs} for i in scene.identities}
    for cell in scene.bad():
        seen = scene.observed(cell)
        entry = seen.neighbour if seen else None
        right = macs.get(cell.target.name)
        if (
            seen is None
            or entry is None
            or not right
            or entry.state not in FIXED
            or not entry.mac
            or entry.mac.lower() in right
            or cell.by is By.NAME
            or (cell.scenario, cell.source.name) in unsound(scene)
        ):
            continue
        source = cell.source
        pair = {source.name, cell.target.name}
        inside = f"docker exec {source.name} " if source.kind is EndpointKind.CONTAINER else ""
        yield Cause(
            "neighbour-fixed",
            f"{source.name} on {source.host}",
            f"{source.name} on {source.host} has a fixed ({entry.state}) neighbour entry for "
            f"{seen.address} with MAC {entry.mac}, which is not {cell.target.name}'s "
            f"({', '.join(sorted(right))}): what it sends there goes elsewhere",
            Confidence.CERTAIN,
            (f"{cell.id}: neighbour {seen.address} lladdr {entry.mac} {entry.state}",),
            tuple(
                c.id
                for c in scene.bad()
                if c.scenario == cell.scenario and {c.source.name, c.target.name} == pair
            ),
            f"ssh {source.host} {inside}ip neigh show {seen.address}",
            f"delete it in {source.name}: ip neigh del {seen.address} dev LINK",
        )


def rewritten(scene: Scene) -> Iterator[Cause]:
    """Sources whose own kernel sent the requests to somebody else: NAT in their namespace."""
    by_source: dict[tuple[str, str], list[Cell]] = {}
    for cell in scene.bad():
        if was_rewritten(scene, cell):
            by_source.setdefault((cell.scenario, cell.source.name), []).append(cell)
    for cells in by_source.values():
        source = cells[0].source
        reasons = tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in cells[:3])
        yield Cause(
            "rewritten-at-source",
            f"{source.name} on {source.host}",
            f"what {source.name} on {source.host} sent to {cells[0].target.address} was answered by "
            f"{_answerer(scene, cells[0])}, and nobody else claims that address: the kernel of "
            f"{source.name} rewrites addresses on the way out (NAT in its network namespace)",
            Confidence.LIKELY,
            reasons,
            tuple(c.id for c in cells),
            f'ssh {source.host} "nsenter -t $(docker inspect -f '
            f"'{{{{.State.Pid}}}}' {source.name}) -n nft list ruleset\""
            if source.kind is EndpointKind.CONTAINER
            else f"ssh {source.host} nft list ruleset",
            f"remove the NAT rule in {source.name}",
        )


def was_rewritten(scene: Scene, cell: Cell) -> bool:
    """Did another endpoint of ours reply, though the source did not take it for the target?

    Its neighbour entry is the target's own, or there is none; and nobody answered ARP beside it.
    """
    seen = scene.observed(cell)
    if (
        seen is None
        or scene.verdict(cell) is not Verdict.IMPOSTOR
        or cell.by is By.NAME
        or cell.relation is Relation.ITSELF
        or seen.rivals
        or not seen.received
    ):
        return False
    right = {m.lower() for i in scene.identities if i.endpoint == cell.target.name for m in i.macs}
    claims = set(scene.claims.get((cell.scenario, str(cell.target.address)), ()))
    entry = seen.neighbour.mac.lower() if seen.neighbour else ""
    return (
        bool(right)
        and _answerer(scene, cell) != ""
        and claims <= right
        and (not entry or entry in right)
    )


def _answerer(scene: Scene, cell: Cell) -> str:
    """The endpoint of ours, other than the target, that a cell's replies came from; or ""."""
    seen, owners = scene.observed(cell), scene.owners()
    names = {owners.get(m.lower(), "") for m in seen.reply_macs} if seen else set()
    return names.pop() if len(names) == 1 and cell.target.name not in names else ""


def restarted(scene: Scene) -> Iterator[Cause]:
    """Containers that were restarted in the batch: another namespace, another link."""
    by_name: dict[tuple[str, str], list[Cell]] = {}
    for cell in scene.bad():
        why = scene.not_run(cell)
        for end in (cell.source, cell.target):
            if why.startswith(f"the container {end.name} was restarted"):
                by_name.setdefault((end.name, end.host), []).append(cell)
                break
    for (name, host), cells in sorted(by_name.items()):
        yield Cause(
            "container-restarted",
            f"{name} on {host}",
            f"the container {name} on {host} was restarted while it was probed, so what was asked is "
            "not what stands now",
            Confidence.CERTAIN,
            (f"docker on {host}: {name} has another first process than before",),
            tuple(dict.fromkeys(c.id for c in cells)),
            f"ssh {host} docker ps --filter name={name}; ssh {host} docker events --since 10m",
            f"see who or what restarts {name} (its own crash, a policy, a person), and run again",
        )


def lost_hosts(scene: Scene) -> Iterator[Cause]:
    """Hosts whose agent or SSH connection ended while they were probed."""
    for host, why in sorted(scene.lost_hosts.items()):
        cells = tuple(
            c.id
            for c in scene.bad()
            if (c.source.host == host and scene.not_run(c))
            or (scene.touches(c, host) and scene.verdict(c) is Verdict.FAIL)
        )
        yield Cause(
            "host-lost",
            host,
            f"{host} was lost while it was probed: {why}",
            Confidence.CERTAIN,
            (f"{host}: {why}",),
            cells,
            f"ssh {host} uptime; ssh {host} dmesg | tail",
            f"see why the connection to {host} or its agent ended (a reboot, a firewall, the OOM "
            "killer), and run again",
        )


RULES = (
    Rule(
        "host-lost",
        "A host was lost while it was probed",
        "Its agent or the SSH connection to it ended in the batch; its cells did not run.",
        "See why it ended, and run again.",
        (),
        lost_hosts,
    ),
    Rule(
        "container-changed",
        "A container's link or address changed while it was probed",
        "Netlink in its namespace says so: the link is down or gone, or the address is another.",
        "Let the container alone, and run again.",
        ("rtnetlink(7)",),
        changed,
    ),
    Rule(
        "container-restarted",
        "A container was restarted while it was probed",
        "Docker says so: its first process is another one.",
        "See what restarts it, and run again.",
        ("docker-events(1)",),
        restarted,
    ),
    Rule(
        "neighbour-fixed",
        "A fixed neighbour entry leads elsewhere",
        "The source's entry for the target is PERMANENT, and its MAC address is not the target's.",
        "Delete the entry.",
        ("ip-neighbour(8)", "arp(7)"),
        fixed_entries,
    ),
    Rule(
        "rewritten-at-source",
        "A source rewrites addresses",
        "Replies came from another endpoint, though the source's neighbour entry is not that one's.",
        "Remove the NAT rule in the source's network namespace.",
        ("nft(8)",),
        rewritten,
    ),
)
