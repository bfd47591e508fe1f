# SPDX-License-Identifier: MIT
# Toolchain: 64-bit ARM with Debian's cross compiler, its programs run by QEMU.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc) # GoogleTest asks for one
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)

# Libraries that are headers alone may be this machine's, but its C library must not hide the other one.
set(CMAKE_CXX_FLAGS_INIT "-idirafter /usr/include")
