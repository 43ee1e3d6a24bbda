"""The links of the pages at the top lead to files and headings; Sphinx checks those in docs/."""

from __future__ import annotations

import re
from pathlib import Path

from doc_pages import ROOT

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
