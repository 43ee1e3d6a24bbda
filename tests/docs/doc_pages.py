"""Pages of the documentation as programs: their files are written, their sessions are run.

A comment before a block of code says what it is:

    <!-- file: books/models.py -->          the block is written to that file
    <!-- append: library/settings.py -->    … is appended to it
    <!-- part of: snapshot.py -->           … must stand in it; a line `...` stands for any lines
    <!-- not run: the reason -->            … is only shown

A block of `console` without such a comment is run: `$ ` begins a command, what follows is all that
it prints, where `...` stands for anything. `<!-- hidden` begins a comment that holds such a block
which readers need not see. Every block of `python` and `console` is one of these.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import forkserver
import suites

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if "\n```console\n" in page.read_text(encoding="utf-8")
]

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>file|append|part of|not run): (?P<name>.+?) -->\n)?"
    r"^```(?P<language>console|python)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_HIDDEN = re.compile(r"^<!-- hidden\n(.*?)^-->\n", re.MULTILINE | re.DOTALL)
_INNER = re.compile(r"^\[(file|append|part of): (.+?)\]$", re.MULTILINE)
# A command that is Python's alone needs no shell, and no start-up.
_QUOTED = re.compile(r"""'[^']*'|"[^"$`\\]*\"""")
_SHELL = re.compile(r"""[|&;<>()$`\\"'*?\[#~%{}!\n]""")
_SECONDS = re.compile(r"\b(\d+\.\d+ ?s|[\d,]+ ms)\b")


@dataclass(frozen=True)
class Block:
    """One block of a page: its mark (`run` if it has none), the name after it, text and line."""

    mark: str
    name: str
    text: str
    line: int


def blocks(page: Path, end: str = "") -> Iterator[Block]:
    """Yield the blocks of a page up to a heading; raises ``AssertionError`` for one without a mark.

    Without a heading, all of them are yielded.
    """
    text = _HIDDEN.sub(_shown, page.read_text(encoding="utf-8"))
    text = text[: text.index(f"\n## {end}\n")] if end else text
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        assert found["mark"] or found["language"] == "console", f"{page}:{line}: has no mark"
        yield Block(found["mark"] or "run", found["name"] or "", found["text"], line)


def run(page: Path, directory: Path, environment: Mapping[str, str], end: str = "") -> None:
    """Do in a directory what a page says; raises ``AssertionError`` where it says otherwise."""
    for block in blocks(page, end):
        try:
            _do(block, directory, environment)
        except AssertionError as error:
            raise AssertionError(f"{page.relative_to(ROOT)}:{block.line}: {error}") from None


def environment(directory: Path) -> dict[str, str]:
    """Return the environment of the commands: this Python first, and nothing of its user's.

    Tests that they run keep their files beside the directory, and clean up after no other tests.
    """
    identity = {f"GIT_{who}_{what}": "reader" for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")}  # fmt: skip
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(directory),
        "PYTEST_DEBUG_TEMPROOT": str(directory.parent),
        "PYTEST_ADDOPTS": suites.WITHOUT_OTHERS,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(ROOT),
        **identity,
    }


def _shown(hidden: re.Match[str]) -> str:
    mark = _INNER.match(hidden[1])
    if mark is None:
        return f"```console\n{hidden[1]}```\n"
    return f"<!-- {mark[1]}: {mark[2]} -->\n```python\n{hidden[1][mark.end() + 1 :]}```\n"


def _do(block: Block, directory: Path, environment: Mapping[str, str]) -> None:
    path = directory / block.name
    if block.mark == "run":
        for command, printed in _commands(block.text):
            _compare(command, printed, _printed(command, directory, environment))
    elif block.mark == "part of":
        text, shown = _without_seconds(path.read_text(encoding="utf-8"), block.text)
        assert re.search(f"^{_pattern(shown)}$", text, re.M | re.S), f"not in {path.name}"
    elif block.mark in ("file", "append"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if block.mark == "file" else "a", encoding="utf-8") as file:
            file.write(block.text)


def _commands(session: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        first, *lines = part.splitlines(keepends=True)
        more = list(takewhile(lambda line: line.startswith("> "), lines))
        command = "".join([first, *(line.removeprefix("> ") for line in more)])
        yield command.rstrip("\n"), "".join(lines[len(more) :])


def _printed(command: str, directory: Path, environment: Mapping[str, str]) -> str:
    options: dict[str, Any] = {"cwd": directory, "env": environment, "stderr": subprocess.STDOUT}
    # pytest warns of a plugin that was imported before it, as all of dumpy is in the fork server.
    is_forked = command.startswith("python ") and not command.startswith("python -m pytest ")
    if is_forked and not _SHELL.search(_QUOTED.sub("", command)):
        return str(forkserver.run(shlex.split(command)[1:], **options).stdout)
    done = subprocess.run(
        ["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        encoding="utf-8", timeout=forkserver.PATIENCE, check=False, **options,
    )  # fmt: skip
    return done.stdout


def _compare(command: str, wanted: str, printed: str) -> None:
    wanted, printed = _without_seconds(wanted.rstrip(), printed.rstrip())
    is_as_shown = re.fullmatch(_pattern(wanted), printed, re.DOTALL)
    assert is_as_shown, f"{command}\n--- is shown to print\n{wanted}\n--- but prints\n{printed}"


def _without_seconds(*texts: str) -> list[str]:
    return [_SECONDS.sub("0.0s", text) for text in texts]


def _pattern(text: str) -> str:
    """A regular expression for a text with `...` for anything, on a line of its own for lines."""
    return "\n".join(map(_line_pattern, text.rstrip("\n").split("\n")))


def _line_pattern(line: str) -> str:
    return ".*" if line == "..." else re.escape(line).replace(r"\.\.\.", "[^\n]*")
