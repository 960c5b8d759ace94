#!/usr/bin/env bash
# The comparison with other ways to offload (tests/card/compare/), as far as it goes without a card.
. "$(dirname "$0")/lib.sh"
dir=$O/e2e/compare
rm -rf "$dir"
mkdir -p "$dir"
compare=tests/card/compare/compare.py
for file in tests/card/compare/*.py tests/card/compare/mechanisms/*.py; do
	ends_well "$file compiles" python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' "$file"
done
timeout 120 python3 tests/card/compare/check.py >"$dir/check.out" 2>&1
status=$?
check "the verdicts are what the figures say: $(grep '^failed' "$dir/check.out" | head -3)" [ $status -eq 0 ]
check "and were tried" grep -qE '^[2-9][0-9] passed, 0 failed$' "$dir/check.out"
timeout 300 python3 $compare --rehearse --json "$dir/rehearsed.json" >"$dir/rehearsed.out" 2>&1
status=$?
check "the rehearsal ends well: $(grep '^failed' "$dir/rehearsed.out")" [ $status -eq 0 ]
check "each goal needs a card" [ "$(grep -c '^needs a card: ' "$dir/rehearsed.out")" -eq 11 ]
check "none is said to be met" eval '! grep -qi "^met" "$dir/rehearsed.out"'
check "its record says that it was rehearsed" grep -q '"kind": "rehearsed"' "$dir/rehearsed.json"
if python3 -c 'import torch' 2>/dev/null; then
	check "each mechanism was rehearsed with both models" [ "$(grep -c '^rehearsed: \|^skipped: ' "$dir/rehearsed.out")" -eq 10 ]
else
	check "without PyTorch it says so" grep -qx 'PyTorch is not here: no mechanism was rehearsed' "$dir/rehearsed.out"
	timeout 60 python3 $compare --json "$dir/none.json" >"$dir/none.out" 2>&1
	check "without PyTorch: exit status 77" [ $? -eq 77 ]
	check "and what is not here" grep -q '^not here: torch' "$dir/none.out"
	echo "skipped: the mechanisms were not rehearsed: no torch"
fi
finish
