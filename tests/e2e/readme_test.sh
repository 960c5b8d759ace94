#!/usr/bin/env bash
# The README's tables are those the sources generate (tools/tables), and the manual has every row of them.
. "$(dirname "$0")/lib.sh"
for table in settings policies hooks; do
	missing=$(tools/tables "$table" | sed 's/ *$//' | while read -r line; do
		grep -qxF -- "$line" <(sed 's/ *$//' README.md) || echo "$line"
	done)
	check "the README lacks, of tools/tables $table: $missing" [ -z "$missing" ]
done
manual=$(tools/tables man)
check "the manual could be written" [ $? -eq 0 ]
terms=$(sed -nE 's/^\*([^*]+)\*$/\1/p' <<<"$manual" | sed 's/\\//g')
for row in $(grep -ohE '\bSETTING\([A-Z_]+,' shim/base/settings.def | sed -E 's/.*\((.*),/LOWTIDE_\1/') \
	$(grep -oE '^POLICY\([a-z]+,' policy/policies.def | sed -E 's/.*\((.*),/\1/') \
	$(grep -ohE '^(EXIT_STATUS|VERDICT)\([A-Z_]+, [0-9]+' tools/exits.def tools/verdicts.def | sed 's/.* //'); do
	check "the manual has $row" grep -qxF "$row" <<<"$terms"
done
for command in $(sed -nE 's/^const struct command command_\w+ = \{"(\w+)",.*/\1/p' tools/*.c); do
	check "the manual has lowtide $command" grep -qF "*lowtide $command*" <<<"$manual"
	check "the README has lowtide $command" grep -qF "lowtide $command" README.md
done
if command -v scdoc >/dev/null; then
	rendered=$(scdoc <<<"$manual")
	check "scdoc takes the manual" [ $? -eq 0 ]
	check "and loses nothing of it" grep -q 'LOWTIDE_REQUIRED' <<<"$rendered"
else
	echo "skipped: the manual was not rendered: scdoc is not here"
fi
finish
