"""A pgbouncer in transaction mode before a test's database."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from tests.journal.postgres.server import die_with_parent, identity, owner

BOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
_SETTINGS = """
[databases]
* = {target}
[pgbouncer]
listen_port = 6432
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = 3
logfile = {folder}/log
"""


@contextmanager
def a_pooler(url: str) -> Iterator[str]:
    """The URL of the same database through a pooler that has three sessions for everybody."""
    assert BOUNCER is not None
    given = conninfo_to_dict(url)
    folder = Path(tempfile.mkdtemp(prefix="vr-pgb-", dir="/tmp"))
    target = " ".join(f"{key}={given[key]}" for key in ("host", "port", "user", "password") if given.get(key))
    settings = folder / "pgbouncer.ini"
    settings.write_text(_SETTINGS.format(target=target, folder=folder))
    who = owner()
    if who is not None:
        os.chown(folder, who.pw_uid, who.pw_gid)
        folder.chmod(0o755)
    process = subprocess.Popen(
        [BOUNCER, "-q", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
        preexec_fn=die_with_parent,  # noqa: PLW1509  # one call, into the C library
        **identity(who),
    )  # fmt: skip
    try:
        yield f"postgresql://{given.get('user')}@/{given['dbname']}?host={folder}&port=6432"
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder)
