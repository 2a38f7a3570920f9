// Kernels that make rows of caches codes, as text.
#ifndef QCC_TEST_LOWER_CACHETEXT_H
#define QCC_TEST_LOWER_CACHETEXT_H

#include "Qnt/RowCodes.h"
#include <string>

namespace qcc::lower::test {

inline std::string nameOf(qnt::Storage codes) { return codes == qnt::Storage::i8 ? "i8" : "u4"; }
inline int64_t bytesOf(qnt::Storage codes, int64_t channels) {
  return qnt::RowCodes{codes, channels}.bytes();
}

/// A tensor of [d0, 3, d1, last], or the cache of d2 more rows.
inline std::string rowsType(int64_t last, const std::string &element,
                            const std::string &rows = "d1", bool cached = false) {
  std::string dims = "[d0, 3, " + rows + ", " + std::to_string(last) + "]";
  if (cached)
    return "!qnt.kv<" + dims + ", " + element + ">";
  return "tensor<?x3x?x" + std::to_string(last) + "x" + element + ", #qnt.dims<" + dims + ">>";
}

inline std::string attributeOf(qnt::Storage codes) {
  return " {codes = #qnt<storage " + nameOf(codes) + ">}";
}

inline std::string encodeText(qnt::Storage codes, int64_t channels) {
  std::string x = rowsType(channels, "f32"), out = rowsType(bytesOf(codes, channels), "ui8");
  return "qnt.kernel @k \"encode_rows\" dims 3 { ^bb0(%x: " + x + "): %0 = qnt.encode_rows %x" +
         attributeOf(codes) + " : (" + x + ") -> " + out + " qnt.yield %0 : " + out + " }";
}

} // namespace qcc::lower::test
#endif
