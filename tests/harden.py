"""Becomes another command, under what the unit forbids: `harden.py MDWE CALLS COMMAND…`.

`MDWE` is 1 or 0: no memory that is writable and executable (PR_SET_MDWE). `CALLS` is a file with the names of
the system calls that are allowed, or `-`; the others fail with EPERM, as SystemCallErrorNumber= says. Imports
nothing of this project, so that it runs from any folder.
"""

import ctypes
import os
import sys
from pathlib import Path

PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN = 65, 1
ALLOW, EPERM_ACTION, NO_SUCH_CALL = 0x7FFF0000, 0x00050001, -1


def forbid_executable_memory() -> None:
    """From now on, and after `exec`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel has no PR_SET_MDWE")


def allow_only(names: list[str]) -> None:
    """Every other system call fails. libseccomp also sets no_new_privs."""
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(seccomp.seccomp_init(EPERM_ACTION))
    for name in names:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number != NO_SUCH_CALL:
            seccomp.seccomp_rule_add_array(rules, ALLOW, number, 0, None)
    failed = seccomp.seccomp_load(rules)
    if failed:
        raise OSError(-failed, "the kernel takes no filter of system calls")


def main() -> None:
    """Put both into force, then become the command."""
    mdwe, calls, *command = sys.argv[1:]
    try:
        if mdwe == "1":
            forbid_executable_memory()
        if calls != "-":
            allow_only(Path(calls).read_text("utf-8").split())
    except OSError as error:
        sys.exit(f"cannot harden: {error}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
