#!/usr/bin/env bash
# The nth call of each driver function fails, for every function the library calls: the result is right, or the program is
# told an error where that is allowed; never a wrong digest, a crash, a hang, an illegal access or VRAM above the cap.
#
# Each row (below) is first run without a failure, and its report says how often each function is called: only calls that
# are reached are made to fail, and the report of the failing run must say that the failure struck. Of each function, by
# turns: the first call and from the middle on all of them, or one in the middle and the last; and of every fifth function
# one call together with one of another.
#
# Giving up is allowed, and nowhere else (allowed() below):
# - the program calls the function that fails itself, and is told what the driver said;
# - it asks for memory or gives it back, and what makes, maps or accounts for memory fails, or what tells whether a capture
#   forbids it;
# - it copies or fills, or waits for that, and what the library does this with fails, on its behalf;
# - with cold memory unmapped, it launches or copies, and memory cannot be made or mapped for what that names;
# - after a failure that lasts, whatever it does.
#
# Knobs: WORKLOADS COLDS, FUNCTIONS (with more calls of each), NTH (numbers; n+: from then on) MB,
# EVERY (only each nth of the runs) SEED (where it begins).
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim
dir=$O/e2e/inject
rm -rf "$dir"
mkdir -p "$dir"

# --- the rows: a name, cap MiB, block, policy, safety, cold, driver, the workload and its options -------------------------
# What moves in windows; by exchange; beside the work, and ahead of it (balanced); without a mapping in RAM; a driver that
# does not tell kernels' parameters; blocks of 8 and 32 MiB. Frames are made ahead where moves overlap; `capture` frees beside
# a capture and in stream order what is in use.
mb=${MB:-12}
rows="diffusion 12 2M lru strict mapped 13000 diffusion --mb $mb --steps 3
onebuffer 12 2M lru strict mapped 13000 onebuffer --mb $mb --steps 3
churn 12 2M lru strict mapped 13000 churn --mb $mb --steps 3
capture 12 2M lru strict mapped 13000 capture --mb $mb --steps 3
older 12 2M lru strict mapped 12030 diffusion --mb $mb --steps 3
overlap_diffusion 12 2M balanced overlap mapped 13000 diffusion --mb $mb --steps 3
overlap_streams 12 2M balanced overlap mapped 13000 streams --mb $((mb * 2)) --steps 2 --stride 4
exchange_diffusion 12 2M sequential strict mapped 13000 diffusion --mb $mb --steps 3
exchange_onebuffer 12 2M sequential strict mapped 13000 onebuffer --mb $mb --steps 3
unmapped_diffusion 12 2M lru strict unmapped 13000 diffusion --mb $mb --steps 3
unmapped_churn 20 2M lru strict unmapped 13000 churn --mb $mb --steps 3
deferred_frees 52 8M balanced overlap mapped 13000 capture --mb $((mb * 5)) --tensors 6 --steps 3 --stride 16
large_overlap 44 8M balanced overlap mapped 13000 diffusion --mb $((mb * 5)) --tensors 6 --steps 3 --stride 16
large_exchange 44 8M sequential strict mapped 13000 decode --mb $((mb * 5)) --tensors 6 --steps 2 --stride 16
large_older 44 8M lru strict mapped 12030 diffusion --mb $((mb * 5)) --tensors 6 --steps 2 --stride 16
large_churn 44 8M lru strict mapped 13000 churn --mb $((mb * 5)) --steps 2
large_onebuffer 44 8M lru strict mapped 13000 onebuffer --mb $((mb * 5)) --steps 2 --stride 16
largest 76 32M lru strict mapped 13000 diffusion --mb $((mb * 9)) --tensors 2 --steps 2 --stride 64"

# Never failed: questions that only the program asks, and what has no answer but one.
skipped="cuInit cuGetErrorName cuEventElapsedTime_v2"

