"""A program run as a child with a deadline: its own process group, its output in files (a grandchild that keeps a pipe open
cannot hold us up), all of the group killed at the end, and no endless wait for a process that a driver holds in the kernel.

Any thread may call run(). stop() ends what runs and refuses the rest: for a signal handler."""
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

KILL_PATIENCE_S = 3.0  # for a killed process to be gone
STDOUT_BYTES, STDERR_BYTES = 4 << 20, 256 << 10  # the ends that are kept
# A group, not a session: what ends the session that we run in ends the children too. Python 3.11 and newer.
OWN_GROUP = {"process_group": 0} if sys.version_info >= (3, 11) else {"start_new_session": True}

_running = set()  # pids. Guarded by _lock
_lock = threading.RLock()  # a signal handler may come while this very thread holds it
_stopping = threading.Event()


class Stopped(Exception):
    """The whole is being ended; nothing more is started."""


class Ended:
    """How it ended. status: of exit; None: by a signal, or never begun, or left behind."""

    def __init__(self, argv, env):
        self.argv, self.env = argv, env
        self.status = self.signal = self.pid = None
        self.trouble = None  # why it could not be started
        self.timed_out = self.left_behind = False
        self.timeout_s = self.wall_s = 0.0
        self.stdout = self.stderr = ""

    def good(self):
        return self.status == 0 and not self.timed_out

    def crashed(self):
        return self.signal is not None and not self.timed_out

    def how(self):
        """In words."""
        if self.trouble:
            return f"could not be started: {self.trouble}"
        if self.timed_out:
            left = f"; its process {self.pid} could not be killed" if self.left_behind else ""
            return f"still running after {self.wall_s:.1f} s, and killed{left}"
        if self.signal is not None:
            return f"signal {self.signal} ({signal_name(self.signal)})"
        return f"status {self.status}"


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def run(argv, env, timeout_s, started=None, before_kill=None):
    """started(pid): once it runs. before_kill(pid): when its time is over, before it is killed; must be bounded itself."""
    if _stopping.is_set():
        raise Stopped
    ended = Ended([str(a) for a in argv], env)
    ended.timeout_s = timeout_s
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        try:
            child = subprocess.Popen(ended.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, **OWN_GROUP)
        except OSError as error:
            ended.trouble = str(error)
            return ended
        ended.pid = child.pid
        with _lock:
            _running.add(child.pid)
        try:
            if started:
                started(child.pid)
            ended.timed_out = not over_within(child.pid, timeout_s, _stopping)
            ended.wall_s = time.monotonic() - began
            if ended.timed_out and before_kill and not _stopping.is_set():
                before_kill(child.pid)
        finally:
            # Also after a good end: what it left running would disturb the next. Its pid is ours until it is reaped.
            _kill_group(child.pid)
            ended.left_behind = not over_within(child.pid, KILL_PATIENCE_S)
            with _lock:
                _running.discard(child.pid)
        if ended.left_behind:
            ended.timed_out = True
            child.returncode = 0  # or Python would wait for it at its own end
        elif not ended.timed_out:
            code = child.wait()
            ended.status, ended.signal = (code, None) if code >= 0 else (None, -code)
        else:
            child.wait()
        ended.stdout, ended.stderr = _end_of(out, STDOUT_BYTES), _end_of(err, STDERR_BYTES)
    if _stopping.is_set():
        raise Stopped
    return ended


def stop():
    """Kills all that runs; every run() raises Stopped from now on."""
    _stopping.set()
    with _lock:
        for pid in _running:
            _kill_group(pid)


def over_within(pid, seconds, stopping=None):
    """Whether it has ended by then. It is not reaped, so that its pid stays its own."""
    until = time.monotonic() + seconds
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() >= until or (stopping and stopping.is_set()):
            return False
        time.sleep(0.01)
    return True


def _kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _end_of(file, most):
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - most))
    return file.read().decode(errors="replace")
