#!/usr/bin/env bash
# Deliberately broken pagers: the simulated GPU's seeded scheduler and its checks find each within a few seeds, and
# find nothing wrong with the right one.
set -u
O=${O:-build}
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so LOWTIDE_SIM_SCHED=seeded
passed=0 failed=0
report=$O/e2e/planted.json
cap=$((2 << 20)) # of one frame
field() { sed -nE "s/.*\"$2\": ([0-9]+).*/\1/p" "$1"; }
finds() { # finds FAULT SEED: true if something is seen to be wrong
	rm -f "$report"
	LOWTIDE_SIM_SEED=$2 LOWTIDE_SIM_REPORT=$report LOWTIDE_SIM_FAIL=$([ "$1" = hole ] && echo cuMemMap:4) \
		timeout 60 "$O/e2e/sim_planted" "$1" >/dev/null 2>&1
	local status=$?
	[ $status -eq 1 ] || [ "$(field "$report" remap_races)" -gt 0 ] || [ "$(field "$report" alias_races)" -gt 0 ] || [ "$(field "$report" illegal_accesses)" -gt 0 ] ||
		[ "$(field "$report" vram_peak)" -gt $cap ]
}
wrong=0
for seed in $(seq 1 24); do finds right "$seed" && wrong=$((wrong + 1)); done
if [ $wrong -eq 0 ]; then passed=$((passed + 1)); else
	failed=$((failed + 1))
	echo "failed: the right pager is faulted with $wrong of 24 seeds"
fi
for fault in no_drain no_gate before_copy lost_write early_reuse alias above_cap hole; do
	found=
	for seed in $(seq 1 64); do
		if finds "$fault" "$seed"; then
			found=$seed
			break
		fi
	done
	if [ -n "$found" ]; then
		passed=$((passed + 1))
		echo "$fault: found with seed $found"
	else
		failed=$((failed + 1))
		echo "failed: $fault is not found within 64 seeds"
	fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
