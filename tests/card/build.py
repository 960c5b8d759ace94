"""What `make card` runs is built apart, in a folder of its own (build/card), with frame pointers, so that backtraces are whole,
and with jansson inside the probe and the command where there is an archive of it, so that they run where it is not installed.

It may be built ahead, also on another machine (`make card-build`), with the workloads' kernels for the usual cards. What was
built is taken by the text of its sources, not by their times: copies of a tree often have new ones. CARD_BUILD=folder: what is
there is used as it is."""
import hashlib
import json
import os
import shutil
import subprocess

import card
import child

SOURCES = ("Makefile", "policy", "shim", "tools", "tests/tests.mk", "tests/sim", "tests/workloads",
           "tests/gpu/probe")
ARCHITECTURES = os.environ.get("CARD_ARCHS", "7.5 8.0 8.6 8.9 9.0 10.0 12.0").split()
FLAGS = os.environ.get("CFLAGS", "-O2 -g") + " -fno-omit-frame-pointer"


def digest_of_sources():
    total = hashlib.sha256(FLAGS.encode())
    for top in SOURCES:
        files = [top] if os.path.isfile(top) else sorted(
            os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names if not name.startswith("."))
        for path in files:
            with open(path, "rb") as file:
                total.update(f"{path}\0".encode() + hashlib.sha256(file.read()).digest())
    return total.hexdigest()


def stamp():
    try:
        with open(f"{card.BUILD}/built.json") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def put_stamp(told):
    with open(f"{card.BUILD}/built.json", "w") as file:
        json.dump(told, file)


def runs():
    """Whether what is built can run here: another machine's may not."""
    if not all(os.path.exists(f"{card.BUILD}/{name}") for name in ("liblowtide.so", "lowtide", "gpu/probe", "workloads/decode")):
        return False
    return child.run([f"{card.BUILD}/gpu/probe", "--list"], dict(os.environ), 20).good()


def jansson():
    """As the linker is asked for it: the archive, where there is one."""
    found = subprocess.run([os.environ.get("CC", "cc"), "-print-file-name=libjansson.a"], capture_output=True, text=True) \
        if shutil.which(os.environ.get("CC", "cc")) else None
    return "-l:libjansson.a" if found and os.path.isabs(found.stdout.strip()) else "-ljansson"


def make(timeout_s, anew=False):
    """anew: whatever the times of files say: a folder that was carried here may be newer than what it was not built from."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "CFLAGS", "O")}
    return child.run(["make", f"-j{os.cpu_count() or 1}", f"O={card.BUILD}", f"CFLAGS={FLAGS}", f"JANSSON={jansson()}", "all"]
                     + (["-B"] if anew else []), env, timeout_s)


def ready(timeout_s):
    """{"how", "commit"}: what is there to be run, in words, and of which commit. Raises Trouble where there is nothing."""
    if os.environ.get("CARD_BUILD"):
        if not runs():
            raise card.Trouble(f"CARD_BUILD={card.BUILD}: what is there does not run, or is not all")
        return {"how": f"as it is in {os.environ['CARD_BUILD']}", "commit": stamp().get("commit") or card.commit()}
    want, have = digest_of_sources(), stamp()
    if have.get("sources") == want and runs():
        return {"how": "built before from this text", "commit": card.commit() or have.get("commit")}
    done = make(timeout_s, anew=bool(have) or os.path.exists(f"{card.BUILD}/obj"))
    if done.good() and runs():
        told = {"sources": want, "commit": card.commit(), "flags": FLAGS}
        put_stamp(told)
        return {"how": f"built in {done.wall_s:.0f} s", "commit": told["commit"]}
    why = f"make: {done.how()}\n{done.stdout[-500:]}{done.stderr[-1500:]}"
    if have and runs():
        put_stamp(dict(have, sources="partly anew"))
        return {"how": f"could not be built here; what was built before from another text is used (commit {have.get('commit')})",
                "commit": have.get("commit"), "trouble": why}
    raise card.Trouble(f"nothing could be built:\n{why}")


def ahead():
    """make card-build: all of it, and kernels for the usual cards. Whether it went well."""
    card.SIMULATED = False  # the kernels of cards are asked for, also where a rehearsal comes next
    print(f"{card.BUILD}: {ready(1800)['how']}")
    if not card.compiler():
        print("no nvcc: without kernels built ahead or there, make card runs no workloads on a card")
        return True
    for architecture in ARCHITECTURES:
        try:
            print(f"kernels for {architecture}: {os.path.basename(card.kernels(architecture, 300))}")
        except card.Trouble as trouble:
            print(f"kernels for {architecture}: not built: {str(trouble).splitlines()[-1]}")
    return True
