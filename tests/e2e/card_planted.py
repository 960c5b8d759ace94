"""A catalogue of programs with planted faults, for card_test.sh, and the program itself. It uses no card: what the library
would tell, and what NVML would see (tests/fake/nvml.c), it writes itself.
usage: card_planted.py FAULT --device cuda"""
import ctypes
import json
import os
import sys
import time

MIB = 1 << 20
CONTEXT, PEAK = 300 * MIB, 200 * MIB
FAULTS = ["none", "nowhere", "digest", "crash", "hang", "nvml", "account", "absent", "talk", "moody", "silent"]


def row(fault, **more):
    return dict({"name": f"planted {fault}", "file": "tests/e2e/card_planted.py", "arguments": [fault], "environment": {},
                 "seconds": 0.5, "patience_s": 5 if fault == "hang" else 15, "full_matrix": fault == "none",
                 "framework": "planted"}, **more)


HELLO = row("none")
PROGRAMS = [row(fault) for fault in os.environ.get("PLANTED_FAULTS", " ".join(FAULTS)).split()]


def main():
    fault, preloaded = sys.argv[1], "liblowtide" in os.environ.get("LD_PRELOAD", "")
    cap = int(os.environ.get("LOWTIDE_VRAM", 0))
    pressed = preloaded and cap < PEAK
    peak = min(cap, PEAK) if preloaded else PEAK
    if fault == "absent":
        print("a framework that is nowhere", file=sys.stderr)
        return 77
    if os.environ.get("LOWTIDE_LOG", "").startswith("debug,"):
        with open(os.environ["LOWTIDE_LOG"].split(",", 1)[1], "a") as file:
            file.write("".join(f"lowtide: planted debug line {i}\n" for i in range(300)))
    if pressed and fault == "crash":
        ctypes.string_at(8)
    seen = os.environ.get("FAKE_NVML") and os.path.join(os.environ["FAKE_NVML"], str(os.getpid()))
    if seen:
        with open(seen, "w") as file:
            file.write(str(CONTEXT + (PEAK if pressed and fault == "nvml" else peak)))
    time.sleep(float(os.environ.get("PLANTED_S", "0.5")))
    while pressed and fault == "hang":
        time.sleep(1)
    if preloaded and fault != "silent":
        with open(os.environ["LOWTIDE_STATS"], "w") as file:
            json.dump({"device": 0, "cap_bytes": cap, "peak_bytes": peak + (MIB if pressed and fault == "account" else 0),
                       "host_peak_bytes": 0, "bytes_in": 0, "bytes_out": 0, "windows": 0}, file)
    if seen:
        os.unlink(seen)
    digest = "wrong" if pressed and fault == "digest" else str(time.time_ns()) if fault == "moody" else "right"
    if fault == "talk":
        print("no JSON at all")
    else:
        print(json.dumps({"program": fault, "digest": digest, "first_ms": 2.0, "steps_ms": [1.0, 1.5, 2.0], "weights_bytes": PEAK,
                          "peak_reserved_bytes": PEAK, "device": "planted"}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
