# SPDX-License-Identifier: MIT
# Machines that this x86-64 is not: one without AVX, and 64-bit ARM.
if(NOT CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL "x86_64" OR CMAKE_CROSSCOMPILING)
  return()
endif()

find_program(QEMU_X86_64 qemu-x86_64)
if(QEMU_X86_64 AND NOT CMAKE_CXX_FLAGS MATCHES "-march|-mavx")
  set(westmere ${QEMU_X86_64} -cpu Westmere) # the last before AVX
  ttt_add_checksums(westmere.checksums "long" "scalar" ${westmere})
  foreach(program IN ITEMS inner_chain_test interop_eigen_test io_checkpoint_test kernels_activation_test kernels_norm_test
      kernels_products_test kernels_rows_test model_generator_test sequence_ttt_edges_test sequence_ttt_state_test)
    add_test(NAME westmere.${program} COMMAND ${westmere} $<TARGET_FILE:${program}>)
    set_tests_properties(westmere.${program} PROPERTIES LABELS "packaging;long")
  endforeach()
else()
  message(STATUS "No tests on a machine without AVX: they need qemu-x86_64 and a build for plain x86-64")
endif()

find_program(QEMU_AARCH64 qemu-aarch64)
find_program(AARCH64_COMPILER aarch64-linux-gnu-g++)
find_path(GOOGLETEST_SOURCES googletest/src/gtest-all.cc PATHS /usr/src/googletest)
if(QEMU_AARCH64 AND AARCH64_COMPILER AND GOOGLETEST_SOURCES)
  ttt_add_script(aarch64 "long" aarch64.sh)
  set_property(TEST aarch64 APPEND PROPERTY ENVIRONMENT
    "CTEST=${CMAKE_CTEST_COMMAND}" "GOOGLETEST_SOURCES=${GOOGLETEST_SOURCES}")
else()
  message(STATUS "No tests on ARM: they need qemu-aarch64, aarch64-linux-gnu-g++ and GoogleTest's sources")
endif()
