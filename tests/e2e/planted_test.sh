#!/usr/bin/env bash
# Deliberately broken pagers: the simulated GPU's seeded scheduler and its checks find each within a few seeds, and
# find nothing wrong with the right one.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so LOWTIDE_SIM_SCHED=seeded
report=$O/e2e/planted.json
cap=$((2 << 20)) # of one frame
finds() { # finds FAULT SEED: true if something is seen to be wrong
	rm -f "$report"
	LOWTIDE_SIM_SEED=$2 LOWTIDE_SIM_REPORT=$report LOWTIDE_SIM_FAIL=$([ "$1" = hole ] && echo cuMemMap:4) \
		timeout 60 "$O/e2e/sim_planted" "$1" >/dev/null 2>&1
	local status=$?
	[ $status -eq 1 ] || [ -n "$(faults "$report" $cap)" ]
}
wrong=0
for seed in $(seq 1 24); do finds right "$seed" && wrong=$((wrong + 1)); done
check "the right pager is faulted with $wrong of 24 seeds" [ $wrong -eq 0 ]
for fault in no_drain no_gate before_copy lost_write early_reuse alias above_cap hole; do
	found=
	for seed in $(seq 1 64); do
		if finds "$fault" "$seed"; then
			found=$seed
			break
		fi
	done
	if [ -n "$found" ]; then
		pass
		echo "$fault: found with seed $found"
	else
		fail "$fault is not found within 64 seeds"
	fi
done
finish
