#!/usr/bin/env bash
# make check-gpu and make bench-gpu: where no card is they say so, in the exact words; what they do on one is done here on
# the simulated one, small.
. "$(dirname "$0")/lib.sh"
dir=$O/e2e/gpu
rm -rf "$dir"
mkdir -p "$dir"
unset LOWTIDE_GPU_SIMULATED LD_LIBRARY_PATH
if ldconfig -p | grep -q 'libcuda\.so\.1 '; then
	echo "skipped: what is said without a driver: this machine has one"
else
	for script in check bench; do
		out=$(timeout 60 python3 tests/gpu/$script.py 2>"$dir/err")
		check "$script without a driver is no failure" [ $? -eq 0 ]
		check "$script without a driver says so" [ "$out" = "skipped: no CUDA device" ]
	done
fi
out=$(LD_LIBRARY_PATH=$O/sim timeout 120 python3 tests/gpu/check.py 2>"$dir/err")
check "the simulated driver is not taken for a card" [ "$out" = "skipped: no CUDA device" ]
check "and is named" grep -q 'simulated' "$dir/err"

export LOWTIDE_GPU_SIMULATED=1 MB=32 BLOCK=2M WORKLOADS="diffusion decode" CAPS=50 POLICIES=balanced SAFETIES=strict
timeout 120 python3 tests/gpu/check.py >"$dir/check.out" 2>&1
check "the check passes on the simulated GPU" [ $? -eq 0 ]
check "it counts the probe's promises and the workloads" grep -qE '^[4-9][0-9] passed, 0 failed$' "$dir/check.out"
check "it says how fast each ran" [ "$(grep -c 'ms a step, bare' "$dir/check.out")" -eq 2 ]
WORKLOADS=diffusion LOWTIDE_SIM_FAIL=cuMemUnmap:20:700 timeout 120 python3 tests/gpu/check.py >"$dir/bad.out" 2>&1
check "a broken promise fails the check" [ $? -eq 1 ]
check "and is named" grep -q '^failed: danger_strict: no fault: CUDA_ERROR_ILLEGAL_ADDRESS$' "$dir/bad.out"

QUICK=1 RESULTS=$dir WORKLOADS=decode timeout 120 python3 tests/gpu/bench.py >"$dir/bench.out" 2>&1
check "the measurements end well" [ $? -eq 0 ]
cat >"$dir/look.py" <<'PYTHON'
import glob, json, re, sys
probe, = glob.glob(sys.argv[1] + "/probe-*.json")
gpu, = glob.glob(sys.argv[1] + "/gpu-*.json")
assert re.search(r"/probe-\d{4}-\d\d-\d\d-simulated-gpu-0\.json$", probe), probe
record, results = json.load(open(probe)), json.load(open(gpu))
assert record["kind"] == results["kind"] == "simulated" and record["lowtide_probe"] == 1
assert results["gpu"] == "Simulated GPU 0" and results["driver"] == "13.0" and "commit" in results and "commit" in record
names = {r["name"]: r["value"] for r in results["results"]}
assert set(names) == {"step_ms/decode/bare", "step_ms/decode/balanced/50/strict", "of_bare/decode/balanced/50/strict"}, names
assert names["step_ms/decode/balanced/50/strict"] >= names["step_ms/decode/bare"] > 0
PYTHON
check "the results are written, with card, driver and commit" python3 "$dir/look.py" "$dir"
finish
