#!/usr/bin/env bash
# A launch that names memory of two devices: each device's pager hears of it.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so LOWTIDE_SIM_DEVICES=2
ends_well "without the library" timeout 60 "$O/e2e/sim_devices" bare
ends_well "peers, without the library" env LOWTIDE_SIM_PEERS=1 timeout 60 "$O/e2e/sim_devices" peers
for safety in strict graced; do
	for scheduler in virtual seeded threads; do
		ends_well "peers, $safety, $scheduler" env LOWTIDE_SIM_PEERS=1 LOWTIDE_VRAM=0:64M,1:14M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru \
			LOWTIDE_LOG=error LOWTIDE_SAFETY=$safety LOWTIDE_SIM_SCHED=$scheduler LD_PRELOAD="$O/liblowtide.so" \
			timeout 60 "$O/e2e/sim_devices" peers
	done
done
for safety in strict graced; do
	for scheduler in virtual seeded threads; do
		ends_well "$safety, $scheduler" env LOWTIDE_VRAM=0:64M,1:14M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_LOG=error \
			LOWTIDE_SAFETY=$safety LOWTIDE_SIM_SCHED=$scheduler LD_PRELOAD="$O/liblowtide.so" timeout 60 "$O/e2e/sim_devices"
	done
done
finish
