"""Faults of the program as a whole: secrets, log, signals, reload, watchdog, configuration."""

from tests.mutants.fault import Fault

_SECRETS = ("tests/test_secret.py", "tests/config/test_secrets.py")
_LOGS = ("tests/test_logs.py",)
_LINES = ("tests/test_log_writing.py",)

FAULTS = (
    Fault(
        "a secret prints itself", "no secret in any output", "router/secret.py",
        "    def __repr__(self) -> str:\n        return f\"{type(self).__name__}({self.reference})\"\n",
        "    def __repr__(self) -> str:\n"
        "        return f\"{type(self).__name__}({self._value or self.reference})\"\n",
        ("tests/test_secret.py",),
    ),
    Fault(
        "a secret in plain sight is taken", "no secret in the configuration", "router/secret.py",
        "        if _is_credential(text):\n", "        if False:\n", _SECRETS,
    ),
    Fault(
        "a file that everyone may read holds a secret", "a secret is for its owner",
        "router/config/secrets.py",
        "        if status.st_mode & stat.S_IROTH:\n", "        if False:\n", _SECRETS,
    ),
    Fault(
        "a secret is logged in another encoding", "no secret in any output", "router/config/secrets.py",
        "    return value\n",
        "    import base64\n    import sys\n"
        "    print(base64.b64encode(b\"using \" + value.encode()).decode(), file=sys.stderr)\n"
        "    return value\n",
        ("tests/process/test_crash.py",),
    ),
    Fault(
        "a URL is logged whole", "no secret in the log", "router/record.py",
        'clean = _URL.sub(mask, head) if "://" in head else head', "clean = head", _LOGS,
    ),
    Fault(
        "a field called token is logged", "no secret in the log", "router/record.py",
        "    if name in _SECRET_FIELDS and value is not None:\n", "    if False:\n", _LOGS,
    ),
    Fault(
        "a URL among plain words is logged whole", "no secret in the log", "router/record.py",
        ' and "\\x7f" not in line and "://" not in line\n    return line if',
        ' and "\\x7f" not in line\n    return line if', _LINES,
    ),
    Fault(
        "a field called token is logged among plain words", "no secret in the log", "router/record.py",
        "    if not _SECRET_FIELDS.isdisjoint(record):\n", "    if False:\n", _LINES,
    ),
    Fault(
        "a list is taken for one of words", "no secret in the log", "router/record.py",
        " and _TEXTS.issuperset(map(type, value)):\n", ":\n", _LINES,
    ),
    Fault(
        "a stranger fills the log", "a flood is a few lines", "router/logs.py",
        "        if bucket.available(now) < 1:\n", "        if False:\n", _LOGS,
    ),
    Fault(
        "a log that cannot be written ends what it tells of", "a log costs no request", "router/logs.py",
        "            except (OSError, ValueError):\n", "            except KeyError:\n", _LOGS,
    ),
    Fault(
        "an error waits with the other lines", "the last words are heard", "router/logs.py",
        "    error = critical = now\n", "    error = critical = later\n", _LINES,
    ),
    Fault(
        "the watchdog hears a timer", "a writer that hangs is restarted", "router/heartbeat.py",
        "                await self._journal.ping()\n", "                await anyio.sleep(0)\n",
        ("tests/test_heartbeat.py",),
    ),
    Fault(
        "a journal that broke is not noticed", "a failed sync ends the process", "router/heartbeat.py",
        "        if self._journal.broken is not None:\n", "        if False:\n", ("tests/test_heartbeat.py",),
    ),
    Fault(
        "a broken reload changes something", "a broken file leaves the old rules", "router/program.py",
        "                return await self._swap(config)\n            except ConfigError as error:\n",
        "                return await self._swap(config)\n            except ConfigError as error:\n"
        "                await self._dispatcher.use({}, lambda _: None)\n",
        ("tests/process/test_reload.py",),
    ),
    Fault(
        "SIGHUP is left to its default at the end", "a late SIGHUP kills nobody", "router/signals.py",
        "            signal.signal(signal.SIGHUP, signal.SIG_IGN)\n",
        "            signal.signal(signal.SIGHUP, signal.SIG_DFL)\n", ("tests/process/test_stop.py",),
    ),
    Fault(
        "SIGHUP is not heard", "SIGHUP reloads", "router/signals.py",
        "        signal.signal(signal.SIGHUP, self._hangup())\n", "",
        ("tests/process/test_reload.py",),
    ),
    Fault(
        "a thread that hangs keeps the process", "a stop ends", "router/ending.py",
        "        _timer(self._within, self._leave, 0 if error is None else 1)\n", "        pass\n",
        ("tests/test_ending.py",),
    ),
    Fault(
        "a journal that hangs keeps the process", "a stop ends", "router/signals.py",
        "        self._ending()\n", "",
        ("tests/process/test_database.py",),
    ),
    Fault(
        "an alias counts once", "a configuration made to explode is refused", "router/config/document.py",
        "        self._repeated += target[1]\n", "        self._repeated += 1\n",
        ("tests/config/test_bounds.py",),
    ),
    Fault(
        "a histogram forgets how much there was", "metrics say what happened", "router/series.py",
        "        self.sum += amount\n", "        pass\n", ("tests/test_series.py",),
    ),
    Fault(
        "buckets of a histogram are not cumulative", "metrics say what happened", "router/series.py",
        "return accumulate(self._counts)", "return iter(self._counts)", ("tests/test_series.py",),
    ),
)  # fmt: skip
