#!/usr/bin/env bash
# The README's tables are those the sources generate (tools/tables), the manual has every row of them, and the walks through the
# code that it shows are true: each step is called in the file before it, and stands in the one that is named.
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
	$(grep -ohE '^(EXIT_STATUS|VERDICT)\([A-Z_]+, [0-9]+' tools/exits.def tools/doctor/verdicts.def | sed 's/.* //'); do
	check "the manual has $row" grep -qxF "$row" <<<"$terms"
done
for command in $(sed -nE 's/^const struct command command_\w+ = \{"(\w+)",.*/\1/p' tools/*.c tools/*/*.c); do
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

floor_file() { [ -e "shim/$1" ] && echo "shim/$1" || echo "$1"; } # policy/ is no part of shim/
step() { # step CALLER NAME FILE: CALLER calls NAME, which stands in FILE
	check "the README's walk: $1 does not call $2" grep -qw "$2" "$(floor_file "$1")"
	[ -z "$3" ] || check "the README's walk: $2 does not stand in $3" grep -qE "^[A-Za-z].*\b$2\\(" "$(floor_file "$3")"
}
steps=0
while read -r walk; do
	caller=''
	while read -r at; do
		if [[ $at =~ ^([a-z_]+/[a-z_]+\.[ch])$ ]]; then
			caller=${BASH_REMATCH[1]}
		elif [[ $at =~ ^([A-Za-z_]+)\ \(([a-z_/]+\.[ch])\)$ ]]; then
			step "$caller" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
			caller=${BASH_REMATCH[2]} steps=$((steps + 1))
		elif [[ $at =~ ^cu[A-Za-z]+$ ]]; then
			step "$caller" "$at" '' && steps=$((steps + 1))
		else
			check "the README's walk: $at is no step" false
		fi
	done < <(sed -E 's/: [^→]*( →|$)/\1/; s/;/ →/g; s/ +→ +/\n/g' <<<"$walk")
done < <(sed -n '/^Two walks/,/^## /p' README.md | grep -E '^    [a-z]+/')
check "the README's walks were read" [ "$steps" -ge 20 ]
finish
