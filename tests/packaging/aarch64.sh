#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the library for 64-bit ARM, and runs the tests of its arithmetic in an emulator: in minutes, so not all of them.
set -euo pipefail

toolchain=$SOURCE_DIR/cmake/aarch64-linux-gnu.cmake
work=$WORK_DIR/aarch64
programs=(base_math_test base_random_test io_checkpoint_test kernels_activation_test kernels_exp_test kernels_fma_test
  kernels_kernels_test kernels_norm_test kernels_products_test kernels_rows_test model_bits_test model_generator_test
  ops_dense_test ops_half_test sequence_ttt_edges_test sequence_ttt_environment_test sequence_ttt_state_test)
rm -rf "$work"

configure() { # build-directory arguments...
  "$CMAKE" -G "$GENERATOR" --toolchain "$toolchain" -DCMAKE_BUILD_TYPE=Release -B "$@"
}

configure "$work/googletest" -S "$GOOGLETEST_SOURCES" -DBUILD_GMOCK=OFF -DCMAKE_INSTALL_PREFIX="$work/prefix"
"$CMAKE" --build "$work/googletest" --parallel 2 --target install

configure "$work/build" -S "$SOURCE_DIR" -DCMAKE_PREFIX_PATH="$work/prefix" -DTTT_BUILD_BENCH=OFF -DTTT_BUILD_EXAMPLES=OFF
"$CMAKE" --build "$work/build" --parallel 2 --target consumer "${programs[@]}"

# Death tests start themselves again, without the emulator.
names=$(IFS='|' && echo "checksums|symbols|${programs[*]}")
GTEST_FILTER='-*DeathTest*' "$CTEST" --test-dir "$work/build" --parallel 2 --output-on-failure -R "^($names)\$"
