#!/usr/bin/env bash
# The nth call of each driver function fails, for every function the library calls: the result is right, or the
# program is told an error; never a wrong digest, a crash, a hang, an illegal access or VRAM above the cap.
# Knobs: WORKLOADS FUNCTIONS NTH MB COLDS.
. "$(dirname "$0")/lib.sh"
export MB=${MB:-12}
export LD_LIBRARY_PATH=$O/sim
dir=$O/e2e/inject
rm -rf "$dir"
mkdir -p "$dir"
cap=$((12 << 20))

one() { # one WORKLOAD FUNCTION NTH [DRIVER [COLD [SAFETY [POLICY]]]]
	local name=$1 key=$dir/$1.$2.$3.${4:-new}.${5:-mapped}.${6:-strict}.${7:-} status
	local host_numa=1 policy=lru
	[ "${5:-mapped}" = unmapped ] && host_numa=0
	[ "${6:-strict}" = graced ] && policy=balanced
	policy=${7:-$policy}
	LOWTIDE_VRAM=$cap LOWTIDE_POLICY=$policy LOWTIDE_SAFETY=${6:-strict} LOWTIDE_BLOCK=2M LOWTIDE_MIN=64K LOWTIDE_LOG=off LOWTIDE_SIM_REPORT=$key.json \
		LOWTIDE_COLD=${5:-mapped} LOWTIDE_SIM_HOST_NUMA=$host_numa LOWTIDE_SIM_FAIL="$2:$3" LOWTIDE_SIM_DRIVER=${4:-13000} LD_PRELOAD=$O/liblowtide.so \
		timeout 30 "$O/workloads/$name" --mb "$MB" --steps 3 >"$key.out" 2>"$key.err"
	status=$?
	case $status in
	0) [ "$name" = churn ] || # it has held its memory against its oracle; refused allocations change what it does
		[ "$(grep ^digest "$key.out")" = "$(grep ^digest "$dir/$name.bare.out")" ] || echo "$name $2:$3: another digest" ;;
	3) grep -q 'CUDA_ERROR' "$key.err" || echo "$name $2:$3: gives up without an error's name" ;;
	124) echo "$name $2:$3: hangs" ;;
	*) echo "$name $2:$3: status $status: $(tail -n 1 "$key.err")" ;;
	esac
	if grep -q '"calls".*}}' "$key.json" 2>/dev/null; then
		faults "$key.json" $cap | sed "s/^/$name $2:$3: /"
	elif [ $status -eq 0 ]; then
		echo "$name $2:$3: no report"
	fi
	rm -f "$key".*
}
export -f one field faults
export dir cap

functions="cuMemAddressReserve cuMemCreate cuMemMap cuMemSetAccess cuMemUnmap cuMemRelease cuMemAddressFree
	cuModuleLoadData cuModuleGetFunction cuMemHostAlloc cuStreamCreate cuStreamQuery cuStreamSynchronize cuMemcpyAsync
	cuMemcpyHtoDAsync_v2 cuMemcpyDtoHAsync_v2 cuMemsetD8Async cuLaunchKernel cuFuncGetParamInfo cuCtxSynchronize
	cuCtxGetCurrent cuCtxGetDevice cuCtxPushCurrent_v2 cuCtxPopCurrent_v2 cuDeviceTotalMem_v2 cuMemGetInfo_v2
	cuDevicePrimaryCtxGetState cuDevicePrimaryCtxRetain cuEventCreate cuEventRecord cuGraphGetNodes cuGraphNodeGetType
	cuGraphKernelNodeGetParams_v2 cuPointerGetAttribute"
# What is asked of the driver otherwise, or means something else, where cold memory has no mapping.
unmapped_functions="cuMemCreate cuMemMap cuMemSetAccess cuMemUnmap cuMemRelease cuMemHostAlloc cuMemFreeHost cuStreamQuery
	cuStreamSynchronize cuMemcpyAsync cuMemcpyHtoDAsync_v2 cuLaunchKernel cuCtxGetCurrent cuDeviceGetAttribute
	cuModuleLoadData cuModuleGetFunction"
# What moves beside the work asks of the driver, as it does so.
graced_functions="cuMemCreate cuMemMap cuMemSetAccess cuMemUnmap cuMemRelease cuEventCreate cuEventRecord cuEventQuery
	cuStreamWaitEvent cuStreamSynchronize cuMemcpyAsync cuMemcpyDtoHAsync_v2 cuMemsetD8Async cuLaunchKernel"
# What a window's exchange asks, where blocks come and go in one.
exchange_functions="cuMemCreate cuMemMap cuMemSetAccess cuMemUnmap cuEventCreate cuEventRecord cuEventQuery
	cuEventSynchronize cuStreamSynchronize cuMemcpyAsync cuLaunchKernel"
workloads=${WORKLOADS:-diffusion onebuffer churn capture}
exchange_workloads=${WORKLOADS:-diffusion decode onebuffer}
graced_workloads=${WORKLOADS:-diffusion decode}
unmapped_workloads=${WORKLOADS:-diffusion decode churn}
: >"$dir/wrong"
for name in $(tr ' ' '\n' <<<"$workloads $graced_workloads $unmapped_workloads" | sort -u); do
	timeout 120 "$O/workloads/$name" --mb "$MB" --steps 3 >"$dir/$name.bare.out" 2>"$dir/$name.bare.err" ||
		echo "$name: fails without the library" >>"$dir/wrong"
done
for name in $([[ " ${COLDS:-mapped} " == *" mapped "* ]] && echo "$workloads"); do
	for function in ${FUNCTIONS:-$functions}; do
		for n in ${NTH:-1 2 3 5 8 13 21 34 55}; do echo "$name $function $n"; done
	done
	# A driver that does not tell kernels' parameters: the library asks other things.
	for function in cuDriverGetVersion cuCtxGetCurrent cuModuleGetFunction; do
		for n in 1 2 3 5 8; do echo "$name $function $n 12030"; done
	done
done >"$dir/runs"
for name in $([[ " ${COLDS:-mapped} " == *" mapped "* ]] && echo "$graced_workloads"); do
	for function in ${FUNCTIONS:-$graced_functions}; do
		for n in ${NTH:-2 8 21 55 144}; do echo "$name $function $n 13000 mapped graced"; done
	done
done >>"$dir/runs"
for name in $([[ " ${COLDS:-mapped} " == *" mapped "* ]] && echo "$exchange_workloads"); do
	for function in ${FUNCTIONS:-$exchange_functions}; do
		for n in ${NTH:-1 2 3 5 8 13 21 34 55 89}; do echo "$name $function $n 13000 mapped strict sequential"; done
	done
done >>"$dir/runs"
for name in $([[ " ${COLDS:-unmapped} " == *" unmapped "* ]] && echo "$unmapped_workloads"); do
	for function in ${FUNCTIONS:-$unmapped_functions}; do
		for n in ${NTH:-1 2 3 5 8 13 21 34 55}; do echo "$name $function $n 13000 unmapped"; done
	done
done >>"$dir/runs"
runs=$(wc -l <"$dir/runs")
xargs -P "$(nproc)" -L 1 bash -c 'one "$@"' one <"$dir/runs" >>"$dir/wrong"
failed=$(sed 's/: .*//' "$dir/wrong" | sort -u | wc -l)
sort -u "$dir/wrong"
echo "$((runs - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
