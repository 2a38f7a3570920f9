// What unit tests over the dialects need besides.
#pragma once
#include "DialectsPch.h"
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
