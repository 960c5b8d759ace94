#!/usr/bin/env bash
# The less travelled roads into the driver, over memory of which half fits the cap. Sizes,
# policies and knobs: run_cases in lib.sh.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
run_cases sim_edges 22 96 LOWTIDE_PATIENCE=60
finish
