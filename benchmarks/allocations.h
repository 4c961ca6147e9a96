#pragma once

#include <cstdint>

/// How often this process has asked the heap for memory, from any library and thread.
std::int64_t allocations();
