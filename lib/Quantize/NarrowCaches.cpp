// Caches of decoders in fewer bytes than the model gives them.
#include "Qnt/RowCodes.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Quantize/Passes.h"
#include "qcc/Support/Diagnostics.h"
#include <variant>

namespace qcc::quantize {
#define GEN_PASS_DEF_NARROWCACHES
#include "qcc/Quantize/Passes.h.inc"
} // namespace qcc::quantize

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkNarrow =
    remark::RemarkOpts::name("narrow-caches").category("quantize");

/// A cache that grows: `concat` puts new rows behind `past` and is what `present` returns.
struct Cache {
  BlockArgument past;
  ConcatOp concat;
  OpOperand *present;
};

/// The only user of `value`, behind a cast between floats; half types are widened where they come
/// in and rounded where they go out.
Operation *onlyUser(Value value) {
  if (!value.hasOneUse())
    return nullptr;
  Operation *user = *value.user_begin();
  auto cast = dyn_cast<CastOp>(user);
  bool floats = cast && isa<FloatType>(elementTypeOf(cast.getType()));
  return floats && cast->hasOneUse() ? *cast->user_begin() : user;
}

/// The result that `concat` is, itself or rounded; null where it is none, or several.
OpOperand *presentOf(ConcatOp concat) {
  OpOperand *present = nullptr;
  for (OpOperand &use : concat->getUses()) {
    OpOperand *end = &use;
    if (auto cast = dyn_cast<CastOp>(use.getOwner()); cast && cast->hasOneUse())
      end = &*cast->use_begin();
    if (!isa<func::ReturnOp>(end->getOwner()))
      continue;
    if (present)
      return nullptr;
    present = end;
  }
  return present;
}

/// The cache that begins with `past`, or why there is none that can be narrowed.
std::variant<Cache, StringRef> cacheOf(BlockArgument past, bool coded) {
  if (!isa<FloatType>(elementTypeOf(past.getType())))
    return "its elements are integers already";
  if (isa_and_nonnull<func::ReturnOp>(onlyUser(past)) || past.use_empty())
    return "it is only passed through";
  auto concat = dyn_cast_or_null<ConcatOp>(onlyUser(past));
  SmallVector<DimExpr> dims = dimsOf(past.getType());
  bool extends =
      concat && concat.getInputs().size() == 2 && concat.getAxis() == 2 && dims.size() == 4;
  if (!extends)
    return "nothing but new rows behind it may read it";
  OpOperand *present = presentOf(concat);
  if (!present)
    return "past and new rows are not one result together";
  if (!elementTypeOf(concat.getType()).isF32())
    return "its rows are not computed in f32";
  if (coded && !dims[3].constantValue())
    return "the width of its rows is not known";
  return Cache{past, concat, present};
}

struct NarrowCaches : qcc::quantize::impl::NarrowCachesBase<NarrowCaches> {
  using Base::Base;

  std::optional<Storage> codes() {
    if (format == "int8")
      return Storage::i8;
    return format == "int4" ? std::optional(Storage::u4) : std::nullopt;
  }

  /// Rows of f32 in the format of the cache.
  Value narrowed(OpBuilder &b, Location loc, Value rows) {
    SmallVector<DimExpr> dims = dimsOf(rows.getType());
    if (auto storage = codes()) {
      RowCodes form{*storage, *dims.back().constantValue()};
      dims.back() = DimExpr::constant(&getContext(), form.bytes());
      Type bytes = makeTensorType(dims, b.getIntegerType(8, /*isSigned=*/false));
      return EncodeRowsOp::create(b, loc, bytes, rows, *storage);
    }
    if (format == "f16")
      return CastOp::create(b, loc, makeTensorType(dims, b.getF16Type()), rows);
    auto constant = [&](float value) {
      auto type = RankedTensorType::get({}, b.getF32Type());
      return ConstantOp::create(b, loc, DenseElementsAttr::get(type, value));
    };
    constexpr float largest = 448;
    Value above = MaxOp::create(b, loc, rows.getType(), rows, constant(-largest));
    Value inside = MinOp::create(b, loc, rows.getType(), above, constant(largest));
    return CastOp::create(b, loc, makeTensorType(dims, b.getType<Float8E4M3FNType>()), inside);
  }

  /// What the cache stands for, in f32.
  Value widened(OpBuilder &b, Location loc, Value cache, Type type) {
    if (auto storage = codes())
      return DecodeRowsOp::create(b, loc, type, cache, *storage);
    return CastOp::create(b, loc, type, cache);
  }

  void narrow(const Cache &cache) {
    ConcatOp concat = cache.concat;
    BlockArgument past = cache.past;
    OpBuilder b(concat);
    Location loc = concat.getLoc();
    Type wide = concat.getType();
    Value rows = narrowed(b, loc, concat.getInputs()[1]);
    auto withLast = [&](Type type) {
      SmallVector<DimExpr> dims = dimsOf(type);
      dims.back() = dimsOf(rows.getType()).back();
      return makeTensorType(dims, elementTypeOf(rows.getType()));
    };
    past.setType(withLast(past.getType()));
    Value present = ConcatOp::create(b, loc, withLast(wide), ValueRange{past, rows}, 2);
    int64_t output = cache.present->getOperandNumber();
    Operation *rounding = cache.present->get().getDefiningOp(),
              *widening = concat.getInputs()[0].getDefiningOp();
    cache.present->set(present);
    if (rounding != concat)
      rounding->erase();
    // Attention reads narrow floats where they are.
    Value decoded;
    for (OpOperand &use : llvm::make_early_inc_range(concat->getUses())) {
      auto attention = dyn_cast<AttentionOp>(use.getOwner());
      bool reads = attention && (use.getOperandNumber() == 1 || use.getOperandNumber() == 2);
      if (reads && !codes()) {
        use.set(present);
        continue;
      }
      if (!decoded)
        decoded = widened(b, loc, present, wide);
      use.set(decoded);
    }
    concat.erase();
    if (widening)
      widening->erase();
    remark::passed(past.getLoc(), remarkNarrow) << remark::metric("output", output);
  }

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    unsigned narrowedOnes = 0;
    SmallVector<std::string> refused;
    for (BlockArgument past : function.getArguments()) {
      auto role = function.getArgAttrOfType<StringAttr>(past.getArgNumber(), roleAttrName);
      if (!role || !role.getValue().starts_with("past."))
        continue;
      auto cache = cacheOf(past, codes().has_value());
      if (auto *found = std::get_if<Cache>(&cache)) {
        narrow(*found);
        ++narrowedOnes;
        continue;
      }
      StringRef reason = std::get<StringRef>(cache);
      remark::missed(past.getLoc(), remarkNarrow) << remark::reason("{0}", reason);
      refused.push_back((role.getValue() + ": " + reason).str());
    }
    if (!narrowedOnes)
      return refuse(refused);
    Block &body = function.getBody().front();
    function.setType(FunctionType::get(&getContext(), body.getArgumentTypes(),
                                       body.getTerminator()->getOperandTypes()));
  }

  void refuse(ArrayRef<std::string> reasons) {
    InFlightDiagnostic error = getOperation().emitError(diagName(Diag::NoCache))
                               << ": --kv=" << format << " finds no cache to narrow: ";
    if (reasons.empty())
      error << "no input is the past of a decoder's keys or values";
    else
      error << "'" << reasons.front() << "'";
    for (StringRef reason : reasons.drop_front(reasons.empty() ? 0 : 1))
      error.attachNote() << reason;
    signalPassFailure();
  }
};

} // namespace
