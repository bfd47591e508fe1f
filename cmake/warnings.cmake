# SPDX-License-Identifier: MIT
# What only our own targets are compiled with, and only when this is the top-level project: warnings (errors with
# -DCMAKE_COMPILE_WARNING_AS_ERROR=ON) and sanitizers (-DTTT_SANITIZE=address,undefined or thread).

function(ttt_developer_flags target)
  if(NOT PROJECT_IS_TOP_LEVEL)
    return()
  endif()
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict) # it misreads std::string: GCC bug 105651
  endif()
  if(TTT_SANITIZE)
    target_compile_options(${target} PRIVATE
      -fsanitize=${TTT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${TTT_SANITIZE})
  endif()
endfunction()
