#!/usr/bin/env bash
# Copies and fills of ranges that are not there are answered as without the library, wherever the memory lies.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
dir=$O/e2e/ranges
mkdir -p "$dir"
timeout 120 "$O/e2e/sim_ranges" resident >"$dir/bare"
check 'without the library: each has its answer' [ "$(grep -cE ': [0-9]+ [0-9]+$' "$dir/bare")" -eq 107 ]
check 'without the library: some is refused, some is not, some is an illegal access' \
	eval 'grep -q ": 1 0$" "$dir/bare" && grep -q ": 0 0$" "$dir/bare" && grep -q "700$" "$dir/bare"'
under() { # under HOME SAFETY
	env LOWTIDE_VRAM=12M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_LOG=error LOWTIDE_SAFETY="$2" \
		LD_PRELOAD="$O/liblowtide.so" timeout 120 "$O/e2e/sim_ranges" "$1" >"$dir/$1"
	ends_well "$1, $2: as without the library" diff "$dir/bare" "$dir/$1"
}
under cold strict
under resident strict
under cold overlap
finish
