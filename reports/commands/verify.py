"""``python -m reports verify ARCHIVE...``: are sealed runs whole, whose are they, do they follow on.

Exit code 0: all of it is as it was sealed; 1: something is not; 2: it could not be looked at.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

from matrix.errors import ConfigError
from matrix.grid import plain
from reports.archive import NotWhole, read_archive
from reports.commands import NOTHING_WRONG, SOMETHING_WRONG, Answer
from reports.manifest import Sealed, chain_faults, opened
from reports.ssh_keygen import Signature, check


def declare(commands: Any) -> None:
    """Our arguments."""
    parser = commands.add_parser(
        "verify", help="say who sealed what and when; exit code 1 where a byte or a link is wrong"
    )
    parser.add_argument("archives", metavar="ARCHIVE", type=Path, nargs="+", help="a sealed run")
    parser.add_argument(
        "--allowed-signers",
        metavar="FILE",
        type=Path,
        help="whose keys are to be believed, as in ssh-keygen(1), ALLOWED SIGNERS. With it, a run "
        "that none of them signed is not good",
    )
    parser.set_defaults(act=act)


def act(asked: argparse.Namespace) -> Answer:
    """Read all of them, check each, then how they follow each other."""
    if asked.allowed_signers and not asked.allowed_signers.is_file():
        raise ConfigError(f"{asked.allowed_signers}: no such file; name an allowed signers file")
    broken: dict[Path, str] = {}
    found: dict[Path, Sealed] = {}
    for path in dict.fromkeys(asked.archives):
        try:
            with path.open("rb") as file:
                found[path] = opened(*read_archive(file))
        except NotWhole as error:
            broken[path] = str(error)
    if len({one.digest for one in found.values()}) != len(found):
        raise ConfigError("the same sealed run was given twice, by two names; give each once")
    faults = chain_faults(tuple(found.values()))
    lines: list[str] = []
    wrong = len(broken)
    for path, why in broken.items():
        lines += [f"NOT WHOLE {path}: {why}"]
    for path, sealed in sorted(found.items(), key=lambda item: item[1].manifest.started_at):
        told, good = _told(path, sealed, asked.allowed_signers, faults.get(sealed.digest, ""))
        lines += told
        wrong += not good
    count = len(broken) + len(found)
    lines.append(
        f"{wrong} of {count} sealed runs are not as they should be."
        if wrong
        else f"All {count} sealed runs are as they were sealed."
        if count > 1
        else "The sealed run is as it was sealed."
    )
    return Answer(tuple(map(plain, lines)), SOMETHING_WRONG if wrong else NOTHING_WRONG)


def _told(path: Path, sealed: Sealed, allowed: Path | None, fault: str) -> tuple[list[str], bool]:
    """What there is to say of one whole archive, and whether all of it is good."""
    manifest = sealed.manifest
    signature = _signature(sealed, allowed)
    good = not (fault or signature.fault)
    lines = [
        (
            f"{'good' if good else 'NOT GOOD'} {path}: run {manifest.run} of {manifest.started_at}, "
            f"site {manifest.site_path}, {len(manifest.files)} files whole"
        )
    ]
    by = f" by {signature.signer}" if signature.signer else ""
    with_key = f" with {signature.key}" if signature.key else ""
    if signature.fault:
        lines.append(f"  {signature.fault}{with_key}")
    elif sealed.signature is None:
        lines.append(f"  sealed at {manifest.sealed_at}, NOT SIGNED: anybody may have made it")
    else:
        doubt = "" if signature.signer else " (whose key it is, --allowed-signers tells)"
        lines.append(f"  signed{by}{with_key}{doubt}, sealed at {manifest.sealed_at} by his clock")
    if fault:
        lines.append(f"  chain: {fault}")
    elif manifest.previous:
        lines.append(f"  follows run {manifest.previous.run}")
    return lines, good


def _signature(sealed: Sealed, allowed: Path | None) -> Signature:
    if sealed.signature is None:
        return Signature("", "", "it is not signed" if allowed else "")
    try:
        at = datetime.fromisoformat(sealed.manifest.sealed_at)
    except ValueError:
        return Signature("", "", f"{sealed.manifest.sealed_at!r} is no time that a seal notes")
    return check(sealed.signed, sealed.signature, allowed, at)
