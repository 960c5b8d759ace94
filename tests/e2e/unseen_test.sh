#!/usr/bin/env bash
# Memory that was allocated past the library is told of once, when it is freed; and nothing else is taken for such.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
lines() { # lines WANT CASE VARIABLE=VALUE...: so many lines say it
	local want=$1 said
	shift
	said=$(env LOWTIDE_VRAM=64M "${@:2}" LD_PRELOAD="$O/liblowtide.so" timeout 60 "$O/e2e/sim_unseen" "$1" 2>&1)
	check "$*: status $?: $said" [ $? -eq 0 ]
	check "$*: not $want line: $said" [ "$(grep -c 'not seen being allocated' <<<"$said")" -eq "$want" ]
}
for policy in none lru; do
	lines 1 unseen LOWTIDE_POLICY=$policy
	lines 0 unseen LOWTIDE_POLICY=$policy LOWTIDE_DISABLE=1
	lines 0 seen LOWTIDE_POLICY=$policy
done
finish
