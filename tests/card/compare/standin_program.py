"""For the tests of compare.py: told and ended as program.py would on a card, from planted figures. STANDIN is a JSON object:
"peak", "weights"; "ms": {mechanism: a step's}; "takes": {mechanism: bytes}; "end": {mechanism: what it does instead:
"hang", "crash", "not here", "does not fit", "other digest", "above the cap"}; "wait_s". What it was asked is appended to
STANDIN_LOG, a line each."""
import json
import os
import signal
import subprocess
import sys
import time

arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
plant = json.loads(os.environ["STANDIN"])
mechanism, stats = arguments["--mechanism"], os.environ.get("LOWTIDE_STATS")
cap = int(os.environ.get("LOWTIDE_VRAM", 0))  # of Lowtide only
key = mechanism if mechanism != "lowtide" else f"lowtide {os.environ['LOWTIDE_POLICY']} {os.environ['LOWTIDE_SAFETY']}"
end = plant.get("end", {}).get(key)
with open(os.environ["STANDIN_LOG"], "a") as log:
    log.write(json.dumps({"key": key, "cap": cap, "preload": os.path.basename(os.environ.get("LD_PRELOAD", "")), **arguments}) + "\n")
time.sleep(plant.get("wait_s", 0))
if end == "hang":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "1000"])
    with open(os.environ["STANDIN_LOG"] + ".pids", "w") as file:
        file.write(f"{os.getpid()} {child.pid}\n")
    time.sleep(1000)
if end == "crash":
    os.kill(os.getpid(), signal.SIGSEGV)
if end == "not here":
    print("not here: no CUDA device that PyTorch can use", file=sys.stderr)
    sys.exit(77)
takes = plant.get("takes", {}).get(mechanism, plant["peak"] if mechanism == "none" else cap or int(arguments["--vram-bytes"]))
if end == "does not fit" or (mechanism not in ("none", "lowtide") and takes > int(arguments["--vram-bytes"])):
    print("does not fit in so many bytes", file=sys.stderr)
    sys.exit(3)
if stats:
    with open(stats, "w") as file:
        json.dump({"device": 0, "peak_bytes": cap + (end == "above the cap"), "bytes_in": 1000, "bytes_out": 10, "bytes_out_again": 5}, file)
        file.write("\n")
ms = plant["ms"].get(key, 100.0)
print("some words of a library")
print(json.dumps({"program": "program", "digest": "b" if end == "other digest" else "a", "first_ms": 3 * ms, "steps_ms": [2 * ms, 2 * ms, ms, ms],
                  "weights_bytes": plant["weights"], "peak_reserved_bytes": takes, "device": "cuda", "blocks": 7, "calls": 1, "counted": True,
                  "moved_in_bytes": [5], "moved_out_bytes": [0], "chosen": {},
                  **({"needed_bytes": plant["peak"], "read_bytes": plant["weights"]} if mechanism == "none" else {})}))
