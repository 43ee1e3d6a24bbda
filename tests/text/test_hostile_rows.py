from __future__ import annotations

import os
import sys
import time
import tracemalloc
import warnings

import pytest
from text_dumps import PATIENCE

from dumpy.text.outline import YIELDED
from dumpy.text.scanner import RowError, RowScanner
from dumpy.text.words import MAX_DEPTH

PREFIX = "    yield create_x("
ARGUMENTS = [
    # calls and attributes
    "__import__('os').system('true')",
    "().__class__",
    "''.__class__.__mro__",
    "Decimal.__init__",
    "Decimal('1').__class__",
    "date.today()",
    "datetime.now()",
    "utc.__globals__",
    "natural.__code__",
    "'{0.__class__}'.format(1)",
    "'%s' % 1",
    "exec('1')",
    "eval('1')",
    "open('/etc/passwd')",
    "print(1)",
    "new(1)",
    "resolve_model('auth.User')",
    "create_x(1)",
    "bytes(10**10)",
    "bytes(5)",
    "str(1)",
    "list()",
    "globals()",
    "getattr(date, 'today')",
    "Decimal('1')()",
    "utc(2024, 1, 1)(1)",
    "date",
    "Decimal",
    "True()",
    "json_null()",
    # expressions
    "f'{1}'",
    "f''",
    "f'{__import__(\"os\")}'",
    "(a := 1)",
    "lambda: 1",
    "[x for x in (1,)]",
    "{x: 1 for x in [1]}",
    "(x for x in [1])",
    "*[1]",
    "**{}",
    "[*[1]]",
    "{**{'a': 1}}",
    "(yield)",
    "(await x)",
    "1 if True else 2",
    "[1][0]",
    "9**9**9",
    "1<<10**9",
    "'a'*10**10",
    "1+1",
    "1 or 2",
    "not 1",
    "~1",
    "-True",
    "-'a'",
    "-Decimal('1')",
    "1 < 2",
    "a=1",
    "id=1",
    "date(*[1, 1, 1])",
    "date(**{'year': 1})",
    "date(year=1, year=2, month=1, day=1)",
    # names
    "\uff44ate(2024, 1, 1)",
    "\uff24ecimal('1')",
    "\uff4ean",
    "\U0001d422\U0001d427\U0001d41f",
    "date(\uff59ear=1, month=1, day=1)",
    "\uff2eone",
    "\u216eecimal('1')",
    "json\uff3fnull",
    # bytes and layout
    "1\r",
    "1\r, 2",
    "'a\rb'",
    "'a\0b'",
    "1\0",
    "1\x0c",
    "'a\x0cb'",
    "1\n, 2",
    "'a\nb'",
    "1\u2028",
    "1\x85",
    "1\u00a0, 2",
    "1 \\\n",
    "'\\",
    "'a",
    "a'",
    "'a''",
    "'''a",
    "'\\x4'",
    "'\\xZZ'",
    "'\\u123'",
    "'\\U00110000'",
    "'\\N{NO SUCH NAME}'",
    "b'é'",
    "b'\\x1'",
    "b'a' 'b'",
    "1 2",
    "1,, 2",
    ",",
    ", 1",
    "1)",
    "1))",
    "(1",
    "[1",
    "[1}",
    "{'a': }",
    "{'a'}",
    "{: 1}",
    "{'a': 1, 'b'}",
    # size and depth
    "(" * 250 + "1" + ")" * 250,
    "[" * 5000 + "]" * 5000,
    "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
    "{'a': " * (MAX_DEPTH + 2) + "1" + "}" * (MAX_DEPTH + 2),
    "natural('a.B', " * 150 + "1" + ")" * 150,
    "[" * 1_000_000,
    "(" * 150,
    "{1: " * 90,
    "-" * 5000 + "1",
    "-" * 2_000_000 + "1",
    "not " * 10000 + "1",
    "lambda:" * 9000 + "1",
    "+".join(["1"] * 30000),
    "+".join(["1"] * 10**6),
    "a" + ".a" * 30000,
    "a" + "()" * 30000,
    "a" + "[0]" * 20000,
    "1 if 1 else " * 5000 + "1",
    "1<" * 30000 + "1",
    "1,".join([""] * 400_000),
    '"a" ' * 600_000,
    "'a' \"b\" " + "'" * 2_000_001,
    "'" + "\\" * 2_000_001 + "'",
    "'" + "\\'" * 2_000_000,
    # values
    "1" * 5000,
    "-" + "1" * 5000,
    "[" + "1" * 5000 + "]",
    "0x" + "f" * 60000,
    "0x" + "f" * 10**6,
    "1" * 10**6,
    "1e999",
    "-1e999",
    "1.5e+309",
    "[1e+400]",
    "9" * 400 + ".0",
    "1j",
    "1.5j",
    "007",
    "01",
    "1__0",
    "1_",
    "0b2",
    "1.2.3",
    "1e",
    "1abc",
    "{1, 2}",
    "{'a', 'b'}",
    "()",
    "(1,)",
    "(1, 2)",
    "...",
    "{" + ", ".join(f"{index * (2**61 - 1)}: 0" for index in range(2500)) + "}",
    "{" + ", ".join(f"{index * (2**61 - 1)}: 0" for index in range(50000)) + "}",
    "{[]: 1}",
    "{{}: 1}",
    "{b'a': 1}",
    "{date(2024, 1, 1): 1}",
    "Decimal('1e3000000')",
    "Decimal('1E+3000000')",
    "Decimal('1E-3000000')",
    "Decimal('" + "9" * 10**6 + "')",
    "Decimal('sNaN')",
    "Decimal('NaN1')",
    "Decimal('\u0661')",
    "Decimal('x')",
    "Decimal('')",
    "Decimal(None)",
    "Decimal([])",
    "UUID('\u0661" + "1" * 31 + "')",
    "UUID('1')",
    "UUID('" + "g" * 32 + "')",
    "UUID()",
    "date(0, 1, 1)",
    "date(10000, 1, 1)",
    "date(2023, 2, 29)",
    "date(2024, 01, 1)",
    "date()",
    "date(2024, 1, 1.0)",
    "date('2024-01-01')",
    "datetime(2024, 1, 1, 24, 0)",
    "datetime(2024, 1, 1, 0, 60)",
    "datetime(2024, 1, 1, 0, 0, fold=2)",
    "datetime(2024, 1, 1, tzinfo=None)",
    "utc(2024, 1, 31, 9, 61)",
    "utc(2024, 1, 31, 9, 0, 0, 1000000)",
    "utc(2024, 1, 31, 9, 0, 0, 0, 0)",
    "utc(99999999999999999999, 1, 1)",
    "time(24, 0)",
    "timedelta(days=1000000000)",
    "timedelta(parsecs=1)",
    "timedelta(" + "9" * 4000 + ")",
    "natural()",
    "natural(1, 2)",
    "field_text()",
    "field_text(None)",
]
LINES = [
    "",
    "    ",
    "pass",
    "    yield",
    "    yield create_x",
    "    yield create_x(",
    "    yield create_x(1",
    "    yield create_x(1) + 1",
    "    yield create_x(1), create_x(2)",
    "    yield create_x(1); import os",
    "    yield create_x(1); yield create_x(2)",
    "    yield create_x(1)(2)",
    "    yield create_x(1).save()",
    "    yield create_x(1)[0]",
    "    yield create_x(1) if 1 else 2",
    "    yield create_x(1) or 2",
    "    yield create_x(1) \\",
    "    yield create_x((1)",
    "    yield create_y(1)",
    "    yield create_xx(1)",
    "    yield \uff43reate_x(1)",
    "    yield x.create_x(1)",
    "    yield (create_x)(1)(2)",
    "    yield from create_x(1)",
    "    yield await create_x(1)",
    "    yield 1",
    "    x = yield create_x(1)",
    "    return create_x(1)",
    "    create_x(1)",
    "    await create_x(1)",
    "    yield create_x(1) for x in y",
    "    yield create_x(x for x in y)",
    "    if 1: yield create_x(1)",
    "    def f(): yield create_x(1)",
    "    @create_x(1)",
    "    del create_x(1)",
    "    global create_x",
    "    import create_x",
    "    print(create_x(1))",
    "    # yield create_x(1)",
    "     yield create_x(1)",
    "   yield create_x(1)",
    "\tyield create_x(1)",
    "    \tyield create_x(1)",
    "yield create_x(1)",
    "    yield create_x(1)\n",
    "    yield create_x(1)\r\n",
    "    yield create_x(1)\n    yield create_x(2)",
    "\ufeff    yield create_x(1)",
    "    \ufeffyield create_x(1)",
    "    yield\u00a0create_x(1)",
    "    yield create_x(1)\0",
    "    yield create_x(1)\x0c",
    "    yield create_x(1)\u2028",
    "    yield create_x(1)  # \r",
    "    yield create_x(1)" + " " * 10**6,
    "    yield create_x(1)" + ")" * 10**6,
    "    yield create_x" + "(1)" * 30000,
]
HOSTILE = [f"{PREFIX}{arguments})" for arguments in ARGUMENTS] + LINES
TYPICAL = [
    f"{PREFIX}{arguments})"
    for arguments in (
        "1",
        "'a'",
        "'a\\n'",
        "None",
        "date(2024, 1, 1)",
        "Decimal('1')",
        "[1]",
        "1.5",
    )
]
_FORBIDDEN = ("exec", "import", "open", "os.", "subprocess.", "socket.", "ctypes.", "shutil.")
_events: list[str] = []
_watching = False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    # CPython looks for the line of a mistake in the file that `parse` has named.
    is_no_file = event == "open" and arguments[0] == f"{os.devnull}/<dumpy>"
    if _watching and event.startswith(_FORBIDDEN) and not is_no_file:
        _events.append(event)


