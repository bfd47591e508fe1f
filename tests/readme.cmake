# SPDX-License-Identifier: MIT
# Compiles every C++ snippet of README.md, each as the body of a function.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/README.md)
file(READ ${PROJECT_SOURCE_DIR}/README.md readme)
string(REPLACE ";" "\\;" readme "${readme}")
string(REGEX MATCHALL "```cpp\n[^`]*```" snippets "${readme}")
string(REGEX MATCHALL "```cpp\n" fences "${readme}")
list(LENGTH snippets count)
list(LENGTH fences expected)
if(count LESS 4 OR NOT count EQUAL expected)
  message(FATAL_ERROR "README.md: expected at least 4 C++ snippets without backticks, found ${count} of ${expected}")
endif()
set(sources)
foreach(snippet IN LISTS snippets)
  list(LENGTH sources number)
  string(REGEX REPLACE "^```cpp\n|```$" "" body "${snippet}")
  set(source ${CMAKE_CURRENT_BINARY_DIR}/readme/snippet_${number}.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
"#include <iostream>

#include \"ttt/ttt.hpp\"

void snippet_@number@();
void snippet_@number@() {
@body@}
")
  list(APPEND sources ${source})
endforeach()
add_library(readme_snippets OBJECT ${sources})
target_link_libraries(readme_snippets PRIVATE ttt::ttt)
