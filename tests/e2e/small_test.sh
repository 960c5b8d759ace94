#!/usr/bin/env bash
# Allocations below LOWTIDE_MIN, which share blocks: under the cap, where nothing is paged, and where they are the driver's.
# Knobs: CASES.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
large='' # or _8m: what is large is four times so
all=${CASES:-$("$O/e2e/sim_small")}
only() { # only CASE CAP VARIABLE=VALUE...
	[[ " $all " == *"$1"* ]] || return 0
	CASES=$1 run_at_2m "sim_small$large" "${@:2}"
}
every() { # every CAP VARIABLE=VALUE...: but for the cases that have settings of their own
	local case
	for case in $all; do
		case $case in card_is_full | second_context | past_the_end) ;; *) only "$case" "$@" ;; esac
	done
}
every $((22 << 20)) LOWTIDE_TEST_VERIFY=1
every $((200 << 20)) LOWTIDE_POLICY=none
every $((400 << 20)) LOWTIDE_DRIVER_BELOW=1M
every $((22 << 20)) LOWTIDE_COLD=unmapped LOWTIDE_SIM_HOST_NUMA=0 LOWTIDE_POLICY=balanced
# Frames of small ones and of larger blocks than theirs take each other's room.
large=_8m
for block in 8M 32M; do
	only beside_large $((88 << 20)) LOWTIDE_BLOCK=$block LOWTIDE_TEST_VERIFY=1
	only beside_large $((88 << 20)) LOWTIDE_BLOCK=$block LOWTIDE_POLICY=balanced LOWTIDE_COLD=unmapped LOWTIDE_SIM_HOST_NUMA=0
done
only freed_in_order $((22 << 20)) LOWTIDE_BLOCK=8M LOWTIDE_TEST_VERIFY=1
only threads $((22 << 20)) LOWTIDE_BLOCK=32M LOWTIDE_TEST_VERIFY=1
large=''
# The driver lets a copy go into what it packed beside: here that is refused, as for larger ones.
for safety in strict overlap; do
	[[ " ${CASES:-past_the_end} " == *" past_the_end "* ]] || continue
	ends_well "past_the_end, $safety" env LOWTIDE_VRAM=22M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_SAFETY=$safety LOWTIDE_LOG=error \
		LD_PRELOAD="$O/liblowtide.so" timeout 60 "$O/e2e/sim_small" past_the_end
done
# Nothing moves while there are two contexts: both must fit.
only second_context $((80 << 20)) LOWTIDE_TEST_VERIFY=1
only second_context $((80 << 20)) LOWTIDE_POLICY=none
# Others fill the card below the cap: the driver refuses first.
only card_is_full $((200 << 20)) LOWTIDE_SIM_VRAM=124M LOWTIDE_SIM_CONTEXT=100M
finish
