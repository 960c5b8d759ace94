#!/usr/bin/env bash
# Outputs and inputs that the program leaves out: every hooked call answers as the driver does.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
dir=$O/e2e/nulls
mkdir -p "$dir"
timeout 60 "$O/e2e/sim_nulls" >"$dir/bare" 2>"$dir/bare.err"
check 'without the library: ends well' [ $? -eq 0 ]
check 'without the library: many answers' [ "$(grep -c '^cu' "$dir/bare")" -gt 150 ]
check 'without the library: all is told' eval '! grep NO, "$dir/bare"'
under() { # under NAME VARIABLE=VALUE...
	local name=$1
	shift
	env LOWTIDE_VRAM=26M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_LOG=none "$@" LD_PRELOAD="$O/liblowtide.so" \
		timeout 60 "$O/e2e/sim_nulls" >"$dir/$name" 2>"$dir/$name.err"
	check "$name: ends well" [ $? -eq 0 ]
	ends_well "$name: as without the library" diff "$dir/bare" "$dir/$name"
}
under strict LOWTIDE_SAFETY=strict
under overlap LOWTIDE_SAFETY=overlap
under unmapped LOWTIDE_COLD=unmapped LOWTIDE_VRAM=34M
under none LOWTIDE_POLICY=none LOWTIDE_VRAM=80M
under disabled LOWTIDE_DISABLE=1
finish
