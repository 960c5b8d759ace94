#!/usr/bin/env bash
# Threads with stacks of 16 KiB: bare, then under the library, by all policies, schedulers and levels of safety in turn, and on a
# driver that does not tell of kernels' parameters, so that images are read for them. Knob: CASES.
. "$(dirname "$0")/lib.sh"
export SIM_IMAGE=$O/unit/sim_image.so
report=$O/e2e/stack.report cap=$((22 << 20))
bare() { LD_LIBRARY_PATH=$O/sim timeout 60 "$O/e2e/sim_stack" "$1"; }
capped() { # capped CASE VARIABLE=VALUE...
	local seen
	rm -f "$report"
	env LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=2M LOWTIDE_LOG=error LOWTIDE_SIM_REPORT="$report" "${@:2}" LD_PRELOAD="$O/liblowtide.so" \
		timeout 60 "$O/e2e/sim_stack" "$1" || return
	seen=$(faults "$report" $cap)
	echo "$seen"
	[ -z "$seen" ]
}
for case in ${CASES:-first work images}; do
	ends_well "$case, without the library" bare "$case"
	for safety in strict overlap; do
		ends_well "$case, $safety, an older driver" capped "$case" LOWTIDE_POLICY=sequential LOWTIDE_SAFETY=$safety \
			LOWTIDE_SIM_SCHED=virtual LOWTIDE_SIM_DRIVER=12030 LD_LIBRARY_PATH="$O/sim-12.3"
		for policy in lru sequential balanced group auto; do
			for scheduler in virtual threads; do
				ends_well "$case, $safety, $policy, $scheduler" capped "$case" LOWTIDE_POLICY=$policy LOWTIDE_SAFETY=$safety \
					LOWTIDE_SIM_SCHED=$scheduler LD_LIBRARY_PATH="$O/sim"
			done
		done
	done
done
finish
