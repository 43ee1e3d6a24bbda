"""Pages, docstrings and messages keep to the glossary: these words are out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = {
    r"giv(?:e|es|en|ing) way": "is replaced by",
    r"(?:come|comes|came|coming) twice": "duplicate",
    r"would be well": "would succeed",
    r"needs? a hand": "must be resolved",
    r"come to rest": "cycle",
    r"(?:somebody|anybody|everybody|whoever)": "you, the user, another session",
    r"lets? go of": "drop, or release",
    r"of another time": "at other migrations",
    r"at the last moment": "during the commit",
    r"becomes? nothing|became nothing": "is dropped",
    r"murmurs?|rivals?|strangers?|misfits?|whereabouts|waiting room": "see the glossary",
    r"anew": "again, or rebuilt",
    r"nobody(?:'s)?": "no process, no user, no row",
    r"(?:in the|each other's) way": "conflicts with",
    r"at stake": "affected",
    r"(?:by|for|of|to) a person": "by hand, as text, for the user",
    r"own accord": "by itself",
    r"hears? of|told of": "is reported",
    r"puts? right": "correct",
    r"for ever": "for a limited time",
    r"(?:get|gets|got) in": "is saved",
    r"all comes to": "the verdict",
    r"last chance": "is tried again",
    r"what is no(?:ne| dump)|(?:is|are) no (?:dump|fixture)": "is not a dump",
    r"take note": "count, or note",
    r"lead elsewhere": "lead to other rows",
}
PYTHON = sorted((ROOT / "dumpy").rglob("*.py"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
REPORTS = sorted((ROOT / "dumpy" / "templates").rglob("*.html"))


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts of a page or module that people read, each with its line."""
    source = path.read_text(encoding="utf-8")
    if path.suffix in (".md", ".html"):
        yield 1, source
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_words_that_are_out_are_not_used() -> None:
    assert [
        f"{path.relative_to(ROOT)}:{line + text.count(chr(10), 0, match.start())}: "
        f"{match[0]!r}; write: {instead}"
        for path in (*PYTHON, *PAGES, *REPORTS)
        for line, text in texts(path)
        for word, instead in OUT.items()
        for match in re.finditer(rf"\b(?:{word})\b", text, re.IGNORECASE)
    ] == []
