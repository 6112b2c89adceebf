"""A sealed run tells of every changed byte, of every missing or extra file, and of a broken chain."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.record import dump
from reports import archive
from reports.__main__ import main
from reports.archive import NotWhole, packed, read_archive
from reports.manifest import (
    MANIFEST,
    SCHEMA,
    SUMS,
    Manifest,
    Previous,
    Sealed,
    SealedFile,
    chain_faults,
    manifest_bytes,
    opened,
    sums,
)
from reports.ssh_keygen import NAMESPACE
from tests.unit.sample_run import healthy

NAMES = st.text("aZ0._-", min_size=1, max_size=48).filter(archive.NAME.fullmatch)
AT = "2026-01-03T06:00:00+00:00"


def written(folder: str, files: dict[str, bytes]) -> bytes:
    """The archive of these files."""
    return b"".join(packed(folder, ((n, len(data), (data,)) for n, data in files.items())))


@cache
def sealed(previous: Previous | None = None, run: str = "20260102T030405Z-beef") -> bytes:
    """A small sealed run, made by hand."""
    file = SealedFile(
        "run.json", 5, "f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2"
    )
    manifest = Manifest(
        SCHEMA, run, "judged", "2026-01-02T03:04:05Z", None, AT, "s.toml", "ab" * 32, (file,), previous
    )  # fmt: skip
    told = manifest_bytes(manifest)
    hashes = [(MANIFEST, sha256(told).hexdigest()), (file.name, file.sha256)]
    return written(run, {MANIFEST: told, SUMS: sums(hashes), "run.json": b"test\n"})


def unsealed(data: bytes) -> Sealed:
    """What a reader finds in it."""
    return opened(*read_archive(io.BytesIO(data)))


@given(NAMES, st.dictionaries(NAMES, st.binary(max_size=1500), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_by_us_and_by_any_tar(folder: str, files: dict[str, bytes]) -> None:
    """Equal files give equal bytes, and another tar reader finds the same in them."""
    data = written(folder, files)
    assert data == written(folder, files)
    assert len(data) % archive.RECORD == 0
    found, members = read_archive(io.BytesIO(data))
    assert found == folder
    assert {m.name: m.data for m in members} == files
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        by_tar = {m.name: tar.extractfile(m) for m in tar.getmembers()}
    assert set(by_tar) == {f"{folder}/{name}" for name in files}


@given(st.integers(0, 10**6), st.integers(1, 255))
@settings(max_examples=80, deadline=None)
def test_any_changed_byte_is_found(place: int, change: int) -> None:
    """Also in headers, in padding, and in the end; without any signature."""
    data = bytearray(sealed())
    data[place % len(data)] ^= change
    with pytest.raises(NotWhole):
        unsealed(bytes(data))


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=3))
@settings(max_examples=15, deadline=None)
def test_what_is_cut_off_or_added_is_found(place: int, more: bytes) -> None:
    """At any place of the archive."""
    data = sealed()
    at = place % len(data)
    for wrong in (data[:at], data[:at] + more + data[at:], data + more, data + b"\0" * 10240):
        with pytest.raises(NotWhole):
            unsealed(wrong)


def test_missing_and_extra_files_are_named() -> None:
    """Each by its name."""
    folder, members = read_archive(io.BytesIO(sealed()))
    files = {m.name: m.data or b"" for m in members}
    extra = written(folder, {**files, "zzz": b"x"})
    with pytest.raises(NotWhole, match="zzz is extra"):
        unsealed(extra)
    for name in files:
        with pytest.raises(NotWhole, match=f"{name} is missing"):
            unsealed(written(folder, {n: d for n, d in files.items() if n != name}))
    with pytest.raises(NotWhole, match=r"run\.json was changed"):
        unsealed(written(folder, {**files, "run.json": b"tost\n"}))
    with pytest.raises(NotWhole, match="another order"):
        unsealed(written(folder, dict(reversed(files.items()))))


def foreign() -> Iterator[tuple[str, bytes]]:
    """Archives as an attacker writes them, with what tar allows and we do not."""
    changes: dict[str, dict[str, Any]] = {
        "../run.json": {}, "/etc/passwd": {}, "a/../../b": {}, "a/b/c": {}, "a": {}, "a/.hidden": {},
        "a/link": {"type": tarfile.SYMTYPE, "linkname": "/etc/shadow"},
        "a/hard": {"type": tarfile.LNKTYPE, "linkname": "a/run.json"},
        "a/device": {"type": tarfile.CHRTYPE}, "a/fifo": {"type": tarfile.FIFOTYPE},
        "a/folder": {"type": tarfile.DIRTYPE}, "a/owner": {"uid": 1000},
        "a/mode": {"mode": 0o4755}, "a/time": {"mtime": 1}, "a/sparse": {"type": tarfile.GNUTYPE_SPARSE},
    }  # fmt: skip
    for name, change in changes.items():
        info = tarfile.TarInfo(name)
        info.mode = 0o644
        for key, value in change.items():
            setattr(info, key, value)
        yield name, info.tobuf(tarfile.USTAR_FORMAT) + archive.ending(512)
    yield "two folders", b"".join(archive.header(f, "x", 0) for f in "ab") + archive.ending(1024)
    yield "twice", archive.header("a", "x", 0) * 2 + archive.ending(1024)
    yield "huge", archive.header("a", "x", archive.MOST_OF_ONE) + archive.ending(512)
    many = b"".join(archive.header("a", f"f{n}", 0) for n in range(archive.MOST_MEMBERS + 1))
    yield "many", many + archive.ending(len(many))
    yield "nothing", archive.ending(0)
    yield "empty", b""
    yield "text", b"no archive at all\n" * 100


@pytest.mark.parametrize(
    ("name", "data"), list(foreign()), ids=lambda x: x if isinstance(x, str) else ""
)
def test_what_tar_allows_and_a_seal_does_not_is_refused(name: str, data: bytes) -> None:
    """Paths, links, devices, owners, sizes that are not there: nothing is unpacked or followed."""
    del name
    with pytest.raises(NotWhole):
        read_archive(io.BytesIO(data))


def chained(*runs: str) -> list[Sealed]:
    """Sealed runs of these ids that follow each other."""
    found: list[Sealed] = []
    for run in runs:
        previous = Previous(found[-1].manifest.run, found[-1].digest) if found else None
        found.append(unsealed(sealed(previous, run)))
    return found


def test_a_chain_and_what_breaks_it() -> None:
    """One that is missing, one that was sealed anew, two that follow the same, one that follows none."""
    a, b, c, d = chained("a", "b", "c", "d")
    assert not chain_faults([d, a, c, b])
    assert not chain_faults([c, d]), "the first may follow one that was not given"
    assert "missing between" in chain_faults([a, b, d])[d.digest]
    anew = unsealed(sealed(None, "b"))
    assert "sealed anew" in chain_faults([a, anew, c])[c.digest]
    fork = unsealed(sealed(Previous("a", a.digest), "x"))
    assert [fault for fault in chain_faults([a, b, fork]).values() if "two chains" in fault]
    alone = unsealed(sealed(None, "z"))
    assert "follows no run" in chain_faults([a, b, alone])[alone.digest]


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    """Two finished runs on disk."""
    found = []
    for night in (2, 3):
        run = replace(
            healthy(), id=f"2026010{night}T030405Z-beef", started_at=f"2026-01-0{night}T03:04:05Z"
        )
        folder = tmp_path / "runs" / run.id
        folder.mkdir(parents=True)
        (folder / "run.json").write_bytes(dump(run))
        (folder / "packets.pcapng").write_bytes(b"packets")
        found.append(str(folder))
    return found


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A signing key, its allowed signers file beside it, and a key of somebody else's."""
    for name in ("key", "other"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(tmp_path / name)],
            check=True,
        )
        public = (tmp_path / f"{name}.pub").read_text()
        (tmp_path / f"{name}.allowed").write_text(
            f'auditor@example namespaces="{NAMESPACE}" {public}'
        )
    return tmp_path / "key"


