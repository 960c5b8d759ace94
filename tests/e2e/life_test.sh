#!/usr/bin/env bash
# What programs do: threads, forks, contexts that end, work that never ends; under a cap of half of what they take.
# Sizes, policies and knobs: run_cases in lib.sh.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
run_cases sim_life 14 96 LOWTIDE_MIN=64K
finish
