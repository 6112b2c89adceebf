"""Questions to an engine: the row for its version, and how an answer compares with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from matrix.parent_rule import KINDS, Answer, Question, Said, Status, compare, questions
from matrix.record import dump, load
from matrix.record_of import engine_record
from matrix.site import read_site
from reports.engines import engine_lines
from reports.headline import headline
from reports.html import html
from reports.junit import junit
from tests.unit.sample_run import healthy

SITES = Path(__file__).parents[2] / "sites"
SITE = read_site((SITES / "lab-parent.toml").read_text(), name="lab-parent.toml")
BY_NAME = {q.kind.name: q for q in questions(SITE)}
OLD = "network dm-0123456789ab is already using parent interface eth0"
NEW_PASSTHRU = (
    f"cannot use mode passthru, macvlan {OLD[:24]} is already using parent interface eth0"
)
BESIDE = "macvlan network 0123 is already using parent interface eth0 in mode passthru"


@pytest.mark.parametrize(
    ("name", "version", "answer", "words", "status"),
    [
        ("second-network", "20.10.24+dfsg1", Answer.REFUSED, OLD, Status.AS_EXPECTED),
        ("second-network", "26.1.5", Answer.REFUSED, OLD, Status.AS_EXPECTED),
        ("second-network", "26.1.5", Answer.ACCEPTED, "", Status.DIFFERS),
        ("second-network", "27.0.1", Answer.ACCEPTED, "", Status.AS_EXPECTED),
        ("second-network", "29.0.0", Answer.REFUSED, OLD, Status.DIFFERS),
        # A refusal for another reason is none.
        ("second-network", "20.10.24", Answer.REFUSED, "Pool overlaps", Status.DIFFERS),
        ("second-network-passthru", "25.0.0", Answer.REFUSED, OLD, Status.AS_EXPECTED),
        ("second-network-passthru", "28.1.0", Answer.REFUSED, NEW_PASSTHRU, Status.AS_EXPECTED),
        ("second-network-passthru", "28.1.0", Answer.ACCEPTED, "", Status.DIFFERS),
        ("network-beside-passthru", "28.1.0", Answer.REFUSED, BESIDE, Status.AS_EXPECTED),
        ("one-segment", "29.0.0", Answer.APART, "0 of 4 kinds", Status.DIFFERS),
        ("down-parent", "20.10.24", Answer.ACCEPTED, "its link has a carrier", Status.DIFFERS),
        ("bridged-parent", "", Answer.REFUSED, "x: device or resource busy", Status.AS_EXPECTED),
    ],
)
def test_the_row_follows_the_version(
    name: str, version: str, answer: Answer, words: str, status: Status
) -> None:
    """Answer and words are both to be those of the version."""
    found = compare(BY_NAME[name], version, Said(answer, words))
    assert found.status is status
    assert words in found.reason


def test_what_was_not_asked_is_no_verdict() -> None:
    """A machine that lacks the thing is not run; trouble on the way is inconclusive."""
    question = BY_NAME["own-sub-interface"]
    lacking = compare(question, "20.10.24", Said(words="not supported", lacks="no module 8021q"))
    assert lacking.status is Status.NOT_RUN
    assert lacking.reason == "no module 8021q: not supported"
    assert compare(question, "20.10.24", Said(failed="lost")).status is Status.INCONCLUSIVE
    assert compare(question, "20.10.24", Said()).status is Status.INCONCLUSIVE


def test_every_host_is_asked_everything() -> None:
    """Ids are unique; a site without the table asks nothing."""
    asked = questions(SITE)
    assert len({q.id for q in asked}) == len(asked) == len(KINDS) * len(SITE.hosts)
    assert questions(replace(SITE, parent_rule=None)) == ()


def _asked(question: Question, said: Said) -> bytes:
    run = replace(
        healthy(), engines=(engine_record(question, compare(question, "20.10.24", said)),)
    )
    return dump(run)


def test_reports_count_not_run_apart() -> None:
    """In the terminal, in JUnit (as skipped, the one thing that is), in the headline and the page."""
    run = load(_asked(BY_NAME["own-sub-interface"], Said(lacks="no module 8021q")))
    text = "\n".join(engine_lines(run))
    assert "n dev-node-01, Docker 20.10.24: no module 8021q" in text
    assert "1 not run" in headline(run).sentence
    assert headline(run).good
    suites = ET.fromstring(junit(run))  # noqa: S314  our own bytes
    assert (suites.get("skipped"), suites.get("failures")) == ("1", "0")
    assert b"no module 8021q" in html(run)
    assert b"The parent rule" not in html(healthy())


def test_an_answer_that_differs_makes_a_bad_run() -> None:
    """With the engine's own words in every report."""
    run = load(_asked(BY_NAME["second-network"], Said(Answer.ACCEPTED, "the network was made")))
    assert not headline(run).good
    assert "1 differs" in headline(run).sentence
    assert b"<failure" in junit(run)
    assert b"the network was made" in html(run)
