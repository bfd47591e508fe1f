#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds tests/consumer in the form that $1 names, and compares the bits it computes with the committed ones.
set -euo pipefail

form=$1
work=$WORK_DIR/$form
prefix=$WORK_DIR/prefix
rm -rf "$work"
mkdir -p "$work"

configure() { # build-directory arguments...
  "$CMAKE" -G "$GENERATOR" -DCMAKE_CXX_COMPILER="$CXX" -B "$@"
}

build_consumer() { # arguments...
  configure "$work/build" -S "$SOURCE_DIR/tests/consumer" "$@"
  "$CMAKE" --build "$work/build" --parallel 2
}

program=$work/build/consumer
case $form in
  find_package)
    build_consumer -DTTT_VERSION="$VERSION" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release
    # While the version is 0.x, another minor version is another interface.
    if configure "$work/refused" -S "$SOURCE_DIR/tests/consumer" -DTTT_VERSION=0.999 \
        -DCMAKE_PREFIX_PATH="$prefix" > "$work/refused.log" 2>&1; then
      echo "find_package accepted version 0.999"
      exit 1
    fi
    grep -q "version: $VERSION" "$work/refused.log" # found, but not accepted
    ;;
  fast_math)
    build_consumer -DTTT_VERSION="$VERSION" -DCMAKE_PREFIX_PATH="$prefix" \
      -DCMAKE_CXX_FLAGS="-O3 -march=native -ffast-math"
    ;;
  pkg_config)
    pc=$(find "$prefix" -name ttt.pc)
    flags=$(PKG_CONFIG_PATH=$(dirname "$pc"):${PKG_CONFIG_PATH:-} "$PKG_CONFIG" --cflags --libs ttt)
    program=$work/consumer
    # shellcheck disable=SC2086
    "$CXX" -std=c++20 "$SOURCE_DIR/tests/consumer/main.cpp" $flags -o "$program"
    export LD_LIBRARY_PATH=${pc%/*/*}:${LD_LIBRARY_PATH:-}
    ;;
  other_linkage) # shared if this build is static, static if it is shared
    configure "$work/ttt" -S "$SOURCE_DIR" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=$((1 - SHARED)) \
      -DTTT_BUILD_TESTS=OFF -DTTT_BUILD_BENCH=OFF -DTTT_BUILD_EXAMPLES=OFF
    "$CMAKE" --build "$work/ttt" --parallel 2
    "$CMAKE" --install "$work/ttt" --prefix "$work/first"
    mv "$work/first" "$work/prefix"
    build_consumer -DTTT_VERSION="$VERSION" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Release
    if ((!SHARED)); then
      LIBRARY=$(find "$work/prefix" -name 'libttt.so') bash "$SOURCE_DIR/tests/packaging/symbols.sh" exports
    fi
    ;;
  add_subdirectory) # the surrounding project's flags must not change a bit either
    build_consumer -DTTT_SUBDIRECTORY="$SOURCE_DIR" -DCMAKE_CXX_FLAGS="-O3 -march=native -ffast-math"
    ;;
  fetch_content)
    build_consumer -DTTT_FETCH="$SOURCE_DIR" -DCMAKE_BUILD_TYPE=Debug
    ;;
  *)
    echo "unknown form: $form"
    exit 2
    ;;
esac

"$program" | diff "$SOURCE_DIR/tests/consumer/checksums.txt" -
