"""A headless Chromium, driven over a pipe by the DevTools protocol: no port, no driver, no library.

Rule: the browser gets a profile of its own that is removed with it, asks nobody for anything, and
is ended by its own handle. Every wait has a limit, and ends when what is waited for is there.

Source: Chrome DevTools Protocol; ``--remote-debugging-pipe`` reads messages that end in a NUL byte
from file descriptor 3 and writes them to 4.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIMIT_S = 120.0
"""How long the browser may take for one answer; printing 2,500 cells is the slowest."""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)

_LAUNCHER = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Puts the two pipes where the browser looks for them, whatever numbers they have here."""


class BrowserError(Exception):
    """The browser refused something, or a script in the page failed; says which, and its words."""


class Chromium:
    """One browser with one page."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._selector = selectors.DefaultSelector()
        self._selector.register(read, selectors.EVENT_READ)
        self._bytes = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait_for(self, event: str) -> None:
        """Wait until the page has told of this; what was told before counts."""
        while not any(e.get("method") == event for e in self.events):
            self.events.append(self._next())

    def open(self, path: Path, fragment: str = "") -> float:
        """Open a file and wait until it is loaded. Returns the seconds that took."""
        self.events.clear()
        begun = time.monotonic()
        self.ask("Page.navigate", url=f"{path.resolve().as_uri()}{fragment}")
        self.wait_for("Page.loadEventFired")
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        return time.monotonic() - begun

    def run(self, script: str) -> Any:
        """The value of an expression in the page, awaited where it is a promise."""
        found = self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise BrowserError(f"{script[:200]}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press and let go a key by its name, such as ``Tab`` or ``ArrowRight``."""
        codes = {"Tab": 9, "Enter": 13, "End": 35, "Home": 36}
        codes |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        about: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        about["modifiers"] = 8 if shift else 0
        text = {"text": "\r"} if key == "Enter" else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **about)

    def look(self, *, width: int, height: int, dark: bool = False, phone: bool = False) -> None:
        """How wide the window is, and whether its owner wants it dark."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self) -> bytes:
        """What is on the screen, a PNG."""
        shot = self.ask("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        return b64decode(shot["data"])

    def pdf(self) -> bytes:
        """The page as it is printed on A4."""
        stream = self.ask(
            "Page.printToPDF",
            preferCSSPageSize=True,
            printBackground=True,
            transferMode="ReturnAsStream",
        )["stream"]
        found = b""
        while True:
            part = self.ask("IO.read", handle=stream, size=1 << 20)
            found += b64decode(part["data"]) if part.get("base64Encoded") else part["data"].encode()
            if part["eof"]:
                return found

    def complaints(self) -> list[str]:
        """What the browser said against the page since it was opened: errors, refused policy."""
        said = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
                said.append(params["entry"]["text"])
            if event.get("method") == "Runtime.exceptionThrown":
                said.append(str(params["exceptionDetails"]))
        return said

    def requests(self) -> list[str]:
        """Every address that the page asked for since it was opened."""
        sent = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + LIMIT_S
        while b"\0" not in self._bytes:
            if not self._selector.select(max(until - time.monotonic(), 0)):
                raise BrowserError(f"no answer in {LIMIT_S:g} s")
            got = os.read(self._read, 1 << 20)
            if not got:
                raise BrowserError("the browser has ended")
            self._bytes += got
        message, _, self._bytes = self._bytes.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def chromium(flags: Sequence[str] = ()) -> Iterator[Chromium]:
    """A browser that ends with this block."""
    program = shutil.which("chromium")
    if program is None:
        raise BrowserError(
            "there is no program chromium; apt install chromium, or ./toxw run -e report"
        )
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="l2-chromium-", ignore_cleanup_errors=True) as profile:
        argv = [
            sys.executable,
            "-c",
            _LAUNCHER,
            str(to_read),
            str(from_write),
            program,
            *FLAGS,
            *flags,
            f"--user-data-dir={profile}",
        ]
        process = subprocess.Popen(
            argv,
            pass_fds=(to_read, from_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        try:
            yield Chromium(from_read, to_write)
        finally:
            os.close(to_write)  # which is how it is told to end
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(from_read)
