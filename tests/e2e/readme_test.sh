#!/usr/bin/env bash
# The README's tables are those the sources generate (tools/tables).
set -u
passed=0 failed=0
for table in settings policies hooks; do
	missing=$(tools/tables "$table" | sed 's/ *$//' | while read -r line; do
		grep -qxF -- "$line" <(sed 's/ *$//' README.md) || echo "$line"
	done)
	if [ -z "$missing" ]; then passed=$((passed + 1)); else
		failed=$((failed + 1))
		echo "the README lacks, of tools/tables $table:" "$missing"
	fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
