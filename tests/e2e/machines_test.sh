#!/usr/bin/env bash
# Other machines: no host frames, a driver that tells no parameters, several cards. What cannot be done is said in one
# line, and what comes out is the same.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim
dir=$O/e2e/machines
mkdir -p "$dir"
cap=$((32 << 20))
run() { # run WORKLOAD VARIABLE=VALUE...: sets out, err, status
	local name=$1
	shift
	rm -f "$dir/report" # an older run's must not answer for this one
	out=$(env LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=2M LOWTIDE_PATIENCE=60 LOWTIDE_SIM_REPORT="$dir/report" "$@" LD_PRELOAD="$O/liblowtide.so" \
		timeout 60 "$O/workloads/$name" --mb 32 2>"$dir/err")
	status=$?
	echo "$out" >"$dir/out"
	out=$(grep ^digest <<<"$out")
	err=$(<"$dir/err")
}
within() { # within BYTES: the report is there and tells of no more
	local peak
	peak=$(field "$dir/report" vram_peak)
	[ -n "$peak" ] && [ "$peak" -le "$1" ]
}
paging() { # what was moved, and what was used in place
	for figure in page_ins evictions bytes_in bytes_out launches_in_place windows; do field "$dir/stats" $figure; done
}
step_ms() { sed -nE 's/.*median_ms ([0-9.]+).*/\1/p' "$dir/out"; }
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > 0 && b > 0 && a <= 1.001 * b && b <= 1.001 * a) }'; }
echo '{"trials":[{"name":"stalls","facts":{"set_access/not_ready":1}}]}' >"$dir/not_ready.json"
for name in ${NAMES:-diffusion decode experts onebuffer streams inplace capture}; do
	bare=$(timeout 60 "$O/workloads/$name" --mb 32 | grep ^digest)
	run $name LOWTIDE_POLICY=lru LOWTIDE_STATS="$dir/stats"
	new=$(paging) new_ms=$(step_ms)
	run $name LOWTIDE_SIM_DRIVER=12030 LOWTIDE_POLICY=lru LOWTIDE_STATS="$dir/stats"
	check "$name, a driver that tells no parameters: the same digest" [ "$out" = "$bare" ]
	check "$name, a driver that tells no parameters: within the cap" within $cap
	# Not so for threads: no two runs of theirs are the same. A new driver's answers take a little of the host's time.
	if [ $name != streams ]; then
		check "$name, a driver that tells no parameters: pages as on one that does" [ "$(paging)" = "$new" ]
		check "$name, a driver that tells no parameters: steps as on one that does" near "$(step_ms)" "$new_ms"
	fi
	check "$name, a driver that tells no parameters: nothing unknown" [ "$(field "$dir/stats" unknown_launches)" = 0 ]
	check "$name, a driver that tells no parameters: no complaint" \
		eval '! grep -q "does not tell kernels" <<<"$err"'
	run $name LOWTIDE_SIM_DRIVER=12030 LOWTIDE_POLICY=lru LOWTIDE_STATS="$dir/stats" \
		WORKLOAD_KERNELS="$O/workloads/kernels_silent.so"
	check "$name, nobody tells parameters: the same digest" [ "$out" = "$bare" ]
	check "$name, nobody tells parameters: within the cap" within $cap
	check "$name, nobody tells parameters: says so" grep -q "does not tell kernels' parameters" <<<"$err"
	check "$name, nobody tells parameters: counted" [ "$(field "$dir/stats" unknown_launches)" -gt 0 ]
	run $name LOWTIDE_SIM_HOST_NUMA=0 LOWTIDE_POLICY=lru LOWTIDE_VRAM=1G
	check "$name, no host frames, room enough: the same digest" [ "$out" = "$bare" ]
	check "$name, no host frames: says so" grep -q 'nothing is paged' <<<"$err"
	run $name LOWTIDE_SIM_HOST_NUMA=0 LOWTIDE_POLICY=lru LOWTIDE_VRAM=16M
	check "$name, no host frames, no room: refused" grep -q OUT_OF_MEMORY <<<"$err"
	check "$name, no host frames, no room: within the cap" within $((16 << 20))
	run $name LOWTIDE_SIM_DEVICES=4 LOWTIDE_POLICY=auto "LOWTIDE_VRAM=1:4M,0:$cap"
	check "$name, four cards: the same digest" [ "$out" = "$bare" ]
	for nodes in 1,1 3,0 -1,0; do
		run $name LOWTIDE_POLICY=lru LOWTIDE_SIM_NUMA_CLAIMED=${nodes%,*} LOWTIDE_SIM_NUMA_NODE=${nodes#*,}
		check "$name, nearest RAM said to be node ${nodes%,*}, frames only on ${nodes#*,}: the same digest" [ "$out" = "$bare" ]
		check "$name, nearest RAM said to be node ${nodes%,*}, frames only on ${nodes#*,}: pages" \
			eval '! grep -q "nothing is paged" <<<"$err"'
	done
	for safety in strict overlap; do
		run $name LOWTIDE_POLICY=lru LOWTIDE_SAFETY=$safety LOWTIDE_PATIENCE=60 LOWTIDE_SIM_PROFILE="$dir/not_ready.json"
		check "$name, access not given while work runs, $safety: the same digest" [ "$out" = "$bare" ]
	done
	run $name LOWTIDE_POLICY=lru LOWTIDE_HOST=16M
	check "$name, little RAM: the same, or out of memory" \
		eval '[ "$out" = "$bare" ] || grep -q OUT_OF_MEMORY <<<"$err"'
	# Kept copies of what is in VRAM are taken for others here, never one that a move is using.
	for room in 24M 32M 40M; do
		run $name LOWTIDE_POLICY=balanced LOWTIDE_SAFETY=overlap LOWTIDE_VRAM=20M LOWTIDE_HOST=$room LOWTIDE_STATS="$dir/stats"
		check "$name, $room of RAM, overlap: the same, or out of memory" \
			eval '[ "$out" = "$bare" ] || grep -q OUT_OF_MEMORY <<<"$err"'
		check "$name, $room of RAM, overlap: no more than that is pinned" \
			[ "$(field "$dir/stats" host_peak_bytes)" -le $((${room%M} << 20)) ]
	done
	run $name LOWTIDE_POLICY=lru LOWTIDE_DIRTY=always
	check "$name, every eviction copied: the same digest" [ "$out" = "$bare" ]
	run $name LOWTIDE_POLICY=lru LOWTIDE_DIRTY=never-clean
	check "$name, nothing kept in RAM: the same digest" [ "$out" = "$bare" ]
done
# Our own kernels, as drivers and cards take them: machine code (the simulated card is of 9.0), else their PTX, for which
# the driver needs its compiler; else none.
kernels() { # kernels FORM: they were loaded so
	grep -q "\"kernels\": \"$1\"" "$dir/stats"
}
told() { # told PATTERN: in one line, of just this
	[ "$(grep -c 'GPU kernels cannot be loaded' <<<"$err")" -eq 1 ] && grep -q "cannot be loaded: .*$1" <<<"$err"
}
not_paged() { [ "$(grep -c 'nothing is paged, as under LOWTIDE_POLICY=none: our GPU kernels' <<<"$err")" -eq 1 ]; }
paged() { [ "$(field "$dir/stats" page_ins)" -gt 0 ]; }
volta=LOWTIDE_SIM_ATTRIBUTES=75:7,76:0 no_jit=LOWTIDE_SIM_JIT=0 missing='libnvidia-ptxjitcompiler.so.1, is missing (CUDA error 221)'
bare=$(timeout 60 "$O/workloads/diffusion" --mb 32 | grep ^digest)
on() { # on VARIABLE=VALUE...
	rm -f "$dir/stats"
	run diffusion LOWTIDE_POLICY=lru LOWTIDE_STATS="$dir/stats" LOWTIDE_LOG=debug "$@"
	virtual_ns=$(field "$dir/report" virtual_ns)
}
on a=b
by_code_ns=$virtual_ns
check "our kernels: machine code" eval 'kernels cubin && paged && [ "$out" = "$bare" ]'
check "our kernels: the time is told" eval \
	'[ -n "$(field "$dir/stats" kernels_load_us)" ] && grep -qE "machine code for sm_90 was loaded in [0-9]+ us" <<<"$err"'
on $volta
check "our kernels, a card without machine code: compiled" eval 'kernels ptx && paged && [ "$out" = "$bare" ]'
check "our kernels, a card without machine code: told at debug" \
	grep -q 'PTX was loaded in [0-9]* us: no machine code for compute capability 7.0' <<<"$err"
check "our kernels: machine code spares the compiler's time" eval \
	'[ $((virtual_ns - by_code_ns)) -gt 29000000 ] && [ $((virtual_ns - by_code_ns)) -lt 33000000 ]'
on $no_jit
check "our kernels, no compiler: machine code" eval 'kernels cubin && paged && [ "$out" = "$bare" ]'
check "our kernels, no compiler: as fast" near "$virtual_ns" "$by_code_ns"
for driver in 11080 12020 12040 12080; do
	on $no_jit LOWTIDE_SIM_DRIVER=$driver
	check "our kernels, no compiler, driver $driver: machine code" eval 'kernels cubin && paged && [ "$out" = "$bare" ]'
done
for card in 75:7,76:5 75:8,76:0 75:8,76:6 75:8,76:7 75:8,76:9 75:10,76:0 75:10,76:3 75:12,76:0 75:12,76:1; do
	on $no_jit LOWTIDE_SIM_ATTRIBUTES=$card
	check "our kernels, no compiler, a card of $card: machine code" eval 'kernels cubin && paged && [ "$out" = "$bare" ]'
done
for refusal in LOWTIDE_SIM_CUBIN_ABI=6 LOWTIDE_SIM_FAIL=cuModuleLoadData:1:200 LOWTIDE_SIM_FAIL=cuModuleLoadData:1:209 \
	LOWTIDE_SIM_FAIL=cuModuleLoadData:1:222; do
	on $refusal
	check "our kernels, machine code refused ($refusal): compiled" eval 'kernels ptx && paged && [ "$out" = "$bare" ]'
	on $refusal $no_jit LOWTIDE_VRAM=1G
	check "our kernels, machine code refused ($refusal), no compiler: said in one line" eval \
		'told "refuses the machine code for sm_90 .*$missing" && not_paged && [ "$out" = "$bare" ]'
done
on $volta $no_jit LOWTIDE_LOG=warn
check "our kernels, neither: the cap is held" eval 'within $cap && grep -q OUT_OF_MEMORY <<<"$err"'
check "our kernels, neither: what is missing is said in one line" \
	eval 'told "compute capability 7.0 .*$missing.*LOWTIDE_COLD=unmapped" && not_paged'
on $volta $no_jit LOWTIDE_VRAM=1G LOWTIDE_LOG=warn
check "our kernels, neither, room enough: the same digest" eval '[ "$out" = "$bare" ] && [ "$(grep -c "" <<<"$err")" -eq 1 ]'
on $no_jit LOWTIDE_SIM_ATTRIBUTES=75:12,76:0 LOWTIDE_SIM_DRIVER=12060
check "our kernels, a driver older than the card's code, no compiler: said" told "code for sm_120 (CUDA error 200).*$missing"
on $volta $no_jit LOWTIDE_COLD=unmapped LOWTIDE_LOG=warn
check "our kernels, neither, unmapped: pages, and says at what price" eval \
	'kernels none && paged && [ "$out" = "$bare" ] && within $cap && told "$missing.*always copied, as under LOWTIDE_DIRTY=always"'
check "our kernels, neither, unmapped: nothing counts as clean" eval \
	'[ "$(field "$dir/stats" clean_evictions)" -eq 0 ] && [ "$(field "$dir/stats" evictions)" -gt 0 ]'
on LOWTIDE_COLD=unmapped
check "our kernels, unmapped: something does with them" eval 'kernels cubin && [ "$(field "$dir/stats" clean_evictions)" -gt 0 ]'
on $no_jit LOWTIDE_SIM_FAIL=cuModuleLoadData:1:2 LOWTIDE_VRAM=1G
check "our kernels, no memory for them: said as it is" eval 'told "sm_90 (CUDA error 2)" && [ "$out" = "$bare" ]'
# Several threads meet out-of-memory at once: the first ends the program, and its report is whole.
for _ in 1 2 3 4 5 6 7 8 9 10; do
	run streams LOWTIDE_SIM_HOST_NUMA=0 LOWTIDE_POLICY=lru LOWTIDE_VRAM=16M
	check "streams, refused in several threads: status 3" [ $status -eq 3 ]
	check "streams, refused in several threads: within the cap" within $((16 << 20))
done
finish
