// Schemes as the types of tensors; see Choices.h.
#include "Choices.h"
#include "qcc/Algorithms/WeightCodec.h"
#include "qcc/Support/Diagnostics.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::assignbits;
using namespace qcc::qnt;

std::optional<std::string> assignbits::lacksKernel(const Scheme &scheme) {
  if (scheme.weight == Scheme::Weight::NVFP4)
    return "4-bit floats with 8-bit float scales";
  if (scheme.granularity == Scheme::Granularity::Block && scheme.block % 4 != 0)
    return "blocks that are no multiple of 4";
  if (scheme.actGroup % 4 != 0)
    return "activation groups that are no multiple of 4";
  // Below a block, inputs are taken in units of the packed layout.
  unsigned narrowest = scheme.bits & -scheme.bits, unit = narrowest ? 32 / narrowest : 4;
  bool cutsBlock = scheme.actGroup && (!scheme.block || scheme.actGroup < scheme.block);
  if (cutsBlock && scheme.actGroup % unit != 0)
    return "activation groups of " + std::to_string(scheme.actGroup) +
           ", which must be a multiple of " + std::to_string(unit) + " for codes of " +
           std::to_string(scheme.bits) + " bits";
  unsigned large = std::max(scheme.block, scheme.actGroup);
  unsigned small = std::min(scheme.block, scheme.actGroup);
  if (scheme.granularity == Scheme::Granularity::Block && small && large % small != 0)
    return "blocks of " + std::to_string(scheme.block) + " and activation groups of " +
           std::to_string(scheme.actGroup) + ", which do not divide each other";
  return std::nullopt;
}

llvm::Expected<Choice> assignbits::layerChoice(llvm::StringRef text, llvm::ArrayRef<Scheme> own,
                                               bool calibrated) {
  if (text.empty() || text == "f32" || text == "keep")
    return Choice{Choice::Keep, {}, "f32"};
  if (text == "f16")
    return Choice{Choice::Half, {}, "f16"};
  auto scheme = parseScheme(text, own);
  if (!scheme)
    return scheme.takeError();
  if (auto why = lacksKernel(*scheme))
    return makeError(Diag::SchemeWithoutKernel, "",
                     "scheme '" + text.str() + "' asks for " + *why +
                         ", which have no kernels; blocks and groups that are multiples of 4, and "
                         "of each other, work");
  if (scheme->act == Scheme::Act::Int8Static && !calibrated)
    return makeError(Diag::NeedsCalibration, "",
                     "scheme '" + text.str() +
                         "' needs the ranges of activations; give --calib, or a8 for ranges that "
                         "are found at run time");
  return Choice{Choice::Codes, *scheme, schemeToString(*scheme, own)};
}

llvm::Expected<Choice> assignbits::headChoice(llvm::StringRef text, const Choice &layers,
                                              llvm::ArrayRef<Scheme> own) {
  if (layers.kind != Choice::Codes && text != "f16")
    return Choice{Choice::Keep, {}, "f32"};
  if (text != "w8" && text != "w4")
    return layerChoice(text, own);
  const char *act = layers.scheme.act == Scheme::Act::Float   ? ""
                    : layers.scheme.act == Scheme::Act::Int16 ? "ai16"
                                                              : "a8";
  return layerChoice((text + act).str(), own);
}

llvm::Expected<Choice> assignbits::embedChoice(llvm::StringRef text, llvm::ArrayRef<Scheme> own) {
  auto choice = layerChoice(text, own);
  if (choice && choice->kind == Choice::Codes && choice->scheme.act != Scheme::Act::Float)
    return makeError(Diag::SchemeWithoutKernel, "",
                     "scheme '" + text.str() +
                         "' asks for activations, which look-ups in a table do not have; give the "
                         "weights alone, such as w8 or w4");
  if (choice && choice->kind == Choice::Codes &&
      choice->scheme.granularity == Scheme::Granularity::Tensor)
    return makeError(Diag::SchemeWithoutKernel, "",
                     "scheme '" + text.str() +
                         "' asks for one scale for a whole table; :channel and :gN work");
  return choice;
}

//===-- Types ------------------------------------------------------------------------------------//

/// uK or iK for K from 1 to 8; there is no i1.
static Storage integerStorage(unsigned bits, bool isSigned) {
  constexpr Storage plain[] = {Storage::u1, Storage::u2, Storage::u3, Storage::u4,
                               Storage::u5, Storage::u6, Storage::u7, Storage::u8};
  constexpr Storage withSign[] = {Storage::u1, Storage::i2, Storage::i3, Storage::i4,
                                  Storage::i5, Storage::i6, Storage::i7, Storage::i8};
  return (isSigned ? withSign : plain)[bits - 1];
}

