"""Input that is very large or very deep: refused quickly, in little memory and on little disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import override_settings
from hostile_dumps import DUMP, LEO, before_objects, changed
from oracle import (
    DATA_ONLY,
    MEMORY,
    by_loaddata,
    first_line,
    is_refused,
    little_memory,
)

# Nothing that is refused comes as far as an engine.
pytestmark = pytest.mark.sqlite

ROW = f"    yield create_zoo_species{LEO}\n"
MIB = 2**20
LARGE: dict[str, Callable[[], str]] = {
    # rows
    "250 parentheses": lambda: value("(" * 250 + "1" + ")" * 250),
    "199 parentheses": lambda: value("(" * 199 + "9**9" + ")" * 199),
    "102 lists": lambda: value("[" * 102 + "]" * 102),
    "30,000 lists": lambda: value("[" * 30_000 + "]" * 30_000),
    "a million open lists": lambda: value("[" * 10**6),
    "102 dicts": lambda: value("{'a': " * 102 + "1" + "}" * 102),
    "101 references": lambda: value("natural('zoo.Nation', " * 101 + "1" + ")" * 101),
    "5,000 minus signs": lambda: value("-" * 5000 + "1"),
    "a million minus signs": lambda: value("-" * 10**6 + "1"),
    "20,000 terms": lambda: value("+".join(["1"] * 20_000)),
    "a million terms": lambda: value("+".join(["1"] * 10**6)),
    "400,000 values": lambda: value("1, " * 400_000 + "1"),
    "400,000 strings": lambda: value("'a' " * 400_000),
    "16,000 strings": lambda: value("'a'" * 16_000 + "x"),
    "30,000 nots": lambda: value("not " * 16_000 + "1"),
    "8,000 lambdas": lambda: value("lambda: " * 8000 + "1"),
    "30,000 attributes": lambda: value("a" + ".a" * 30_000),
    "30,000 calls": lambda: value("a" + "()" * 30_000),
    "20,000 subscripts": lambda: value("a" + "[0]" * 20_000),
    "10,000 comparisons": lambda: value("1" + "<1" * 20_000),
    "5,000 conditions": lambda: value("1 if 1 else " * 5000 + "1"),
    "f-strings in f-strings": lambda: value("f'{" * 150 + "1" + "}'" * 150),
    "a line of 2 MB": lambda: value("'" + "a" * 2 * MIB),
    "a line of 2 MB of quotes": lambda: value("'" * (2 * MIB + 1)),
    "a line of 2 MB of backslashes": lambda: value("'" + "\\" * (2 * MIB + 1) + "'"),
    "a line of 2 MB of escapes": lambda: value("'" + "\\x4" * (MIB // 2)),
    "a number of a million digits": lambda: value("1" * 10**6),
    "a number of 60,000 digits": lambda: value("1" * 60_000),
    "a hex number of a million digits": lambda: value("0x" + "f" * 10**6),
    "a hex number of 60,000 digits": lambda: value("0x" + "f" * 60_000),
    "a Decimal of a million digits": lambda: value(f"Decimal('{'9' * 10**6}')"),
    "a spread row of a million terms": lambda: value("\n1+" * 10**6 + "1"),
    "a spread row of 30,000 lists": lambda: value("\n[" * 30_000 + "]" * 30_000),
    "100,000 dots in a number": lambda: value("1." * 30_000),
    "a number with a million blanks": lambda: value("1" + " " * 10**6 + "x"),
    # the skeleton
    "a constant of a million terms": lambda: constant("+".join(["1"] * 10**6)),
    "a constant of 30,000 terms": lambda: constant("+".join(["1"] * 30_000)),
    "a constant of 101 lists": lambda: constant("[" * 101 + "]" * 101),
    "a constant of 250 lists": lambda: constant("[" * 250 + "]" * 250),
    "a constant of 5,000 signs": lambda: constant("-" * 5000 + "1"),
    "a constant of a million signs": lambda: constant("-" * 10**6 + "1"),
    "a constant of 5 MB": lambda: constant("'" + "a" * 5 * MIB + "'"),
    "a hex constant of 60,000 digits": lambda: constant("0x" + "f" * 60_000),
    "400,000 values in a list": lambda: constant("[" + "1," * 400_000 + "]"),
    "400,000 lines": lambda: before_version("# a\n" * 400_000),
    "400,000 statements": lambda: before_objects("a;" * 400_000),
    "400,000 blank lines": lambda: before_version("\n" * 400_000),
    "a description of 5 MB": lambda: changed("The data", "The data\n" * 600_000),
    "a description of 5 MB in a line": lambda: changed("The data", "a" * 5 * MIB),
    "200 blocks": lambda: before_objects("".join(f"{' ' * n}if 1:\n" for n in range(150))),
    "50,000 elifs": lambda: before_objects("if 1: pass\n" + "elif 1: pass\n" * 50_000),
    "60,000 parameters": lambda: changed("(id, latin)", f"({'id, ' * 60_000}latin)"),
    "20,000 keywords": lambda: changed("latin=latin", "latin=latin, " * 5000 + "latin=latin"),
    "100,000 backslashes": lambda: before_objects("\\\n" * 100_000),
    "15,000 functions": lambda: before_objects(
        "\n".join(f"def create_{n}(): return" for n in range(15_000)) + "\nx"
    ),
    "100,000 names": lambda: changed("    Decimal, ", "    Decimal, " + "new, " * 10_000),
    "15,000 sections in objects()": lambda: changed(
        "    yield zoo_diet_objects()\n", "    yield zoo_diet_objects()\n" * 15_000
    ),
    "a first line of 5 MB": lambda: changed("format 1", "format 1" + " " * 5 * MIB),
    "a first line of 5 MB of digits": lambda: changed("format 1", "format " + "1" * 5 * MIB),
    "5 MB before the first line": lambda: "a" * 5 * MIB + "\n" + DUMP,
    "5 MB in lines before the first line": lambda: "#\n" * (5 * MIB // 2) + DUMP,
    "5 MB after the end": lambda: DUMP + "#\n" * (5 * MIB // 2),
    "5 MB after the end in a line": lambda: DUMP + "#" * 5 * MIB,
    # much that is wrong
    "30,000 bad rows": lambda: changed(ROW, "    yield create_zoo_species(2, None)\n" * 30_000),
    "100,000 rows that are code": lambda: changed(ROW, ROW.replace("'P", "f'P") * 100_000),
    "100,000 rows of another width": lambda: changed(ROW, ROW.replace("2, ", "") * 100_000),
}  # fmt: skip


def value(text: str) -> str:
    """Return the dump with this for a value of a row."""
    return changed(LEO, f"(2, {text})")


def before_version(text: str) -> str:
    """Return the dump with these lines before its version."""
    return changed("SOURCE_VERSION", f"{text}SOURCE_VERSION")


def constant(text: str) -> str:
    """Return the dump with this for a constant in a create function."""
    return changed("latin=latin", f"latin=({text})")


def test_more_than_little_memory_is_not_to_be_had() -> None:
    with pytest.raises(MemoryError), little_memory():
        bytearray(2 * MEMORY)


@override_settings(DUMPY=DATA_ONLY)
@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE.keys())
def test_what_is_too_large_is_refused_quickly_and_in_little_memory(
    make: Callable[[], str], target: None, here: Path
) -> None:
    path = here / "large.py"
    path.write_text(make())
    with little_memory():
        error = is_refused(by_loaddata(path), here)
    assert first_line(error) is not None


# Bombs: 256 MB in a few KB

SUFFIXES = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "lzma": lzma.compress}
SIZE = 256 * MIB
PIECE = 8 * MIB
BOMBS = {
    "zeros": (b"", b"\0"),
    "zeros behind a first line": (b"# dumpy: format 1\n", b"\0"),
    "zeros behind a dump": (DUMP.encode(), b"\0"),
    "blanks": (b"", b" "),
    "blanks behind a first line": (b"# dumpy: format 1\n", b" "),
    "line ends": (b"", b"\n"),
    "line ends behind a first line": (b"# dumpy: format 1\n", b"\n"),
    "line ends behind a dump": (DUMP.encode(), b"\n"),
    "letters in a description": (b'# dumpy: format 1\n"""', b"a"),
    "lines in a description": (b'# dumpy: format 1\n"""', b"aaa\n"),
}
PACKED_BOMBS = [
    *((name, "gz") for name in BOMBS),
    *(("zeros behind a dump", suffix) for suffix in SUFFIXES if suffix != "gz"),
]