making="cuMemAddressReserve cuMemCreate cuMemMap cuMemSetAccess cuMemUnmap cuMemRelease cuMemAddressFree cuMemHostAlloc
	cuModuleLoadData cuModuleGetFunction cuStreamCreate cuStreamCreateWithPriority cuEventCreate cuMemGetInfo_v2 cuDeviceTotalMem_v2
	cuMemAlloc_v2 cuPointerGetAttribute cuDevicePrimaryCtxRetain cuDevicePrimaryCtxGetState cuDeviceGetAttribute"
doing="cuMemcpyAsync cuMemcpyHtoDAsync_v2 cuMemcpyDtoHAsync_v2 cuMemcpyDtoDAsync_v2 cuMemsetD8Async cuMemsetD32Async cuLaunchKernel
	cuStreamSynchronize cuCtxSynchronize cuStreamQuery cuEventQuery cuEventRecord cuEventSynchronize cuStreamWaitEvent cuEventCreate"
context="cuCtxGetCurrent cuCtxGetDevice cuCtxPushCurrent_v2 cuCtxPopCurrent_v2 cuDevicePrimaryCtxGetState"
allowed() { # allowed FAILED... -- CALL: is the program's CALL allowed to end in an error, where these functions fail?
	local name call=${*: -1}
	for name in "${@:1:$#-2}"; do
		[ "${name%_v2}" = "${call%_v2}" ] && return
		[[ $name == cuMemset* && $call == cuMemset* ]] && return # the same with another width, which the message does not tell
		# Without a mapping in RAM: what is named must come, and of what nothing is known all must.
		[ "$cold" = unmapped ] && [[ $call == cuLaunchKernel || $call == cuMemcpy* || $call == cuMemset* ]] &&
			[[ " $making_ cuFuncGetParamInfo " == *" $name "* ]] && return
		case $call in
		cuMemAlloc* | cuMemHostAlloc | cuMemFree) [[ " $making_ $doing_ $context_ cuThreadExchangeStreamCaptureMode " == *" $name "* ]] && return ;;
		cuMemcpy* | cuMemset* | cuMemFree* | *Synchronize | cuLaunchKernel* | cuGraphLaunch | cuEventRecord | cuStreamWaitEvent)
			[[ " $doing_ $context_ " == *" $name "* ]] && return ;;
		cuGraphInstantiate*) [[ $name == cuGraph* ]] && return ;;
		esac
	done
	return 1
}

calls() { # calls TEXT FUNCTION: how often the report says it was called
	[[ $1 =~ \"$2\":\ ([0-9]+) ]] && echo "${BASH_REMATCH[1]}" || echo 0
}
run() { # run KEY ROW FAIL
	local name cap block policy safety cold driver workload options host_numa=1 preload=$O/liblowtide.so
	read -r name cap block policy safety cold driver workload options <<<"$2"
	[ "$cold" = unmapped ] && host_numa=0
	# Several threads: one at a time, so that each run calls what the one before did.
	[ "$workload" = streams ] && preload+=" $O/sim/libtoken.so"
	# shellcheck disable=SC2086 # options are words
	LOWTIDE_VRAM=${cap}M LOWTIDE_POLICY=$policy LOWTIDE_SAFETY=$safety LOWTIDE_BLOCK=$block LOWTIDE_MIN=64K LOWTIDE_LOG=off \
		LOWTIDE_TEST_THREAD=0 LOWTIDE_COLD=$cold LOWTIDE_SIM_HOST_NUMA=$host_numa LOWTIDE_SIM_DRIVER=$driver LOWTIDE_SIM_FAIL=$3 \
		LOWTIDE_PATIENCE=10 LOWTIDE_SIM_REPORT=$1.json LD_PRELOAD=$preload timeout 60 "$O/workloads/$workload" $options >"$1.out" 2>"$1.err"
}
one() { # one ROW-NAME FAIL
	local key=$dir/$1.$2 what="$1 $2" row status text='' part names=() said cold=mapped
	row=$(<"$dir/$1.row")
	[[ $row == *" unmapped "* ]] && cold=unmapped
	run "$key" "$row" "$2"
	status=$?
	[ -s "$key.json" ] && read -r text <"$key.json"
	for part in ${2//,/ }; do names+=("${part%%:*}"); done
	[ "$(calls "$text" failures_met)" -gt 0 ] || echo "$what: not reached"
	case $status in
	0) [[ $row == *" churn "* ]] || # it has held its memory against its oracle; refused allocations change what it does
		[ "$(grep ^digest "$key.out")" = "$(<"$dir/$1.digest")" ] || echo "$what: another digest" ;;
	3)
		said=$(grep CUDA_ERROR "$key.err" | head -n 1)
		if [ -z "$said" ]; then
			echo "$what: gives up without an error's name"
		elif [[ $2 != *+* ]] && ! allowed "${names[@]}" -- "$(sed -E "s/:.*//; s/.* //" <<<"$said")"; then
			echo "$what: gives up where it may not: $said"
		fi
		;;
	124) echo "$what: hangs" ;;
	*) echo "$what: status $status: $(tail -n 1 "$key.err")" ;;
	esac
	faults "$key.json" $(($(cut -d' ' -f2 <<<"$row") << 20)) | sed "s/^/$what: /"
	echo $status >>"$dir/statuses"
	rm -f "$key".*
}
export -f one run calls allowed faults
export dir making_="${making//[$'\n\t']/ }" doing_="${doing//[$'\n\t']/ }" context_=$context

