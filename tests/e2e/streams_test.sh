#!/usr/bin/env bash
# Streams, threads, graphs and pools that end, that the driver refuses to end, or that end beside a capture (sim_streams.c): each
# bare, then under a cap, on every scheduler and under both levels of safety. Knob: CASES.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
run_at_2m sim_streams $((22 << 20)) LOWTIDE_POLICY=sequential LOWTIDE_TEST_VERIFY=1
finish
