#!/usr/bin/env bash
# The demonstration keeps what it promises, at a small size: same outputs, within the cap, and a picture.
. "$(dirname "$0")/lib.sh"
rm -rf "$O/demo"
out=$(MB=32 STEPS=4 CAPS="75 40" timeout 120 python3 tests/bench/demo.py 2>&1)
status=$?
check "the demonstration ends well" [ $status -eq 0 ]
check "twelve runs gave the same output" [ "$(grep -c ' same ' <<<"$out")" -eq 12 ]
check "the picture is there" grep -q '</svg>' "$O/demo/residency.svg"
check "the picture shows both homes" [ "$(grep -oE '#1f6f8b"/>|#d7e4e8"/>' "$O/demo/residency.svg" | sort -u | wc -l)" -eq 2 ]
finish
