"""Code wherever code can stand, where code may not run: refused with its line, and not run."""

from __future__ import annotations

import pytest
from hostile_dumps import EXPRESSIONS, STATEMENTS, changed_line
from oracle import Refuse, first_line

# Nothing that is refused comes as far as an engine.
pytestmark = pytest.mark.sqlite

CODE = [
    # calls and attributes
    "__import__('os').system('true')",
    "open('/etc/passwd').read()",
    "exec('1')",
    "eval('1')",
    "compile('1', '', 'eval')",
    "breakpoint()",
    "input()",
    "exit()",
    "globals()",
    "getattr(new, '__globals__')",
    "type('A', (), {})",
    "memoryview(b'a')",
    "bytes(10**10)",
    "str(1)",
    "print",
    "zoo_Species",
    "zoo_Species.objects.all().delete()",
    "new(zoo_Species)",
    "resolve_model('auth.User')",
    "create_zoo_species(3, 'a')",
    "zoo_species_objects",
    "objects()",
    "Decimal.from_float(0.1)",
    "date.today()",
    "natural.__globals__['os']",
    "Decimal('1').__class__",
    "().__class__.__base__.__subclasses__()",
    "'{0.__class__}'.format(1)",
    "''.join([])",
    "Decimal('1')()",
    "json_null()",
    "date(*[1, 1, 1])",
    "date(**{'year': 1})",
    # expressions
    "f'{1}'",
    "f'{open(\"x\")}'",
    "'%s' % 1",
    "(a := 1)",
    "(lambda: 1)",
    "(lambda: 1)()",
    "[a for a in [1]]",
    "{a: 1 for a in [1]}",
    "{a for a in [1]}",
    "(a for a in [1])",
    "[*[1]]",
    "*[1]",
    "**{}",
    "(yield)",
    "(yield 1)",
    "(yield from [])",
    "(await a)",
    "1 if 1 else 2",
    "[1][0]",
    "'abc'[::2]",
    "9**9**9",
    "1 << 10**9",
    "'a' * 10**10",
    "[0] * 10**10",
    "1 + 1",
    "1 or 2",
    "1 < 2",
    "not 1",
    "~1",
    "-True",
    "-'a'",
    # names that Python folds
    "\uff44ate(2024, 1, 1)",
    "\uff2eone",
    "\U0001d422\U0001d427\U0001d41f",
    "json\uff3fnull",
]
STATEMENT_CODE = [
    "import os",
    "import zoo.models as models",
    "from os import *",
    "from dumpy.dump import apps",
    "from . import models",
    "a = 1",
    "a: int = 1",
    "a: print()",
    "a, b = 1, 2",
    "a += 1",
    "a = b = resolve_model('zoo.Egg')",
    "natural = print",
    "new = resolve_model",
    "zoo_Species = resolve_model('auth.User')",
    "zoo_Species.latin = 1",
    "__builtins__ = resolve_model('auth.User')",
    "del zoo_Species",
    "global zoo_Species",
    "nonlocal zoo_Species",
    "pass",
    "raise SystemExit",
    "assert print()",
    "print()",
    "1",
    "lambda: 1",
    "(a := 1)",
    "[print() for a in [1]]",
    "await a",
    "return 1",
    "return []",
    "yield",
    "yield 1",
    "yield from ()",
    "break",
    "continue",
    "...",
]
BLOCKS = [
    "with open('a'): pass",
    "while True: pass",
    "for a in []: pass",
    "if 1: pass",
    "class A: pass",
    "class A(metaclass=print): pass",
    "class A(B, c=print()): a = print()",
    "def f(a=print()): pass",
    "def f(a: print()): pass",
    "def f() -> print(): pass",
    "def f(*, a): return",
    "async def f(): pass",
    "def objects(): return []",
    "def create_zoo_species(id, latin): return",
    "type A = print()",
]
# What reads the text is the same behind all doors: another one is tried in some positions.
DOORS = [("data only", 1), pytest.param("bare name", 3, marks=pytest.mark.slow)]
through_doors = pytest.mark.parametrize(("refuse", "step"), DOORS, indirect=["refuse"])


@through_doors
@pytest.mark.parametrize("code", CODE)
def test_an_expression_is_refused_with_its_line(code: str, refuse: Refuse, step: int) -> None:
    for position in list(EXPRESSIONS)[len(code) % step :: step]:
        text = EXPRESSIONS[position](code)
        line = changed_line(text)
        assert first_line(refuse(text)) in (line, line + 1), position


@through_doors
@pytest.mark.parametrize("code", [*STATEMENT_CODE, *BLOCKS])
def test_a_statement_is_refused(code: str, refuse: Refuse, step: int) -> None:
    for position in list(STATEMENTS)[len(code) % step :: step]:
        text = STATEMENTS[position](code)
        line = first_line(refuse(text))
        assert line is not None, position
        assert 1 <= line <= text.count("\n"), position
