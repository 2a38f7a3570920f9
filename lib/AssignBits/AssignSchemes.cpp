// Which layers and embeddings are quantized, and how.
#include "Choices.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "qcc/AssignBits/Passes.h"
#include "qcc/Recipe/Recipe.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/GlobPattern.h"

namespace qcc::assignbits {
#define GEN_PASS_DEF_ASSIGNSCHEMES
#include "qcc/AssignBits/Passes.h.inc"
} // namespace qcc::assignbits

using namespace mlir;
using namespace qcc;
using namespace qcc::assignbits;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkAssign =
    remark::RemarkOpts::name("assign-schemes").category("assign-bits");

/// From this many channels on, a layer whose result is returned is an output head.
constexpr int64_t headChannels = 8192;
/// A constant op holds at most this (QntShape.td); what is larger and reads no weight is computed.
constexpr int64_t maxConstantBytes = 1024;

/// Ranges for static activations.
struct CalibratedRanges {
  StatisticsStore statistics;
  std::string collector;
};

/// Tensors that a recipe stores in their own way.
struct Override {
  llvm::GlobPattern match;
  Choice choice;
};

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

/// Whether a matrix is computed out of indices and a few numbers and holds no data of the model:
/// that of a Fourier transform is exact as it stands, and codes of it would be noise in all that
/// follows.
bool isFormula(Value matrix) {
  auto tensor = cast<RankedTensorType>(matrix.getType());
  if (tensor.getNumElements() * tensor.getElementTypeBitWidth() <= 8 * maxConstantBytes)
    return false; // may be a constant op
  SmallVector<Operation *> work = {matrix.getDefiningOp()};
  DenseSet<Operation *> seen;
  while (!work.empty()) {
    Operation *op = work.pop_back_val();
    if (!op || !seen.insert(op).second)
      continue;
    for (Value operand : op->getOperands())
      work.push_back(operand.getDefiningOp());
    auto use = dyn_cast<UseOp>(op);
    if (!use)
      continue;
    auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(use, use.getWeightAttr());
    if (!weight || weight.getRecipe().empty())
      return false;
    work.push_back(weight.getRecipe().front().getTerminator());
  }
  return true;
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
  Assigner(func::FuncOp function, ArrayRef<llvm::GlobPattern> skip, ArrayRef<Override> overrides,
           const CalibratedRanges *ranges, int64_t minDim)
      : function(function), skip(skip), overrides(overrides), ranges(ranges), minDim(minDim),
        rewriter(function.getContext()) {}
  void run(const Choice &layer, const Choice &head, const Choice &embed);

private:
  bool mayQuantize(Operation *op, Value matrix);
  bool isSkipped(Operation *op, Value matrix);
  const Choice &choiceFor(Operation *op, Value matrix, const Choice &usual);
  void findHeads();
  Value fakeQuantized(Value value, QType type);
  Value inHalf(Value matrix);
  std::optional<std::string> quantizeInput(LinearOp op, QType weight, const Scheme &scheme);
  std::optional<std::string> quantizeStatic(LinearOp op, QType codes, StringRef collector);
  void assignLayer(LinearOp op, const Choice &choice);
  void assignTable(GatherOp op, const Choice &choice);

  func::FuncOp function;
  ArrayRef<llvm::GlobPattern> skip;
  ArrayRef<Override> overrides;
  const CalibratedRanges *ranges;      ///< null without calibration
  DenseMap<Value, StringRef> observed; ///< the node that names a value's statistics
  int64_t minDim;
  IRRewriter rewriter;
  SmallVector<LinearOp> layers;
  SmallVector<GatherOp> tables;
  DenseSet<Operation *> heads;
  DenseMap<Value, bool> constant;
  DenseMap<std::tuple<Value, Type, StringRef>, Value> made; ///< the last: of static ranges
};

/// Whether `glob` matches the node's name or one of the weights behind `matrix`.
bool matches(const llvm::GlobPattern &glob, Operation *op, Value matrix) {
  SetVector<StringRef> names;
  names.insert(nodeName(op->getLoc()));
  collectWeights(matrix, names);
  return llvm::any_of(names, [&](StringRef name) { return glob.match(name); });
}

bool Assigner::isSkipped(Operation *op, Value matrix) {
  return llvm::any_of(skip,
                      [&](const llvm::GlobPattern &glob) { return matches(glob, op, matrix); });
}

/// The last override that matches, else what is usual.
const Choice &Assigner::choiceFor(Operation *op, Value matrix, const Choice &usual) {
  for (const Override &own : llvm::reverse(overrides))
    if (matches(own.match, op, matrix))
      return own.choice;
  return usual;
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
  if (isFormula(matrix))
    return refuse("the matrix is a formula, not data");
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
  Value &result = made[{value, type, StringRef()}];
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
  bool inBlocks = type.getGranularity() == Granularity::block;
  bool known = type.getStorage() != Storage::f8e4m3fnuz && type.getStorage() != Storage::f8e5m2fnuz;
  bool takes =
      type.isByRows() && type.getBits() <= 8 && known && (!inBlocks || type.getBlock() % 4 == 0);
  return takes ? type : QType();
}

/// Gives the input of a layer the codes that a product with `weight` needs, or says why not.
std::optional<std::string> Assigner::quantizeInput(LinearOp op, QType weight,
                                                   const Scheme &scheme) {
  QType codes = inputCodes(op.getX().getType(), weight, scheme);
  if (!codes)
    return std::nullopt;
  if (auto why = productProblem(codes, weight))
    return why;
  if (scheme.act == Scheme::Act::Int8Static)
    return quantizeStatic(op, codes, scheme.actRange.empty() ? ranges->collector : scheme.actRange);
  op.getXMutable().assign(fakeQuantized(op.getX(), codes));
  return std::nullopt;
}

