// Which layers and embeddings are quantized, and how.
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "qcc/AssignBits/Passes.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Scheme.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/GlobPattern.h"

namespace qcc::assignbits {
#define GEN_PASS_DEF_ASSIGNSCHEMES
#include "qcc/AssignBits/Passes.h.inc"
} // namespace qcc::assignbits

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkAssign =
    remark::RemarkOpts::name("assign-schemes").category("assign-bits");

/// From this many channels on, a layer whose result is returned is an output head.
constexpr int64_t headChannels = 8192;

/// How one kind of tensor is stored: not at all differently, in 16 bits, or as codes.
struct Choice {
  enum Kind { Keep, Half, Codes } kind = Keep;
  Scheme scheme;
  std::string text;
};

//===-- Schemes ----------------------------------------------------------------------------------//

/// What `scheme` asks for that no kernel of a linear layer does, or nothing.
std::optional<std::string> lacksKernel(const Scheme &scheme) {
  if (scheme.weight != Scheme::Weight::Int || (scheme.bits != 8 && scheme.bits != 4))
    return "weights other than integers of 8 and 4 bits";
  if (scheme.act == Scheme::Act::Float)
    return "integer weights with float activations";
  if (scheme.act != Scheme::Act::Int8Dynamic || scheme.actGroup)
    return "activations other than int8 per token";
  if (scheme.granularity == Scheme::Granularity::Tensor)
    return "one scale for a whole weight";
  bool blocks = scheme.granularity == Scheme::Granularity::Block;
  if (scheme.bits == 8 && (blocks || !scheme.symmetric))
    return blocks ? "8-bit weights in blocks" : "8-bit weights with zero points";
  if (scheme.bits == 8 && scheme.scale != Scheme::ScaleType::F32)
    return "8-bit weights with 16-bit scales";
  if (blocks && scheme.block % 4 != 0)
    return "blocks that are no multiple of 4";
  return std::nullopt;
}

FailureOr<Choice> layerChoice(Operation *at, StringRef text) {
  if (text.empty() || text == "f32" || text == "keep")
    return Choice{Choice::Keep, {}, "f32"};
  if (text == "f16")
    return Choice{Choice::Half, {}, "f16"};
  auto scheme = parseScheme(text);
  if (!scheme) {
    llvm::handleAllErrors(scheme.takeError(), [&](const CodedError &error) {
      at->emitError(diagName(error.code) + ": " + error.message);
    });
    return failure();
  }
  if (auto why = lacksKernel(*scheme))
    return at->emitError(diagName(Diag::SchemeWithoutKernel) + ": scheme '" + text + "' asks for " +
                         *why +
                         ", which have no kernels; w8a8, w4a8:gN with N a multiple of 4, and "
                         "w4a8:channel work");
  return Choice{Choice::Codes, *scheme, schemeToString(*scheme)};
}

/// `f32`, `f16`, `w8` or `w4` for a head: as a layer with int8 activations where layers have them.
FailureOr<Choice> headChoice(Operation *at, StringRef text, const Choice &layers) {
  if (layers.kind != Choice::Codes && text != "f16")
    return Choice{Choice::Keep, {}, "f32"};
  return layerChoice(at, text == "w8" || text == "w4" ? (text + "a8").str() : text.str());
}

FailureOr<Choice> embedChoice(Operation *at, StringRef text) {
  if (text != "w8" && text != "w4")
    return layerChoice(at, text);
  return Choice{Choice::Codes, *parseScheme(text), text.str()};
}

Type scaleType(MLIRContext *context, Scheme::ScaleType scale) {
  if (scale == Scheme::ScaleType::F16)
    return Float16Type::get(context);
  if (scale == Scheme::ScaleType::BF16)
    return BFloat16Type::get(context);
  return Float32Type::get(context);
}

/// The type of a matrix under `scheme`. 4 bits per channel are one block of the whole row.
QType codesOf(Type matrix, const Scheme &scheme) {
  MLIRContext *context = matrix.getContext();
  SmallVector<DimExpr> dims = dimsOf(matrix);
  Type scale = scaleType(context, scheme.scale);
  if (scheme.bits == 8)
    return QType::get(context, makeDims(context, dims), Storage::i8, Granularity::axis, 0, 0, scale,
                      Type(), Layout::logical);
  int64_t block =
      scheme.granularity == Scheme::Granularity::Block ? scheme.block : *dims[1].constantValue();
  Type zero = scheme.symmetric ? Type() : IntegerType::get(context, 4, IntegerType::Unsigned);
  return QType::get(context, makeDims(context, dims), scheme.symmetric ? Storage::i4 : Storage::u4,
                    Granularity::block, 1, block, scale, zero, Layout::logical);
}

