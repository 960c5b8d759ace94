#!/usr/bin/env bash
# Memory that is used again for something else takes about as long as if it were new, whatever was uploaded there before.
# Knobs: POLICIES, SAFETIES, CASES.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
report=$O/e2e/extents.json
took() { # took CASE BEFORE: its time in the simulated GPU's microseconds, in $us
	rm -f "$report"
	BEFORE=$2 LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=2M LOWTIDE_POLICY=$policy LOWTIDE_SAFETY=$safety LOWTIDE_LOG=error \
		LOWTIDE_SIM_REPORT=$report LD_PRELOAD=$O/liblowtide.so timeout 120 "$O/e2e/sim_extents" "$1" >/dev/null || return 1
	seen=$(faults "$report" "$cap")
	us=$(($(field "$report" virtual_ns) / 1000))
}
cap=$((22 << 20))
for policy in ${POLICIES:-sequential balanced lru}; do
	for safety in ${SAFETIES:-strict overlap}; do
		for case in ${CASES:-activation model}; do
			[ "$case" = unseen ] && continue
			new=0
			for before in 0 1 2 3; do
				[ "$case-$before" = activation-3 ] && continue
				what="$case, after $before, $policy, $safety"
				if ! took "$case" $before; then
					fail "$what: it does not end well"
					continue
				fi
				check "$what: $seen" [ -z "$seen" ]
				[ $before -eq 0 ] && new=$us
				# A little more, and what the first model itself took: a round of thirty, and its upload.
				check "$what takes $us us, new $new" [ $us -le $((new * 13 / 10)) ]
			done
		done
	done
done
# By demand alone it is known what should be where in the end.
policy=lru
for safety in ${SAFETIES:-strict overlap}; do
	[[ " ${CASES:-unseen} " == *" unseen "* ]] && check "unseen, $safety: it is noticed what else is used" took unseen 0
done
finish
