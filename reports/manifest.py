"""What a sealed run says of itself: its files by SHA-256, and the sealed run that it follows.

Rule 1: the manifest is what is signed, so everything else must be bound to it: files by their
hashes, the run before by the hash of its manifest.
Rule 2: ``SHA256SUMS`` repeats the hashes of everything, manifest and signature included. It proves
nothing to a doubter; it finds damage where there is no signature, and ``sha256sum -c`` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

from pydantic import ConfigDict, TypeAdapter, ValidationError

from reports.archive import Member, NotWhole

SCHEMA = "l2matrix-seal/1"
MANIFEST, SIGNATURE, SUMS = "manifest.json", "manifest.json.sig", "SHA256SUMS"
OURS = (MANIFEST, SIGNATURE, SUMS)

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A file of the sealed run."""

    name: str
    bytes: int
    sha256: str
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Previous:
    """The sealed run before: its id, and the SHA-256 of its manifest's bytes."""

    run: str
    manifest_sha256: str
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is sealed. ``sealed_at`` is the sealer's own clock (ISO 8601), or his word."""

    schema: str
    run: str
    phase: str
    started_at: str
    finished_at: str | None
    sealed_at: str
    site_path: str
    site_sha256: str
    files: tuple[SealedFile, ...]
    previous: Previous | None = None
    __pydantic_config__ = _STRICT


_adapter: TypeAdapter[Manifest] = TypeAdapter(Manifest)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed run as it was read. ``digest`` is that of its manifest's bytes."""

    manifest: Manifest
    digest: str
    signed: bytes
    signature: bytes | None


def manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as canonical JSON, ASCII, with a final newline: what is signed."""
    return json.dumps(asdict(manifest), sort_keys=True, indent=1).encode() + b"\n"


def sums(members: Sequence[tuple[str, str]]) -> bytes:
    """``SHA256SUMS`` of (name, hash), in the order of names, as sha256sum writes it."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(members)).encode()


def opened(folder: str, members: Sequence[Member]) -> Sealed:
    """The sealed run that these members are.

    Raises:
        NotWhole: with every fault that there is: a changed, missing or extra file, another order.
    """
    by_name = {member.name: member for member in members}
    manifest = _manifest(by_name.get(MANIFEST))
    faults: list[str] = []
    if manifest.run != folder:
        faults.append(f"its folder is {folder}, its manifest is that of run {manifest.run}")
    listed = {file.name: file for file in manifest.files}
    for name, file in listed.items():
        found = by_name.get(name)
        if found is None:
            faults.append(f"{name} is missing")
        elif (found.size, found.sha256) != (file.bytes, file.sha256):
            faults.append(f"{name} was changed: SHA-256 {found.sha256}, sealed {file.sha256}")
    faults += [f"{n} is extra: it was not sealed" for n in by_name if n not in {*listed, *OURS}]
    told = by_name.get(SUMS)
    said = sums([(m.name, m.sha256) for m in members if m.name != SUMS])
    if told is None:
        faults.append(f"{SUMS} is missing")
    elif told.data != said and not faults:
        faults.append(f"{SUMS} does not fit: it, {MANIFEST} or {SIGNATURE} was changed")
    ours = [name for name in OURS if name in by_name]
    if [member.name for member in members] != [*ours, *sorted(listed)] and not faults:
        faults.append("its files stand in another order than they were sealed in")
    if faults:
        raise NotWhole("; ".join(faults))
    signature = by_name.get(SIGNATURE)
    data = by_name[MANIFEST].data or b""
    return Sealed(manifest, sha256(data).hexdigest(), data, signature.data if signature else None)


def _manifest(member: Member | None) -> Manifest:
    if member is None:
        raise NotWhole(f"{MANIFEST} is missing: this is no sealed run")
    try:
        found = _adapter.validate_json(member.data or b"")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise NotWhole(f"{MANIFEST} cannot be read: {where}: {first['msg']}") from error
    if found.schema != SCHEMA:
        raise NotWhole(f"{MANIFEST}: schema is {found.schema!r}, this version reads {SCHEMA!r}")
    if manifest_bytes(found) != member.data:
        raise NotWhole(f"{MANIFEST} is not written as it was: some byte was changed")
    return found


def chain_faults(sealed: Sequence[Sealed]) -> dict[str, str]:
    """What is wrong with how these follow each other, by manifest digest; empty where nothing is.

    Of several, all but one must follow another of them, and no two the same one. The first may
    follow a run that was not given.
    """
    faults: dict[str, str] = {}
    by_digest = {one.digest: one for one in sealed}
    by_run = {one.manifest.run: one for one in sealed}
    followed: dict[str, str] = {}
    firsts: list[Sealed] = []
    for one in sealed:
        previous, run = one.manifest.previous, one.manifest.run
        if previous is None or previous.manifest_sha256 not in by_digest:
            firsts.append(one)
            if previous is not None and previous.run in by_run:
                faults[one.digest] = (
                    f"follows run {previous.run}, but not as it is here: that one was sealed anew "
                    f"or changed (its manifest was {previous.manifest_sha256})"
                )
        elif other := followed.get(previous.manifest_sha256):
            faults[one.digest] = f"follows run {previous.run}, and so does {other}: two chains"
        else:
            followed[previous.manifest_sha256] = run
    firsts.sort(key=lambda one: (one.manifest.started_at, one.manifest.run))
    for one in firsts[1:]:
        previous = one.manifest.previous
        faults.setdefault(
            one.digest,
            f"follows run {previous.run}, which is missing between those given"
            if previous
            else "follows no run, although others were sealed before it",
        )
    return faults