//===-- The graph --------------------------------------------------------------------------------//

/// Whether `value` is computed from weights and constants alone.
bool isConstantExpression(Value value, DenseMap<Value, bool> &known) {
  if (auto found = known.find(value); found != known.end())
    return found->second;
  Operation *def = value.getDefiningOp();
  bool yes = def && isa<QntDialect>(def->getDialect()) && isMemoryEffectFree(def) &&
             llvm::all_of(def->getOperands(),
                          [&](Value operand) { return isConstantExpression(operand, known); });
  return known[value] = yes;
}

/// What two readers of one matrix have in common: the weight's name, or the value.
void *identity(Value matrix) {
  if (auto use = matrix.getDefiningOp<UseOp>())
    return const_cast<void *>(use.getWeightAttr().getAsOpaquePointer());
  return matrix.getAsOpaquePointer();
}

/// Names of the weights behind `value`.
void collectWeights(Value value, SetVector<StringRef> &names) {
  Operation *def = value.getDefiningOp();
  if (auto use = dyn_cast_or_null<UseOp>(def))
    names.insert(use.getWeight());
  else if (def)
    for (Value operand : def->getOperands())
      collectWeights(operand, names);
}

bool passesThrough(Operation *op) {
  return op && (op->hasTrait<Elementwise>() || isa<ReshapeOp, SliceOp, TransposeOp>(op));
}

/// Layers whose result reaches `value` through elementwise ops and views.
void collectLayers(Value value, DenseSet<Operation *> &seen, SetVector<Operation *> &layers) {
  Operation *def = value.getDefiningOp();
  if (!def || !seen.insert(def).second)
    return;
  if (isa<LinearOp>(def))
    layers.insert(def);
  else if (passesThrough(def))
    for (Value operand : def->getOperands())
      collectLayers(operand, seen, layers);
}

/// Angles for rotary embedding are looked up like embeddings, but must stay exact.
bool feedsRotation(Value value, int depth = 0) {
  for (Operation *user : value.getUsers()) {
    if (isa<RopeOp, CosOp, SinOp>(user))
      return true;
    if (auto mul = dyn_cast<MulOp>(user)) {
      Operation *other = (mul.getX() == value ? mul.getY() : mul.getX()).getDefiningOp();
      if (!isa_and_nonnull<ConstantOp, UseOp>(other))
        return true;
    }
    bool view = isa<ReshapeOp, TransposeOp, CastOp, BroadcastOp, ConcatOp, SliceOp>(user);
    if (view && depth < 8 && feedsRotation(user->getResult(0), depth + 1))
      return true;
  }
  return false;
}

class Assigner {
public:
  Assigner(func::FuncOp function, ArrayRef<llvm::GlobPattern> skip, int64_t minDim)
      : function(function), skip(skip), minDim(minDim), rewriter(function.getContext()) {}
  void run(const Choice &layer, const Choice &head, const Choice &embed);

private:
  bool mayQuantize(Operation *op, Value matrix);
  bool isSkipped(Operation *op, Value matrix);
  void findHeads();
  Value fakeQuantized(Value value, QType type);
  Value inHalf(Value matrix);
  void quantizeInput(LinearOp op, QType weight);
  void assignLayer(LinearOp op, const Choice &choice);
  void assignTable(GatherOp op, const Choice &choice);

  func::FuncOp function;
  ArrayRef<llvm::GlobPattern> skip;
  int64_t minDim;
  IRRewriter rewriter;
  SmallVector<LinearOp> layers;
  SmallVector<GatherOp> tables;
  DenseSet<Operation *> heads;
  DenseMap<Value, bool> constant;
  DenseMap<std::pair<Value, Type>, Value> made;
};

