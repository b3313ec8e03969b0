"""Runs a script in which the modules of lakebatch see a Windows, as far as another system can show one.

Only they see it: the packages that they call would not work without this system's own modules. What Windows itself would
do with paths, open files and locks is not shown.
"""

import builtins
import os
import runpy
import select
import signal
import sys
from types import ModuleType
from typing import Any

MISSING = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
"""Modules that Windows lacks."""
OF_OS = """
    O_ACCMODE O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK chown fchmod fchown fork forkpty geteuid getgid getloadavg getpgid
    getuid kill killpg lchown mkfifo nice pread pwrite register_at_fork sched_getaffinity setsid sysconf uname wait
"""
OF_SIGNAL = """
    SIG_BLOCK SIG_SETMASK SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGUSR1 pthread_sigmask sigpending
"""
LACKING = {os: OF_OS.split(), signal: OF_SIGNAL.split(), select: ["POLLIN", "poll"], sys: []}
"""Names that modules lack on Windows; ``os.kill`` exists there, but ends or interrupts what it should only look for."""
VALUES = {os: {"name": "nt", "O_BINARY": 0}, sys: {"platform": "win32"}}


class Likeness(ModuleType):
    """A module as it is on Windows; what is set in it is set in the real one."""

    def __init__(self, real: ModuleType) -> None:
        super().__init__(real.__name__)
        self.__dict__["_real"] = real

    def __getattr__(self, name: str) -> Any:
        real = self.__dict__["_real"]
        if name in LACKING[real]:
            raise AttributeError(f"module {real.__name__!r} has no attribute {name!r}", name=name, obj=self)
        return VALUES.get(real, {}).get(name, getattr(real, name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_real"], name, value)


LIKENESSES = {real.__name__: Likeness(real) for real in LACKING}
original = builtins.__import__


def imported(name: str, globals: Any = None, *arguments: Any, **options: Any) -> ModuleType:
    """Import a module, for those of lakebatch as it is on Windows."""
    if not str((globals or {}).get("__name__", "")).startswith("lakebatch"):
        return original(name, globals, *arguments, **options)
    if name.partition(".")[0] in MISSING:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    found = original(name, globals, *arguments, **options)
    return LIKENESSES.get(found.__name__, found)


if __name__ == "__main__":
    builtins.__import__ = imported
    sys.argv.pop(0)
    if sys.argv[0] == "-m":
        sys.argv.pop(0)
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")
