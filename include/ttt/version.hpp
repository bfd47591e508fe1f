// SPDX-License-Identifier: MIT
// The one place that holds the version; CMake reads it from here.
#pragma once

#define TTT_VERSION_MAJOR 0
#define TTT_VERSION_MINOR 1
#define TTT_VERSION_PATCH 0
