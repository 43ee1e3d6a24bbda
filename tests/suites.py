"""Suites of their own: pytest in a process, in the project of a site; each test is a claim."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# Other plugins than those of Django, dumpy and xdist take two seconds to import.
WITHOUT_OTHERS = "-p no:cacheprovider -p no:faker -p no:hypothesispytest -p no:randomly"
# With these, pytest does not cut the lines of its summary: it prints each message twice.
OF_A_CI_SERVER = ("BUILD_NUMBER", "CI")


def files(suite: Path) -> dict[str, str]:
    """Return the texts of the files of a suite by their names."""
    return {
        path.relative_to(suite).as_posix(): path.read_text(encoding="utf-8")
        for path in suite.rglob("*.*")
        if path.suffix in {".py", ".json"}
    }


def claims(text: str) -> list[str]:
    """Return the names of the tests in a file of a suite."""
    return re.findall(r"^ *def (test_\w+)\(", text, re.MULTILINE)


def printed(
    directory: Path, environment: Mapping[str, str], *args: str, files: str = "test_*.py"
) -> str:
    """Run the tests in some files of a directory; return what pytest prints."""
    inherited = {name: environment[name] for name in environment if name not in OF_A_CI_SERVER}
    options = ["-c", os.devnull, "--color=no", "--rootdir=.", "-rA", "-o", f"python_files={files}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *args],
        cwd=directory, env={**inherited, "PYTEST_ADDOPTS": WITHOUT_OTHERS},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def outcomes(printed: str, claim: str) -> set[str]:
    """Return how the tests of a name have ended."""
    return set(re.findall(rf"^(\w+) .*::{claim}\b", printed, re.MULTILINE))
