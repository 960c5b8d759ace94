#!/usr/bin/env bash
# The programs that a card runs (tests/card/torch, tests/card/frameworks), as far as a machine without one can say: they
# compile, the catalogue stands alone and is true, arguments parse and a missing framework is told, all without any framework.
# Where PyTorch is, each runs twice on the CPU and must give the same digest both times. Knob: PYTHON.
. "$(dirname "$0")/lib.sh"
case $O in /*) ;; *) O=$PWD/$O ;; esac
python=${PYTHON:-python3}
dir=$O/e2e/programs
rm -rf "$dir"
mkdir -p "$dir/none"
export PYTHONDONTWRITEBYTECODE=1
unset LD_PRELOAD
explain() { [ -z "${out:-}${err:-}" ] || printf '    %s\n' "$out" "$err" | tail -n 12; }

# No framework at all, whatever is installed.
for name in torch numpy triton cupy jax numba; do
	echo "raise ModuleNotFoundError('No module named $name')" >"$dir/none/$name.py"
done
without() { # without COMMAND...: sets out, err, status
	out=$(PYTHONPATH=$dir/none timeout 60 "$@" 2>"$dir/err" </dev/null)
	status=$?
	err=$(<"$dir/err")
}

PYTHONPYCACHEPREFIX=$dir/cache without "$python" -m py_compile tests/card/torch/*.py tests/card/frameworks/*.py
check "every file compiles" [ $status -eq 0 ]
without "$python" -c '
import os, sys
sys.path.insert(0, "tests/card/torch")
import catalog
names, fields = set(), {"name", "file", "arguments", "environment", "seconds", "full_matrix", "framework"}
for entry in [catalog.HELLO, *catalog.PROGRAMS]:
    assert set(entry) == fields, entry
    assert entry["name"] not in names, entry["name"]
    names.add(entry["name"])
    assert os.path.isfile(entry["file"]), entry["file"]
    assert entry["framework"] in ("torch", "triton", "cupy", "jax", "numba"), entry
    assert entry["seconds"] > 0 and isinstance(entry["full_matrix"], bool), entry
    assert all(isinstance(text, str) for text in [*entry["arguments"], *entry["environment"], *entry["environment"].values()]), entry
    arguments = [text.replace("cuda", "cpu") for text in entry["arguments"]]
    arguments[arguments.index("--size") + 1] = "tiny"
    print(entry["file"], *arguments)
'
check "the catalogue stands alone, and its files are there" [ $status -eq 0 ]
lines=$(sort -u <<<"$out")
files=$(cut -d ' ' -f 1 <<<"$lines" | sort -u)
check "the catalogue is not empty" [ "$(grep -c '' <<<"$lines")" -gt 15 ]
# A file that begins main() and is in no catalogue is run by nobody.
check "every program is in the catalogue" [ "$(grep -l '^main()$' tests/card/torch/*.py tests/card/frameworks/*.py | sort)" = "$files" ]

for file in $files; do
	without "$python" "$file" --help
	check "$file --help" [ $status -eq 0 -a -n "$out" ]
	without "$python" "$file" --nonsense
	check "$file refuses what it does not know" [ $status -eq 2 ]
	for device in cpu cuda; do
		without "$python" "$file" --device $device
		check "$file --device $device, nothing installed: status 77 (is $status)" [ $status -eq 77 ]
		check "$file --device $device, nothing installed: one line says so" [ -z "$out" -a "$(grep -c '^not here: ' <<<"$err")" = "$(grep -c '' <<<"$err")" ]
	done
done

# --- with the frameworks ---------------------------------------------------------------------------
once() { # once NAME COMMAND...: its last line to NAME.line, its status to NAME.status
	local name=$1
	shift
	timeout 300 "$@" >"$name.out" 2>"$name.err" </dev/null
	echo $? >"$name.status"
	tail -n 1 "$name.out" >"$name.line"
}
digest() { # digest FILE: that of the line in it, if the line is all it should be
	"$python" - "$1" <<'PY'
import json, sys
line = json.load(open(sys.argv[1]))
numbers = [line["first_ms"], *line["steps_ms"], line["weights_bytes"], line["peak_reserved_bytes"]]
assert all(isinstance(number, (int, float)) and number >= 0 for number in numbers), numbers
assert line["steps_ms"] and line["first_ms"] > 0 and line["program"] and line["device"] == "cpu"
assert len(line["digest"]) == 64
print(line["digest"])
PY
}
if ! "$python" -c 'import torch.nn' 2>/dev/null; then
	echo "skipped: running the programs on the CPU: no torch for $python"
else
	number=0
	while read -r file arguments; do
		number=$((number + 1)) out="" err=""
		# shellcheck disable=SC2086 # arguments are words
		for run in 1 2; do once "$dir/$number.$run" "$python" "$file" $arguments & done
		wait
		what="$file $arguments"
		if [ "$(cat "$dir/$number.1.status" "$dir/$number.2.status" | tr '\n' ' ')" = "77 77 " ]; then
			echo "skipped: $what: $(tail -n 1 "$dir/$number.1.err")"
			continue
		fi
		err=$(tail -n 5 "$dir/$number.1.err" "$dir/$number.2.err")
		check "$what: ends well" [ "$(cat "$dir/$number.1.status" "$dir/$number.2.status" | tr '\n' ' ')" = "0 0 " ]
		first=$(digest "$dir/$number.1.line" 2>&1)
		check "$what: the line is whole" [ ${#first} -eq 64 ]
		check "$what: twice the same" [ "$first" = "$(digest "$dir/$number.2.line" 2>&1)" ]
	done <<<"$lines"
fi
finish
