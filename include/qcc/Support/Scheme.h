// How a matmul is asked to be stored and computed, as users write it: WEIGHT[aACT]{:MOD}.
// `w4a8:g32` is int4 weights in blocks of 32 along K and int8 activations, dynamic per token.
// Parsing only: which schemes have kernels is decided where code is made.
#ifndef QCC_SUPPORT_SCHEME_H
#define QCC_SUPPORT_SCHEME_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace qcc {

struct Scheme {
  enum class Weight { Int, Ternary, Binary, NF4, Codebook, FP8E4M3, FP8E5M2, MXFP4, NVFP4, Custom };
  enum class Act {
    Float,       ///< `16` or absent: the graph's float type, f32 accumulation
    Int8Dynamic, ///< `8`: scales found at run time
    Int8Static,  ///< `8s`: per tensor, calibrated
    Int16,       ///< `i16`
    Float8       ///< `fp8`: f8e4m3, scales found at run time
  };
  enum class Granularity { Tensor, Channel, Block };
  enum class ScaleType {
    F32,
    F16,
    BF16,
    E8M0, ///< powers of two
    E4M3, ///< 8-bit floats times an f32 per row
    U8    ///< 8-bit integers times an f32 per row: double quantization (QLoRA, section 3)
  };
  /// What the codes of a recipe's own scheme count.
  enum class Codebook { None, Learned, Values };

  Weight weight = Weight::Int;
  unsigned bits = 8;                  ///< of a stored code; 2 for ternary
  std::string custom;                 ///< name of a scheme that a recipe defines
  Codebook codebook = Codebook::None; ///< Custom: integers, or what the codes count
  std::vector<float> values;          ///< Custom: of a codebook with values, ascending
  bool realZero = false;              ///< Custom: zero points are floats
  Act act = Act::Float;
  Granularity granularity = Granularity::Channel;
  unsigned block = 0;        ///< elements along K when granularity is Block
  bool symmetric = true;     ///< weights
  unsigned actGroup = 0;     ///< elements along K that share an activation scale; 0: the token
  bool actSymmetric = false; ///< Custom: activations without zero points
  std::string actRange;      ///< Custom: the collector whose ranges static activations take
  ScaleType scale = ScaleType::F32;

  bool operator==(const Scheme &) const = default;
};

/// Parses one scheme. `custom` are those that a recipe defines, each with its name and defaults:
/// what the text does not say is as there. Errors are QCC1003.
llvm::Expected<Scheme> parseScheme(llvm::StringRef text, llvm::ArrayRef<Scheme> custom = {});

/// Parses a comma list: the candidates of a search.
llvm::Expected<std::vector<Scheme>> parseSchemeList(llvm::StringRef text,
                                                    llvm::ArrayRef<Scheme> custom = {});

/// The canonical text: a block size always, other modifiers where they differ from the default.
/// parseScheme(schemeToString(s, custom), custom) == s.
std::string schemeToString(const Scheme &scheme, llvm::ArrayRef<Scheme> custom = {});

/// Whether `name` can name a scheme of a recipe: letters, digits and _, beginning with a letter,
/// and no built-in weight format.
bool isSchemeName(llvm::StringRef name);

} // namespace qcc
#endif
