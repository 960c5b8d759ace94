#!/usr/bin/env bash
# A launch that names memory of two devices: each device's pager hears of it.
set -u
O=${O:-build}
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so LOWTIDE_SIM_DEVICES=2
passed=0 failed=0
check() { # check WHAT COMMAND...
	local what=$1 err
	shift
	if err=$("$@" 2>&1); then passed=$((passed + 1)); else
		failed=$((failed + 1))
		echo "failed: $what: $err"
	fi
}
check "without the library" timeout 60 "$O/e2e/sim_devices" bare
check "peers, without the library" env LOWTIDE_SIM_PEERS=1 timeout 60 "$O/e2e/sim_devices" peers
for safety in strict graced; do
	for scheduler in virtual seeded threads; do
		check "peers, $safety, $scheduler" env LOWTIDE_SIM_PEERS=1 LOWTIDE_VRAM=0:64M,1:14M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru \
			LOWTIDE_LOG=error LOWTIDE_SAFETY=$safety LOWTIDE_SIM_SCHED=$scheduler LD_PRELOAD="$O/liblowtide.so" \
			timeout 60 "$O/e2e/sim_devices" peers
	done
done
for safety in strict graced; do
	for scheduler in virtual seeded threads; do
		check "$safety, $scheduler" env LOWTIDE_VRAM=0:64M,1:14M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_LOG=error \
			LOWTIDE_SAFETY=$safety LOWTIDE_SIM_SCHED=$scheduler LD_PRELOAD="$O/liblowtide.so" timeout 60 "$O/e2e/sim_devices"
	done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
