"""Secrets: the values behind references.

The only module that reads them, once, when a daemon starts or reloads. No message holds a value.
"""

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from router.secret import Secret

_LONGEST = 64 * 1024
_FIXES: dict[int | None, str] = {
    errno.ENOENT: "name a file that is there",
    errno.EISDIR: "name a file in it",
    errno.EACCES: "let this user read it",
}
_DIRECTORY = "CREDENTIALS_DIRECTORY"


def value_of(secret: Secret, environment: Mapping[str, str]) -> str:
    """The value behind a reference, without one trailing newline.

    Raises:
        ValueError: there is none, or everyone could read it; the message says what to do.
    """
    scheme, _, name = secret.reference.partition(":")
    if scheme == "env":
        value = environment.get(name)
        if value is None:
            raise ValueError(f"the environment variable '{name}' is not set; set it, or use file:/path")
    elif scheme == "file":
        value = _contents(Path(name))
    else:
        folder = environment.get(_DIRECTORY)
        if not folder:
            raise ValueError(
                f"credential '{name}' cannot be read: ${_DIRECTORY} is not set; "
                f"write LoadCredential={name}:/path into the systemd unit"
            )
        value = _contents(Path(folder, name))
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise ValueError(f"'{secret.reference}' is empty; put the secret there")
    return value


def _contents(path: Path) -> str:
    """The text of a file that not everyone may read."""
    try:
        # Without O_NONBLOCK a named pipe would hang the start until somebody writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ValueError(f"'{path}' cannot be read: {reason_of(error)}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"'{path}' is not a file; name a file that holds the secret alone")
        if status.st_mode & stat.S_IROTH:
            raise ValueError(f"'{path}' may be read by everyone on this host; run: chmod o-rwx '{path}'")
        raw = os.read(descriptor, _LONGEST + 1)
    finally:
        os.close(descriptor)
    if len(raw) > _LONGEST:
        raise ValueError(f"'{path}' is over {_LONGEST} bytes; name a file that holds the secret alone")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ValueError(f"'{path}' is not UTF-8 text; name a file that holds the secret alone") from None


def reason_of(error: OSError) -> str:
    """Why a file could not be read, in lower case, and what to do."""
    reason = (error.strerror or type(error).__name__).lower()
    return f"{reason}; {_FIXES.get(error.errno, 'name another file')}"
