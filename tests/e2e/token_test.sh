#!/usr/bin/env bash
# Programs with several threads under the token (tests/sim/token/): one seed, one interleaving, and the same report to the
# byte, with the library and without; another seed, another one. Races that are planted between a program's threads are
# found within a few seeds, and nothing wrong with the library as it is. Knob: SEEDS, how many at most.
#
# Sizes: blocks of 2, 4, 8 and 32 MiB go round from row to row, so that both levels of safety, both planted races and the
# crowd meet each; for 8 and 32 MiB the programs are those with everything four times as large.
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
blocks=(2M 4M 8M 32M) turn=0
sized() { # sized BLOCK: sets block; for it, what streams is told, the cap it is given, and what other programs' names end in
	block=$1 cap=22 large=''
	case $1 in
	2M) streams=(--mb 32) ;;
	4M) streams=(--mb 48 --tensors 8 --stride 16 --steps 3) cap=32 ;;
	8M) streams=(--mb 80 --tensors 6 --stride 32 --steps 2) cap=48 large=_8m ;;
	32M) streams=(--mb 160 --tensors 4 --stride 64 --steps 2) cap=96 large=_8m ;;
	esac
}
sized_program() { # sized_program BLOCK: as for the programs of this folder
	sized "$1"
	cap=$([ -n "$large" ] && echo 88 || echo 22)
}
run() { # run REPORT SEED LIBRARY PRELOAD PROGRAM ARGUMENT...
	local report=$1 seed=$2 settings=()
	case $3 in
	none) ;;
	unmapped) settings=(LOWTIDE_COLD=unmapped LOWTIDE_VRAM=${cap}M LOWTIDE_POLICY=lru) ;;
	*) settings=(LOWTIDE_SAFETY="$3" LOWTIDE_VRAM=${cap}M LOWTIDE_POLICY=${policy:-balanced}) ;;
	esac
	settings+=(LOWTIDE_MIN=${min:-1M} LOWTIDE_BLOCK=$block LOWTIDE_HOST=1G LOWTIDE_LOG=error LD_PRELOAD="$4")
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
	for library in none strict overlap; do
		for LOWTIDE_TEST_THREAD in 0 1; do
			export LOWTIDE_TEST_THREAD
			[ "$library$LOWTIDE_TEST_THREAD" = none0 ] && continue
			sized ${blocks[turn % 4]}
			[ $library = none ] || turn=$((turn + 1))
			what="streams, $LOWTIDE_SIM_SCHED, library $library, blocks of $block, thread $LOWTIDE_TEST_THREAD"
			# With seed after seed, one thread or another is refused memory that is too small to be paged (about one seed
			# in eight). Whether a run repeats is asked of runs that go to their end.
			min=64K check "$what: one seed, one run" repeats $library "$O/workloads/streams" "${streams[@]}"
			min=64K check "$what: two seeds are two runs" differs $library "$O/workloads/streams" "${streams[@]}"
		done
	done
	turn=2 # of the other scheduler's rows each has another size
done
for case in "none 2M sim_life per_thread" "strict 8M sim_life per_thread" "overlap 32M sim_life threads" \
	"unmapped 4M sim_unmapped rivals" "strict 2M sim_life capture"; do
	read -r library size program argument <<<"$case"
	sized_program "$size"
	what="$program $argument, library $library, blocks of $size"
	check "$what: one seed, one run" repeats "$library" "$O/e2e/$program$large" "$argument"
	check "$what: two seeds are two runs" differs "$library" "$O/e2e/$program$large" "$argument"
done

# --- planted races ---------------------------------------------------------------------------------
wrong() { # wrong LIBRARY SEED: streams does not end well, or something is seen to be wrong
	policy=sequential run "$dir/a" "$2" strict "$1 $token" "$O/workloads/streams" "${streams[@]}" || return 0
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
export LOWTIDE_SIM_SCHED=seeded LOWTIDE_TEST_THREAD=0
sized 2M # of larger blocks the crowd, below
streams+=(--tensors 16) cap=12
"$O/workloads/streams" "${streams[@]}" >"$dir/bare" 2>/dev/null
for fault in no_gate no_wait; do
	check "$fault is found within $seeds seeds" found_wrong "$O/planted/$fault/liblowtide.so"
done
seeds=$needed
sound() { ! found_wrong "$O/liblowtide.so"; }
check "the right library is right with these seeds" sound

# --- the cap ---------------------------------------------------------------------------------------
# Small allocations take frames, while other threads make and release theirs.
within_cap() { # within_cap SEED
	policy=lru run "$dir/a" "$1" overlap "$O/liblowtide.so $token" "$O/workloads/streams" "${streams[@]}" &&
		[ -z "$(faults "$dir/a" $((cap << 20)))" ]
}
for case in "0 15 2M" "0 16 4M" "0 29 2M" "0 113 8M" "1 15 4M" "1 16 2M" "1 29 32M" "1 113 2M"; do
	read -r LOWTIDE_TEST_THREAD seed size <<<"$case"
	export LOWTIDE_TEST_THREAD
	sized "$size"
	[ "$size" = 2M ] && cap=32
	check "streams, seed $seed, thread $LOWTIDE_TEST_THREAD, blocks of $size: within the cap" within_cap "$seed"
done

# --- a crowd ---------------------------------------------------------------------------------------
sound_crowd() { # sound_crowd LIBRARY SAFETY SEED BLOCK
	sized_program "$4"
	policy=lru run "$dir/a" "$3" "$2" "$1 $token" "$O/e2e/sim_crowd$large" "$3" && [ ! -s "$dir/a.err" ] &&
		[ -z "$(faults "$dir/a" $((cap << 20)))" ]
}
sound_crowds() { # sound_crowds LIBRARY SAFETY
	local seed
	for seed in 1 2 3 4; do
		sound_crowd "$1" "$2" $seed ${blocks[seed % 4]} || { echo "seed $seed"; return 1; }
	done
}
for safety in strict overlap unmapped; do
	export LOWTIDE_TEST_THREAD=1
	check "a crowd, $safety" sound_crowds "$O/liblowtide.so" $safety
	sized_program 2M
	check "a crowd, $safety: one seed, one run" repeats $safety "$O/e2e/sim_crowd" 3
done
# Which seed finds a broken library changes with the library: any of so many may. The right one is asked with the same.
found_in_crowd() { # found_in_crowd FAULT SIZE: the seed into $found
	for ((found = 1; found <= 24; found++)); do
		sound_crowd "$O/planted/$1/liblowtide.so" strict "$found" "$2" || return 0
	done
	return 1
}
for size in 2M 4M 8M 32M; do
	for fault in no_gate no_wait; do
		check "$fault is found in a crowd, blocks of $size" found_in_crowd $fault $size
		check "the right library is right in that crowd, seed $found, blocks of $size" \
			sound_crowd "$O/liblowtide.so" strict "$found" "$size"
	done
done

finish
