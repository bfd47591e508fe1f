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
  if [[ $file != src/parallel.cpp ]] && grep -n '#pragma omp' "$file"; then
    echo "$file: OpenMP outside src/parallel.cpp"
    status=1
  fi
done < <(find include src tests bench examples -name '*.[ch]pp')
exit $status
