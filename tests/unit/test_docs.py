"""README.md and docs/: every command is known and run by a test, every link leads somewhere."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import get_args

import pytest
from pydantic import BaseModel

from matrix import site
from matrix.errors import ConfigError
from matrix.site import read_site
from tests.unit.doc_commands import (
    MADE,
    PROGRAMS,
    ROOT,
    SHOWN,
    WAYS,
    Block,
    How,
    blocks,
    is_command,
    pages,
    shown,
    way_of,
)

ROOMS = ("matrix", "fixtures", "reports", "tests")
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
PAGE = re.compile(r"`(docs/[\w-]+\.md)`")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
ENVIRONMENTS = set(re.findall(r"^\[testenv:(\w+)\]", (ROOT / "tox.ini").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", pages())
def test_every_line_of_a_code_block_is_known(page: str) -> None:
    """A new command, or a new kind of line, is to be put into a table before it can be written."""
    for block in blocks(page):
        if block.language:
            assert block.language in ("toml", "text"), f"{page}:{block.line}: of what language?"
        elif not block.commands:
            assert shown(block), f"{page}:{block.line}: no command, and not in SHOWN"
        else:
            for number, line in enumerate(block.lines, block.line):
                at = f"{page}:{number}: {line.strip()}"
                assert not line.strip() or is_command(line.strip()), (
                    f"{at}: begins with none of {PROGRAMS}"
                )
            for command in block.commands:
                assert way_of(command, page), f"{page}:{block.line}: {command}: in no row of WAYS"


def test_every_row_of_the_tables_is_needed() -> None:
    """A row that fits no command of a page that is there would hide what was to be run."""
    told = [(command, b.page) for page in pages() for b in blocks(page) for command in b.commands]
    used = {way_of(command, page) for command, page in told}
    idle = [way for way in WAYS if way not in used and (not way.page or way.page in pages())]
    assert not idle
    found = {b.page: b for page in pages() for b in blocks(page)}
    assert found, "no page has a code block"
    for page, begins in SHOWN:
        assert any(b.lines[0].strip().startswith(begins) for b in blocks(page)), (page, begins)


def test_what_is_run_elsewhere_is_run_there() -> None:
    """The file or the tox environment that a row names exists; what is not run says why."""
    for way in WAYS:
        if way.how in (How.ELSEWHERE, How.NEVER):
            assert way.why, way
        if way.how is How.ELSEWHERE and (not way.page or way.page in pages()):
            assert way.where in ENVIRONMENTS or (ROOT / way.where).is_file(), way
    for test in MADE.values():
        assert (ROOT / test).is_file()


def test_only_a_few_commands_are_run_by_no_test() -> None:
    """And all of them need machines that are not there."""
    never = [way for way in WAYS if way.how is How.NEVER]
    assert all("VirtualBox" in way.why or "Vagrant" in way.why for way in never)


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_somewhere(page: str) -> None:
    """Files are there, and sections have their headings."""
    text = (ROOT / page).read_text()
    folder = (ROOT / page).parent
    for target, section in LINK.findall(text):
        if "://" in target:
            continue
        path = folder / target
        assert path.exists(), f"{page}: {target}"
        if section and path.suffix == ".md":
            anchors = {anchor(heading) for heading in HEADING.findall(path.read_text())}
            assert section[1:] in anchors, f"{page}: {target}{section}"
    for target in PAGE.findall(text):
        assert (ROOT / target).exists(), f"{page}: {target}"


def test_a_link_that_leads_nowhere_is_found() -> None:
    """The anchors are GitHub's."""
    assert (
        anchor("Parts of a large site: --shard and merge")
        == "parts-of-a-large-site---shard-and-merge"
    )
    assert LINK.findall("[a](site.md#x) [b](https://b.example)")[0] == ("site.md", "#x")


