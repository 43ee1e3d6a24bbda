"""Runs the tests that Django has for fixtures and serializers with the format py.

The sdist of the Django that is installed is fetched with pip and kept in a cache. Its tests are run
twice: as they are, and with every JSON fixture, format and expectation said in the format py. What
passes with json must pass with py, but for what ``differences.py`` explains.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django
from differences import DIFFERENCES

HERE = Path(__file__).resolve().parent
LABELS = ("serializers", "fixtures", "fixtures_regress", "fixtures_model_package")
HELPERS = ("suite_settings.py", "translation.py", "translate_fixtures.py")
# It measures how fast XML is parsed, and fails on a machine that is busy.
UNSTEADY = "serializers.test_deserialization.TestDeserializer.test_crafted_xml_performance"
Outcomes = dict[str, str]

# What is said in json, and how it is said in py.
EDITS = (
    (r"\.json\b", ".py"),
    (r'(?<=["=])json"', 'py"'),
    (r"self\.assertJSONEqual\(command_output,", "assert_same_objects(self, command_output,"),
    (r"self\.assertJSONEqual\(\s*out\.getvalue\(\)", "assert_same_objects(self, out.getvalue()"),
    (r"json\.loads\(data\)", "json.loads(as_json(data))"),
    (r"result = output\.getvalue\(\)", "result = as_json(output.getvalue())"),
    (r'call_command\(\s*"dumpdata",(?!\s*\*args)', 'call_command("dumpdata", "--format=py",'),
    (r'"--format=py",((?:(?!stdout=)[^)])*?)format="py",', r'"--format=py",\1'),
    (r"\bavailable_apps = \[", 'available_apps = ["dumpy", '),
)
IMPORT = "from translation import as_json, assert_same_objects\n"


def sdist() -> Path:
    """Return the source distribution of the installed Django, fetched once."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(home) / "dumpy"
    name = f"django-{django.get_version()}.tar.gz"
    if not (cache / name).exists():
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
        wanted = ["--no-deps", "--no-binary", ":all:", f"Django=={django.get_version()}"]
        subprocess.run([*pip, *wanted, "--dest", str(cache)], check=True)
    return cache / name


def unpack(archive: Path, directory: Path) -> Path:
    """Unpack a source distribution; return its directory of tests."""
    with tarfile.open(archive) as tar:
        tar.extractall(directory, filter="data")
    tests = next(directory.glob("*/tests"))
    for helper in HELPERS:
        shutil.copy(HERE / helper, tests)
    return tests


def install_py(tests: Path) -> None:
    """Say in the format py what Django's tests say in json."""
    shutil.copy(HERE / "py_cases.py", tests / "serializers" / "test_py.py")
    runner = tests / "runtests.py"
    runner.write_text(runner.read_text().replace("_APPS = [", '_APPS = [\n    "dumpy",', 1))
    subprocess.run([sys.executable, "translate_fixtures.py"], cwd=tests, check=True)
    for label in LABELS[1:]:
        path = tests / label / "tests.py"
        path.write_text(in_py(path.read_text()))


def in_py(text: str) -> str:
    """Return a module of tests with py in the place of json."""
    for pattern, replacement in EDITS:
        text = re.sub(pattern, replacement, text)
    return re.sub(r"(?m)^(?=from django)", IMPORT, text, count=1)


def outcomes(tests: Path) -> Outcomes:
    """Run the tests and return what came of each."""
    record = tests / "outcomes.json"
    command = [sys.executable, "runtests.py", "--settings=suite_settings", "--parallel=1", *LABELS]
    environment = {**os.environ, "OUTCOMES": str(record)}
    subprocess.run([*command, *sys.argv[1:]], cwd=tests, env=environment, check=False)
    found: Outcomes = json.loads(record.read_text())
    return {name: outcome for name, outcome in found.items() if name != UNSTEADY}


def in_json(name: str) -> str:
    """Return the name that a test of py has for json."""
    return name.replace("test_py.Py", "test_json.Json").replace("test_py_", "test_json_")


def judge(as_json: Outcomes, as_py: Outcomes) -> list[str]:
    """Return what is wrong, as sentences."""
    failed = {name for name, outcome in as_py.items() if outcome == "failed"}
    excused = {name for name in failed if as_json.get(in_json(name)) == "failed"}
    unexpected = failed - excused - set(DIFFERENCES)
    stale = set(DIFFERENCES) - failed
    lost = {name for name in as_json if "json" not in name.lower()} - set(as_py)
    return [
        *(f"fails with py and not with json: {name}" for name in sorted(unexpected)),
        *(f"differences.py explains a test that passes: {name}" for name in sorted(stale)),
        *(f"was not run with py: {name}" for name in sorted(lost)),
    ]


def summary(name: str, found: Outcomes) -> str:
    """Return a line with the numbers of one run."""
    kinds = ("passed", "failed", "skipped")
    counts = [f"{list(found.values()).count(kind)} {kind}" for kind in kinds]
    return f"{name}: {len(found)} tests, {', '.join(counts)}"


def main() -> int:
    """Run both, print the numbers and the differences; return the exit status."""
    archive = sdist()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        as_json = outcomes(unpack(archive, Path(one)))
        tests = unpack(archive, Path(other))
        install_py(tests)
        as_py = outcomes(tests)
    print(f"Django {django.get_version()}", summary("as it is", as_json), sep="\n")
    print(summary("with py", as_py))
    for name, reason in sorted(DIFFERENCES.items()):
        print(f"  has no meaning for py: {name}\n    {reason}")
    wrong = judge(as_json, as_py)
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
