#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A file includes headers of its own storey and of lower ones, and none by way of a door.
set -euo pipefail

cd "$SOURCE_DIR"
storeys=(base ops inner sequence text model io train interop testing)
status=0

rank() { # room
  local i
  [[ $1 != kernels ]] || set -- ops # where its tables are declared
  for i in "${!storeys[@]}"; do
    [[ ${storeys[i]} != "$1" ]] || { echo "$i"; return; }
  done
  echo none
}

complain() {
  echo "$*"
  status=1
}

while IFS= read -r file; do
  room=${file#include/ttt/}
  room=${room#src/}
  room=${room%%/*}
  own=$(rank "$room")
  [[ $own != none ]] || complain "$file: its room is not in the list of storeys"
  while IFS= read -r included; do
    case $included in
      ttt/export.hpp) continue ;;
      ttt/*/*) included=${included#ttt/} ;;
      ttt/*) complain "$file: includes the door $included"; continue ;;
    esac
    other=$(rank "${included%%/*}")
    [[ $other != none ]] || { complain "$file: includes $included, which is in no room"; continue; }
    ((other <= own)) || complain "$file: includes $included, which is of a higher storey"
  done < <(sed -n 's/^#include "\(.*\)"/\1/p' "$file")
done < <(find include/ttt src -mindepth 2 -name '*.[ch]pp')

for door in include/ttt/*.hpp; do
  if [[ $door != */version.hpp ]] && grep -vE '^(//|#pragma once|#include "ttt/|$)' "$door"; then
    complain "$door: a door only includes"
  fi
done
exit $status
