#!/usr/bin/env bash
# Children of the bare clone system call end at once, whatever the threads that stayed behind were about (sim_clone.c).
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
ends_well "without the library" timeout 120 "$O/e2e/sim_clone"
for safety in strict overlap; do
	ends_well "$safety" env LOWTIDE_VRAM=22M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=balanced LOWTIDE_SAFETY=$safety LOWTIDE_LOG=error \
		LD_PRELOAD="$O/liblowtide.so" timeout 120 "$O/e2e/sim_clone"
done
finish
