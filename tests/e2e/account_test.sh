#!/usr/bin/env bash
# What is taken of the card and of RAM is given back, and what is refused is said: which budget, how much, what to do.
# Knobs: CASES, SAFETIES, SCHEDS.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
report=$O/e2e/account.json
err=$O/e2e/account.err
run() { # run CASE CAP_MIB VARIABLE=VALUE...: under each level of safety and scheduler; the last one's log is in $err
	local case=$1 cap=$(($2 << 20)) safety scheduler what seen
	shift 2
	[[ " ${CASES:-$case} " == *" $case "* ]] || return 1
	for safety in ${SAFETIES:-strict overlap}; do
		for scheduler in ${SCHEDS:-$([ "$safety" = strict ] && echo virtual || echo seeded)}; do
			what="$case, $safety, $scheduler, $*"
			rm -f "$report"
			if ! env LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_SAFETY="$safety" LOWTIDE_SIM_SCHED="$scheduler" LOWTIDE_TEST_THREAD=0 \
				LOWTIDE_SIM_REPORT="$report" "$@" LD_PRELOAD="$O/liblowtide.so" timeout 60 "$O/e2e/sim_account" "$case" 2>"$err"; then
				fail "$what: $(grep -v '^lowtide' "$err")"
				continue
			fi
			seen=$(faults "$report" $cap)
			check "$what: $seen" [ -z "$seen" ]
		done
	done
}
lines() { grep -c "$1" "$err"; }

run all_freed 22
run all_freed 22 LOWTIDE_POLICY=balanced
run most_freed 22
run most_freed 22 LOWTIDE_POLICY=balanced
run spare_is_free 180 LOWTIDE_SIM_VRAM=184M LOWTIDE_REPORT=cap
run spare_is_free 22 LOWTIDE_REPORT=cap LOWTIDE_SIM_VRAM=200M
run spare_is_free 180 LOWTIDE_SIM_VRAM=184M LOWTIDE_REPORT=physical
if run refused 22 LOWTIDE_HOST=8M; then
	check "a probe for far too much, and then the budget: two lines" [ "$(lines 'refused as out of memory')" -eq 2 ]
	check "the budget is named, and what is taken of it" \
		grep -q '2097152 bytes refused .* cap of 22 MiB is full, .* 8 MiB of RAM .*(LOWTIDE_HOST) 8 are taken: raise LOWTIDE_HOST or' "$err"
fi
if run refused 22 LOWTIDE_SIM_HOST=16M LOWTIDE_HOST=1G; then
	check "what can be pinned is named" grep -q '2097152 bytes refused .* pins no more RAM .*(CUDA error 2)' "$err"
	check "a line a reason" [ "$(lines 'refused as out of memory')" -eq 2 ]
fi
run second_context_works 22
run second_context_works 22 LOWTIDE_POLICY=sequential LOWTIDE_DIRTY=always
run crosswise 22
run contexts_end 30
run resets 22
run free_under_work 22
run managed 22
run gap 22
run arrays 22

# Where nothing moves, that is said, and not that paging begins.
begins='paging begins'
still='nothing moves between VRAM and RAM while it has more than one context'
for safety in ${SAFETIES:-strict overlap}; do
	for when in first later gone; do
		SAFETIES=$safety SCHEDS=virtual run second_context 22 WHEN=$when || continue
		check "second context, $when, $safety: paging begins" [ "$(lines "$begins")" -eq $([ $when = first ] && echo 0 || echo 1) ]
		check "second context, $when, $safety: nothing moves" [ "$(lines "$still")" -eq $([ $when = gone ] && echo 0 || echo 1) ]
	done
done

# A cap above what the card has left, 34 MiB: that is found out once, and then is as a cap of so much.
driver=$O/e2e/account.log
stats=$O/e2e/account.stats
windows() { # windows CAP_MIB VARIABLE=VALUE...: how many there were, in $count
	local cap=$1
	shift
	SAFETIES=$safety SCHEDS=virtual run short_card "$cap" LOWTIDE_POLICY="$policy" LOWTIDE_STATS="$stats" \
		LOWTIDE_SIM_LOG="$driver" "$@" || return 1
	count=$(grep -oE '"windows": [0-9]+' "$stats" | tail -1 | grep -oE '[0-9]+')
}
for policy in ${POLICIES:-lru balanced sequential group}; do
	for safety in ${SAFETIES:-strict overlap}; do
		what="short_card, $policy, $safety"
		windows 34 || continue
		as_many=$count
		windows 60 LOWTIDE_SIM_VRAM=64M LOWTIDE_SIM_CONTEXT=30M
		asked=$(grep -c 'cuMemCreate: error' "$driver")
		check "$what: $asked frames asked for that the card has not" [ "$asked" -le 4 ]
		check "$what: $count windows, with so small a cap $as_many" [ "$count" -le $((as_many + 4)) ]
	done
done
if SAFETIES=strict SCHEDS=virtual run short_card_of_sizes 40 LOWTIDE_SIM_VRAM=52M LOWTIDE_SIM_CONTEXT=30M LOWTIDE_BLOCK=8M \
	LOWTIDE_SIM_LOG="$driver"; then
	asked=$(grep -c 'cuMemCreate: error' "$driver")
	check "blocks of two sizes: $asked frames asked for that the card has not" [ "$asked" -le 4 ]
fi
finish