sys.addaudithook(_watch)


def refusal(scanner: RowScanner, line: str) -> str:
    """Return the reason for which a row is refused; nothing may be done in the meantime."""
    global _watching
    _events.clear()
    _watching = True
    try:
        scanner.scan(line)
    except RowError as error:
        return error.reason
    finally:
        _watching = False
        assert not _events, ascii(line)[:60]
    raise AssertionError(f"it was read: {ascii(line)[:60]}")


@pytest.mark.parametrize("typical", [[], TYPICAL * 7], ids=["first", "learned"])
def test_a_hostile_row_is_refused_quickly_and_nothing_is_done(typical: list[str]) -> None:
    for line in HOSTILE:
        scanner = RowScanner(YIELDED, "create_x")
        for row in typical:
            scanner.scan(row)
        start = time.process_time()
        assert 0 < len(refusal(scanner, line)) < 400, ascii(line)[:60]
        assert time.process_time() - start < PATIENCE, ascii(line)[:60]


def test_no_warning_is_printed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert RowScanner(YIELDED, "create_x").scan(f"{PREFIX}'\\d', 1 )") == ("\\d", 1)


@pytest.mark.parametrize("line", [row for row in TYPICAL if len(row) > 20])
def test_every_prefix_of_a_row_is_refused(line: str) -> None:
    for size in range(len(line)):
        with pytest.raises(RowError):
            RowScanner(YIELDED, "create_x").scan(line[:size])


def test_a_hostile_row_is_refused_in_little_memory() -> None:
    tracemalloc.start()
    try:
        for line in HOSTILE:
            tracemalloc.reset_peak()
            refusal(RowScanner(YIELDED, "create_x"), line)
            assert tracemalloc.get_traced_memory()[1] < 64 * 2**20, ascii(line)[:60]
    finally:
        tracemalloc.stop()
