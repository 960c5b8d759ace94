#!/usr/bin/env bash
# Calls that the driver is handed whole do not end overlap: what they name is kept, what is not ours is ignored. Knob: CASES.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
cap=$((22 << 20)) report=$O/e2e/sim_overlap.json stats=$O/e2e/sim_overlap.stats
for case in ${CASES:-$("$O/e2e/sim_overlap")}; do
	ends_well "$case, without the library" timeout 60 "$O/e2e/sim_overlap" "$case"
	for scheduler in virtual seeded; do
		rm -f "$report" "$stats"
		said=$(LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=2M LOWTIDE_POLICY=balanced LOWTIDE_SAFETY=overlap LOWTIDE_TEST_VERIFY=1 \
			LOWTIDE_STATS="$stats" LOWTIDE_SIM_SCHED=$scheduler LOWTIDE_SIM_REPORT="$report" \
			LD_PRELOAD="$O/liblowtide.so" timeout 60 "$O/e2e/sim_overlap" "$case" 2>&1)
		check "$case, $scheduler: ends well: $said" [ $? -eq 0 ]
		check "$case, $scheduler: overlap does not end: $said" eval '! grep -q "nobody can tell" <<<"$said"'
		check "$case, $scheduler: $(field "$stats" evictions) blocks left" [ "$(field "$stats" evictions)" -gt 50 ]
		seen=$(faults "$report" $cap)
		check "$case, $scheduler: $seen" [ -z "$seen" ]
	done
done
finish
