// A kernel of attention as text.
#ifndef QCC_TEST_LOWER_ATTENTIONTEXT_H
#define QCC_TEST_LOWER_ATTENTIONTEXT_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace qcc::lower::test {

struct AttentionText {
  int heads = 6, groups = 2, width = 32, outWidth = 32;
  std::string mask; ///< dimensions of the mask, or nothing
  std::string maskType = "f32";
  std::string type = "f32";
  std::string more;    ///< further attributes
  bool cached = false; ///< key and value are caches
  std::string storage; ///< their elements where these are other floats, which attention widens
  std::string codes;   ///< i8 or u4: their rows are codes, of so many bytes
  int keyBytes = 0, valueBytes = 0;

  /// Query [d0, H, d1, D], keys [d0, G, d1 + d2, D], and the result heads-last.
  std::string str() const {
    auto n = [](int v) { return std::to_string(v); };
    auto tensor = [&](std::string dims, std::string element) {
      // Constant axes need their sizes in the shape.
      std::string shape;
      llvm::SmallVector<llvm::StringRef> parts;
      llvm::StringRef(dims).split(parts, ',');
      bool dynamic = false;
      for (llvm::StringRef part : parts) {
        int value;
        bool isNumber = !part.trim().getAsInteger(10, value);
        shape += (isNumber ? part.trim().str() : "?") + "x";
        dynamic |= !isNumber;
      }
      return "tensor<" + shape + element + (dynamic ? ", #qnt.dims<[" + dims + "]>>" : ">");
    };
    std::string rows = tensor("d0, d1, " + n(heads) + ", " + n(width), type);
    std::string q = tensor("d0, " + n(heads) + ", d1, " + n(width), type);
    std::string element = !codes.empty() ? "ui8" : storage.empty() ? type : storage;
    auto keys = [&](int w, int bytes) {
      std::string dims = "d0, " + n(groups) + ", d1 + d2, " + n(codes.empty() ? w : bytes);
      return cached ? "!qnt.kv<[" + dims + "], " + element + ">" : tensor(dims, element);
    };
    std::string k = keys(width, keyBytes), v = keys(outWidth, valueBytes), read = "%k, %v";
    std::string keyType = k, valueType = v, decoded;
    auto decode = [&](std::string name, std::string from, int w) {
      std::string to = tensor("d0, " + n(groups) + ", d1 + d2, " + n(w), type);
      decoded += " %" + name + "_read = qnt.decode_rows %" + name + " {codes = #qnt<storage " +
                 codes + ">} : (" + from + ") -> " + to;
      return to;
    };
    if (!codes.empty()) {
      keyType = decode("k", k, width), valueType = decode("v", v, outWidth);
      read = "%k_read, %v_read";
    }
    std::string out = tensor("d0, " + n(heads) + ", d1, " + n(outWidth), type);
    std::string last = tensor("d0, d1, " + n(heads) + ", " + n(outWidth), type);
    std::string flat = tensor("d0, d1, " + n(heads * outWidth), type);
    std::string m = mask.empty() ? "" : tensor(mask, maskType);
    return "qnt.kernel @k \"attention\" dims 3 { ^bb0(%r: " + rows + ", %k: " + k + ", %v: " + v +
           (mask.empty() ? "" : ", %m: " + m) +
           "): %q = qnt.transpose %r {permutation = array<i64: 0, 2, 1, 3>} : (" + rows + ") -> " +
           q + decoded + " %a = qnt.attention %q, " + read + (mask.empty() ? "" : ", %m") +
           " {scale = 0.17 : f64" + more + "} : (" + q + ", " + keyType + ", " + valueType +
           (mask.empty() ? "" : ", " + m) + ") -> " + out +
           " %t = qnt.transpose %a {permutation = array<i64: 0, 2, 1, 3>} : (" + out + ") -> " +
           last + " %f = qnt.reshape %t : (" + last + ") -> " + flat + " qnt.yield %f : " + flat +
           " }";
  }
};

} // namespace qcc::lower::test
#endif
