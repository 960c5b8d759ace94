"""`lowtide run` among signals and at a terminal. usage: command_jobs.py LOWTIDE
One line a check, `ok: WHAT` or `failed: WHAT`; or `skipped: WHAT`."""
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time

LOWTIDE = sys.argv[1]
folder = tempfile.mkdtemp()


def check(what, holds):
    print(f"{'ok' if holds else 'failed'}: {what}", flush=True)


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def state_of(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "gone"


# Counts each signal it is sent into a file; ends with 7 at SIGTERM.
PROGRAM = """
import os, signal, sys, time
names = {number.value: number.name for number in signal.Signals}
if len(sys.argv) > 2:
    os.setpgid(0, 0)  # out of reach of what the terminal sends to the group
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
def write(line):  # not by a file object: signals may come within one another
    os.write(log, (line + "\\n").encode())
def got(number, frame):
    write(names.get(number, str(number)))
    if number == signal.SIGTERM:
        sys.exit(7)
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2,
               signal.SIGALRM, signal.SIGWINCH, signal.SIGRTMIN + 1):
    signal.signal(number, got)
write(f"pid {os.getpid()}")
end = time.monotonic() + 60
while time.monotonic() < end:  # whatever becomes of the test
    time.sleep(0.05)
"""


def program(log, *apart):
    return [LOWTIDE, "run", "--", sys.executable, "-c", PROGRAM, log, *apart]


def lines(log):
    try:
        return open(log).read().splitlines()
    except OSError:
        return []


def started(log):
    until(lambda: lines(log))
    return int(lines(log)[0].split()[1])


def status_of(script, **ignored):
    """What `lowtide run` of a shell's script ended with; "hangs" if it did not."""
    run = subprocess.Popen([LOWTIDE, "run", "--", "sh", "-c", script], **ignored)
    try:
        return run.wait(20)
    except subprocess.TimeoutExpired:
        run.kill()
        return "hangs"


def exits():
    for status in (0, 1, 2, 42, 124, 255):
        got = status_of(f"exit {status}")
        check(f"exit status {status} is passed on", got == status)
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT, signal.SIGPIPE, signal.SIGABRT):
        got = status_of(f"kill -{int(number)} $$")
        check(f"death by {number.name} is passed on", got == -number)
    got = status_of("exit 5", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    check("SIGCHLD inherited as ignored loses no status", got == 5)
    got = status_of("kill -HUP $$; exit 6", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    check("a signal ignored before is ignored in the program", got == 6)


def forwarding():
    log = f"{folder}/forward"
    run = subprocess.Popen(program(log))
    started(log)
    sent = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT, signal.SIGQUIT, signal.SIGALRM, signal.SIGWINCH]
    for number in sent:
        run.send_signal(number)
        check(f"{number.name} is handed on, once", until(lambda: lines(log)[-1] == number.name)
              and lines(log).count(number.name) == 1)
    run.send_signal(signal.SIGRTMIN + 1)
    check("a real-time signal is handed on", until(lambda: len(lines(log)) == len(sent) + 2))
    run.terminate()
    check("SIGTERM is handed on, and what the program makes of it comes back", run.wait(20) == 7)

    log = f"{folder}/killed"
    run = subprocess.Popen(program(log))
    pid = started(log)
    run.kill()
    run.wait()
    check("killing the command kills the program", until(lambda: state_of(pid) in ("gone", "Z"), 5))
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def terminal():
    """We are the shell: the leader of a session with a terminal, the job in a group of its own."""
    log = f"{folder}/terminal"
    shell, master = pty.fork()
    if shell == 0:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        job = os.fork()
        if job == 0:
            os.setpgid(0, 0)
            os.tcsetpgrp(0, os.getpid())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            os.execv(LOWTIDE, program(log))
        with open(f"{folder}/events", "w", buffering=1) as events:
            events.write(f"job {job}\n")
            while True:
                _, status = os.waitpid(job, os.WUNTRACED)
                if os.WIFSTOPPED(status):
                    events.write(f"stopped {os.WSTOPSIG(status)}\n")
                    while not os.path.exists(f"{folder}/fg"):
                        time.sleep(0.01)
                    os.tcsetpgrp(0, job)
                    os.killpg(job, signal.SIGCONT)
                else:
                    events.write(f"ended {os.waitstatus_to_exitcode(status)}\n")
                    os._exit(0)
    events = f"{folder}/events"
    pid = started(log)
    job = int(lines(events)[0].split()[1])
    os.write(master, b"\x03")
    check("Ctrl-C reaches the program", until(lambda: "SIGINT" in lines(log)))
    os.write(master, b"\x1a")
    check("Ctrl-Z stops the job as it would the program",
          until(lambda: lines(events)[-1] == f"stopped {int(signal.SIGTSTP)}"))
    check("and the program with it", state_of(pid) == "T" and state_of(job) == "T")
    open(f"{folder}/fg", "w").close()
    check("it goes on when the shell says so", until(lambda: state_of(pid) in "RS" and state_of(job) in "RS"))
    os.write(master, b"\x03")
    check("and Ctrl-C reaches it again", until(lambda: lines(log).count("SIGINT") >= 2))
    os.kill(job, signal.SIGTERM)
    check("the shell sees its exit status", until(lambda: lines(events)[-1] == "ended 7"))
    os.waitpid(shell, 0)


def not_twice():
    """What the terminal sends is not handed on: a program that has left the group does not get it."""
    log = f"{folder}/apart"
    job, master = pty.fork()
    if job == 0:
        os.execv(LOWTIDE, program(log, "apart"))
    started(log)
    os.write(master, b"\x03")
    time.sleep(0.5)
    check("what the terminal sends is not sent a second time", len(lines(log)) == 1)
    os.kill(job, signal.SIGINT)
    check("what somebody sends is", until(lambda: lines(log)[-1] == "SIGINT"))
    os.kill(job, signal.SIGTERM)
    os.waitpid(job, 0)


def terminal_to_be_had():
    """None, or why there is none: in a container without /dev/pts, or with no more of them."""
    try:
        for end in pty.openpty():
            os.close(end)
    except OSError as error:
        return error.strerror


exits()
forwarding()
none = terminal_to_be_had()
if none:
    print(f"skipped: signals of a terminal: no pseudo-terminal can be had: {none}")
else:
    not_twice()
    terminal()
print("ok: the signal checks ran to their end")
