# SPDX-License-Identifier: MIT
# Installs the library with its CMake package and its pkg-config file; all of it may be moved afterwards.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ttt)
install(TARGETS ttt EXPORT ttt-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT ttt-targets NAMESPACE ttt:: DESTINATION ${package_dir})

# A static library leaves its OpenMP runtime to whoever links it: by name, and by path if compilers do not look there.
set(openmp_runtime "")
set(openmp_dir "")
set(pc_definitions "")
set(pc_libraries "")
if(NOT BUILD_SHARED_LIBS)
  set(pc_definitions " -DTTT_STATIC_DEFINE")
  if(ttt_openmp_runtime)
    set(openmp_runtime ${ttt_openmp_runtime})
    set(openmp_library "${OpenMP_${openmp_runtime}_LIBRARY}")
    cmake_path(GET openmp_library PARENT_PATH openmp_dir)
    if(openmp_dir IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
      set(pc_libraries " -l${openmp_runtime}")
    else()
      set(pc_libraries " ${openmp_library}")
    endif()
  endif()
endif()

configure_package_config_file(cmake/ttt-config.cmake.in ttt-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(ttt-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ttt-config.cmake ${PROJECT_BINARY_DIR}/ttt-config-version.cmake
  DESTINATION ${package_dir})

set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_prefix /prefix/${pc_dir} /prefix)
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
configure_file(cmake/ttt.pc.in ttt.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/ttt.pc DESTINATION ${pc_dir})
