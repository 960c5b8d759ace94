#!/usr/bin/env bash
# One card's memory copied and filled while the other card's context is current, wherever it lies. Knobs: SEEDS, STEPS, SCHEDS.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so LOWTIDE_SIM_DEVICES=2
cap=$((14 << 20)) report=$O/e2e/sim_other_card.json
for seed in ${SEEDS:-1 2}; do
	ends_well "without the library, seed $seed" env LOWTIDE_SIM_SCHED=threads timeout 60 "$O/e2e/sim_other_card" "$seed" "${STEPS:-40}"
	for scheduler in ${SCHEDS:-virtual seeded threads}; do
		for setting in SAFETY=strict SAFETY=overlap COLD=unmapped; do
			what="seed $seed, $scheduler, $setting"
			rm -f "$report"
			ends_well "$what" env "LOWTIDE_$setting" LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_LOG=error \
				LOWTIDE_TEST_VERIFY=1 LOWTIDE_SIM_SCHED="$scheduler" LOWTIDE_SIM_SEED="$seed" LOWTIDE_SIM_REPORT="$report" \
				LD_PRELOAD="$O/liblowtide.so" timeout 120 "$O/e2e/sim_other_card" "$seed" "${STEPS:-40}"
			seen=$(faults "$report" $cap)
			check "$what: $seen" [ -z "$seen" ]
		done
	done
done
# The streams that carry such copies leave nothing behind: what lives is what the pagers made at their start.
rm -f "$report"
ends_well "160 steps" env LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_LOG=error LOWTIDE_SIM_SCHED=virtual LOWTIDE_SIM_REPORT="$report" \
	LD_PRELOAD="$O/liblowtide.so" timeout 120 "$O/e2e/sim_other_card" 1 160
alive=$(($(field "$report" cuEventCreate) - $(field "$report" cuEventDestroy_v2)))
check "160 steps leave $alive events" [ $alive -le 100 ]
finish
