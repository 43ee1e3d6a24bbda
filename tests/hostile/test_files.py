"""Files that are not what their names say, and packed files that are damaged or hold more."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import signal
import socket
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from forkserver import PATIENCE
from hostile_dumps import DUMP, changed
from oracle import DATA_ONLY, by_loaddata, deserialized, first_line, is_refused, reasons

from zoo.models import Species

# Nothing that is refused comes as far as an engine.
pytestmark = pytest.mark.sqlite

CODE = "open('ran', 'w').close()\n"
PROGRAM = f"{CODE}\n\ndef objects():\n    return []\n"
EDITED = changed("SOURCE_VERSION", f"{CODE}SOURCE_VERSION")
WITH_A_CODE_ROW = changed("'Panthera leo'", "open('ran', 'w').name")
PROGRAMS = {"a program": PROGRAM, "an edited dump": EDITED, "a row of code": WITH_A_CODE_ROW}
SUFFIXES = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "lzma": lzma.compress}
WHOLE = DUMP.encode()


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """Let nothing wait for ever."""
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)


def zipped(**members: str) -> bytes:
    """Return a zip file."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # a name twice is meant
        for name, text in members.items():
            archive.writestr(name.replace("_", "."), text)
    return file.getvalue()


# What stands at the path


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def directory(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to("nowhere.py")


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path.name)


THINGS = [fifo, device, directory, dangling, circle, unix_socket]


@pytest.mark.parametrize("label", ["thing.py", "thing", "./thing.py"])
@pytest.mark.parametrize("suffix", ["", ".gz", ".zip"])
@pytest.mark.parametrize("make", THINGS, ids=lambda make: make.__name__)
def test_what_is_no_file_is_refused(
    make: Callable[[Path], None], suffix: str, label: str, target: None, here: Path
) -> None:
    make(Path(f"thing.py{suffix}"))
    name = label + suffix if label.endswith(".py") else label
    error = is_refused(by_loaddata(name), "/")
    assert "thing.py" in str(error)


def test_a_link_to_a_dump_is_loaded(target: None, here: Path) -> None:
    (here / "real.py").write_text(DUMP)
    (here / "link.py").symlink_to("real.py")
    by_loaddata("link.py")()
    assert Species.objects.count() == 2


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_link_named_as_a_dump_lets_no_program_run(text: str, target: None, here: Path) -> None:
    (here / "real.py").write_text(text)
    (here / "link.py").symlink_to("real.py")
    is_refused(by_loaddata("link"), here)
    assert not Path("ran").exists()


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_fixtures_directory_lets_no_program_from_elsewhere_run(
    text: str, target: None, here: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fixtures = tmp_path_factory.mktemp("fixtures")
    (here / "real.py").write_text(text)
    (fixtures / "link.py").symlink_to(here / "real.py")
    with override_settings(FIXTURE_DIRS=[fixtures]):
        is_refused(by_loaddata("link"), fixtures.parent)
    assert not Path("ran").exists()


# Text that says it is a file


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS.keys())
@pytest.mark.parametrize("kind", [str, str.encode, io.StringIO, "BytesIO"], ids=str)
def test_a_program_that_is_no_file_is_not_run(
    kind: Any, text: str, target: None, here: Path
) -> None:
    given = io.BytesIO(text.encode()) if kind == "BytesIO" else kind(text)
    is_refused(lambda: deserialized(given))
    assert not Path("ran").exists()


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS.keys())
@pytest.mark.parametrize("attribute", ["name", "filename"])
def test_a_stream_that_bears_the_name_of_a_fixture_is_not_run(
    attribute: str, text: str, target: None, here: Path
) -> None:
    class Stream(io.BytesIO):
        pass

    stream = Stream(text.encode())
    fixture = here / "trusted.py"
    fixture.write_text(PROGRAM)
    setattr(stream, attribute, str(fixture))
    with override_settings(FIXTURE_DIRS=[here]):
        is_refused(lambda: deserialized(stream), here)
    assert not Path("ran").exists()


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS.keys())
@pytest.mark.parametrize("suffix", ["py", *(f"py.{suffix}" for suffix in SUFFIXES), "py.zip"])
def test_a_program_that_merely_lies_here_is_not_run(
    suffix: str, text: str, target: None, here: Path
) -> None:
    pack = SUFFIXES.get(suffix.removeprefix("py."), bytes)
    data = zipped(real_py=text) if suffix == "py.zip" else pack(text.encode())
    (here / f"demo.{suffix}").write_bytes(data)
    is_refused(by_loaddata("demo"), here)
    assert not Path("ran").exists()


def test_what_lies_beside_a_dump_is_not_run(target: None, here: Path) -> None:
    (here / "demo.py").write_text(DUMP)
    for name in ("sitecustomize", "usercustomize", "dumpy", "zoo", "Decimal", "conftest", "ast"):
        (here / f"{name}.py").write_text(CODE)
    by_loaddata("demo")()
    assert Species.objects.count() == 2
    assert not Path("ran").exists()


# Packed

