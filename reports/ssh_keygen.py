"""OpenSSH's ``ssh-keygen -Y``: signs a manifest, and says whose signature one is.

Rule: this is the one file of this room that starts a program, and no report imports it. It belongs
here and not among the fixtures, because it touches no host: what it works on is bytes of a finished
run, at the same place where they are read and written, on any later day.

Sources: ssh-keygen(1) "-Y sign", "-Y verify" and "ALLOWED SIGNERS"; PROTOCOL.sshsig of OpenSSH, which
binds a signature to a namespace, so that one made for a mail or a commit is none for a seal.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from matrix.errors import WorldError

NAMESPACE = "seal@l2matrix"
PROGRAM = "ssh-keygen"
_KEY = re.compile(r"with (\S+) key (SHA256:\S+)\s*$")


@dataclass(frozen=True, slots=True)
class Signature:
    """What ssh-keygen says of one. ``signer`` is "" where nobody vouches for the key.

    ``key`` is its type and fingerprint, ``fault`` why it is not good ("" where it is).
    """

    signer: str
    key: str
    fault: str


def sign(data: bytes, key: Path) -> bytes:
    """The signature of the data (armoured), by a private key, or by a public one that an agent holds.

    Raises:
        WorldError: no ssh-keygen, or it refused, in its own words.
    """
    argv = ["-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE]
    done = _run(argv, data)
    if done.returncode or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise WorldError(
            f"{PROGRAM} did not sign with {key}",
            said=_words(done),
            fix="name a private SSH key that you can read, or the .pub file of one that ssh-agent "
            "holds, with --key",
        )
    return done.stdout


def check(data: bytes, signature: bytes, allowed: Path | None, at: datetime) -> Signature:
    """Whose signature of the data this is.

    Args:
        data: what was signed.
        signature: armoured.
        allowed: an allowed signers file; without one it is only said by which key.
        at: when it was made: the file may say how long a key is good.

    Raises:
        WorldError: no ssh-keygen.
    """
    with tempfile.NamedTemporaryFile(prefix="l2matrix-", suffix=".sig") as file:
        file.write(signature)
        file.flush()
        made = ["-n", NAMESPACE, "-s", file.name]
        plainly = _run(["-Y", "check-novalidate", *made], data)
        key = _key(plainly)
        if plainly.returncode:
            return Signature("", key, f"the signature is not good: {_words(plainly)}")
        if allowed is None:
            return Signature("", key, "")
        when = ["-O", f"verify-time={at.astimezone(UTC):%Y%m%d%H%M%S}Z"]
        found = _run(["-Y", "find-principals", "-s", file.name, "-f", str(allowed), *when], data)
        signer = found.stdout.decode(errors="replace").partition("\n")[0].partition(",")[0].strip()
        if found.returncode or not signer:
            return Signature(
                "", key, f"signed by a key that {allowed} does not allow ({_words(found)})"
            )
        argv = ["-Y", "verify", "-f", str(allowed), "-I", signer, *made, *when]
        done = _run(argv, data)
        if done.returncode:
            return Signature("", key, f"{allowed} does not allow it: {_words(done)}")
        return Signature(signer, key, "")


def _run(arguments: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run([PROGRAM, *arguments], input=data, capture_output=True, check=False)
    except OSError as error:
        raise WorldError(
            f"cannot run {PROGRAM}",
            said=error.strerror or str(error),
            fix="install OpenSSH's client (Debian: apt-get install openssh-client), 8.9 or later",
        ) from error


def _key(done: subprocess.CompletedProcess[bytes]) -> str:
    found = _KEY.search(done.stdout.decode(errors="replace"))
    return f"{found[1]} {found[2]}" if found else ""


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    said = (done.stderr or done.stdout).decode(errors="replace").strip()
    return "; ".join(said.splitlines()) or f"exit code {done.returncode}"
