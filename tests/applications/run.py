"""Takes the data of real applications through a dump: `python tests/applications/run.py [GROUP…]`.

For each group, in a virtual environment of its own: a database is migrated and filled by the
applications themselves, dumped, loaded into a second migrated database, and dumped again. Then a
directory dump is restored over the rows of the second database. No flags, except --all where a
default manager hides rows. All tables must be equal in SQL, and all dumps the same bytes.

Environment: ``APPLICATIONS_ENGINES`` (``sqlite postgresql``; default ``sqlite``) and
``APPLICATIONS_HOME``, where the virtual environments are kept (default ``.venv-applications``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOME = Path(os.environ.get("APPLICATIONS_HOME", ROOT / ".venv-applications"))
GROUPS = tuple(sorted(path.parent.name for path in HERE.glob("*/requirements.txt")))
ENGINES = os.environ.get("APPLICATIONS_ENGINES", "sqlite").split()


class Failed(Exception):
    """A step that failed, with what it printed."""


@dataclass
class Trip:
    """The way of one group through a dump, on one engine."""

    group: str
    engine: str
    place: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> str:
        """Go all the way; return the line of the table. Raises ``Failed``."""
        self.write_migrations()
        self.migrate("first")
        self.python("first", "fill.py")
        options = self.dump("first", "one.py")
        self.migrate("second")
        self.django("second", "loaddata", str(self.place / "one.py"))
        counts = self.require_equal(*options)
        directory = self.place / "dump"
        self.django("first", "dump2py", str(directory))
        self.django("second", "run", str(directory / "restore.py"), "--noinput")
        self.require_equal(*options)
        filled = [count for count in counts.values() if count]
        size = (self.place / "one.py").stat().st_size
        times = ", ".join(f"{k} {self.seconds[k]:.1f} s" for k in ("dumpdata", "loaddata", "run"))
        return f"{sum(filled)} rows in {len(filled)} tables, {size} bytes, {times}: equal"

    def write_migrations(self) -> None:
        """Make the migrations of the project's own application, beside its databases."""
        package = self.place / "own_migrations"
        package.mkdir()
        (package / "__init__.py").touch()
        self.python("first", str(HERE / "create_database.py"))
        self.django("first", "makemigrations", "--verbosity=0")
        for path in (HERE / self.group).glob("data_migrations/*.py"):
            shutil.copy(path, package)

    def migrate(self, which: str) -> None:
        """Make one of the databases, with all tables in it."""
        self.python(which, str(HERE / "create_database.py"))
        self.django(which, "migrate", "--verbosity=0")

    def dump(self, which: str, name: str, *options: str) -> tuple[str, ...]:
        """Dump a database; return the options that were needed."""
        path = str(self.place / name)
        said = self.django(which, "dumpdata", "--format=py", "--output", path, *options)
        if "Use --all" in said and "--all" not in options:
            return self.dump(which, name, "--all")
        return options

    def require_equal(self, *options: str) -> dict[str, int]:
        """Return the numbers of rows; raises ``Failed`` if the databases or their dumps differ."""
        self.dump("second", "two.py", *options)
        found = json.loads(self.python("first", str(HERE / "compare.py")))
        different = found["different"].items()
        wrong = [f"{table}\n  " + "\n  ".join(rows) for table, rows in different]
        one, two = ((self.place / name).read_bytes() for name in ("one.py", "two.py"))
        if one != two:
            changed = set(one.splitlines()) ^ set(two.splitlines())
            wrong.append(f"the second dump differs in {len(changed)} lines: {list(changed)[:4]}")
        if wrong:
            raise Failed("\n".join(wrong))
        return dict(found["counts"])

    def django(self, which: str, command: str, *arguments: str) -> str:
        """Run a command of Django; return what it said."""
        begin = time.monotonic()
        said = self.python(which, "-m", "django", command, *arguments)
        self.seconds[command] = time.monotonic() - begin
        return said

    def python(self, which: str, *arguments: str) -> str:
        """Run Python in the environment of the group; return what it said."""
        directory = HERE / self.group
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": os.pathsep.join(map(str, (directory, HERE, self.place))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "GROUP": self.group,
            "ENGINE": self.engine,
            "PLACE": str(self.place),
            "DATABASE": which,
        }
        command = [str(HOME / self.group / "bin" / "python"), *arguments]
        done = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Failed(f"{' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout if arguments[0].endswith("compare.py") else done.stdout + done.stderr


def build(group: str) -> None:
    """Make the virtual environment of a group, unless it is there."""
    home, requirements = HOME / group, HERE / group / "requirements.txt"
    stamp = home / "requirements.txt"
    if stamp.exists() and stamp.read_bytes() == requirements.read_bytes():
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wanted = ["--requirement", str(requirements), "psycopg[binary]", "--editable", str(ROOT)]
    subprocess.run([*pip, "install", *wanted], check=True)
    shutil.copy(requirements, stamp)


def travel(group: str, engine: str) -> bool:
    """Take one group through a dump, and say how it was; return whether it arrived."""
    with tempfile.TemporaryDirectory() as place:
        trip = Trip(group, engine, Path(place))
        try:
            line, arrived = trip.run(), True
        except Failed as error:
            line, arrived = f"FAILED: {error}", False
    print(f"{group:10} {engine:10} {line}", flush=True)
    return arrived


def main(groups: list[str]) -> int:
    """Take the groups through a dump on all engines; return the exit status."""
    for group in groups:
        build(group)
    arrived = [travel(group, engine) for group in groups for engine in ENGINES]
    return 0 if all(arrived) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(GROUPS)))
