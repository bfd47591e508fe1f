#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Rules that every source keeps.
set -euo pipefail

cd "$SOURCE_DIR"
status=0
while IFS= read -r file; do
  if [[ $(head -n 1 "$file") != "// SPDX-License-Identifier: MIT" ]]; then
    echo "$file: the first line is not the licence"
    status=1
  fi
  if [[ $(sed -n 2p "$file") != "// "* ]]; then
    echo "$file: the second line does not say why the file exists"
    status=1
  fi
  if (($(wc -l < "$file") >= 500)); then
    echo "$file: 500 lines or more"
    status=1
  fi
  if [[ $file != src/base/parallel.cpp && $file != tests/base/openmp_test.cpp ]] && grep -n '#pragma omp\|<omp\.h>' "$file"; then
    echo "$file: OpenMP outside src/base/parallel.cpp"
    status=1
  fi
done < <(find include src tests bench examples -name '*.[ch]pp')

# README: the first two shell blocks are the two commands.
commands=$(awk '/^```/ { inside = /^```sh/; next } inside' README.md | head -n 2)
if [[ $commands != $'./cmake/ttt.sh demo\n./cmake/ttt.sh test' ]]; then
  printf 'README.md: the first two shell blocks are not the two commands:\n%s\n' "$commands"
  status=1
fi

# Pages: what they link to is there.
while IFS= read -r page; do
  while IFS= read -r target; do
    if [[ ! -e $(dirname "$page")/$target ]]; then
      echo "$page: links to $target, which is not there"
      status=1
    fi
  done < <(awk '/^```/ { code = !code } !code' "$page" | grep -o ']([^)]*)' | sed 's/^](//; s/)$//; s/#.*//' | grep -v '^https:\|^$')
done < <(find README.md include src tests bench examples -name '*.md')

exit $status
