#!/usr/bin/env bash
# A launch that names memory of two devices: each device's pager hears of it.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so LOWTIDE_SIM_DEVICES=2
ends_well "without the library" timeout 60 "$O/e2e/sim_devices" bare
ends_well "peers, without the library" env LOWTIDE_SIM_PEERS=1 timeout 60 "$O/e2e/sim_devices" peers
for safety in strict overlap; do
	for scheduler in virtual seeded threads; do
		ends_well "peers, $safety, $scheduler" env LOWTIDE_SIM_PEERS=1 LOWTIDE_VRAM=0:64M,1:14M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru \
			LOWTIDE_LOG=error LOWTIDE_SAFETY=$safety LOWTIDE_SIM_SCHED=$scheduler LD_PRELOAD="$O/liblowtide.so" \
			timeout 60 "$O/e2e/sim_devices" peers
	done
done
for safety in strict overlap; do
	for scheduler in virtual seeded threads; do
		ends_well "$safety, $scheduler" env LOWTIDE_VRAM=0:64M,1:14M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_LOG=error \
			LOWTIDE_SAFETY=$safety LOWTIDE_SIM_SCHED=$scheduler LD_PRELOAD="$O/liblowtide.so" timeout 60 "$O/e2e/sim_devices"
	done
done

# Each device's addresses are in a slot of its own, where nothing else lies, and look like no two round numbers.
places() { # places CASE: into $at, a number each; what was said into $err
	mapfile -t at < <(env LOWTIDE_SIM_DEVICES=4 LOWTIDE_VRAM=14M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_LOG=info \
		LD_PRELOAD="$O/liblowtide.so" timeout 60 "$O/e2e/sim_devices" "$1" 2>"$O/e2e/sim_devices.err")
	err=$(<"$O/e2e/sim_devices.err")
	[ ${#at[@]} -eq 4 ]
}
apart() { # apart N: the address is in the device's slot of 4 TiB, which begins after a multiple of 128
	local high=$((0x${at[$1]} >> 32))
	[ $((high % 128)) -eq 1 ] && [ $high -ge $((0x1000)) ] && [ $high -lt $((0x5500)) ] && [ $((0x5081 - high)) -eq $(($1 << 10)) ]
}
check "four devices end well" places places
for i in 0 1 2 3; do check "device $i: ${at[i]:-} is its own" apart "$i"; done
check "nothing is said of addresses: $err" [ -z "$(grep addresses <<<"$err")" ]
check "four devices, and a place that is taken, end well" places taken_places
for i in 0 2 3; do check "device $i: ${at[i]:-} is its own" apart "$i"; done
check "that a place was taken is said" grep -q 'device 1: the driver gave addresses at ' <<<"$err"
finish
