"""What of the page may run and be styled: its own style and its own script, by their digests.

Rule: the page's Content-Security-Policy names the SHA-256 of each, and nothing else is allowed: no
other script, no style attribute, no image, no request of any kind (W3C CSP 3, hash sources).
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


@cache
def asset(name: str) -> Markup:
    """The text of one of our own files, to stand in the page as it is."""
    text = (TEMPLATES / name).read_text("utf-8")
    if "</" in text:
        # It would end its element early, and what follows would be markup.
        raise ValueError(f"{name} holds '</', which cannot stand in a page")
    return Markup(text)  # noqa: S704  our own file, and it cannot end its element


def policy(style: str, script: str) -> str:
    """The page's Content-Security-Policy."""
    rules = (
        "default-src 'none'",
        f"style-src '{_digest(style)}'",
        f"script-src '{_digest(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(rules)


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
