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
expect "libgtest-dev libbenchmark-dev"
expect "-LE long"
refuse qemu-user
output=$(ttt debian test --long --print)
expect "apt-get install -y --no-install-recommends g++-aarch64-linux-gnu qemu-user doxygen"
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
