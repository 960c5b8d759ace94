#!/usr/bin/env bash
# Rows, planes and children of what graphs name, nodes that are changed, graphs that end, and one whose nodes cannot be read.
# Knob: CASES.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
all=${CASES:-rows planes child changed ended unread}
CASES=$(tr ' ' '\n' <<<"$all" | grep -v unread)
export CASES
[ -z "$CASES" ] || run_at_2m sim_graphs $((14 << 20)) LOWTIDE_MIN=64K LOWTIDE_TEST_VERIFY=1
if [[ " $all " == *" unread "* ]]; then
	CASES=unread
	run_at_2m sim_graphs $((14 << 20)) LOWTIDE_MIN=64K LOWTIDE_TEST_VERIFY=1 LOWTIDE_SIM_FAIL=cuGraphNodeGetType:1
fi
finish
