#!/usr/bin/env bash
# Programs with several threads under the token (tests/sim/token/): one seed, one interleaving, and the same report to the
# byte, with the library and without; another seed, another one. Races that are planted between a program's threads are
# found within a few seeds, and nothing wrong with the library as it is. Knob: SEEDS, how many at most.
. "$(dirname "$0")/lib.sh"
case $O in /*) ;; *) O=$PWD/$O ;; esac
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
dir=$O/e2e/token
token=$O/sim/libtoken.so
seeds=${SEEDS:-64}
rm -rf "$dir"
mkdir -p "$dir"
explain() { head -n 3 "$dir"/*.err; }

# --- the token itself ------------------------------------------------------------------------------
meet() { # meet CASE SEED OUTPUT
	LOWTIDE_SIM_SEED=$2 LOWTIDE_SIM_PATIENCE=${patience:-} LD_PRELOAD=$token timeout 60 "$O/e2e/sim_token" "$1" >"$3" 2>"$3.err"
}
quiet() { meet "$@" && [ ! -s "$3.err" ]; }
for case in meetings forks alone deadlines pauses; do
	check "$case, seed 1" quiet $case 1 "$dir/a"
	check "$case, seed 1 again" quiet $case 1 "$dir/b"
	check "$case: one seed, one order" cmp -s "$dir/a" "$dir/b"
	check "$case, seed 2" quiet $case 2 "$dir/b"
	[ $case = deadlines ] || [ $case = pauses ] && continue # whose order the clock says, or nobody
	check "$case: two seeds are two orders" test "$(cat "$dir/a")" != "$(cat "$dir/b")"
done
strikes() { # strikes CASE STATUS [LINE]: with one of the seeds it ends so, and says this
	local seed
	for seed in $(seq 1 16); do
		meet "$1" "$seed" "$dir/a"
		if [ $? -eq "$2" ] && { [ $# -lt 3 ] || grep -qE -- "$3" "$dir/a.err"; }; then
			echo "$1: seed $seed"
			return 0
		fi
	done
	return 1
}
check "a lost update is found" strikes lost_update 2
check "a lost wake-up is told, and the threads let go" strikes lost_wakeup 0 'token: all threads wait.*a condition'
patience=1 check "a wait that nobody sees is told, and the threads let go" strikes spin 0 'token: nothing was called'

# --- programs repeat -------------------------------------------------------------------------------
run() { # run REPORT SEED LIBRARY PRELOAD PROGRAM ARGUMENT...
	local report=$1 seed=$2 settings=()
	case $3 in
	none) ;;
	unmapped) settings=(LOWTIDE_COLD=unmapped LOWTIDE_VRAM=22M LOWTIDE_POLICY=lru) ;;
	*) settings=(LOWTIDE_SAFETY="$3" LOWTIDE_VRAM=${cap:-22M} LOWTIDE_POLICY=${policy:-balanced}) ;;
	esac
	settings+=(LOWTIDE_MIN=${min:-1M} LOWTIDE_BLOCK=2M LOWTIDE_HOST=1G LOWTIDE_LOG=error LD_PRELOAD="$4")
	shift 4
	rm -f "$report"
	env "${settings[@]}" LOWTIDE_SIM_SEED="$seed" LOWTIDE_SIM_REPORT="$report" timeout 60 "$@" >"$report.out" 2>"$report.err"
}
repeats() { # repeats LIBRARY PROGRAM ARGUMENT...
	local first=$token then=$token
	[ "$1" = none ] || first="$O/liblowtide.so $token" then="$token $O/liblowtide.so"
	run "$dir/a" 7 "$1" "$first" "${@:2}" && run "$dir/b" 7 "$1" "$then" "${@:2}" && [ ! -s "$dir/a.err" ] &&
		[ -s "$dir/a" ] && cmp -s "$dir/a" "$dir/b"
}
differs() { # differs LIBRARY PROGRAM ARGUMENT...: after repeats
	local preload="$O/liblowtide.so $token"
	[ "$1" = none ] && preload=$token
	run "$dir/b" 8 "$1" "$preload" "${@:2}" && [ -s "$dir/b" ] && ! cmp -s "$dir/a" "$dir/b"
}
for LOWTIDE_SIM_SCHED in virtual seeded; do
	export LOWTIDE_SIM_SCHED
	for library in none strict graced; do
		for LOWTIDE_THREAD in 0 1; do
			export LOWTIDE_THREAD
			what="streams, $LOWTIDE_SIM_SCHED, library $library, thread $LOWTIDE_THREAD"
			[ "$library$LOWTIDE_THREAD" = none0 ] && continue
			# With seed after seed, one thread or another is refused memory that is too small to be paged (about one seed
			# in eight). Whether a run repeats is asked of runs that go to their end.
			min=64K check "$what: one seed, one run" repeats $library "$O/workloads/streams" --mb 32
			min=64K check "$what: two seeds are two runs" differs $library "$O/workloads/streams" --mb 32
		done
	done
done
for case in "none sim_life per_thread" "strict sim_life per_thread" "graced sim_life threads" "unmapped sim_unmapped rivals" \
	"strict sim_life capture"; do
	read -r library program argument <<<"$case"
	check "$case: one seed, one run" repeats "$library" "$O/e2e/$program" "$argument"
	check "$case: two seeds are two runs" differs "$library" "$O/e2e/$program" "$argument"
done

# --- planted races ---------------------------------------------------------------------------------
wrong() { # wrong LIBRARY SEED: streams does not end well, or something is seen to be wrong
	cap=12M policy=sequential run "$dir/a" "$2" strict "$1 $token" "$O/workloads/streams" --mb 32 --tensors 16 || return 0
	[ "$(field "$dir/a" remap_races)" -gt 0 ] || [ "$(field "$dir/a" illegal_accesses)" -gt 0 ] ||
		[ "$(head -n 1 "$dir/a.out")" != "$(head -n 1 "$dir/bare")" ] || [ -s "$dir/a.err" ]
}
needed=8
found_wrong() { # found_wrong LIBRARY
	local seed
	for seed in $(seq 1 "$seeds"); do
		if wrong "$1" "$seed"; then
			basename "$(dirname "$1"): seed $seed"
			[ "$seed" -le "$needed" ] || needed=$seed
			return 0
		fi
	done
	return 1
}
export LOWTIDE_SIM_SCHED=seeded LOWTIDE_THREAD=0
"$O/workloads/streams" --mb 32 --tensors 16 >"$dir/bare" 2>/dev/null
for fault in no_gate no_wait; do
	check "$fault is found within $seeds seeds" found_wrong "$O/planted/$fault/liblowtide.so"
done
seeds=$needed
sound() { ! found_wrong "$O/liblowtide.so"; }
check "the right library is right with these seeds" sound

# --- the cap ---------------------------------------------------------------------------------------
# What small allocations take is measured, while other threads make and release frames.
within_cap() { # within_cap SEED
	cap=32M policy=lru run "$dir/a" "$1" graced "$O/liblowtide.so $token" "$O/workloads/streams" --mb 32 &&
		[ -z "$(faults "$dir/a" $((32 << 20)))" ]
}
for LOWTIDE_THREAD in 0 1; do
	export LOWTIDE_THREAD
	for seed in 15 16 29 113; do check "streams, seed $seed, thread $LOWTIDE_THREAD: within the cap" within_cap $seed; done
done

# --- a crowd ---------------------------------------------------------------------------------------
sound_crowd() { # sound_crowd LIBRARY SAFETY SEED
	policy=lru run "$dir/a" "$3" "$2" "$1 $token" "$O/e2e/sim_crowd" "$3" && [ ! -s "$dir/a.err" ] &&
		[ -z "$(faults "$dir/a" $((22 << 20)))" ]
}
sound_crowds() { # sound_crowds LIBRARY SAFETY
	local seed
	for seed in 1 2 3 4 5 6; do
		sound_crowd "$1" "$2" $seed || { echo "seed $seed"; return 1; }
	done
}
for safety in strict graced unmapped; do
	export LOWTIDE_THREAD=1
	check "a crowd, $safety" sound_crowds "$O/liblowtide.so" $safety
	check "a crowd, $safety: one seed, one run" repeats $safety "$O/e2e/sim_crowd" 3
done
for fault in no_gate no_wait; do
	ends_badly() { ! sound_crowds "$O/planted/$fault/liblowtide.so" strict; }
	check "$fault is found in a crowd" ends_badly
done

finish
