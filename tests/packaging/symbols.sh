#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Looks into the compiled library: $1 is `objects` or `exports`; without it objects, and exports of a shared library.
set -euo pipefail

status=0
fail() { # message, offending lines
  printf '%s:\n%s\n' "$1" "$2"
  status=1
}

# An inline function shared with other objects may win at link time in its AVX form and crash a machine without AVX: of
# the objects with flags of their own, others may see nothing but the tables.
tables_alone() {
  local object isa others
  for object in $OBJECTS; do
    case $object in
      */kernels/avx2.* | */kernels/avx512.* | */kernels/neon.*)
        isa=$(basename "$object")
        isa=${isa%%.*}
        others=$("$NM" -C -g --defined-only "$object" | grep -Ev " ttt::ops::${isa}_(float|double)\$" || true)
        [[ -z $others ]] || fail "symbols of $object that others may use" "$others"
        ;;
    esac
  done
}

# The names of all instructions of AVX and its successors begin with v, and of no others that a compiler makes.
baseline_elsewhere() {
  local object found
  # shellcheck disable=SC2086
  if "$CXX" $CXX_FLAGS -dM -E -x c++ /dev/null | grep __AVX__; then
    echo "Compiled for machines with AVX only: $CXX_FLAGS"
    return
  fi
  for object in $OBJECTS; do
    case $object in
      */kernels/avx*) ;;
      *)
        found=$("$OBJDUMP" -d --no-show-raw-insn "$object" | awk '$1 ~ /:$/ && $2 ~ /^v/ && n++ < 3')
        [[ -z $found ]] || fail "AVX in $object" "$found"
        ;;
    esac
  done
}

# Their bits differ from one libm to the next.
libm_functions() {
  local name='(exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|sin|cos|tan|sincos|asin|acos|atan|atan2|sinh|cosh|tanh'
  name+='|asinh|acosh|atanh|erf|erfc|lgamma|tgamma|cbrt|hypot)[fl]?'
  local used
  # shellcheck disable=SC2086
  used=$("$NM" -A -u $OBJECTS | grep -E " U ${name}\$" || true)
  [[ -z $used ]] || fail "functions of libm" "$used"
}

# Instantiations of std:: templates are visible by their own attribute; everything else that is not ours is a leak.
exports() {
  local ours='^_Z(GV|T[ISTV])?Z*(N[KVRO]*)?(3ttt|St|S[abiods])' all foreign kernels
  all=$("$NM" -D --defined-only "$LIBRARY" | awk 'NF == 3 && $2 != "A" { print $3 }')
  grep -q '^_ZN3ttt' <<< "$all" || fail "no symbol of ttt is exported" "$LIBRARY"
  foreign=$(grep -Ev "$ours" <<< "$all" || true)
  [[ -z $foreign ]] || fail "exported, but not of ttt" "$foreign"
  kernels=$(grep -Ei 'avx|neon|scalar' <<< "$all" || true)
  [[ -z $kernels ]] || fail "exported kernels" "$kernels"
}

objects() {
  tables_alone
  baseline_elsewhere
  libm_functions
}

case ${1:-default} in
  exports) exports ;;
  objects) objects ;;
  default)
    objects
    if ((SHARED)); then exports; fi
    ;;
esac
exit $status
