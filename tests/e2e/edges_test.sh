#!/usr/bin/env bash
# The less travelled roads into the driver, over memory of which half fits the cap. Knob: CASES.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
run_cases sim_edges $((22 << 20)) LOWTIDE_HOST=96M LOWTIDE_STATS="$O/e2e/sim_edges.stats"
finish
