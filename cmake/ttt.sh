#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# From a bare checkout to the demo or the tests, with one command.
set -euo pipefail

usage() {
  cat << 'END'
usage: cmake/ttt.sh demo [option...] [arguments of the demo]
       cmake/ttt.sh test [option...] [arguments of ctest]
       cmake/ttt.sh bench [option...] [arguments of summary_bench]
       cmake/ttt.sh packages [option...] package...

demo      builds and runs the demo; everything is built in build/
test      builds and runs the tests, except those that take minutes
bench     builds the benchmarks and prints how close every part comes to the limits of this machine
packages  only installs those of these Debian packages that are missing

  --long        run the long tests too, for which it builds the benchmarks
  --no-install  do not look for missing packages
  --print       print the commands instead of running them
END
}

needed_by_demo=(g++ make cmake libeigen3-dev nlohmann-json3-dev)
needed_by_test=("${needed_by_demo[@]}" libgtest-dev pkg-config)
needed_by_bench=("${needed_by_demo[@]}" libbenchmark-dev)
# Tests on machines that this one is not, and the reference.
needed_by_long=(libbenchmark-dev g++-aarch64-linux-gnu qemu-user doxygen)
text=bible-kjv # the text that the demo learns, if it can be had

print=false
install=true
long=false

run() {
  printf '+ %s\n' "$*"
  "$print" || "$@"
}

# The same, but what the command says is shown only where it fails.
run_quietly() {
  local log status=0
  log=$(mktemp)
  printf '+ %s\n' "$*"
  "$print" || "$@" > "$log" 2>&1 || status=$?
  ((status == 0)) || cat "$log" >&2
  rm -f "$log"
  return $status
}

# --- what is there ----------------------------------------------------------------------------------------------------

# Asks CMake, as the build will, so that a package counts wherever it comes from.
cmake_finds() { # name
  local dir status=0
  dir=$(mktemp -d) || return
  printf 'cmake_minimum_required(VERSION 3.25)\nproject(probe CXX)\nfind_package(%s REQUIRED)\n' "$1" \
    > "$dir/CMakeLists.txt"
  cmake -S "$dir" -B "$dir/build" > "$dir/log" 2>&1 || status=$?
  rm -rf "$dir"
  return $status
}

is_there() { # Debian package
  case $1 in
    g++) command -v "${CXX:-c++}" ;;
    make | cmake | clang-format | doxygen) command -v "$1" ;;
    pkg-config) command -v pkg-config || command -v pkgconf ;;
    binutils) command -v nm ;;
    clang) command -v clang++ ;;
    g++-aarch64-linux-gnu) command -v aarch64-linux-gnu-g++ ;;
    qemu-user) command -v qemu-x86_64 && command -v qemu-aarch64 ;;
    bible-kjv) command -v bible ;;
    libeigen3-dev) cmake_finds Eigen3 ;;
    nlohmann-json3-dev) cmake_finds nlohmann_json ;;
    libgtest-dev) cmake_finds GTest ;;
    libbenchmark-dev) cmake_finds benchmark ;;
    *) dpkg-query -W -f '${db:Status-Status}' "$1" | grep -qx installed ;;
  esac > /dev/null 2>&1
}

missing_of() { # packages...
  local package
  for package; do
    is_there "$package" || printf '%s ' "$package"
  done
}

# --- what is missing --------------------------------------------------------------------------------------------------

as_root() {
  if (($(id -u) == 0)); then
    run_quietly env DEBIAN_FRONTEND=noninteractive "$@"
  else
    run_quietly sudo env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

# Only Debian and its relatives have their packages installed; elsewhere, and without the right to, says what to install.
can_install() {
  command -v apt-get > /dev/null && { (($(id -u) == 0)) || command -v sudo > /dev/null; }
}

lists_are_fresh=false
apt_install() { # packages...
  if ! "$lists_are_fresh"; then
    # A list that cannot be had need not be the one that matters: the installation decides.
    as_root apt-get update || true
    lists_are_fresh=true
  fi
  as_root apt-get install -y --no-install-recommends "$@"
}

provide() { # packages...
  local -a missing
  read -ra missing <<< "$(missing_of "$@")"
  if ((${#missing[@]} == 0)); then
    return
  fi
  if ! can_install; then
    printf 'Missing: %s\n' "${missing[*]}" >&2
    printf 'These are the names of Debian 12. Install the packages as root with the package manager of this system,\n' >&2
    printf 'or, if they are there in a place that was not searched, repeat this with --no-install.\n' >&2
    exit 1
  fi
  apt_install "${missing[@]}"
}

provide_text() {
  if is_there "$text"; then
    return
  fi
  if ! can_install || ! apt_install "$text"; then
    printf 'The text of the package %s cannot be had; the demo goes on without it.\n' "$text"
  fi
}

# --- words ------------------------------------------------------------------------------------------------------------

jobs() { getconf _NPROCESSORS_ONLN; }

has_file() { # arguments of the demo
  local argument
  for argument; do
    if [[ -f $argument ]]; then
      return
    fi
  done
  return 1
}

# What is left out of a fresh build/ may be there in one that exists, and stays: the next word that needs it would
# compile it again.
configure() { # parts of TESTS, BENCH and EXAMPLES that are needed
  local part settings=()
  for part in TESTS BENCH EXAMPLES; do
    if [[ " $* " == *" $part "* ]]; then
      settings+=("-DTTT_BUILD_$part=ON")
    elif [[ ! -f $root/build/CMakeCache.txt ]]; then
      settings+=("-DTTT_BUILD_$part=OFF")
    fi
  done
  run cmake -S "$root" -B "$root/build" -DCMAKE_BUILD_TYPE=Release "${settings[@]}"
}

demo() { # arguments of the demo
  printf 'First the library and the demo are compiled, which takes about three minutes of one core; then a small\n'
  printf 'language model is trained, for two minutes unless the arguments say otherwise, and a report is printed.\n'
  if "$install"; then
    provide "${needed_by_demo[@]}"
    has_file "$@" || provide_text
  fi
  configure EXAMPLES
  run cmake --build "$root/build" --target demo --parallel "$(jobs)"
  run "$root/build/examples/demo/demo" "$@"
}

test_everything() { # arguments of ctest
  local parts=(TESTS EXAMPLES)
  if "$install"; then
    provide "${needed_by_test[@]}"
    if "$long"; then provide "${needed_by_long[@]}"; fi
  fi
  if "$long"; then
    parts+=(BENCH)
  else
    set -- -LE long "$@"
  fi
  configure "${parts[@]}"
  run cmake --build "$root/build" --parallel "$(jobs)"
  run ctest --test-dir "$root/build" --output-on-failure --parallel "$(jobs)" "$@"
}

bench() { # arguments of summary_bench
  if "$install"; then provide "${needed_by_bench[@]}"; fi
  configure BENCH
  run cmake --build "$root/build" --target summary_bench --parallel "$(jobs)"
  run "$root/build/bench/summary_bench" "$@"
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
word=${1:-}
shift || true
while (($# > 0)); do
  case $1 in
    --no-install) install=false ;;
    --print) print=true ;;
    --long) long=true ;;
    --help | -h) word=help ;;
    *) break ;;
  esac
  shift
done

case $word in
  demo) demo "$@" ;;
  test) test_everything "$@" ;;
  bench) bench "$@" ;;
  packages) provide "$@" ;;
  help | --help | -h) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
