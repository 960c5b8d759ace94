#!/usr/bin/env bash
# Machines whose kernels cannot reach host frames, with LOWTIDE_COLD=unmapped: the roads of sim_unmapped and sim_edges,
# copies that return as they should, what is refused and what is said. Knob: CASES, of sim_unmapped.
#
# Sizes: a case of sim_unmapped is run with blocks of 2, 4, 8 and 32 MiB; one of sim_edges, which are slower, with 2, 4 and
# one of the larger ones, these by turns. The scheduler goes round with them, so that each case meets all three. Of the
# graphs' cases, what is refused meets each size, and what is not. 8 and 32 MiB are run by the programs that are built for
# that, where everything, and the cap, is four times as large.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim
dir=$O/e2e/unmapped
rm -rf "$dir"
mkdir -p "$dir"
key=$dir/run
explain() { head -n 5 "$key.err"; }
image=sim_image.so driver=13000 scheduler=virtual

sized() { # sized MIB BLOCK: sets block; of the programs that are built for it the name's end, and their cap where it is MIB
	block=$2 large='' cap=$(($1 << 20))
	case $2 in 8M | 32M) large=_8m cap=$(($1 << 22)) ;; esac
}
start() { # start KEY VARIABLE=VALUE... PROGRAM ARGUMENT...: its status goes to KEY.status, the rest beside it
	local key=$1
	shift
	rm -f "$key.report" "$key.stats"
	env LOWTIDE_COLD=unmapped LOWTIDE_SIM_HOST_NUMA=0 LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=$block LOWTIDE_POLICY=lru \
		LOWTIDE_TEST_VERIFY=1 LOWTIDE_STATS="$key.stats" LOWTIDE_SIM_REPORT="$key.report" LD_PRELOAD="$O/liblowtide.so" \
		SIM_IMAGE="$O/unit/$image" LOWTIDE_SIM_DRIVER=$driver LOWTIDE_SIM_SCHED=$scheduler \
		timeout 90 env "$@" >"$key.out" 2>"$key.err"
	echo $? >"$key.status"
}
look() { # look KEY: sets status, err, and what else is asked of a run
	key=$1
	status=$(<"$key.status")
	err=$(<"$key.err")
}
unmapped() { # unmapped VARIABLE=VALUE... PROGRAM ARGUMENT...
	start "$dir/run" "$@"
	look "$dir/run"
}
said() { grep -qE -- "$1" <<<"$err"; }
sound() { # the cap was held, and nothing touched what is not mapped or was being changed
	[ -z "$(faults "$key.report" "$cap")" ] && ! said 'could not be put back|differs between'
}
paged() { [ "$(field "$key.stats" page_ins)" -gt 0 ] && [ "$(field "$key.stats" launches_in_place)" -eq 0 ]; }

sizes=(2M 4M 8M 32M) schedulers=(virtual seeded threads)
judged() { # judged CASE: what was looked at is as it should be
	local what="$1, blocks of $block, $scheduler"
	check "$what: all is well (status $status)" [ "$status" -eq 0 ]
	check "$what: sound" sound
	case $1 in
	rivals | copies | captured | freed) check "$what: pages" paged ;;
	late | beside_a_capture) check "$what: says why" said 'cannot be brought to VRAM now' ;;
	*) check "$what: says why" said 'must be in VRAM together' ;;
	esac
}

# --- what only waits, beside all the rest --------------------------------------------------------
waiting=()
for case in ${CASES:-late beside_a_capture}; do
	[[ " late beside_a_capture " == *" $case "* ]] || continue
	for i in 0 1 2 3; do
		sized 22 ${sizes[i]}
		scheduler=${schedulers[i % 3]}
		# The host function of `late` holds the others' only processor elsewhere.
		[ "$case" = late ] && scheduler=threads
		waiting+=("$case $scheduler $block")
		start "$dir/$case.$block" "$O/e2e/sim_unmapped$large" "$case" &
	done
done
for size in '' _8m; do
	SIM_IMAGE=$O/unit/sim_image.so timeout 120 "$O/e2e/sim_blocking$size" >"$dir/bare$size" 2>/dev/null &