PACKED: dict[str, tuple[str, bytes]] = {
    f"{name} in {suffix}": (suffix, change(pack))
    for suffix, pack in SUFFIXES.items()
    for name, change in {
        "text after the end in a second member": lambda pack: pack(WHOLE) + pack(b"import os\n"),
        "a second dump in a second member": lambda pack: pack(WHOLE) * 2,
        "a truncated stream": lambda pack: pack(WHOLE)[:-12],
        "half a stream": lambda pack: pack(WHOLE)[: len(pack(WHOLE)) // 2],
        "half a second member": lambda pack: pack(WHOLE) + pack(WHOLE)[:40],
        "plain text": lambda pack: WHOLE,
        "nothing": lambda pack: b"",
        "a stream in a stream": lambda pack: pack(pack(WHOLE)),
        "noise in the middle": lambda pack: pack(WHOLE)[:100] + b"\xff" * 40 + pack(WHOLE)[140:],
        "an empty text": lambda pack: pack(b""),
        "a program": lambda pack: pack(PROGRAM.encode()),
    }.items()
}
PACKED |= {
    "garbage after gz": ("gz", gzip.compress(WHOLE) + b"garbage"),
    "a wrong checksum": ("gz", gzip.compress(WHOLE)[:-8] + struct.pack("<II", 1, len(WHOLE))),
    "a wrong size": (
        "gz",
        gzip.compress(WHOLE)[:-8] + struct.pack("<II", zlib.crc32(WHOLE), 1),
    ),
    "zlib in gz": ("gz", zlib.compress(WHOLE)),
    "bz2 in gz": ("gz", bz2.compress(WHOLE)),
    "gz in zip": ("zip", gzip.compress(WHOLE)),
    "no members": ("zip", zipped()),
    "two members": ("zip", zipped(a_py=DUMP, b_py=PROGRAM)),
    "the same member twice": ("zip", zipped(a_py=DUMP, **{"a.py": DUMP})),
    "a directory and a member": ("zip", zipped(**{"a/": "", "a/b.py": DUMP})),
    "a member that is a directory": ("zip", zipped(**{"a/": ""})),
    "a program in zip": ("zip", zipped(a_py=PROGRAM)),
    "a truncated zip": ("zip", zipped(a_py=DUMP)[:-30]),
    "a zip with a damaged member": (
        "zip",
        zipped(a_py=DUMP).replace(zipped(a_py=DUMP)[60:90], b"\xff" * 30),
    ),
    "an encrypted member": (
        "zip",
        zipped(a_py=DUMP)
        .replace(b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\x01\0")
        .replace(b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\x01\0"),
    ),
    "an unknown method": (
        "zip",
        zipped(a_py=DUMP)
        .replace(b"PK\x03\x04\x14\0\0\0\x08\0", b"PK\x03\x04\x14\0\0\0\x63\0")
        .replace(b"PK\x01\x02\x14\x03\x14\0\0\0\x08\0", b"PK\x01\x02\x14\x03\x14\0\0\0\x63\0"),
    ),
    "a member that would climb out": ("zip", zipped(**{"../../etc/passwd": PROGRAM})),
}


@override_settings(DUMPY=DATA_ONLY)
@pytest.mark.parametrize(("suffix", "data"), PACKED.values(), ids=PACKED.keys())
def test_a_packed_file_that_is_damaged_or_holds_more_is_refused(
    suffix: str, data: bytes, target: None, here: Path
) -> None:
    path = here / f"packed.py.{suffix}"
    path.write_bytes(data)
    error = is_refused(by_loaddata(path), here)
    ((place, _reason),) = reasons(error)  # type: ignore[arg-type]
    assert place is not None
    assert place.file.endswith(f"packed.py.{suffix}")


def test_the_error_in_a_packed_file_names_the_line_of_its_text(target: None, here: Path) -> None:
    (here / "packed.py.gz").write_bytes(gzip.compress(DUMP.encode().replace(b"'Leo'", b"print()")))
    error = is_refused(by_loaddata("packed"), here)
    assert first_line(error) == DUMP[: DUMP.index("'Leo'")].count("\n") + 1


@pytest.mark.parametrize(
    "name",
    [
        "__import__('os').py",
        "a\nb.py",
        "a\tb.py",
        "a%s{0}b.py",
        "$(touch ran).py",
        "';--.py",
        "\u202egnp.py",
        "a\u2028b.py",
        "\udcff.py",
        "-.py",
        "*.py",
        "[a].py",
        "a" * 250 + ".py",
    ],
    ids=ascii,
)
def test_a_name_that_looks_like_code_is_only_a_name(name: str, target: None, here: Path) -> None:
    (here / name).write_text(PROGRAM)
    error = is_refused(by_loaddata(f"{here}/{name.removesuffix('.py')}"), here)
    assert first_line(error) == 1
    assert not Path("ran").exists()


def test_temporary_files_are_gone_after_a_refusal(target: None, here: Path) -> None:
    (here / "packed.py.gz").write_bytes(gzip.compress(WHOLE + b"#" * 20 * 2**20))
    is_refused(by_loaddata("packed.py.gz"), here)
    assert sorted(os.listdir(tempfile.gettempdir())) == ["packed.py.gz"]
