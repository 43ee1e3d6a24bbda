"""What cannot be loaded: one clear message with its places, and the database as before."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management.base import CommandError
from running import Project, Undone, contents, dumped, loaded

from zoo import models as zoo
from zoo.fill import fill

pytestmark = pytest.mark.django_db

Edit = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def text(undone: Undone) -> str:
    """Return a dump of things that are deleted again."""
    with undone():
        zoo.Species.objects.create(pk=1, latin="Lutra lutra")
        zoo.Species.objects.create(pk=2, latin="Panthera leo")
        zoo.Animal.objects.create(pk=1, name="Olli", species_id=1)
        zoo.Animal.objects.create(pk=2, name="Leo", species_id=2)
        zoo.Weighing.objects.create(pk=1, kilos=3)
        return dumped("zoo")


@pytest.fixture
def dump(text: str, tmp_path: Path) -> Path:
    """Return the path of the dump; in the database is another row."""
    zoo.Species.objects.create(pk=1, latin="as before")
    path = tmp_path / "dump.py"
    path.write_text(text, encoding="utf-8")
    return path


def replaced(*pairs: tuple[str, str]) -> Edit:
    """Return what replaces texts that must be there."""

    def edit(data: bytes) -> bytes:
        for old, new in pairs:
            assert old.encode() in data
            data = data.replace(old.encode(), new.encode())
        return data

    return edit


def refusal(path: object) -> str:
    """Return the message with which a load is refused; the database must be as before."""
    before = contents()
    with pytest.raises(CommandError) as caught:
        loaded(path)
    assert contents() == before
    return str(caught.value)


# what is wrong, what is edited, the text in the line that must be named, the sentence
BAD: list[tuple[str, Edit, str, str]] = [
    (
        "the end is missing",
        lambda data: data[: data.index(b"\n\ndef objects")],
        "",
        "the file is truncated",
    ),
    (
        "a line end is missing at the end",
        lambda data: data[:-1],
        "# dumpy: end",
        "the file is truncated",
    ),
    (
        "something follows the end",
        lambda data: data + b"x = 1\n",
        "x = 1",
        "there is text after the line",
    ),
    (
        "a row is not utf-8",
        lambda data: data.replace(b"Panthera leo", b"Panthera \xff"),
        "Panthera \udcff",
        "not utf-8",
    ),
    (
        "the head is not utf-8",
        lambda data: data.replace(b"written by dumpy", b"written by \xff"),
        "written by \udcff",
        "not utf-8",
    ),
    (
        "another format",
        replaced(("# dumpy: format 1", "# dumpy: format 99")),
        "# dumpy: format 99",
        "the format is 99; to read it, a newer dumpy is needed",
    ),
    (
        "an unknown model",
        replaced(("'zoo.Animal'", "'zoo.Unicorn'")),
        "zoo_Animal = resolve_model(",
        "there is no model 'zoo.Unicorn'",
    ),
    (
        "an unknown app",
        replaced(("'zoo.Animal'", "'farm.Animal'")),
        "zoo_Animal = resolve_model(",
        "there is no model 'farm.Animal', and no app 'farm' in INSTALLED_APPS.",
    ),
    (
        "an unknown field",
        replaced(("latin=latin", "species=latin")),
        "species=latin",
        "zoo.Species has no field 'species'",
    ),
    (
        "a required field is missing",
        replaced(("        kilos=kilos,\n", "        # kilos=kilos,\n")),
        "def create_zoo_weighing",
        "no value for zoo.Weighing.kilos",
    ),
    (
        "a value too many",
        replaced(("(2, 'Panthera leo')", "(2, 'Panthera leo', 3)")),
        "'Panthera leo', 3",
        "the row has 3 values, its create function takes 2",
    ),
    (
        "a value too few",
        replaced(("(2, 'Panthera leo')", "(2)")),
        "create_zoo_species(2)",
        "the row has 1 value, its create function takes 2",
    ),
    (
        "a value of the wrong type",
        replaced(("weighing(1, 3)", "weighing(1, 'heavy')")),
        "'heavy'",
        "zoo.Weighing(pk=1): ",
    ),
    (
        "a key of the wrong type",
        replaced(("animal(2, 'Leo', 2", "animal(2, 'Leo', 'two'")),
        "'two'",
        "zoo.Animal(pk=2): ",
    ),
    (
        "a list for a number",
        replaced(("weighing(1, 3)", "weighing(1, [3])")),
        "weighing(1, [3])",
        "zoo.Weighing(pk=1): ",
    ),
    (
        "a text for a list of links",
        replaced(("'Leo', 2, [], [], []", "'Leo', 2, 'ab', [], []")),
        "'ab'",
        "zoo.Animal(pk=2): ",
    ),
    (
        "a number for a list of links",
        replaced(("'Leo', 2, [], [], []", "'Leo', 2, 5, [], []")),
        "'Leo', 2, 5",
        "zoo.Animal(pk=2): ",
    ),
    (
        "NULL where it may not be",
        replaced(("weighing(1, 3)", "weighing(1, None)")),
        "weighing(1, None)",
        "zoo.Weighing(pk=1): ",
    ),
    (
        "NULL as the primary key",
        replaced(("weighing(1, 3)", "weighing(None, 3)")),
        "weighing(None, 3)",
        "zoo.Weighing: ",
    ),
    (
        "a value that a constraint refuses",
        replaced(("weighing(1, 3)", "weighing(1, -3)")),
        "weighing(1, -3)",
        "zoo.Weighing(pk=1): ",
    ),
    (
        "a unique value twice",
        replaced(("(2, 'Panthera leo')", "(2, 'Lutra lutra')")),
        "(2, 'Lutra lutra')",
        "zoo.Species(pk=2): ",
    ),
    (
        "a foreign key to no row",
        replaced(("'Leo', 2", "'Leo', 77")),
        "'Leo', 77",
        "species_id=77 refers to a row of zoo.Species that does not exist",
    ),
    (
        "a link to no row",
        replaced(("'Leo', 2, [], [], []", "'Leo', 2, [], [88], []")),
        "[88]",
        "88",
    ),
    (
        "a natural key of no row",
        replaced(("'Leo', 2", "'Leo', natural('zoo.Nation', 'Atlantis')")),
        "Atlantis",
        "zoo.Animal(pk=2): it refers to zoo.Nation ('Atlantis',), which does not exist",
    ),
    (
        "a word that is none",
        replaced(("weighing(1, 3)", "weighing(1, Unicorn)")),
        "Unicorn",
        "",
    ),
    (
        "a row that is no Python",
        replaced(("weighing(1, 3)", "weighing(1, 3")),
        "",
        "",
    ),
    (
        "text before the dump",
        lambda data: b"DEBUG: settings are read\n" + data,
        "# dumpy: format 1",
        "there is text before it",
    ),
    (
        "a byte order mark",
        lambda data: b"\xef\xbb\xbf" + data,
        "# dumpy: format 1",
        "byte order mark",
    ),
]


def line_of(path: Path, text: str) -> str:
    """Return `name:line:` of the first line of a file with a text in it."""
    lines = path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    return f"{path.name}:{next(n for n, line in enumerate(lines, 1) if text in line)}:"


@pytest.mark.parametrize(
    ("edit", "where", "sentence"), [b[1:] for b in BAD], ids=[b[0] for b in BAD]
)
def test_a_damaged_dump_is_refused_with_its_line_and_nothing_is_changed(
    dump: Path, edit: Edit, where: str, sentence: str
) -> None:
    dump.write_bytes(edit(dump.read_bytes()))
    message = refusal(dump)
    assert sentence in message
    assert line_of(dump, where) in message if where else re.search(r"dump\.py:\d+: ", message)


AS_A_PROGRAM = ("# dumpy: format 1", "# dumpy: program 1")
PROGRAMS: list[tuple[str, str, str, str]] = [
    (
        "an exception in objects()",
        "def objects():\n    yield Species(latin='a')\n    1 / 0\n",
        "1 / 0",
        "ZeroDivisionError: division by zero",
    ),
    (
        "an exception while it is read",
        "import nowhere_at_all\n\ndef objects():\n    return []\n",
        "import nowhere",
        "ModuleNotFoundError: No module named 'nowhere_at_all'",
    ),
    (
        "a mistake in the syntax",
        "def objects():\n    yield (\n",
        "yield (",
        "'(' was never closed",
    ),
    (
        "a text that is yielded",
        "def objects():\n    yield 'Lutra lutra'\n",
        "yield 'Lutra lutra'",
        "objects() gives 'Lutra lutra' (str), which is not an object",
    ),
    (
        "a number that is yielded",
        "def objects():\n    yield [Species(latin='a'), 5]\n",
        "5]",
        "objects() gives 5 (int), which is not an object",
    ),
    (
        "a class that is yielded",
        "def objects():\n    yield Species\n",
        "yield Species",
        "which is not an object",
    ),
    (
        "a process that is ended",
        "def objects():\n    raise SystemExit(0)\n    yield\n",
        "raise SystemExit",
        "it ends the process",
    ),
    (
        "an object that is not valid",
        "def objects():\n    yield Permit(pk=1, number='no', holder='Ada')\n",
        "yield Permit",
        "zoo.Permit(pk=1): number: Ensure this value has at least 5 characters",
    ),
    (
        "an object that refers to no row",
        "def objects():\n    yield Animal(pk=1, name='a', species_id=77)\n",
        "yield Animal",
        "species_id=77 refers to a row of zoo.Species that does not exist",
    ),
]


@pytest.mark.parametrize(
    ("program", "where", "sentence"), [p[1:] for p in PROGRAMS], ids=[p[0] for p in PROGRAMS]
)
def test_a_failing_program_is_refused_with_its_line_and_nothing_is_changed(
    tmp_path: Path, program: str, where: str, sentence: str
) -> None:
    path = tmp_path / "program.py"
    path.write_text(f"from zoo.models import Animal, Permit, Species\n\n\n{program}")
    message = refusal(path)
    assert sentence in message
    assert line_of(path, where) in message


def test_a_create_function_that_fails_is_named_with_the_line_of_the_row(dump: Path) -> None:
    edit = replaced(
        AS_A_PROGRAM,
        (
            "def create_zoo_weighing(id, kilos):\n",
            "def create_zoo_weighing(id, kilos):\n    kilos / 0\n",
        ),
    )
    dump.write_bytes(edit(dump.read_bytes()))
    message = refusal(dump)
    assert line_of(dump, "yield create_zoo_weighing(1, 3)") in message
    assert "ZeroDivisionError" in message


# what is wrong in a row of a dump that is a program, and the sentence
BAD_ROWS_OF_A_PROGRAM: list[tuple[str, str, str]] = [
    ("no word", "weighing(1, Unicorn)", "NameError: name 'Unicorn' is not defined."),
    ("a word misused", "weighing(1, Decimal(0.33))", "Decimal() takes no argument of type float."),
    ("a value too many", "weighing(1, 3, 4)", "TypeError: create_zoo_weighing() takes 2"),
    ("no Python", "weighing(1, 3; print()", "it is not valid Python: "),
    (
        "more than one value",
        "weighing(1, 3), 4",
        "objects() gives 4 (int), which is not an object.",
    ),
    (
        "a second yield",
        "weighing(1, (yield 3))",
        "objects() gives 3 (int), which is not an object.",
    ),
]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [bad[1:] for bad in BAD_ROWS_OF_A_PROGRAM],
    ids=[bad[0] for bad in BAD_ROWS_OF_A_PROGRAM],
)
def test_a_bad_row_of_a_dump_that_is_a_program_is_refused_with_its_line(
    dump: Path, row: str, sentence: str
) -> None:
    edit = replaced(AS_A_PROGRAM, ("weighing(1, 3)", row))
    dump.write_bytes(edit(dump.read_bytes()))
    assert f"{line_of(dump, row)} {sentence}" in refusal(dump)


def test_rows_without_their_create_function_are_refused_with_the_one_that_may_be_meant(
    dump: Path,
) -> None:
    edit = replaced(AS_A_PROGRAM, ("def create_zoo_weighing(", "def create_zoo_weighting("))
    dump.write_bytes(edit(dump.read_bytes()))
    said = "there is no function create_zoo_weighing. Did you mean create_zoo_weighting?"
    assert f"{line_of(dump, 'yield create_zoo_weighing(')} {said}" in refusal(dump)


def test_a_dump_that_is_a_program_but_no_python_is_refused_with_its_line(dump: Path) -> None:
    edit = replaced(AS_A_PROGRAM, ("\ndef objects():", "\ndef objects(:"))
    dump.write_bytes(edit(dump.read_bytes()))
    assert f"{line_of(dump, 'def objects(:')} it is not valid Python: " in refusal(dump)


def test_rows_for_which_a_program_creates_nothing_are_counted(dump: Path) -> None:
    edit = replaced(
        AS_A_PROGRAM,
        (
            "def create_zoo_weighing(id, kilos):\n",
            "def create_zoo_weighing(id, kilos):\n    return\n",
        ),
    )
    dump.write_bytes(edit(dump.read_bytes()))
    assert loaded(dump).err == "create_zoo_weighing: dropped 1 row.\n"
    assert not zoo.Weighing.objects.exists()


def test_all_bad_rows_of_all_tables_are_named_with_their_lines(dump: Path) -> None:
    edit = replaced(
        ("'Leo', 2", "'Leo', 77"),
        ("'Olli', 1", "'Olli', 78"),
        ("weighing(1, 3)", "weighing(1, -3)"),
    )
    dump.write_bytes(edit(dump.read_bytes()))
    message = refusal(dump)
    assert "3 objects could not be loaded; nothing was written." in message
    for row in ("'Leo', 77", "'Olli', 78", "weighing(1, -3)"):
        assert line_of(dump, row) in message


def test_bad_rows_of_several_fixtures_are_named_with_their_files(
    dump: Path, tmp_path: Path
) -> None:
    dump.write_bytes(replaced(("'Leo', 2", "'Leo', 77"))(dump.read_bytes()))
    program = tmp_path / "program.py"
    program.write_text(
        "from zoo.models import Animal\n\n\n"
        "def objects():\n    yield Animal(pk=9, name='a', species_id=78)\n"
    )
    before = contents()
    with pytest.raises(CommandError) as caught:
        loaded(dump, program)
    assert contents() == before
    assert line_of(dump, "'Leo', 77") in str(caught.value)
    assert "program.py:5:" in str(caught.value)


def test_of_very_many_bad_rows_the_first_hundred_and_the_number_are_told(dump: Path) -> None:
    rows = "".join(f"    yield create_zoo_weighing({n}, -1)\n" for n in range(1, 251))
    dump.write_bytes(replaced(("    yield create_zoo_weighing(1, 3)\n", rows))(dump.read_bytes()))
    message = refusal(dump)
    assert message.startswith("250 objects could not be loaded")
    assert message.count("zoo.Weighing(pk=") == 100
    assert "… and 150 more." in message


def test_of_very_many_dangling_keys_the_number_is_told(dump: Path) -> None:
    rows = "".join(
        f"    yield create_zoo_animal({n}, 'x', 77, [], [], [])\n" for n in range(10, 260)
    )
    row = "    yield create_zoo_animal(1, 'Olli', 1, [], [], [])\n"
    dump.write_bytes(replaced((row, row + rows))(dump.read_bytes()))
    assert refusal(dump).startswith("250 objects could not be loaded")


def test_every_prefix_of_a_dump_is_refused(dump: Path) -> None:
    whole = dump.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    sizes = {
        0,
        1,
        5,
        *ends[:4],
        *ends[-12:-1],
        *range(7, len(whole), 97),
        *range(len(whole) - 9, len(whole)),
    }
    for size in sorted(sizes):
        dump.write_bytes(whole[:size])
        assert refusal(dump), size
    dump.write_bytes(whole)
    assert "Installed 5 object(s)" in loaded(dump).out


def test_every_prefix_of_a_compressed_dump_is_refused(dump: Path) -> None:
    whole = gzip.compress(dump.read_bytes())
    path = dump.with_name("dump.py.gz")
    for size in range(0, len(whole), 37):
        path.write_bytes(whole[:size])
        assert refusal(path), size


def test_a_truncated_dump_of_everything_is_refused_before_anything_is_written(
    tmp_path: Path, django_assert_max_num_queries
) -> None:
    fill()
    path = tmp_path / "dump.py"
    path.write_text(dumped(use_base_manager=True)[:-20], encoding="utf-8")
    # savepoints, and what switches the constraints off and on
    with django_assert_max_num_queries(8), pytest.raises(CommandError, match="truncated"):
        loaded(path)


IN_PROCESSES = [
    "the end is missing",
    "an unknown model",
    "a value too many",
    "a foreign key to no row",
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", IN_PROCESSES)
def test_a_refused_dump_has_exit_status_1_one_message_and_no_traceback(
    project: Project, dump: Path, name: str
) -> None:
    _name, edit, where, sentence = next(bad for bad in BAD if bad[0] == name)
    dump.write_bytes(edit(dump.read_bytes()))
    before = contents()
    done = project.manage("loaddata", "dump.py")
    assert done.returncode == 1
    assert re.match(r"[A-Z]\w+: ", done.stderr)
    assert sentence in done.stderr
    assert not where or line_of(dump, where) in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert contents() == before


@pytest.mark.django_db(transaction=True)
def test_a_failing_program_has_exit_status_1_one_message_and_no_traceback(
    project: Project,
) -> None:
    (project.directory / "program.py").write_text("def objects():\n    1 / 0\n    yield\n")
    done = project.manage("loaddata", "program.py")
    assert done.returncode == 1
    assert "program.py:2: ZeroDivisionError: division by zero" in done.stderr
    assert "Traceback" not in done.stderr