done

# --- the roads -----------------------------------------------------------------------------------
turn=0
for case in ${CASES:-$("$O/e2e/sim_unmapped")}; do
	[[ " late beside_a_capture " == *" $case "* ]] && continue
	[ "$case" = unknown ] && image=sim_image_silent.so driver=12030
	for i in 0 1 2 3; do
		sized 22 ${sizes[i]}
		scheduler=${schedulers[(i + turn) % 3]}
		unmapped "$O/e2e/sim_unmapped$large" "$case"
		judged "$case"
	done
	image=sim_image.so driver=13000
	turn=$((turn + 1))
done
for case in peer_copies array_copies values_at_once handles stream_of_2_0 capture_beside_a_thread free_beside_a_capture destroy_beside_a_capture; do
	for i in 0 1 $((2 + turn % 2)); do
		sized 22 ${sizes[i]}
		scheduler=${schedulers[(i + turn / 2) % 3]}
		unmapped "$O/e2e/sim_edges$large" $case
		check "$case, blocks of $block, $scheduler: all is well (status $status)" [ "$status" -eq 0 ]
		check "$case, blocks of $block, $scheduler: sound" sound
	done
	turn=$((turn + 1))
done
scheduler=virtual
# What the nodes of these graphs hold, and what is used beside them, is 48 MiB.
turn=0
for case in graph graph_of_10_0 graph_of_11_0 graph_updates pool_keeps; do
	turn=$((turn + 1))
	for room in 18 52; do
		sized $room ${sizes[(turn + room / 26) % 4]}
		unmapped "$O/e2e/sim_edges$large" $case
		what="$case, blocks of $block, $((cap >> 20)) MiB"
		check "$what: sound" sound
		if [ $room = 18 ]; then
			check "$what: refused (status $status)" eval '[ $status -eq 3 ] && said OUT_OF_MEMORY'
			check "$what: says why" said 'must be in VRAM together'
		else
			check "$what: all is well (status $status)" [ "$status" -eq 0 ]
		fi
	done
done

# --- what is said --------------------------------------------------------------------------------
sized 22 2M
unmapped LOWTIDE_SAFETY=overlap "$O/workloads/diffusion" --mb 32
check "overlap is not offered: one line" [ "$(grep -c 'overlap is not offered' <<<"$err")" -eq 1 ]
check "overlap is not offered: strict pages" paged
block=4M
check "a machine with host frames: the same" eval 'unmapped LOWTIDE_SIM_HOST_NUMA=1 "$O/workloads/diffusion" --mb 32 && paged && sound'
unmapped LOWTIDE_COLD=mapped "$O/workloads/diffusion" --mb 32
check "mapped, where it cannot be: the other way is named" said 'nothing is paged.*LOWTIDE_COLD=unmapped'
for block in 2M 8M 32M; do
	name=$([ $block = 8M ] && echo experts || echo onebuffer)
	what="$name, blocks of $block, all named at once, does not fit"
	unmapped "$O/workloads/$name" --mb 32
	check "$what: the program is told" eval '[ $status -eq 3 ] && said OUT_OF_MEMORY'
	check "$what: one line says why" [ "$(grep -c 'must be in VRAM together' <<<"$err")" -eq 1 ]
	check "$what: sound" sound
done

# --- copies and fills return as the driver's do --------------------------------------------------
wait
expected() { sed -E '/^[^ ]*Async.* <- pageable/s/ (waits|returns),/ returns or waits,/' "$1"; }
for block in 4M 32M; do
	sized 16 $block
	unmapped "$O/e2e/sim_blocking$large"
	check "blocking, blocks of $block: ends well" [ "$status" -eq 0 ]
	check "blocking, blocks of $block: some of it is not mapped" said '^third \?\?\?$'
	check "blocking, blocks of $block: as without the library" diff <(expected "$dir/bare$large") <(expected "$key.out")
done

# --- what only waited ----------------------------------------------------------------------------
for run in ${waiting[@]+"${waiting[@]}"}; do
	read -r case scheduler block <<<"$run"
	sized 22 "$block"
	look "$dir/$case.$block"
	judged "$case"
done
finish