def test_seal_and_verify(
    runs: list[str], key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who signed what and when; a flipped byte, a wrong signer and a gap are found."""
    first, second = (tmp_path / f"{n}.tar" for n in (1, 2))
    sealing = ["--key", str(key), "--at", AT]
    assert main(["seal", runs[0], "--out", str(first), *sealing]) == 0
    assert main(["seal", runs[1], "--out", str(second), "--previous", str(first), *sealing]) == 0
    capsys.readouterr()
    allowed = ["--allowed-signers", str(key.with_name("key.allowed"))]
    assert main(["verify", str(second), str(first), *allowed]) == 0
    said = capsys.readouterr().out
    assert said.count("signed by auditor@example with ED25519 SHA256:") == 2
    assert f"sealed at {AT}" in said
    assert "follows run 20260102T030405Z-beef" in said
    assert main(["verify", str(first), *allowed[:1], str(key.with_name("other.allowed"))]) == 1
    assert "does not allow" in capsys.readouterr().out
    for window, code in (("20260101", 0), ("20260104", 1)):
        line = f'auditor@example valid-after="{window}" {key.with_suffix(".pub").read_text()}'
        (tmp_path / "window").write_text(line)
        assert main(["verify", str(first), *allowed[:1], str(tmp_path / "window")]) == code, window
    capsys.readouterr()
    unsigned = tmp_path / "unsigned.tar"
    assert main(["seal", runs[0], "--out", str(unsigned)]) == 0
    assert main(["verify", str(unsigned)]) == 0
    assert "NOT SIGNED" in capsys.readouterr().out
    assert main(["verify", str(unsigned), *allowed]) == 1
    damaged = bytearray(first.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    first.write_bytes(damaged)
    assert main(["verify", str(first), str(second), *allowed]) == 1
    said = capsys.readouterr().out
    assert "NOT WHOLE" in said
    assert "was changed" in said


def test_a_signature_of_something_else_is_not_good(
    runs: list[str], key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of another manifest, and of the same one in another namespace."""
    out = tmp_path / "a.tar"
    assert main(["seal", runs[0], "--out", str(out), "--key", str(key)]) == 0
    folder, members = read_archive(io.BytesIO(out.read_bytes()))
    files = {m.name: m.data or b"" for m in members}
    for data, space in ((b"else", NAMESPACE), (files[MANIFEST], "file")):
        argv = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", space]
        signature = subprocess.run(argv, input=data, capture_output=True, check=True).stdout
        forged = {**files, "manifest.json.sig": signature}
        forged[SUMS] = sums([(n, sha256(d).hexdigest()) for n, d in forged.items() if n != SUMS])
        out.write_bytes(written(folder, forged))
        capsys.readouterr()
        assert main(["verify", str(out)]) == 1
        assert "the signature is not good" in capsys.readouterr().out


def test_equal_input_gives_equal_bytes(runs: list[str], key: Path, tmp_path: Path) -> None:
    """With the time given, down to the signature (Ed25519 has no chance in it)."""
    outs = [tmp_path / f"{n}.tar" for n in (1, 2)]
    for out in outs:
        assert main(["seal", runs[0], "--key", str(key), "--at", AT, "--out", str(out)]) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_what_cannot_be_sealed_is_said_in_one_line(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link in the folder, a missing key, a time that is none, an archive that is there."""
    out = tmp_path / "a.tar"
    out.write_bytes(b"")
    for arguments in (
        ["--out", str(out)], ["--key", str(tmp_path / "nokey")], ["--at", "yesterday"],
        ["--previous", str(out)], ["--previous", str(tmp_path / "nothing")],
    ):  # fmt: skip
        assert main(["seal", runs[0], *arguments]) == 2, arguments
        assert capsys.readouterr().err
    (Path(runs[0]) / "link").symlink_to("/etc/passwd")
    assert main(["seal", runs[0]]) == 2
    assert "is a link" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "sealed").exists()
    assert main(["verify", str(tmp_path / "nothing")]) == 2
    shutil.rmtree(runs[0])
    assert main(["seal", runs[0]]) == 2
