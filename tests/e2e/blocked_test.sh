#!/usr/bin/env bash
# A thread inside a call that blocks does not cost every launch of the others a window's patience (20 ms).
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
stats=$O/e2e/sim_blocked.stats
ends_well 'without the library' timeout 60 "$O/e2e/sim_blocked"
rm -f "$stats"
took_ms=$(LOWTIDE_VRAM=22M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_SAFETY=strict LOWTIDE_LOG=error LOWTIDE_STATS="$stats" \
	LD_PRELOAD="$O/liblowtide.so" timeout 60 "$O/e2e/sim_blocked")
check 'under the library: ends well' [ $? -eq 0 ]
check "windows were refused: $(field "$stats" windows_refused)" [ "$(field "$stats" windows_refused)" -gt 200 ]
# Of 800, some 400 want a window: a patience each were 8 s, however fast the machine.
check "800 launches took ${took_ms:-?} ms" [ "${took_ms:-9999}" -lt 5000 ]
finish