bool Assigner::isSkipped(Operation *op, Value matrix) {
  SetVector<StringRef> names;
  names.insert(nodeName(op->getLoc()));
  collectWeights(matrix, names);
  return llvm::any_of(skip, [&](const llvm::GlobPattern &glob) {
    return llvm::any_of(names, [&](StringRef name) { return glob.match(name); });
  });
}

bool Assigner::mayQuantize(Operation *op, Value matrix) {
  auto refuse = [&](const char *why) {
    remark::missed(op->getLoc(), remarkAssign) << remark::reason(why);
    return false;
  };
  auto tensor = dyn_cast<RankedTensorType>(matrix.getType());
  if (!tensor)
    return false; // quantized already
  if (!isConstantExpression(matrix, constant))
    return refuse("the matrix is computed");
  if (matrix.getDefiningOp<DequantizeOp>())
    return refuse("the matrix came quantized");
  if (tensor.getRank() != 2 || !tensor.hasStaticShape() || tensor.getDimSize(0) < minDim ||
      tensor.getDimSize(1) < minDim)
    return refuse("the matrix is small");
  if (!tensor.getElementType().isF32())
    return refuse("the matrix is not of f32");
  if (isSkipped(op, matrix))
    return refuse("a name matches skip");
  return true;
}

void Assigner::findHeads() {
  DenseSet<void *> looked;
  for (GatherOp table : tables)
    looked.insert(identity(table.getX()));
  for (LinearOp layer : layers)
    if (looked.contains(identity(layer.getWeight())))
      heads.insert(layer);
  Operation *end = function.getBody().front().getTerminator();
  for (auto [i, result] : llvm::enumerate(end->getOperands())) {
    DenseSet<Operation *> seen;
    SetVector<Operation *> found;
    collectLayers(result, seen, found);
    auto role = function.getResultAttrOfType<StringAttr>(i, roleAttrName);
    for (Operation *layer : found) {
      auto channels = dimsOf(layer->getResult(0).getType()).back().constantValue();
      if ((role && role == "logits") || channels.value_or(0) >= headChannels)
        heads.insert(layer);
    }
  }
}

/// dequantize(quantize(value)), made once.
Value Assigner::fakeQuantized(Value value, QType type) {
  Value &result = made[{value, type}];
  if (result)
    return result;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfterValue(value);
  auto codes = QuantizeOp::create(rewriter, value.getLoc(), type, value);
  result = DequantizeOp::create(rewriter, value.getLoc(), value.getType(), codes.getOut());
  return result;
}

/// The matrix rounded to f16.
Value Assigner::inHalf(Value matrix) {
  rewriter.setInsertionPointAfterValue(matrix);
  Type type = makeTensorType(dimsOf(matrix.getType()), rewriter.getF16Type());
  return CastOp::create(rewriter, matrix.getLoc(), type, matrix);
}

/// Codes of a weight that came quantized and that kernels take as they are.
QType existingCodes(Value weight) {
  auto dequantize = weight.getDefiningOp<DequantizeOp>();
  if (!dequantize)
    return {};
  QType type = dequantize.getX().getType();
  bool perChannel = type.getGranularity() == Granularity::axis && type.getAxis() == 0 &&
                    type.getStorage() == Storage::i8 && !type.getZero();
  bool blocks = type.getGranularity() == Granularity::block && type.getAxis() == 1 &&
                type.getBits() == 4 && type.getBlock() % 4 == 0 &&
                (type.getZero() ? type.getZero().isInteger() : type.getStorage() == Storage::i4);
  return dimsOf(type).size() == 2 && (perChannel || blocks) ? type : QType();
}

/// The input of a layer on codes, per token: with the sums that weights in blocks need, else with a
/// zero point, which halves the step of one-sided values such as those behind GELU.
void Assigner::quantizeInput(LinearOp op, QType weight) {
  MLIRContext *context = op.getContext();
  int64_t sums = weight.getGranularity() == Granularity::block ? weight.getBlock() : 0;
  QType rows = QType::get(context, makeDims(context, dimsOf(op.getX().getType())), Storage::i8,
                          Granularity::token, -1, sums, Float32Type::get(context),
                          sums ? Type() : Type(IntegerType::get(context, 8)), Layout::logical);
  op.getXMutable().assign(fakeQuantized(op.getX(), rows));
}

