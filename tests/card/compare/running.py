"""One program in a process group of its own, killed whole at its deadline, and what it told."""
import ctypes
import json
import os
import signal
import subprocess
import tempfile
import time

from memory import Sampler

NOT_HERE, DOES_NOT_FIT = 77, 3
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Ended:
    """status: as subprocess has it. told: the JSON object of its last line, or None. peak_bytes: by NVML, or None."""

    def __init__(self, status, timed_out, wall_s, told, said, peak_bytes):
        self.status, self.timed_out, self.wall_s = status, timed_out, wall_s
        self.told, self.said, self.peak_bytes = told, said, peak_bytes

    def why(self):
        """None where all is well, else how it ended, in words."""
        if self.timed_out:
            return f"still running after {self.wall_s:.0f} s"
        if self.status == 0:
            return None if self.told else "its last line is no JSON object"
        how = f"signal {-self.status}" if self.status < 0 else f"status {self.status}"
        return f"{how}: {self.said}" if self.said else how


def end_with_us():
    """In the child: should this process be killed, nothing that uses the card stays behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def kill_group(process):
    """All that it started, and itself, which is reaped."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
            process.wait(2)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            pass


def last_line(text):
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def told_by(stdout):
    try:
        told = json.loads(last_line(stdout))
        if isinstance(told["digest"], str) and [float(ms) for ms in told["steps_ms"]]:
            return told
    except (ValueError, KeyError, TypeError):
        pass
    return None


def run(command, environment, allowed_s, nvml):
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
                                   preexec_fn=end_with_us)
        sampler, timed_out = Sampler(nvml, process.pid), False
        try:
            process.wait(max(0.1, allowed_s))
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            kill_group(process)
            peak_bytes = sampler.stop()
        out.seek(0)
        err.seek(0)
        told = told_by(out.read()) if process.returncode == 0 and not timed_out else None
        return Ended(process.returncode, timed_out, time.monotonic() - began, told, last_line(err.read())[:300], peak_bytes)


def environment(library=None, **settings):
    """Ours, without anything of Lowtide's; with the library preloaded and set, where one is given."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LOWTIDE_") and k != "LD_PRELOAD"}
    if library:
        kept["LD_PRELOAD"] = os.path.abspath(library)
        kept.update({f"LOWTIDE_{name.upper()}": str(value) for name, value in settings.items()})
    return kept


def statistics_in(path):
    """What LOWTIDE_STATS wrote of the first device; {} where it did not."""
    try:
        with open(path) as file:
            return json.loads(file.readline())
    except (OSError, ValueError):
        return {}
