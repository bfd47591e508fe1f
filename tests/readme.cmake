# SPDX-License-Identifier: MIT
# Compiles every C++ snippet of the pages, each as the body of a function. One that begins with `struct` or `template`
# stands outside functions, and later ones of its page know what it declares.

# Adds the snippets of a page, which must have `least` of them, to `ttt_snippets`.
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
  string(APPEND ttt_snippets "
namespace ${name} {
${code}
}  // namespace ${name}
")
  set(ttt_snippets "${ttt_snippets}" PARENT_SCOPE)
endfunction()

set(ttt_snippets "")
ttt_add_snippets(README.md 6)
ttt_add_snippets(include/ttt/README.md 1)
ttt_add_snippets(include/ttt/inner/OWN_MODEL.md 1)
ttt_add_snippets(include/ttt/inner/README.md 1)
ttt_add_snippets(include/ttt/sequence/README.md 1)
ttt_add_snippets(include/ttt/train/README.md 3)

# One source for all of them, as most of the time goes into reading headers.
set(source ${CMAKE_CURRENT_BINARY_DIR}/readme_snippets.cpp)
file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
"#include <array>
#include <cstring>
#include <iostream>
#include <vector>

#include \"ttt/ttt.hpp\"
@ttt_snippets@")
add_library(readme_snippets OBJECT ${source})
target_link_libraries(readme_snippets PRIVATE ttt::ttt)