while read -r row; do
	read -r name _ _ _ _ cold _ workload options <<<"$row"
	[[ " ${COLDS:-mapped unmapped} " == *" $cold "* && " ${WORKLOADS:-$workload} " == *" $workload "* ]] || continue
	echo "$row" >"$dir/$name.row"
	# shellcheck disable=SC2086 # options are words
	timeout 120 "$O/workloads/$workload" $options 2>&1 | grep ^digest >"$dir/$name.digest" || fail "$name: fails without the library"
	run "$dir/$name.plain" "$row" "" || fail "$name: fails without a failure: $(tail -n 1 "$dir/$name.plain.err")"
done <<<"$rows"
rows_done=0
for row in "$dir"/*.row; do
	name=$(basename "$row" .row)
	read -r text <"$dir/$name.plain.json"
	previous='' turn=$((rows_done++))
	for function in $(grep -oE '"cu[A-Za-z0-9_]+": [0-9]+' <<<"${text#*calls}" | tr -d '":' | awk '{print $1}' | sort); do
		[[ " $skipped " == *" $function "* ]] && continue
		[[ " ${FUNCTIONS:-$function} " == *" $function "* ]] || continue
		last=$(calls "$text" "$function")
		case $name in # as in the other rows
		large* | older | *churn | *onebuffer) [[ " $making_ $doing_ " == *" $function "* ]] || continue ;;
		deferred_frees) [[ " $making_ $doing_ " == *" $function "* || $function == cuMemFree* || $function == cuGraph* || $function == *Capture* ]] || continue ;;
		esac
		# By turns, from function to function and from row to row.
		numbers="1 $(((last + 1) / 2))+"
		[ $((turn++ % 2)) -eq 0 ] || numbers="$(((last + 2) / 3)) $last"
		case $name in # of the rows that differ in size, driver or workload only, one
		large* | deferred_frees | older | *churn | *onebuffer) numbers=${numbers##* } ;;
		esac
		[ -n "${FUNCTIONS:-}" ] && numbers="1 2 3 5 8 13 21 34 55 89 $last"
		for n in $(tr ' ' '\n' <<<"${NTH:-$numbers}" | sort -un); do
			[ "${n%+}" -gt "$last" ] || echo "$name $function:$n"
		done
		[ -z "$previous" ] || [ -n "${FUNCTIONS:-}${NTH:-}" ] || [ $((turn % 5)) -gt 0 ] || echo "$name $function:$(((last + 3) / 4)),$previous"
		previous=$function:$(((last + 1) / 3 + 1))
	done
done | awk -v every="${EVERY:-1}" -v first="${SEED:-0}" '(NR + first) % every == 0' >"$dir/rows"
each_row
echo "$(wc -l <"$dir/rows") runs: $(sort "$dir/statuses" 2>/dev/null | uniq -c | awk '{printf "%s%s ended with %s", (NR > 1 ? ", " : ""), $1, $2}')"
finish
