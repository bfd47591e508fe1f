# SPDX-License-Identifier: MIT
# OpenMP says how many threads to use, to the one source that asks. The runtime is linked by itself and not through
# OpenMP::OpenMP_CXX, whose compile flag would make Eigen start threads too.

if(TTT_USE_OPENMP)
  find_package(OpenMP QUIET COMPONENTS CXX)
endif()

if(TTT_USE_OPENMP AND OpenMP_CXX_FOUND)
  list(GET OpenMP_CXX_LIB_NAMES 0 ttt_openmp_runtime)
  set_source_files_properties(src/base/parallel.cpp PROPERTIES COMPILE_FLAGS "${OpenMP_CXX_FLAGS}")
  target_link_libraries(ttt PRIVATE
    "$<BUILD_INTERFACE:${OpenMP_CXX_LIBRARIES}>" $<INSTALL_INTERFACE:ttt::openmp_runtime>)
  set(ttt_threads "as OpenMP says (${ttt_openmp_runtime})")
else()
  set(ttt_openmp_runtime "")
  if(TTT_USE_OPENMP)
    set(ttt_threads "one unless set (OpenMP was not found)")
  else()
    set(ttt_threads "one unless set (TTT_USE_OPENMP is off)")
  endif()
endif()
