#!/usr/bin/env bash
# Why paging does not begin: each cause is named with what to do, once; what can pass is tried again.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
run() { # run CASE VARIABLE=VALUE...: sets said
	local status
	said=$(env LOWTIDE_VRAM=24M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_MIN=64K LOWTIDE_HOST=64M LOWTIDE_LOG=warn LOWTIDE_SIM_CALL_NS=0 \
		"${@:2}" LD_PRELOAD="$O/liblowtide.so $O/sim/libtoken.so" timeout 100 "$O/e2e/sim_start" "$1" 2>&1)
	status=$?
	check "$*: status $status: $said" [ $status -eq 0 ]
}
lines() { grep -cE "$1" <<<"$said"; }
never() { # never WHY VARIABLE=VALUE...: it is not paged, and that is said once
	run never "${@:2}"
	check "$*: $said" [ "$(lines 'nothing is paged')" -eq 1 -a "$(lines "nothing is paged, as under LOWTIDE_POLICY=none: .*$1")" -eq 1 ]
}
passes() { # passes WHY VARIABLE=VALUE...: the cause passes, and so does its effect
	run at_last "${@:2}"
	check "$*: $said" [ "$(lines 'nothing is paged')" -eq 1 -a "$(lines "nothing is paged, until it can be: .*$1")" -eq 1 ]
	check "$*: said when it is over: $said" [ "$(lines 'paging is possible now')" -eq 1 ]
}
never 'under a cap of 0 KiB .LOWTIDE_VRAM less LOWTIDE_RESERVE. .* lower LOWTIDE_RESERVE' LOWTIDE_RESERVE=24M
never 'under a cap of 1024 KiB .*raise LOWTIDE_VRAM' LOWTIDE_VRAM=1M
never 'LOWTIDE_HOST allows 1024 KiB .*raise LOWTIDE_HOST' LOWTIDE_HOST=1M
never 'the driver says that kernels cannot reach memory in RAM .*LOWTIDE_COLD=unmapped' LOWTIDE_SIM_HOST_NUMA=0
# Later, it may be another: these do not pass while the program runs, and what follows from them is said as it is.
stays() { # stays WHY VARIABLE=VALUE...
	run never "${@:2}"
	check "$*: $said" [ "$(lines 'nothing is paged')" -eq 1 -a "$(lines "nothing is paged, until it can be: .*$1")" -eq 1 ]
}
stays 'no RAM could be pinned .cuMemHostAlloc, CUDA error 2.' LOWTIDE_SIM_HOST=64K
stays '2 MiB of RAM could not be pinned .*CUDA error 2.: free some RAM' LOWTIDE_SIM_HOST=3M
# Each time that it is tried, all that was made is given back.
report=$O/e2e/start.json
calls() { field "$report" "$1"; }
run never LOWTIDE_SIM_HOST=3M LOWTIDE_SIM_REPORT="$report"
check "it was tried more than once" [ "$(calls cuModuleLoadData)" -gt 2 ]
check "streams go" [ $(($(calls cuStreamCreate) + $(calls cuStreamCreateWithPriority))) -eq "$(calls cuStreamDestroy_v2)" ]
check "our kernels go" [ "$(calls cuModuleLoadData)" -eq "$(calls cuModuleUnload)" ]
check "pinned RAM goes" [ "$(calls cuMemHostAlloc)" -eq "$(calls cuMemFreeHost)" ]
check "addresses go" [ "$(calls cuMemAddressReserve)" -eq "$(calls cuMemAddressFree)" ]
stays 'the card has no 2 MiB left .*CUDA error 2.: others hold' LOWTIDE_SIM_VRAM=64M LOWTIDE_SIM_CONTEXT=63M
stays 'could not be reserved .cuMemAddressReserve, CUDA error 2.: .*ulimit -v' LOWTIDE_SIM_ADDRESSES=1G
for function in cuStreamCreate cuMemAddressReserve cuMemHostAlloc cuMemCreate cuMemMap cuMemSetAccess cuMemcpyHtoDAsync_v2 cuLaunchKernel; do
	case $function in
	cuStreamCreate) why='a stream could not be made .CUDA error 2.' ;;
	cuMemAddressReserve) why='could not be reserved .*CUDA error 2' ;;
	cuMemHostAlloc) why='no RAM could be pinned .*CUDA error 2' ;;
	cuMemcpy* | cuLaunch*) why='could not be used by a kernel in a trial .CUDA error 2.' ;;
	*) why='the card has no 2 MiB left .*CUDA error 2' ;;
	esac
	passes "$why" "LOWTIDE_SIM_FAIL=$function:1:2"
done
passes '2 MiB of RAM could not be pinned .*CUDA error 2' LOWTIDE_SIM_FAIL=cuMemCreate:2:2
# A refusal says what it is for, and a first probe for far too much does not use that up.
run captured
check "a probe, and what is refused later: $said" [ "$(lines 'refused as out of memory: .*raise LOWTIDE_VRAM')" -eq 2 ]
check "what is refused during a capture, once: $said" [ "$(lines 'a stream is being captured: nothing moves')" -eq 1 ]
finish
