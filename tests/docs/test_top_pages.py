"""The links of the pages at the top lead to files and headings; Sphinx checks those in docs/."""

from __future__ import annotations

import re
from pathlib import Path

from doc_pages import ROOT

import dumpy

LINKS = [
    (page.name, link)
    for page in sorted(ROOT.glob("*.md"))
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    if not link.startswith("http")
]


def headings(path: Path) -> set[str]:
    """Return the anchors that GitHub and Sphinx make of the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_a_link_leads_somewhere() -> None:
    for page, link in LINKS:
        name, _, anchor = link.partition("#")
        assert (ROOT / name).exists(), (page, link)
        assert not anchor or anchor in headings(ROOT / name), (page, link)


def test_the_changelog_begins_with_the_version_of_the_package_and_its_date() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    first = re.search(r"^## (.+)$", text, re.MULTILINE)
    assert first
    assert re.fullmatch(rf"{re.escape(dumpy.__version__)} - \d{{4}}-\d\d-\d\d", first[1])
