// Numbers and tables as people read them.
#ifndef QCC_SUPPORT_PRINT_H
#define QCC_SUPPORT_PRINT_H

#include "llvm/Support/raw_ostream.h"
#include <string>
#include <vector>

namespace qcc {

/// %.*g, with "nan" and "inf" spelled so.
std::string formatNumber(double value, int digits = 9);
/// "91.2 MB"; units of 1000.
std::string formatBytes(uint64_t bytes);
/// Columns padded to their widest cell, two spaces apart; the first row is the heading.
void printTable(llvm::raw_ostream &os, const std::vector<std::vector<std::string>> &rows);

} // namespace qcc
#endif
