"""The story of a failure, for failures.txt: the command, how it ended, what it said, the end of its debug log (run again for
it, where there is time), a backtrace of a crash or of what hung, and what the kernel's log says of the card since."""
import os
import re
import shutil
import sys
import tempfile
import time

import child
from budget import left_s
from card import environment

LOG_LINES, LOG_COLUMNS, STDERR_LINES, TRACE_LINES = 200, 300, 60, 200
ATTACH_S, TRACE_S, DMESG_S = 12, 25, 3


def debugger():
    """cuda-gdb where there is one: it also knows kernels."""
    for name in ("cuda-gdb", "gdb"):
        for path in (shutil.which(name), f"{os.environ.get('CUDA_HOME', '/usr/local/cuda')}/bin/{name}"):
            if path and os.path.exists(path):
                return path
    return None


def gdb(arguments, timeout_s):
    """What it prints. It runs without the preload itself."""
    path = debugger()
    if not path:
        return "no backtrace: neither cuda-gdb nor gdb is here"
    settings = ["-batch", "-nx", "-iex", "set auto-load off", "-ex", "set pagination off",
                "-ex", "set confirm off"]
    done = child.run([path] + settings + arguments, environment({"DEBUGINFOD_URLS": ""}), timeout_s)
    lines = [line for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()
             and not line.startswith(("[New Thread", "[Thread", "[New LWP", "[Detaching", "warning: "))]
    kept = lines[-TRACE_LINES:]
    return "\n".join([f"{os.path.basename(path)}: {done.how()}"] + [line[:LOG_COLUMNS] for line in kept])


def attached(pid, timeout_s):
    """Where the threads of a running process are."""
    return gdb(["-p", pid, "-ex", "info threads", "-ex", "thread apply all bt 25"], timeout_s)


def rerun_in_gdb(ended, timeout_s):
    """Runs it again in the debugger until it crashes."""
    arguments = []
    for name, value in changed_environment(ended.env):
        arguments += ["-ex", f"set environment {name} {value}"]
    arguments += ["-ex", "run", "-ex", "bt 40", "-ex", "info threads", "-ex", "thread apply all bt 15", "--args"]
    return gdb(arguments + ended.argv, timeout_s)


def changed_environment(env):
    """(name, value) of what differs from our own."""
    return sorted((k, v) for k, v in env.items() if os.environ.get(k) != v and "\n" not in v)


def command_line(ended):
    argv = ["python3" if word == sys.executable else word for word in ended.argv]
    words = [f"{k}={v}" for k, v in changed_environment(ended.env)] + argv
    return " ".join(w if re.fullmatch(r"[\w@%+=:,./-]+", w) else "'" + w.replace("'", "'\\''") + "'" for w in words)


def tail(text, lines):
    return "\n".join(line[:LOG_COLUMNS] for line in text.splitlines()[-lines:])


def tail_of(path, lines):
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - lines * LOG_COLUMNS * 2))
            return tail(file.read().decode(errors="replace"), lines)
    except OSError:
        return ""


def xids():
    """The kernel's lines about faults of the card; [] where its log may not be read."""
    if not shutil.which("dmesg"):
        return []
    done = child.run(["dmesg"], environment({}), DMESG_S)
    return [line for line in done.stdout.splitlines() if "Xid" in line]


class Investigator:
    """Writes the stories into the record. Any thread. Running again is bounded: once for each name, and so many seconds in
    all, or the failures would eat the time of what has not run at all."""

    def __init__(self, record, reruns_s):
        self.record, self.reruns_s = record, reruns_s
        self.again = set()  # names
        self.xids_before = len(xids())

    def tell(self, name, case, why, ended, deadline, usual_s, debug_log=None, trace=None):
        """usual_s: what a run takes that does not hang. debug_log: a log at debug that the run itself has left. trace: a
        backtrace taken of it while it hung."""
        preloaded = "liblowtide" in ended.env.get("LD_PRELOAD", "")
        again = name not in self.again and self.reruns_s > 0
        parts = [f"==== {name}, {case}: {why}", f"ended: {ended.how()}", f"command: {command_line(ended)}",
                 "--- what it said last (stderr)", tail(ended.stderr, STDERR_LINES) or "nothing",
                 "--- and on stdout", tail(ended.stdout, 5) or "nothing"]
        if debug_log:
            parts += [f"--- the last {LOG_LINES} lines of its debug log", tail_of(debug_log, LOG_LINES) or "empty"]
        elif preloaded and again:
            parts += self._log_of_rerun(ended, deadline, usual_s)
        if trace:
            parts += ["--- where it was when its time was over", trace]
        if ended.crashed() and again:
            parts += ["--- backtrace of another run", self._trace_of_rerun(ended, deadline)]
        if not again:
            parts += ["--- not run again: it was for an earlier failure, or the time for that is used up"]
        self.again.add(name)
        new = xids()[self.xids_before:]
        if new:
            parts += ["--- the kernel's log, since this began", "\n".join(new[-10:])]
        self.record.failure("\n".join(parts))

    def _allowed_s(self, wanted_s, deadline):
        """Taken from what all reruns may take; 0: too little is left."""
        allowed = min(wanted_s, left_s(deadline) - 2, self.reruns_s)
        return allowed if allowed >= 2 else 0

    def _trace_of_rerun(self, ended, deadline):
        allowed = self._allowed_s(TRACE_S, deadline)
        if not allowed:
            return "no time was left for it"
        began = time.monotonic()
        trace = rerun_in_gdb(ended, allowed)
        self.reruns_s -= time.monotonic() - began
        return trace

    def _log_of_rerun(self, ended, deadline, usual_s):
        allowed = self._allowed_s(2 * usual_s + 5 if ended.timed_out else 3 * ended.wall_s + 5, deadline)
        if not allowed:
            return ["--- no debug log: no time was left to run it again"]
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "log")
            env = dict(ended.env, LOWTIDE_LOG=f"debug,{log}")
            if "LOWTIDE_STATS" in env:
                env["LOWTIDE_STATS"] = os.path.join(folder, "stats")
            done = child.run(ended.argv, env, allowed)
            self.reruns_s -= done.wall_s
            return [f"--- run again at debug ({done.wall_s:.1f} s; {done.how()}): the last {LOG_LINES} lines of its log",
                    tail_of(log, LOG_LINES) or "empty"]