namespace {

/// What codes are and count.
struct Codes {
  Storage storage;
  CodebookAttr codebook;
  Type zero;
};

Codes integerCodes(MLIRContext *context, const Scheme &scheme) {
  if (scheme.symmetric && scheme.bits == 1)
    return {Storage::u1, CodebookAttr::fixed(context, {-1.0f, 1.0f}), {}};
  Codes codes{integerStorage(scheme.bits, scheme.symmetric), {}, {}};
  if (scheme.realZero)
    codes.zero = Float32Type::get(context);
  else if (!scheme.symmetric)
    codes.zero = IntegerType::get(context, scheme.bits, IntegerType::Unsigned);
  return codes;
}

Codes codesFor(MLIRContext *context, const Scheme &scheme) {
  Storage counted = integerStorage(std::max(1u, scheme.bits), false);
  switch (scheme.weight) {
  case Scheme::Weight::Int:
    break;
  case Scheme::Weight::Ternary:
    return {Storage::ternary, {}, {}};
  case Scheme::Weight::Binary:
    return {Storage::u1, CodebookAttr::fixed(context, {-1.0f, 1.0f}), {}};
  case Scheme::Weight::NF4:
    return {Storage::u4, CodebookAttr::fixed(context, normalFloat4()), {}};
  case Scheme::Weight::Codebook:
    return {counted, CodebookAttr::learned(context), {}};
  case Scheme::Weight::FP8E4M3:
    return {Storage::f8e4m3fn, {}, {}};
  case Scheme::Weight::FP8E5M2:
    return {Storage::f8e5m2, {}, {}};
  case Scheme::Weight::MXFP4:
  case Scheme::Weight::NVFP4:
    return {Storage::f4e2m1, {}, {}};
  case Scheme::Weight::Custom:
    if (scheme.codebook == Scheme::Codebook::Learned)
      return {counted, CodebookAttr::learned(context), {}};
    if (scheme.codebook == Scheme::Codebook::Values)
      return {counted, CodebookAttr::fixed(context, scheme.values), {}};
  }
  return integerCodes(context, scheme);
}

/// The scale type and, with two levels, that of the second.
std::pair<Type, Type> scaleTypes(MLIRContext *context, Scheme::ScaleType scale) {
  Type f32 = Float32Type::get(context);
  switch (scale) {
  case Scheme::ScaleType::F32:
    return {f32, {}};
  case Scheme::ScaleType::F16:
    return {Float16Type::get(context), {}};
  case Scheme::ScaleType::BF16:
    return {BFloat16Type::get(context), {}};
  case Scheme::ScaleType::E8M0:
    return {Float8E8M0FNUType::get(context), {}};
  case Scheme::ScaleType::E4M3:
    return {Float8E4M3FNType::get(context), f32};
  case Scheme::ScaleType::U8:
    return {IntegerType::get(context, 8, IntegerType::Unsigned), f32};
  }
  return {f32, {}};
}

} // namespace

QType assignbits::codesOf(Type matrix, const Scheme &scheme) {
  MLIRContext *context = matrix.getContext();
  SmallVector<DimExpr> dims = dimsOf(matrix);
  Codes codes = codesFor(context, scheme);
  auto [scale, super] = scaleTypes(context, scheme.scale);
  Granularity granularity = Granularity::tensor;
  int64_t axis = -1, block = 0;
  if (scheme.granularity == Scheme::Granularity::Channel) {
    granularity = Granularity::axis;
    axis = 0;
  } else if (scheme.granularity == Scheme::Granularity::Block) {
    // A block longer than the row is the row.
    granularity = Granularity::block;
    axis = 1;
    block = std::min<int64_t>(scheme.block, *dims[1].constantValue());
  }
  return QType::get(context, makeDims(context, dims), codes.storage, granularity, axis, block,
                    scale, codes.zero, super, codes.codebook, 0, Layout::logical);
}

QType assignbits::inputCodes(Type x, QType weight, const Scheme &scheme) {
  if (scheme.act == Scheme::Act::Float)
    return {};
  MLIRContext *context = x.getContext();
  Storage storage = scheme.act == Scheme::Act::Int16    ? Storage::i16
                    : scheme.act == Scheme::Act::Float8 ? Storage::f8e4m3fn
                                                        : Storage::i8;
  auto make = [&](Type zero, int64_t sums) {
    return QType::get(context, makeDims(context, dimsOf(x)), storage, Granularity::token, -1, sums,
                      Float32Type::get(context), zero, Type(), CodebookAttr(), scheme.actGroup,
                      Layout::logical);
  };
  // A zero point halves the step of one-sided values such as those behind GELU. Sums over steps
  // cannot have one: each would need the sums of its weights.
  QType symmetric = make(Type(), 0);
  Product product = productOf(symmetric, weight);
  bool mayHaveZero = storage == Storage::i8 && !scheme.actGroup && !scheme.actSymmetric;
  if (product == Product::FullSum || sumsFloats(product))
    return mayHaveZero ? make(IntegerType::get(context, 8), 0) : symmetric;
  return make(Type(), productStep(symmetric, weight, *dimsOf(weight)[1].constantValue()));
}

std::optional<std::string> assignbits::productProblem(Type x, QType weight) {
  if (sumsFloats(productOf(x, weight)))
    return std::nullopt;
  int64_t bits = weight.getCodebook() ? 8 : weight.getBits();
  int64_t most = (int64_t(1) << 31) / (bits == 8 ? 255 * 128 : (1 << bits) * 128);
  int64_t step = productStep(x, weight, *dimsOf(weight)[1].constantValue());
  if (step > most)
    return "a sum of " + std::to_string(step) + " products could overflow 32 bits";
  if (step % 4 != 0)
    return "a row is no multiple of 4 long";
  return std::nullopt;
}

StaticGrid assignbits::staticGrid(QType codes, Interval range) {
  StaticGrid grid;
  double low = std::min(0.0, range.low), high = std::max(0.0, range.high);
  double width = codes.getZero() ? (high - low) / 255 : std::max(-low, high) / 127;
  auto scale = static_cast<float>(width);
  if (!(scale > 0) || !std::isfinite(1 / scale))
    return grid;
  grid.scale = scale;
  if (codes.getZero())
    grid.zero = std::clamp<int64_t>(std::llrint(-128 - low / scale), -128, 127);
  return grid;
}
