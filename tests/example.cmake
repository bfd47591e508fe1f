# SPDX-License-Identifier: MIT
# Runs PROGRAM and compares its output with the block after "// Output:" at the end of SOURCE.
execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE found RESULT_VARIABLE status)
file(READ ${SOURCE} source)
string(REGEX REPLACE "^.*\n// Output:\n" "" expected "${source}")
string(REGEX REPLACE "(^|\n)// " "\\1" expected "${expected}")
if(NOT status EQUAL 0 OR NOT found STREQUAL expected)
  message(FATAL_ERROR "exit status ${status}\nexpected:\n${expected}\nfound:\n${found}")
endif()