/// Codes with the scale that calibration found for the value, under the name of its first reader.
std::optional<std::string> Assigner::quantizeStatic(LinearOp op, QType codes, StringRef collector) {
  Value x = op.getX();
  StringRef &id = observed[x];
  if (id.empty())
    id = nodeName(op.getLoc());
  const ValueStatistics *seen = ranges->statistics.find(id);
  auto range =
      seen ? seen->ranges.find(collector.str()) : std::map<std::string, Interval>::const_iterator();
  if (!seen || range == seen->ranges.end())
    return "no range '" + collector.str() + "' was calibrated for the input of node '" + id.str() +
           "'";
  Value &result = made[{x, codes, collector}];
  if (!result) {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointAfterValue(x);
    StaticGrid grid = staticGrid(codes, range->second);
    auto fixed = QuantizeStaticOp::create(rewriter, x.getLoc(), codes, x, Value(),
                                          rewriter.getF32FloatAttr(grid.scale),
                                          rewriter.getI64IntegerAttr(grid.zero), UnitAttr());
    result = DequantizeOp::create(rewriter, x.getLoc(), x.getType(), fixed.getOut());
  }
  op.getXMutable().assign(result);
  return std::nullopt;
}

void Assigner::assignLayer(LinearOp op, const Choice &usual) {
  Value weight = op.getWeight();
  const Choice &choice = choiceFor(op, weight, usual);
  auto refuse = [&](const Twine &why) {
    remark::missed(op.getLoc(), remarkAssign) << remark::reason("{0}", why.str());
  };
  QType existing = existingCodes(weight);
  if (existing && choice.kind == Choice::Codes && elementTypeOf(op.getX().getType()).isF32() &&
      !isSkipped(op, weight)) {
    if (auto why = quantizeInput(op, existing, choice.scheme))
      return refuse(*why);
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
  if (!elementTypeOf(op.getX().getType()).isF32())
    return refuse("the input is not of f32");
  QType codes = codesOf(weight.getType(), choice.scheme);
  if (auto why = quantizeInput(op, codes, choice.scheme))
    return refuse(*why);
  op.getWeightMutable().assign(fakeQuantized(weight, codes));
  remark::passed(op.getLoc(), remarkAssign)
      << remark::metric("scheme", choice.text)
      << remark::metric("head", heads.contains(op) ? "yes" : "no");
}

void Assigner::assignTable(GatherOp op, const Choice &usual) {
  const Choice &choice = choiceFor(op, op.getX(), usual);
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
  if (choice.scheme.granularity == Scheme::Granularity::Tensor) {
    remark::missed(op.getLoc(), remarkAssign)
        << remark::reason("look-ups need scales by rows or blocks");
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

  /// Reports an error at the function.
  LogicalResult report(llvm::Error error) {
    llvm::handleAllErrors(std::move(error), [&](const CodedError &coded) {
      InFlightDiagnostic diagnostic =
          getOperation().emitError(diagName(coded.code) + ": " +
                                   (coded.where.empty() ? "" : coded.where + ": ") + coded.message);
      for (const std::string &note : coded.notes)
        diagnostic.attachNote() << note;
    });
    return failure();
  }
  FailureOr<Choice> taken(llvm::Expected<Choice> choice) {
    if (choice)
      return *choice;
    return report(choice.takeError());
  }
  FailureOr<llvm::GlobPattern> globOf(StringRef text) {
    auto glob = llvm::GlobPattern::create(text);
    if (glob)
      return std::move(*glob);
    return getOperation().emitError(diagName(Diag::BadGlob) + ": '" + text +
                                    "': " + llvm::toString(glob.takeError()));
  }

  LogicalResult assign() {
    Recipe own;
    if (!recipe.empty()) {
      auto read = readRecipe(recipe);
      if (!read)
        return report(read.takeError());
      own = std::move(*read);
    }
    std::optional<CalibratedRanges> ranges;
    if (!statistics.empty()) {
      auto read = StatisticsStore::read(statistics);
      if (!read)
        return report(read.takeError());
      ranges = CalibratedRanges{std::move(*read), collector};
    }
    bool calibrated = ranges.has_value();
    auto layer = taken(layerChoice(scheme, own.schemes, calibrated));
    if (failed(layer))
      return failure();
    auto forHead = taken(headChoice(head, *layer, own.schemes));
    auto forEmbed = taken(embedChoice(embed, own.schemes));
    if (failed(forHead) || failed(forEmbed))
      return failure();
    SmallVector<llvm::GlobPattern> globs;
    for (const std::string &text : skip) {
      auto glob = globOf(text);
      if (failed(glob))
        return failure();
      globs.push_back(std::move(*glob));
    }
    SmallVector<Override, 0> overrides;
    for (const RecipeOverride &given : own.overrides) {
      auto glob = globOf(given.match);
      auto choice = taken(layerChoice(given.quantize, own.schemes, calibrated));
      if (failed(glob) || failed(choice))
        return failure();
      overrides.push_back({std::move(*glob), std::move(*choice)});
    }
    Assigner(getOperation(), globs, overrides, calibrated ? &*ranges : nullptr, minDim)
        .run(*layer, *forHead, *forEmbed);
    return success();
  }

  void runOnOperation() override {
    if (failed(assign()))
      signalPassFailure();
  }
};

} // namespace