def anchor(heading: str) -> str:
    """GitHub's name for a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_index_has_every_page() -> None:
    """docs/README.md has a line for each page beside it."""
    listed = {target for target, _ in LINK.findall((ROOT / "docs" / "README.md").read_text())}
    beside = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert beside <= listed


def test_every_file_of_the_house_is_there() -> None:
    """The page about the house names files as they are called."""
    files = {f"/{path.relative_to(ROOT)}" for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    named = re.findall(r"`([\w/]+\.py)`", (ROOT / "docs" / "architecture.md").read_text())
    assert len(named) > 20
    assert not [name for name in named if not any(file.endswith(f"/{name}") for file in files)]


THEIRS = {
    "--internal": "docker",
    "--ipv6": "docker",
    "--bridge": "dockerd",
    "--force": "vagrant",
    "--mac-address": "docker",
    "--time": "docker",
    "--nicpromisc2": "VBoxManage",
}
"""Options that are not ours, and whose they are."""


@cache
def options() -> set[str]:
    """Every option that a command line of ours takes."""
    sources = (path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return {o for path in sources for o in re.findall(r'"(--[a-z][\w-]+)"', path.read_text())}


@pytest.mark.parametrize("page", pages())
def test_what_a_sentence_names_is_there(page: str) -> None:
    """Options within sentences are options, environments are tox's, and modules are modules."""
    text = (ROOT / page).read_text()
    if page in MADE:
        text = text.partition("\n## ")[0]
    codes = re.findall(r"`([^`\n]+)`", text)
    named = {o for code in codes for o in re.findall(r"(?<![\w-])--[a-z][\w-]+", code)}
    assert named - options() - set(THEIRS) == set()
    told = " ".join(codes)
    assert set(re.findall(r"toxw run -e (\w+)", told)) <= ENVIRONMENTS
    for module in re.findall(r"python -m ([\w.]+)", told):
        path = ROOT / module.replace(".", "/")
        assert (
            path.with_suffix(".py").is_file()
            or (path / "__main__.py").is_file()
            or module == "pytest"
        )


def toml_blocks() -> list[Block]:
    """Every TOML block of the pages."""
    return [block for page in pages() for block in blocks(page) if block.language == "toml"]


@pytest.mark.parametrize("block", toml_blocks(), ids=lambda block: f"{block.page}:{block.line}")
def test_every_toml_of_a_page_is_toml(block: Block) -> None:
    """And where it is a whole site it is one that we read."""
    text = "\n".join(block.lines)
    found = tomllib.loads(text)
    if "host" in found and "scenario" in found and "containers" in found["scenario"][0]:
        assert read_site(text, name=block.page).scenarios


def keys(model: type[BaseModel]) -> set[str]:
    """Every key that a site may have, below this table."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(name)
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= keys(part)
        for part in get_args(field.annotation):
            if part is site._Allot:
                found |= keys(site._Allot)
    return found


def test_every_key_of_a_site_is_on_a_page() -> None:
    """On docs/site.md, or on a page that it leads to."""
    text = (ROOT / "docs" / "site.md").read_text()
    linked = {target for target, _ in LINK.findall(text) if "://" not in target}
    told = text + "".join((ROOT / "docs" / name).read_text() for name in sorted(linked))
    missing = {
        key
        for key in keys(site._Site)
        if not re.search(rf"\b{key}\b`| {key} =|^{key} =|\[{key}\]", told, re.MULTILINE)
    }
    assert not missing


def test_the_mistakes_on_the_page_are_those_that_are_said() -> None:
    """Word for word, with their lines."""
    said = [b for b in blocks("docs/site.md") if b.language == "text"]
    with pytest.raises(ConfigError) as error:
        read_site(MISTAKES, name="mysite.toml")
    assert "\n".join(said[0].lines) == str(error.value)


MISTAKES = """\
embeded_lab = true


[timing]
echoes = 251

[[host]]
name = "a"
parent = "a-name-that-is-too-long"
address = "192.168.2.210/24"

[[host]]
name = "b"
parent = "eth0123456789"
address = "192.168.2.210/24"

[[scenario]]
name = "one"
network = "net"
subnet = "192.168.2.0/24"
gateway = "192.168.3.1"
mode = "ipvlan"
vlan = 200
[scenario.containers.c]
c1 = "192.168.2.220"

[scenario.allot.a]
range = "192.168.2.32/30"
containers = 20

[[override]]
cells = "one:*"
expect = "silence"
ticket = "A B"
until = "2026-12-31"
"""
