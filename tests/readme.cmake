# SPDX-License-Identifier: MIT
# Compiles every C++ snippet of the pages, each as the body of a function. One that begins with `struct` or `template`
# stands outside functions, and later ones of its page know what it declares.

# One source for all snippets of a page, which must have `least` of them.
function(ttt_add_snippets page least)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${page})
  file(READ ${PROJECT_SOURCE_DIR}/${page} rest)
  set(number 0)
  set(code "")
  string(FIND "${rest}" "```cpp\n" begin)
  while(NOT begin EQUAL -1)
    math(EXPR begin "${begin} + 7")
    string(SUBSTRING "${rest}" ${begin} -1 rest)
    string(FIND "${rest}" "```" end)
    if(end EQUAL -1)
      message(FATAL_ERROR "${page}: expected an end of snippet ${number}, found none")
    endif()
    string(SUBSTRING "${rest}" 0 ${end} snippet)
    math(EXPR end "${end} + 3")
    string(SUBSTRING "${rest}" ${end} -1 rest)
    if(snippet MATCHES "^(struct|template)[ <]")
      string(APPEND code "\n${snippet}")
    else()
      string(APPEND code "\nvoid snippet_${number}();\nvoid snippet_${number}() {\n${snippet}}\n")
    endif()
    math(EXPR number "${number} + 1")
    string(FIND "${rest}" "```cpp\n" begin)
  endwhile()
  if(number LESS least)
    message(FATAL_ERROR "${page}: expected at least ${least} C++ snippets, found ${number}")
  endif()
  string(MAKE_C_IDENTIFIER ${page} name)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/readme/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
"#include <array>
#include <cstring>
#include <iostream>
#include <vector>

#include \"ttt/ttt.hpp\"

namespace ${name} {
@code@
}  // namespace ${name}
")
  target_sources(readme_snippets PRIVATE ${source})
endfunction()

add_library(readme_snippets OBJECT)
target_link_libraries(readme_snippets PRIVATE ttt::ttt)
ttt_add_snippets(README.md 6)
ttt_add_snippets(include/ttt/README.md 1)
ttt_add_snippets(include/ttt/inner/OWN_MODEL.md 1)
ttt_add_snippets(include/ttt/inner/README.md 1)
ttt_add_snippets(include/ttt/sequence/README.md 1)
ttt_add_snippets(include/ttt/train/README.md 3)