void Assigner::assignLayer(LinearOp op, const Choice &choice) {
  Value weight = op.getWeight();
  QType existing = existingCodes(weight);
  if (existing && choice.kind == Choice::Codes && elementTypeOf(op.getX().getType()).isF32() &&
      !isSkipped(op, weight)) {
    quantizeInput(op, existing);
    remark::passed(op.getLoc(), remarkAssign)
        << remark::metric("scheme", "the codes that the model has");
    return;
  }
  if (choice.kind == Choice::Keep || !mayQuantize(op, weight))
    return;
  if (choice.kind == Choice::Half) {
    Value half = inHalf(weight);
    op.getWeightMutable().assign(CastOp::create(rewriter, weight.getLoc(), weight.getType(), half));
    return;
  }
  if (!elementTypeOf(op.getX().getType()).isF32()) {
    remark::missed(op.getLoc(), remarkAssign) << remark::reason("the input is not of f32");
    return;
  }
  QType codes = codesOf(weight.getType(), choice.scheme);
  bool blocks = codes.getGranularity() == Granularity::block;
  if (blocks && codes.getBlock() % 4 != 0) {
    remark::missed(op.getLoc(), remarkAssign) << remark::reason("a row is no multiple of 4 long");
    return;
  }
  quantizeInput(op, codes);
  op.getWeightMutable().assign(fakeQuantized(weight, codes));
  remark::passed(op.getLoc(), remarkAssign)
      << remark::metric("scheme", choice.text)
      << remark::metric("head", heads.contains(op) ? "yes" : "no");
}

void Assigner::assignTable(GatherOp op, const Choice &choice) {
  if (choice.kind == Choice::Keep || op.getAxis() != 0 || !mayQuantize(op, op.getX()))
    return;
  if (feedsRotation(op.getOut())) {
    remark::missed(op.getLoc(), remarkAssign) << remark::reason("the table holds angles");
    return;
  }
  if (choice.kind == Choice::Half) {
    Value half = inHalf(op.getX());
    rewriter.setInsertionPoint(op);
    Type type = makeTensorType(dimsOf(op.getType()), rewriter.getF16Type());
    Value rows = GatherOp::create(rewriter, op.getLoc(), type, half, op.getIndices(), 0);
    rewriter.replaceOpWithNewOp<CastOp>(op, op.getType(), rows);
    return;
  }
  op.getXMutable().assign(fakeQuantized(op.getX(), codesOf(op.getX().getType(), choice.scheme)));
  remark::passed(op.getLoc(), remarkAssign) << remark::metric("scheme", choice.text);
}

void Assigner::run(const Choice &layer, const Choice &head, const Choice &embed) {
  layers.assign(function.getOps<LinearOp>().begin(), function.getOps<LinearOp>().end());
  tables.assign(function.getOps<GatherOp>().begin(), function.getOps<GatherOp>().end());
  findHeads();
  DenseSet<void *> headMatrices;
  for (LinearOp op : layers)
    if (heads.contains(op))
      headMatrices.insert(identity(op.getWeight()));
  // Identities of matrices hold only until the first one is rewritten.
  SmallVector<bool> shared;
  for (GatherOp op : tables)
    shared.push_back(headMatrices.contains(identity(op.getX())));
  for (LinearOp op : layers)
    assignLayer(op, heads.contains(op) ? head : layer);
  for (auto [op, isShared] : llvm::zip_equal(tables, shared))
    assignTable(op, isShared ? head : embed);
}

struct AssignSchemes : qcc::assignbits::impl::AssignSchemesBase<AssignSchemes> {
  using AssignSchemesBase::AssignSchemesBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    auto layer = layerChoice(function, scheme);
    if (failed(layer))
      return signalPassFailure();
    auto forHead = headChoice(function, head, *layer);
    auto forEmbed = embedChoice(function, embed);
    if (failed(forHead) || failed(forEmbed))
      return signalPassFailure();
    SmallVector<llvm::GlobPattern> globs;
    for (const std::string &text : skip) {
      auto glob = llvm::GlobPattern::create(text);
      if (!glob) {
        function.emitError(diagName(Diag::BadGlob) + ": '" + text +
                           "': " + llvm::toString(glob.takeError()));
        return signalPassFailure();
      }
      globs.push_back(std::move(*glob));
    }
    Assigner(function, globs, minDim).run(*layer, *forHead, *forEmbed);
  }
};

} // namespace
