#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What cmake/ttt.sh would do on machines that this one is not, told apart by what stands on the PATH.
set -euo pipefail

rm -rf "$WORK_DIR/setup"
mkdir -p "$WORK_DIR/setup"
cd "$WORK_DIR/setup"

machine() { # name programs...: a directory for PATH
  local program
  mkdir "$1"
  for program in bash cat dirname env getconf grep mktemp rm "${@:2}"; do
    ln -s "$(type -P "$program" || type -P true)" "$1/$program"
  done
}

user() { # directory user-id: somebody with that number
  rm -f "$1/id"
  printf '#!%s\necho %s\n' "$(type -P bash)" "$2" > "$1/id"
  chmod +x "$1/id"
}

ttt() { # machine arguments...
  env -i PATH="$PWD/$1" "$SOURCE_DIR/cmake/ttt.sh" "${@:2}" 2>&1
}

expect() { # text: what must stand in $output
  grep -qF -e "$1" <<< "$output" || { printf 'Expected: %s\nFound:\n%s\n' "$1" "$output"; exit 1; }
}
refuse() { # text: what must not
  if grep -qF -e "$1" <<< "$output"; then printf 'Not expected: %s\nFound:\n%s\n' "$1" "$output"; exit 1; fi
}

machine debian apt-get
user debian 0
output=$(ttt debian demo --print --steps 5)
refuse sudo
expect "+ env DEBIAN_FRONTEND=noninteractive apt-get update"
expect "apt-get install -y --no-install-recommends g++ make cmake libeigen3-dev nlohmann-json3-dev"
expect "apt-get install -y --no-install-recommends bible-kjv"
expect "/build/examples/demo/demo --steps 5"
output=$(ttt debian test --print)
expect libgtest-dev
expect "-LE long"
refuse libbenchmark-dev
refuse qemu-user
output=$(ttt debian test --long --print)
expect "apt-get install -y --no-install-recommends libbenchmark-dev g++-aarch64-linux-gnu qemu-user doxygen"
expect "-DTTT_BUILD_BENCH=ON"
output=$(ttt debian bench --print --json)
expect libbenchmark-dev
refuse libgtest-dev
expect "/build/bench/summary_bench --json"
output=$(ttt debian test --long --print --no-install -R walk)
refuse apt-get
refuse "-LE long"
expect "-R walk"

user debian 1000
if output=$(ttt debian demo --print); then
  echo "Went on without the right to install."
  exit 1
fi
expect "Missing: g++ make cmake"

machine with_sudo apt-get sudo
user with_sudo 1000
output=$(ttt with_sudo demo --print)
expect "+ sudo env DEBIAN_FRONTEND=noninteractive apt-get install"

machine other_system dnf
user other_system 0
if output=$(ttt other_system test --print); then
  echo "Went on without packages on a system without apt-get."
  exit 1
fi
expect "Missing: g++ make cmake"
refuse "apt-get"

# A copy of the script, on a machine whose programs do nothing but what is written here.
stub() { # program line
  rm -f "stubs/$1"
  printf '#!%s\n%s\n' "$(type -P bash)" "$2" > "stubs/$1"
  chmod +x "stubs/$1"
}
copy() { # arguments...
  env -i PATH="$PWD/stubs" copy/cmake/ttt.sh "$@" 2>&1
}
machine stubs
user stubs 0
for program in cmake c++ make ctest; do stub "$program" ""; done
mkdir -p copy/cmake copy/build/examples/demo
cp "$SOURCE_DIR/cmake/ttt.sh" copy/cmake
ln -s "$PWD/stubs/cmake" copy/build/examples/demo/demo

stub apt-get 'echo "noise of $1"'
output=$(copy demo)
[[ $output == "First "* ]] || { printf 'The demo does not begin with what comes:\n%s\n' "$output"; exit 1; }
expect "apt-get install -y --no-install-recommends bible-kjv"
refuse noise
expect "-DTTT_BUILD_TESTS=OFF"
stub apt-get 'echo "noise of $1"; exit 1'
output=$(copy demo)
expect "noise of install"
expect "cannot be had"

# A build that exists keeps what it has.
touch copy/build/CMakeCache.txt
for word in demo test bench; do
  output=$(copy "$word" --no-install --print)
  refuse =OFF
done
