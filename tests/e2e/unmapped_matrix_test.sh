#!/usr/bin/env bash
# The matrix on a machine without host frames, with cold memory unmapped. Knobs: as matrix_test.sh.
export COLDS=unmapped CAPS=${CAPS:-100 50 35}
exec "$(dirname "$0")/matrix_test.sh"
