// Schemes as the types of tensors: how a matrix and the input of its layer are stored.
#ifndef QCC_LIB_ASSIGNBITS_CHOICES_H
#define QCC_LIB_ASSIGNBITS_CHOICES_H

#include "Qnt/Qnt.h"
#include "qcc/Support/Scheme.h"
#include "qcc/Support/Statistics.h"

namespace qcc::assignbits {

/// How one kind of tensor is stored: not at all differently, in 16 bits, or as codes.
struct Choice {
  enum Kind { Keep, Half, Codes } kind = Keep;
  Scheme scheme;
  std::string text;
};

/// `f32`, `keep`, `f16` or a scheme. `calibrated`: ranges for static schemes are at hand. Errors:
/// QCC1003, QCC1501, QCC1540.
llvm::Expected<Choice> layerChoice(llvm::StringRef text, llvm::ArrayRef<Scheme> own,
                                   bool calibrated = false);
/// A head: `w8` and `w4` with the activations that `layers` have.
llvm::Expected<Choice> headChoice(llvm::StringRef text, const Choice &layers,
                                  llvm::ArrayRef<Scheme> own);
/// An embedding table: schemes without activations.
llvm::Expected<Choice> embedChoice(llvm::StringRef text, llvm::ArrayRef<Scheme> own);

/// What `scheme` asks for that no kernel of a linear layer does, or nothing.
std::optional<std::string> lacksKernel(const Scheme &scheme);

/// The type of a matrix [N, K] under `scheme`.
qnt::QType codesOf(mlir::Type matrix, const Scheme &scheme);

/// The type of the codes that a layer's input `x` gets before a product with `weight`, with the
/// sums that it needs; null where `act` leaves it in floats.
qnt::QType inputCodes(mlir::Type x, qnt::QType weight, const Scheme &scheme);

/// Scale and zero point of static codes that cover `range`; the scale is 1 where it holds 0 alone.
struct StaticGrid {
  float scale = 1;
  int64_t zero = 0;
};
StaticGrid staticGrid(qnt::QType codes, Interval range);

/// Why codes of these types cannot be multiplied, or nothing.
std::optional<std::string> productProblem(mlir::Type x, qnt::QType weight);

} // namespace qcc::assignbits
#endif
