"""A tar archive of which every byte is determined by its files' names and contents.

Rule 1: one folder, regular files, no paths in names, no times, owners or modes: equal files give equal
bytes. The format is POSIX ustar (IEEE Std 1003.1, pax, "ustar Interchange Format"), which any tar reads.
Rule 2: nothing is ever unpacked. Reading compares each header with the one that writing would have
made, so that a link, a path, a device or a changed byte anywhere, padding included, is refused.
Rule 3: reading is bounded: by the size of the file, by ``MOST_MEMBERS`` and ``MOST_BYTES``; only what
is small is kept in memory.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

BLOCK, RECORD = tarfile.BLOCKSIZE, tarfile.RECORDSIZE
MOST_MEMBERS = 100
MOST_BYTES = 16 * 1024**3
MOST_OF_ONE = 8 * 1024**3 - 1
"""What ustar's size field holds (11 octal digits)."""

KEPT_BYTES = 1024**2
"""Members up to this size are kept in memory when an archive is read."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}", re.ASCII)
_CHUNK = 1024**2


class NotWhole(Exception):  # noqa: N818  a finding about a file, not a fault of the program
    """The bytes are no archive that this file would have written; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive. ``data`` is None where it is larger than ``KEPT_BYTES``."""

    name: str
    size: int
    sha256: str
    data: bytes | None


def header(folder: str, name: str, size: int) -> bytes:
    """The header block of a member. ValueError for a name or a size that no archive may have."""
    if not (NAME.fullmatch(folder) and NAME.fullmatch(name)) or not 0 <= size <= MOST_OF_ONE:
        raise ValueError(f"{folder}/{name} of {size} bytes cannot stand in an archive")
    info = tarfile.TarInfo(f"{folder}/{name}")
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def padding(size: int) -> bytes:
    """What follows a member's bytes, up to the next block."""
    return b"\0" * (-size % BLOCK)


def ending(written: int) -> bytes:
    """What ends an archive after so many bytes: two empty blocks, up to the next record."""
    end = 2 * BLOCK
    return b"\0" * (end + -(written + end) % RECORD)


def packed(folder: str, files: Iterable[tuple[str, int, Iterable[bytes]]]) -> Iterator[bytes]:
    """The archive, in pieces.

    Args:
        folder: the one folder.
        files: name, size in bytes and contents of each.

    Raises:
        ValueError: a name, or contents of another size than said.
    """
    written = 0
    for name, size, pieces in files:
        yield header(folder, name, size)
        seen = 0
        for piece in pieces:
            seen += len(piece)
            yield piece
        if seen != size:
            raise ValueError(f"{name} has {seen} bytes, not {size}")
        yield padding(size)
        written += BLOCK + size + len(padding(size))
    yield ending(written)


def read_archive(file: BinaryIO) -> tuple[str, tuple[Member, ...]]:
    """The archive's folder, and its members in their order.

    Raises:
        NotWhole: some byte is not as writing would have made it, or it is larger than allowed.
        OSError: the file cannot be read.
    """
    members: list[Member] = []
    folder, at = "", 0
    while (block := _exactly(file, BLOCK, at)) != b"\0" * BLOCK:
        name, size = _named(block, at)
        if folder and not name.startswith(f"{folder}/"):
            raise NotWhole(f"byte {at}: {name!r} is not in the folder {folder}")
        folder, _, name = name.partition("/")
        if len(members) == MOST_MEMBERS or at + size > MOST_BYTES:
            raise NotWhole(f"more than {MOST_MEMBERS} files or {MOST_BYTES} bytes: refused")
        if any(member.name == name for member in members):
            raise NotWhole(f"byte {at}: {name} is there twice")
        at += BLOCK
        members.append(_member(file, name, size, at))
        at += size
        if _exactly(file, -size % BLOCK, at) != padding(size):
            raise NotWhole(f"byte {at}: the padding behind {name} is not empty")
        at += -size % BLOCK
    if not members:
        raise NotWhole("no file in it")
    rest = file.read(BLOCK + RECORD + 1)
    if block + rest != ending(at):
        raise NotWhole(f"byte {at}: the end is not as it was written, or something follows it")
    return folder, tuple(members)


def _named(block: bytes, at: int) -> tuple[str, int]:
    """Name and size that a header gives, where it is the only header that could give them."""
    try:
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        folder, _, name = info.name.partition("/")
        if header(folder, name, info.size) != block:
            raise ValueError(f"{info.name!r}: not the header of a plain file of ours")
    except (tarfile.HeaderError, ValueError) as error:
        raise NotWhole(f"byte {at}: no header of a sealed file ({error})") from error
    return info.name, info.size


def _member(file: BinaryIO, name: str, size: int, at: int) -> Member:
    digest, kept, left = sha256(), [], size
    while left:
        piece = _exactly(file, min(left, _CHUNK), at + size - left)
        left -= len(piece)
        digest.update(piece)
        if size <= KEPT_BYTES:
            kept.append(piece)
    data = b"".join(kept) if size <= KEPT_BYTES else None
    return Member(name, size, digest.hexdigest(), data)


def _exactly(file: BinaryIO, size: int, at: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise NotWhole(f"byte {at + len(data)}: it ends there, in the middle")
    return data
