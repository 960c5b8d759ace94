#!/usr/bin/env bash
# Machines whose kernels cannot reach host frames, with LOWTIDE_COLD=unmapped: the roads of sim_unmapped and sim_edges,
# copies that return as they should, what is refused and what is said. Knob: CASES.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim
dir=$O/e2e/unmapped
rm -rf "$dir"
mkdir -p "$dir"
explain() { head -n 5 "$dir/err"; }
cap=$((22 << 20))
unmapped() { # unmapped VARIABLE=VALUE... PROGRAM ARGUMENT...: sets status, err
	rm -f "$dir/report" "$dir/stats"
	env LOWTIDE_COLD=unmapped LOWTIDE_SIM_HOST_NUMA=0 LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru \
		LOWTIDE_VERIFY=1 LOWTIDE_STATS="$dir/stats" LOWTIDE_SIM_REPORT="$dir/report" LD_PRELOAD="$O/liblowtide.so" \
		timeout 90 env "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	err=$(<"$dir/err")
}
said() { grep -qE -- "$1" <<<"$err"; }
sound() { # the cap was held, and nothing touched what is not mapped or was being changed
	[ -z "$(faults "$dir/report" $cap)" ] && ! said 'could not be put back|differs between'
}
paged() { [ "$(field "$dir/stats" page_ins)" -gt 0 ] && [ "$(field "$dir/stats" launches_in_place)" -eq 0 ]; }

# --- the roads -----------------------------------------------------------------------------------
for case in ${CASES:-$("$O/e2e/sim_unmapped")}; do
	image=sim_image.so driver=13000 schedulers="virtual seeded threads"
	# The spinning host function holds the others' only processor elsewhere.
	[ "$case" = late ] && schedulers=threads
	[ "$case" = unknown ] && image=sim_image_silent.so driver=12030
	for scheduler in $schedulers; do
		unmapped SIM_IMAGE="$O/unit/$image" LOWTIDE_SIM_DRIVER=$driver LOWTIDE_SIM_SCHED=$scheduler \
			"$O/e2e/sim_unmapped" "$case"
		check "$case, $scheduler: all is well (status $status)" [ $status -eq 0 ]
		check "$case, $scheduler: sound" sound
		case $case in
		rivals | copies | captured) check "$case, $scheduler: pages" paged ;;
		late | beside_a_capture) check "$case, $scheduler: says why" said 'cannot be brought to VRAM now' ;;
		*) check "$case, $scheduler: says why" said 'must be in VRAM together' ;;
		esac
	done
done
for case in peer_copies array_copies values_at_once handles stream_of_2_0 capture_beside_a_thread free_beside_a_capture destroy_beside_a_capture; do
	for scheduler in virtual seeded threads; do
		unmapped SIM_IMAGE="$O/unit/sim_image.so" LOWTIDE_SIM_SCHED=$scheduler "$O/e2e/sim_edges" $case
		check "$case, $scheduler: all is well (status $status)" [ $status -eq 0 ]
		check "$case, $scheduler: sound" sound
	done
done
# What the nodes of these graphs hold, and what is used beside them, is 48 MiB.
for case in graph graph_of_10_0 graph_of_11_0 graph_updates pool_keeps; do
	for room in 22 52; do
		cap=$((room << 20))
		unmapped SIM_IMAGE="$O/unit/sim_image.so" "$O/e2e/sim_edges" $case
		check "$case, $room MiB: sound" sound
		if [ $room = 22 ]; then
			check "$case, $room MiB: refused (status $status)" eval '[ $status -eq 3 ] && said OUT_OF_MEMORY'
			check "$case, $room MiB: says why" said 'must be in VRAM together'
		else
			check "$case, $room MiB: all is well (status $status)" [ $status -eq 0 ]
		fi
	done
done
cap=$((22 << 20))

# --- copies and fills return as the driver's do --------------------------------------------------
expected() { sed -E '/^[^ ]*Async.* <- pageable/s/ (waits|returns),/ returns or waits,/' "$1"; }
SIM_IMAGE=$O/unit/sim_image.so timeout 120 "$O/e2e/sim_blocking" >"$dir/bare" 2>/dev/null
unmapped SIM_IMAGE="$O/unit/sim_image.so" LOWTIDE_VRAM=16M "$O/e2e/sim_blocking"
check "blocking: ends well" [ $status -eq 0 ]
check "blocking: some of it is not mapped" said '^third \?\?\?$'
check "blocking: as without the library" diff <(expected "$dir/bare") <(expected "$dir/out")

# --- what is said --------------------------------------------------------------------------------
unmapped LOWTIDE_SAFETY=graced "$O/workloads/diffusion" --mb 32
check "graced is not offered: one line" [ "$(grep -c 'graced is not offered' <<<"$err")" -eq 1 ]
check "graced is not offered: strict pages" paged
check "a machine with host frames: the same" eval 'unmapped LOWTIDE_SIM_HOST_NUMA=1 "$O/workloads/diffusion" --mb 32 && paged && sound'
unmapped LOWTIDE_COLD=mapped "$O/workloads/diffusion" --mb 32
check "mapped, where it cannot be: the other way is named" said 'nothing is paged.*LOWTIDE_COLD=unmapped'
for name in onebuffer experts; do
	unmapped "$O/workloads/$name" --mb 32
	check "$name, all named at once, does not fit: the program is told" eval '[ $status -eq 3 ] && said OUT_OF_MEMORY'
	check "$name, does not fit: one line says why" [ "$(grep -c 'must be in VRAM together' <<<"$err")" -eq 1 ]
	check "$name, does not fit: sound" sound
done
finish
