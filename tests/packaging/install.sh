#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs the library and moves it elsewhere; consume.sh uses it there.
set -euo pipefail

rm -rf "$WORK_DIR/first" "$WORK_DIR/prefix"
"$CMAKE" --install "$BUILD_DIR" --prefix "$WORK_DIR/first"
mv "$WORK_DIR/first" "$WORK_DIR/prefix"

echo "Every header is installed:"
diff -r --exclude=export.hpp --exclude='*.md' "$SOURCE_DIR/include" "$WORK_DIR/prefix/include"
test -f "$WORK_DIR/prefix/include/ttt/export.hpp"

if grep -rnF -e "$SOURCE_DIR" -e "$BUILD_DIR" -e "$WORK_DIR" --include='*.cmake' --include='*.pc' "$WORK_DIR/prefix"; then
  echo "The package files hold paths of this machine."
  exit 1
fi
