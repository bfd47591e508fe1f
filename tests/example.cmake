# SPDX-License-Identifier: MIT
# Runs PROGRAM and compares its output with the block after "// Output:" at the end of SOURCE, and that with the page
# beside it.
execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE found RESULT_VARIABLE status)
file(READ ${SOURCE} source)
string(REGEX REPLACE "^.*\n// Output:\n" "" expected "${source}")
string(REGEX REPLACE "(^|\n)// " "\\1" expected "${expected}")
if(NOT status EQUAL 0 OR NOT found STREQUAL expected)
  message(FATAL_ERROR "exit status ${status}\nexpected:\n${expected}\nfound:\n${found}")
endif()

cmake_path(REPLACE_FILENAME SOURCE README.md OUTPUT_VARIABLE page)
file(READ ${page} text)
string(FIND "${text}" "```text\n${expected}```" place)
if(place EQUAL -1)
  message(FATAL_ERROR "${page}: expected a block of text with this output, found none:\n${expected}")
endif()
