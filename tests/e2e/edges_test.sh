#!/usr/bin/env bash
# The less travelled roads into the driver, over memory of which half fits the cap. Sizes,
# policies and knobs: run_cases in lib.sh.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
# What one call names must be in one home, for which a slow machine may need long. Other cases wait for what never comes.
patience_of() { case $1 in *peer_copies | array_copies) echo 60 ;; *) echo 2 ;; esac; }
TOKEN=1 run_cases sim_edges 22 96
finish
