"""``python -m reports seal RUN``: a run's files in one archive that tells if any byte was changed."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from matrix.errors import ConfigError
from matrix.grid import plain
from matrix.record import Run
from reports.archive import NAME, NotWhole, packed, read_archive
from reports.commands import Answer
from reports.commands.reading import RUN, read_run, record_path
from reports.files import write_reports, write_whole
from reports.manifest import (
    MANIFEST,
    OURS,
    SCHEMA,
    SIGNATURE,
    SUMS,
    Manifest,
    Previous,
    Sealed,
    SealedFile,
    manifest_bytes,
    opened,
    sums,
)
from reports.ssh_keygen import sign

SEALED_MARK = "sealed.json"
"""Stands beside run.json once it was sealed, so that nobody throws the run away unknowingly."""

_CHUNK = 1024**2
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def declare(commands: Any) -> None:
    """Our arguments."""
    parser = commands.add_parser(
        "seal", help="put a run's files into one archive, hashed, chained and signed"
    )
    parser.add_argument("run", metavar="RUN", type=Path, help=RUN)
    parser.add_argument(
        "--key",
        metavar="SSHKEY",
        type=Path,
        help="sign with this SSH key: a private one, or the .pub file of one that ssh-agent holds",
    )
    parser.add_argument(
        "--previous", metavar="SEALED", type=Path, help="the sealed run that this one follows"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="where the archive goes. Default: sealed/ID.tar beside the run's folder",
    )
    parser.add_argument(
        "--at",
        metavar="TIME",
        help="the time to be noted (ISO 8601 with its zone) instead of now: with it, equal input "
        "gives equal bytes",
    )
    parser.set_defaults(act=act)


def act(asked: argparse.Namespace) -> Answer:
    """Seal."""
    path = record_path(asked.run).resolve()
    run = read_run(asked.run)
    out = asked.out or path.parent.parent / "sealed" / f"{run.id}.tar"
    if out.exists():
        raise ConfigError(f"{out}: is there already; a sealed run is not overwritten: name --out")
    previous = _previous(asked.previous, run) if asked.previous else None
    if not path.with_name("report.html").exists():
        write_reports(path.read_bytes(), path)
    files = _files(path.parent)
    manifest = _manifest(run, files, previous, _time(asked.at))
    signed = manifest_bytes(manifest)
    extra = {MANIFEST: signed}
    if asked.key:
        extra[SIGNATURE] = sign(signed, asked.key)
    hashed = [(file.name, file.sha256) for file in manifest.files]
    extra[SUMS] = sums(
        [*hashed, *((name, sha256(data).hexdigest()) for name, data in extra.items())]
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, _archive(run.id, extra, files, manifest))
    digest = sha256(signed).hexdigest()
    lines = [f"sealed: {out}"]
    lines += [f"  {file.sha256}  {file.name} ({file.bytes:,} bytes)" for file in manifest.files]
    lines.append(f"  {digest}  {MANIFEST}, " + ("signed" if asked.key else "not signed (--key)"))
    if manifest.previous:
        lines.append(f"  follows run {manifest.previous.run}")
    lines += _marked(path.with_name(SEALED_MARK), out, digest, manifest.sealed_at)
    return Answer(tuple(plain(line) for line in lines))


def _files(folder: Path) -> dict[str, Path]:
    """The files to seal, by name: every plain file of the run's folder but what is hidden."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == SEALED_MARK:
            continue
        wrong = (
            "is a link" if path.is_symlink()
            else "is no plain file" if not path.is_file()
            else "has a name that cannot be sealed" if not NAME.fullmatch(path.name)
            else "has a name that the archive needs itself" if path.name in OURS
            else ""
        )  # fmt: skip
        if wrong:
            raise ConfigError(f"{path}: {wrong}; move it out of the run's folder, or rename it")
        found[path.name] = path
    return found


def _manifest(
    run: Run, files: dict[str, Path], previous: Previous | None, sealed_at: str
) -> Manifest:
    if not NAME.fullmatch(run.id):
        raise ConfigError(f"run id {run.id!r} cannot name a folder of an archive")
    sealed = []
    for name, path in files.items():
        digest, size = sha256(), 0
        for piece in _pieces(path):
            digest.update(piece)
            size += len(piece)
        sealed.append(SealedFile(name, size, digest.hexdigest()))
    return Manifest(
        schema=SCHEMA,
        run=run.id,
        phase=run.phase,
        started_at=run.started_at,
        finished_at=run.finished_at,
        sealed_at=sealed_at,
        site_path=run.site.path,
        site_sha256=run.site.sha256,
        files=tuple(sealed),
        previous=previous,
    )


def _archive(
    folder: str, extra: dict[str, bytes], files: dict[str, Path], manifest: Manifest
) -> Callable[[], Iterator[bytes]]:
    def contents() -> Iterator[tuple[str, int, Iterable[bytes]]]:
        for name in OURS:
            if name in extra:
                yield name, len(extra[name]), (extra[name],)
        for file in manifest.files:
            yield file.name, file.bytes, _unchanged(files[file.name], file)

    def pieces() -> Iterator[bytes]:
        try:
            yield from packed(folder, contents())
        except ValueError as error:
            raise ConfigError(f"cannot be sealed: {error}") from error

    return pieces


def _unchanged(path: Path, file: SealedFile) -> Iterator[bytes]:
    digest = sha256()
    for piece in _pieces(path):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != file.sha256:
        raise ConfigError(f"{path}: was changed while it was being sealed; seal again")


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def _previous(path: Path, run: Run) -> Previous:
    found = read_sealed(path)
    if found.manifest.run == run.id:
        raise ConfigError(f"{path}: is run {run.id} itself; --previous names the one before it")
    return Previous(found.manifest.run, found.digest)


def read_sealed(path: Path) -> Sealed:
    """The sealed run at that place.

    Raises:
        ConfigError: it cannot be read, or is not whole.
    """
    try:
        with path.open("rb") as file:
            return opened(*read_archive(file))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; name a sealed run") from error
    except NotWhole as error:
        raise ConfigError(f"{path}: {error}") from error


def _time(given: str | None) -> str:
    if given is None:
        return datetime.now(UTC).isoformat(timespec="seconds")
    try:
        if _TIME.fullmatch(given):
            return datetime.fromisoformat(given).isoformat()
    except ValueError:
        pass
    raise ConfigError(f"--at {given!r} is no time; write such as 2026-01-31T06:00:00Z")


def _marked(mark: Path, out: Path, digest: str, at: str) -> list[str]:
    told = {"archive": str(out), "manifest_sha256": digest, "sealed_at": at}
    data = json.dumps(told, sort_keys=True, indent=1).encode() + b"\n"
    try:
        write_whole(mark, data)
    except OSError as error:
        return [
            (
                f"note: {mark} could not be written ({error.strerror}); 'history --keep' will not know "
                "that the run was sealed"
            )
        ]
    return []
