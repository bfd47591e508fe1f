#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Compares what $CONSUMER, a program or a command, computes with the committed checksums, on each instruction set of the
# machine that it runs on: on those of $1 at least. When results are meant to change:
#   build/tests/packaging/consumer > tests/consumer/checksums.txt
set -euo pipefail

covered=' '
errors=$(mktemp)
trap 'rm "$errors"' EXIT
for isa in scalar avx2 avx512 neon; do
  if found=$(TTT_ISA=$isa $CONSUMER 2> "$errors"); then
    diff "$SOURCE_DIR/tests/consumer/checksums.txt" - <<< "$found"
    covered+="$isa "
  elif ! grep -q "TTT_ISA: expected one of" "$errors"; then
    cat "$errors"
    exit 1
  fi
done
echo "instruction sets covered:$covered"
for isa in $1; do
  [[ $covered == *" $isa "* ]] || { echo "not covered: $isa"; exit 1; }
done
