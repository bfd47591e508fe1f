# SPDX-License-Identifier: MIT
# Floating-point flags of the library, and one object for each instruction set that the compiler knows.

# The bits of a result are part of the interface, so flags of the surrounding project must not change the arithmetic.
target_compile_options(ttt PRIVATE -fno-fast-math -ffp-contract=off -fno-math-errno)

include(CheckCXXSourceCompiles)

# Adds src/kernels/<isa>.cpp with its flags, if they compile `expression` for a machine that `machine` is defined on.
function(ttt_add_kernels isa machine header flags expression)
  string(TOUPPER ${isa} ISA)
  set(CMAKE_REQUIRED_FLAGS "${flags}")
  check_cxx_source_compiles("
    #ifndef ${machine}
    #error other machine
    #endif
    #include <${header}>
    int main() { (void)${expression}; }" TTT_COMPILES_${ISA})
  if(NOT TTT_COMPILES_${ISA})
    return()
  endif()
  target_sources(ttt PRIVATE ${PROJECT_SOURCE_DIR}/src/kernels/${isa}.cpp)
  # Where a short loop lies changes its speed by up to a tenth; this keeps it where it was when other code changes.
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/kernels/${isa}.cpp PROPERTIES
    COMPILE_FLAGS "${flags} -falign-functions=64")
  set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/kernels/dispatch.cpp APPEND PROPERTY COMPILE_DEFINITIONS TTT_HAVE_${ISA})
  set(ttt_kernels "${ttt_kernels} ${isa}" PARENT_SCOPE)
endfunction()

set(ttt_kernels "scalar")
ttt_add_kernels(avx2 __x86_64__ immintrin.h "-mavx2 -mfma" "_mm256_fmadd_ps(__m256(), __m256(), __m256())")
ttt_add_kernels(avx512 __x86_64__ immintrin.h
  "-mavx512f -mavx512dq -mavx512vl -mavx512bw -mfma -mprefer-vector-width=512"
  "_mm512_fmadd_ps(__m512(), __m512(), __m512())")
ttt_add_kernels(neon __aarch64__ arm_neon.h "" "vfmaq_f64(float64x2_t(), float64x2_t(), float64x2_t())")
