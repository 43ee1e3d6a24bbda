"""A command that is forked does what the same command does in a new Python."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import forkserver
import pytest

SAME = {
    "status": "import sys; sys.exit(7)",
    "large status": "import sys; sys.exit(300)",
    "message": "import sys; sys.exit('a reason')",
    "no more": "import os; os._exit(3)",
    "error": "def f():\n    raise KeyError('é')\nf()",
    "syntax": "print(",
    "end": "import atexit; atexit.register(print, 'the end'); print('the middle')",
    "thread": "import threading; threading.Timer(0, print, ['a thread']).start()",
    "signal": "import os; os.kill(os.getpid(), 9)",
    "interrupt": "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    "input": "import sys; print([*sys.stdin])",
    "bytes": "import sys; sys.stdout.buffer.write(b'\\xff'); sys.stderr.write('\\udcff')",
    "order": "import sys; print(1); sys.stdout.flush(); print(2, file=sys.stderr); print(3)",
    "arguments": "import sys; print(sys.argv, __name__, sys.path[0])",
    "directory": "import os; print(os.getcwd())",
    "environment": "import os; print(sorted(os.environ.items()))",
    "time zone": "import time; print(time.localtime(0)[:5])",
    "main": "import sys; x = 1; print(sys.modules['__main__'].x)",
    "import": "import beside; print(beside.__file__)",
    "path": "import sys; print(sys.path)",
    "django": "import django.conf; print(django.conf.settings.configured)",
    "signals": "import signal as s; print([s.getsignal(n) for n in s.valid_signals() if n != 17])",
    "files": "import os; print(len(os.listdir('/proc/self/fd')))",
    "bytecode": "import sys; print(sys.dont_write_bytecode)",
}
"""Programs, by what is the same of them."""
AS_FILES = [SAME[name] for name in ("error", "end", "arguments", "main", "import", "path")]


def both(args: list[str], directory: Path, **options: Any) -> list[tuple[int, str, str]]:
    """Run a command both ways; return what came of each."""
    given = {"cwd": directory, "input": "one\ntwo\n", "encoding": "utf-8", "errors": "replace"}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {
        **kept,
        "LC_ALL": "C.UTF-8",
        "TZ": "Pacific/Apia",
        "PYTHONPATH": os.pathsep.join([str(directory / "more"), "relative"]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    given |= {"env": env, **options}
    started = subprocess.run(
        [sys.executable, *args], capture_output=True, check=False, timeout=60, **given
    )
    forked = forkserver.run(args, **given)
    return [(done.returncode, done.stdout, done.stderr) for done in (started, forked)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with a module in a directory of the import path."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "beside.py").touch()
    return tmp_path


@pytest.mark.parametrize("program", SAME.values(), ids=SAME)
def test_a_program_in_words_does_the_same(program: str, directory: Path) -> None:
    started, forked = both(["-c", program, "a", "b c"], directory)
    assert forked[:2] == started[:2]
    # A traceback quotes what follows -c only on some Pythons.
    assert forked[2].splitlines()[-1:] == started[2].splitlines()[-1:]


@pytest.mark.parametrize("program", AS_FILES)
def test_a_script_does_the_same(program: str, directory: Path) -> None:
    (directory / "script.py").write_text(program, encoding="utf-8")
    started, forked = both(["script.py", "a", "b c"], directory)
    assert forked == started


def test_a_file_that_a_command_has_left_open_is_written(directory: Path) -> None:
    forkserver.run(["-c", "file = open('left', 'w'); file.write('whole')"], cwd=directory)
    assert (directory / "left").read_text(encoding="utf-8") == "whole"


@pytest.mark.parametrize("program", AS_FILES)
def test_a_module_does_the_same(program: str, directory: Path) -> None:
    (directory / "module.py").write_text(program, encoding="utf-8")
    started, forked = both(["-m", "module", "a", "b c"], directory)
    assert forked[:2] == started[:2]
    assert forked[2].splitlines()[-1:] == started[2].splitlines()[-1:]


def test_a_script_that_is_not_there_is_an_error(directory: Path) -> None:
    started, forked = both(["nowhere.py"], directory)
    assert started[0] != 0
    assert forked[0] != 0


def test_streams_are_text_or_bytes_or_one(directory: Path) -> None:
    program = "import sys; print('é', flush=True); print('è', file=sys.stderr)"
    done = forkserver.run(["-c", program], encoding=None, stderr=subprocess.STDOUT)
    assert (done.stdout, done.stderr) == ("é\nè\n".encode(), None)


@pytest.mark.parametrize("env", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffers", "no buffers"])
def test_streams_have_buffers_or_not(env: dict[str, str]) -> None:
    program = "import sys; print(1); print(2, file=sys.stderr); print(3)"
    done = forkserver.run(["-c", program], env=env, stderr=subprocess.STDOUT)
    assert done.stdout.split() == (["1", "2", "3"] if env else ["2", "1", "3"])


def test_a_command_can_ask_at_a_terminal() -> None:
    ours, theirs = pty.openpty()
    with open(ours, "wb") as keyboard:
        keyboard.write(b"yes\n")
        keyboard.flush()
        program = "import sys; print(sys.stdin.isatty(), input())"
        done = forkserver.run(["-c", program], stdin=theirs)
        os.close(theirs)
    assert done.stdout == "True yes\n"


def test_a_command_can_be_talked_with_and_ended() -> None:
    program = (
        "import sys\nprint('ready', flush=True)\nfor line in sys.stdin: print(line, flush=True)"
    )
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with forkserver.Process(["-c", program], **options) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0)
        process.terminate()
        assert process.wait() == -signal.SIGTERM
        assert process.poll() == -signal.SIGTERM


def test_a_command_ends_with_the_pipe_that_it_reads() -> None:
    process = forkserver.Process(["-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait() == 0


def test_a_signal_that_is_ignored_here_is_ignored_there() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        program = "import os, signal; os.kill(os.getpid(), signal.SIGHUP); print('alive')"
        assert forkserver.run(["-c", program]).stdout == "alive\n"
    finally:
        signal.signal(signal.SIGHUP, before)


def test_commands_leave_nothing_to_each_other() -> None:
    program = "import builtins; print(hasattr(builtins, 'left')); builtins.left = 1"
    assert {forkserver.run(["-c", program]).stdout for _time in range(2)} == {"False\n"}


def test_the_server_ends_with_the_process_that_started_it(directory: Path) -> None:
    """It is killed, and its streams, which the server had too, have an end."""
    program = """
import os, subprocess, forkserver
waiting = forkserver.Process(["-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(forkserver.run(["-c", "print('forked')"]).stdout, flush=True)
os.kill(os.getpid(), 9)
"""
    env = {**os.environ, "PYTHONPATH": str(Path(forkserver.__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (-signal.SIGKILL, b"forked")