@pytest.fixture
def little_disk() -> Iterator[None]:
    """Let no file grow beyond 20 MB."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20 * MIB, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def bomb(suffix: str, head: bytes, filling: bytes) -> bytes:
    """Return something that unpacks to 256 MB: members one after the other are one text."""
    compress = SUFFIXES[suffix]
    piece = compress(filling * (PIECE // len(filling)))
    return compress(head) + piece * (SIZE // PIECE)


@override_settings(DUMPY=DATA_ONLY)
@pytest.mark.parametrize(("name", "suffix"), PACKED_BOMBS)
def test_a_bomb_is_refused_in_little_memory_before_it_is_unpacked(
    name: str, suffix: str, target: None, here: Path, little_disk: None
) -> None:
    path = here / f"bomb.py.{suffix}"
    path.write_bytes(bomb(suffix, *BOMBS[name]))
    with little_memory():
        error = is_refused(by_loaddata(path), here)
    assert "File too large" not in str(error)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_bomb_that_could_be_a_program_is_not_unpacked_without_end(
    suffix: str, target: None, here: Path
) -> None:
    path = here / f"bomb.py.{suffix}"
    path.write_bytes(bomb(suffix, b"def objects():\n", b"#"))
    is_refused(by_loaddata(path), here)


@override_settings(DUMPY=DATA_ONLY)
@pytest.mark.parametrize("name", ["zeros", "zeros behind a dump", "line ends", "blanks"])
def test_a_large_file_is_refused_in_little_memory(name: str, target: None, here: Path) -> None:
    head, filling = BOMBS[name]
    path = here / "large.py"
    with path.open("wb") as file:
        file.write(head)
        for _ in range(16):
            file.write(filling * (PIECE // len(filling)))
    with little_memory():
        is_refused(by_loaddata(path), here)
