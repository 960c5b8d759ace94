"""What was found, written as it comes: card.json (everything, whole at every moment), table.txt (the page to read),
failures.txt, session.log. Every method may be called by any thread."""
import datetime
import json
import os
import platform
import re
import sys
import threading
import time

import table

PASSED, FAILED, NEEDS_CARD, NO_TIME, SKIPPED = "passed", "failed", "needs a card", "no time", "skipped"
FILES = ("card.json", "table.txt", "probe.json", "probe-long.json", "compare.json", "failures.txt", "session.log")
HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + "/"
UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
LOG_BYTES, FAILURES_BYTES, FAILURE_BYTES = 512 << 10, 1 << 20, 64 << 10


def public(text):
    """Results are committed: of the machine they name no folder, no host, no card's number, and of its kernel the version."""
    for prefix in sorted({HERE, sys.prefix + "/", sys.base_prefix + "/"} - {"/usr/", "/"}, key=len, reverse=True):
        text = text.replace(prefix, "")
    release = platform.release()
    text = text.replace(release, re.match(r"[\d.]*", release).group() or "(kernel)")
    if platform.node() not in ("", "localhost"):
        text = re.sub(rf"\b{re.escape(platform.node())}\b", "(host)", text)
    return UUID.sub("(uuid)", text)


class Record:
    def __init__(self, folder, head, began):
        self.folder = folder
        self.head = dict({"lowtide_card": 1, "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")},
                         **head)
        self.steps, self.results, self.facts = [], [], {}
        self._lock = threading.RLock()
        self._began = began  # a moment of time.monotonic(): of the whole, the build included
        self._room = {"session.log": LOG_BYTES, "failures.txt": FAILURES_BYTES}
        os.makedirs(folder, exist_ok=True)
        for name in FILES:  # of an earlier run
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))

    def path(self, name):
        return os.path.join(self.folder, name)

    # --- the log
    def say(self, line):
        """To whoever watches, and to the log."""
        try:
            print(line, flush=True)
        except OSError:  # nobody listens any more: the files are what counts
            pass
        self.note(line)

    def note(self, line):
        self._append("session.log", f"[{time.monotonic() - self._began:7.2f}] {line}\n")

    def failure(self, text):
        """The long story of a failure."""
        data = text.encode(errors="replace")
        if len(data) > FAILURE_BYTES:
            data = data[:FAILURE_BYTES] + b"\n... cut\n"
        self._append("failures.txt", data.decode(errors="replace") + "\n")

    def _append(self, name, text):
        with self._lock:
            data = public(text).encode(errors="replace")
            if self._room[name] <= 0:
                return
            self._room[name] -= len(data)
            if self._room[name] <= 0:
                data = b"... and no more: this file is full\n"
            with open(self.path(name), "ab") as file:
                file.write(data)

    # --- results
    def begin_step(self, name, title, deadline_s):
        step = {"name": name, "title": title, "allowed_s": round(deadline_s, 1), "took_s": None, "state": "running"}
        with self._lock:
            self.steps.append(step)
        self.say(f"== {name}: {title} ({deadline_s:.0f} s)")
        self.write()
        return step

    def end_step(self, step, took_s):
        with self._lock:
            step["took_s"] = round(took_s, 1)
            mine = {r["status"] for r in self.results if r["step"] == step["name"]}
            step["state"] = "cut short" if NO_TIME in mine else "left out" if mine == {SKIPPED} else "done"
        self.write()

    def add(self, step, name, status, why="", quiet=False, **more):
        """quiet: many of them at once; write() follows, and nobody needs to read each."""
        why = why.strip().replace("\n", " / ")
        with self._lock:
            self.results.append(dict({"step": step, "name": name, "status": status, "why": why}, **more))
        line = f"  {status}: {name}" + (f": {why}" if why else "")
        if quiet and status != FAILED:
            self.note(line)
            return
        self.say(line)
        self.write()

    def of(self, step):
        with self._lock:
            return [r for r in self.results if r["step"] == step]

    def count(self, status):
        with self._lock:
            return sum(r["status"] == status for r in self.results)

    def closing_line(self):
        needs = self.count(NEEDS_CARD)
        return f"{self.count(PASSED)} passed, {self.count(FAILED)} failed" + (f", {needs} need a card" if needs else "")

    def fact(self, name, value):
        with self._lock:
            self.facts[name] = value

    def write(self):
        with self._lock:
            head = dict(self.head, spent_s=round(time.monotonic() - self._began, 1), closing_line=self.closing_line(),
                        steps=self.steps, facts=self.facts)
            rows = ",\n".join("  " + json.dumps(r) for r in self.results)
            self._replace("card.json", json.dumps(head, indent=1)[:-2] + f',\n "results": [\n{rows}\n ]\n}}\n')
            self._replace("table.txt", table.page(head, self.results))

    def publish(self, name):
        """What another program wrote there."""
        if os.path.exists(self.path(name)):
            with open(self.path(name)) as file:
                text = file.read()
            self._replace(name, text)

    def _replace(self, name, text):
        with open(self.path(name + ".part"), "w") as file:
            file.write(public(text))
        os.replace(self.path(name + ".part"), self.path(name))
