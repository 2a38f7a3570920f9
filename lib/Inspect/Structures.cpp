// Structures of a function by kind and form, each described once for all nodes of one form.
#include "qcc/Inspect/Structures.h"
#include "qcc/Support/Print.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>
#include <map>
#include <set>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

/// Words of one form, and the same as data.
struct Form {
  std::vector<std::string> words;
  llvm::json::Object properties;
  void say(const Twine &text) { words.push_back(text.str()); }
};

//===-- Looking around ---------------------------------------------------------------------------//

bool isLayer(Operation *op) {
  return isa_and_present<LinearOp, QLinearOp, SparseLinearOp, MatmulOp>(op);
}

/// The value that codes of activations, and changes of form, stand for.
Value throughForm(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<ReshapeOp, TransposeOp, CastOp, SliceOp, QuantizeOp, QuantizeStaticOp, DequantizeOp,
             IdentityOp, BroadcastOp, ObserveOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// The input of the layer that made a query or a key, or the function's input that it is; null
/// where neither is found.
Value projected(Value value) {
  for (;;) {
    value = throughForm(value);
    Operation *op = value.getDefiningOp();
    if (auto concat = dyn_cast_or_null<ConcatOp>(op))
      value = concat.getInputs().back(); // past rows come first
    else if (isa_and_present<RopeOp, RmsNormOp, LayerNormOp, HadamardOp>(op))
      value = op->getOperand(0);
    else if (auto mul = dyn_cast_or_null<MulOp>(op); mul && splatBehind(mul.getY()))
      value = mul.getX();
    else if (auto add = dyn_cast_or_null<AddOp>(op); add && isConstantValue(add.getY()))
      value = add.getX();
    else if (isLayer(op))
      return throughForm(op->getOperand(0));
    else
      return isa<BlockArgument>(value) ? value : Value();
  }
}

/// Whether what is looked up are sines or cosines of positions.
bool isReadByRope(Operation *lookUp) {
  SmallVector<Value> open = {lookUp->getResult(0)};
  for (size_t i = 0; i < open.size() && i < 8; ++i)
    for (Operation *user : open[i].getUsers()) {
      if (isa<RopeOp>(user))
        return true;
      if (isa<ReshapeOp, CastOp, BroadcastOp>(user))
        open.push_back(user->getResult(0));
    }
  return false;
}

/// Whether a norm works on the queries or keys of attention, head by head.
bool isQueryOrKeyNorm(Operation *norm) {
  SmallVector<Value> open = {norm->getResult(0)};
  for (size_t i = 0; i < open.size() && i < 32; ++i)
    for (OpOperand &use : open[i].getUses()) {
      Operation *user = use.getOwner();
      if (isa<AttentionOp>(user) && use.getOperandNumber() < 2)
        return true;
      if (isa<ReshapeOp, TransposeOp, RopeOp, CastOp, SliceOp, MulOp, ConcatOp>(user))
        open.push_back(user->getResult(0));
    }
  return false;
}

std::string sizeOf(DimExpr dim) { return dim.str(); }

void setSize(Form &form, StringRef name, DimExpr dim) {
  if (auto known = dim.constantValue())
    form.properties[name] = *known;
  else
    form.properties[name] = dim.str();
}

//===-- Forms of single ops ----------------------------------------------------------------------//

void describeMask(Form &form, AttentionOp op) {
  MaskMeaning mask = op.getMask() ? readMask(op.getMask()) : MaskMeaning();
  bool causal = op.getCausal() || mask.causal;
  int64_t window = op.getWindow() > 0 ? op.getWindow() : mask.window;
  if (causal)
    form.say("causal");
  if (window)
    form.say("window " + Twine(window));
  if (mask.padding)
    form.say("padding mask");
  for (const std::string &other : mask.others)
    form.say(other);
  if (op.getSink())
    form.say("sinks");
  form.properties["sinks"] = bool(op.getSink());
  form.properties["causal"] = causal;
  form.properties["padding_mask"] = mask.padding;
  if (window)
    form.properties["window"] = window;
  if (!mask.others.empty())
    form.properties["mask"] = llvm::json::Array(mask.others);
}

Form describe(AttentionOp op) {
  Form form;
  auto query = dimsOf(op.getQuery().getType()), key = dimsOf(op.getKey().getType()),
       value = dimsOf(op.getValue().getType());
  std::string heads = sizeOf(query[1]), groups = sizeOf(key[1]);
  bool alike = query[1] == key[1], one = key[1].isConstant(1);
  form.say(alike ? "heads " + heads : (one ? "MQA " : "GQA ") + heads + "/" + groups);
  form.say("head " + sizeOf(query[3]) + (value[3] == query[3] ? "" : "/" + sizeOf(value[3])));
  setSize(form, "heads", query[1]);
  setSize(form, "kv_heads", key[1]);
  setSize(form, "head_size", query[3]);
  Value from = projected(op.getQuery()), to = projected(op.getKey());
  bool cross = from && to && from != to;
  if (cross)
    form.say(isa<BlockArgument>(to) ? "cross, keys are an input" : "cross");
  form.properties["cross"] = cross;
  describeMask(form, op);
  double softcap = op.getSoftcap().convertToDouble(), scale = op.getScale().convertToDouble();
  if (softcap != 0) {
    form.say("softcap " + formatNumber(softcap, 4));
    form.properties["softcap"] = softcap;
  }
  if (auto size = query[3].constantValue();
      size && std::abs(scale * std::sqrt(double(*size)) - 1) > 1e-3)
    form.say("scale " + formatNumber(scale, 4));
  form.properties["scale"] = scale;
  return form;
}

Form describeNorm(Operation *op, llvm::APFloat epsilon, bool hasGain, bool hasBias) {
  Form form;
  DimExpr channels = dimsOf(op->getResult(0).getType()).back();
  bool head = isQueryOrKeyNorm(op);
  if (head)
    form.say("of queries or keys");
  form.say("over " + sizeOf(channels));
  form.say("epsilon " + formatNumber(epsilon.convertToDouble(), 3));
  if (!hasGain)
    form.say("no gain");
  if (hasBias)
    form.say("bias");
  form.properties["query_or_key"] = head;
  setSize(form, "channels", channels);
  form.properties["epsilon"] = epsilon.convertToDouble();
  form.properties["gain"] = hasGain;
  form.properties["bias"] = hasBias;
  return form;
}

/// The inverse frequencies that angles are made with, where they are a constant of `width` numbers.
std::vector<double> frequenciesBehind(Value table, int64_t width, bool &computed) {
  SmallVector<Value> open = {table};
  llvm::DenseSet<Value> seen;
  while (!open.empty()) {
    Operation *op = open.pop_back_val().getDefiningOp();
    if (!op)
      continue;
    computed |= isa<CosOp>(op);
    if (auto constant = dyn_cast<ConstantOp>(op)) {
      auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
      if (!computed || !dense || !isa<FloatType>(dense.getElementType()) || dense.isSplat() ||
          dense.getNumElements() % width != 0)
        continue;
      std::vector<double> numbers;
      for (const llvm::APFloat &number : dense.getValues<llvm::APFloat>())
        if (numbers.size() < size_t(width))
          numbers.push_back(number.convertToDouble());
      return numbers;
    }
    if (!isa<AttentionOp>(op) && !isLayer(op))
      for (Value operand : op->getOperands())
        if (seen.insert(operand).second)
          open.push_back(operand);
  }
  return {};
}

Form describe(RopeOp op) {
  Form form;
  DimExpr channels = dimsOf(op.getX().getType()).back();
  int64_t width = dimsOf(op.getCos().getType()).back().constantValue().value_or(0);
  form.say(op.getInterleaved() ? "interleaved" : "halves");
  form.properties["interleaved"] = op.getInterleaved();
  auto size = channels.constantValue();
  if (size && width && *size != 2 * width) {
    form.say("partial " + formatNumber(2.0 * width / *size, 3));
    form.properties["partial"] = 2.0 * width / *size;
  }
  bool computed = false;
  std::vector<double> numbers =
      width > 1 ? frequenciesBehind(op.getCos(), width, computed) : std::vector<double>();
  if (numbers.empty()) {
    form.say(computed ? "angles computed" : "tables stored or given");
    return form;
  }
  // base^(-i / width), if they are a geometric series from 1.
  double base = std::pow(numbers[1] / numbers[0], -double(width));
  bool plain = std::abs(numbers[0] - 1) < 1e-4;
  for (int64_t i = 0; i < width; ++i)
    plain &= std::abs(numbers[i] * std::pow(base, double(i) / width) - 1) < 1e-2;
  if (plain) {
    form.say("base " + formatNumber(base, 4));
    form.properties["base"] = base;
  } else {
    form.say("scaled frequencies");
  }
  form.properties["scaled"] = !plain;
  return form;
}

Form describeCodes(Value x, QType weight) {
  Form form;
  std::string codes = ("w" + Twine(weight.getBits())).str();
  StringRef storage = stringifyStorage(weight.getStorage());
  form.say(codes + " " + storage);
  switch (weight.getGranularity()) {
  case Granularity::tensor:
    form.say("one scale");
    break;
  case Granularity::axis:
    form.say("scales per channel");
    break;
  default:
    form.say("blocks of " + Twine(weight.getBlock()));
  }
  if (weight.getCodebook())
    form.say("codebook");
  else if (!weight.isSymmetric())
    form.say("zero points");
  form.properties["weight_bits"] = int64_t(weight.getBits());
  form.properties["weight_storage"] = storage;
  if (weight.getGranularity() == Granularity::block)
    form.properties["block"] = weight.getBlock();
  auto codesOfX = x ? dyn_cast<QType>(x.getType()) : QType();
  if (!x)
    return form;
  std::string activation = "not quantized";
  if (codesOfX) {
    bool fixed = isa_and_present<QuantizeStaticOp, AssembleOp>(x.getDefiningOp());
    activation =
        (stringifyStorage(codesOfX.getStorage()) + (fixed ? " static" : " per token")).str();
    if (codesOfX.getGroup())
      activation += " in groups of " + std::to_string(codesOfX.getGroup());
  }
  form.say("inputs " + activation);
  form.properties["activations"] = activation;
  return form;
}

//===-- Activations ------------------------------------------------------------------------------//

bool isActivation(Operation *op) { return isa<GeluOp, SiluOp, ReluOp>(op); }

/// The product of an activated and a linear half (Shazeer 2020): gate, where `op` is its
/// activation.
MulOp gateOf(Operation *op) {
  for (Operation *user : op->getUsers()) {
    auto mul = dyn_cast<MulOp>(user);
    if (!mul)
      continue;
    Value other = mul.getX() == op->getResult(0) ? mul.getY() : mul.getX();
    if (isLayer(throughForm(op->getOperand(0)).getDefiningOp()) &&
        isLayer(throughForm(other).getDefiningOp()))
      return mul;
  }
  return {};
}

std::pair<std::string, Form> describeActivation(Operation *op) {
  Form form;
  bool gated = gateOf(op) != nullptr;
  std::string kind = isa<SiluOp>(op)   ? gated ? "SwiGLU" : "SiLU"
                     : isa<ReluOp>(op) ? gated ? "ReGLU" : "ReLU"
                     : gated           ? "GeGLU"
                                       : "GELU";
  if (auto gelu = dyn_cast<GeluOp>(op)) {
    StringRef which = stringifyGeluKind(gelu.getKind());
    form.say(which);
    form.properties["approximation"] = which;
  }
  form.properties["gated"] = gated;
  return {kind, std::move(form)};
}

//===-- Tables -----------------------------------------------------------------------------------//

/// The files or constants that a weight is made from, recipes followed.
std::set<std::string> sourcesBehind(Value value) {
  std::set<std::string> names;
  SmallVector<Value> open = {value};
  llvm::DenseSet<Value> seen;
  while (!open.empty()) {
    Operation *op = throughRecipe(open.pop_back_val()).getDefiningOp();
    if (auto use = dyn_cast_or_null<UseOp>(op)) {
      auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(use, use.getWeightAttr());
      std::string name = use.getWeight().str();
      if (weight && weight.getSource())
        llvm::raw_string_ostream(name = "") << *weight.getSource();
      names.insert(name);
    } else if (op) {
      for (Value operand : op->getOperands())
        if (seen.insert(operand).second)
          open.push_back(operand);
    }
  }
  return names;
}

class Finder {
public:
  explicit Finder(func::FuncOp function) : function(function) {}

  std::vector<Structure> run() {
    findHeads();
    function.walk([&](Operation *op) { visit(op); });
    std::multimap<size_t, Structure> ordered;
    for (auto &[key, structure] : groups)
      ordered.emplace(orderOf(structure.kind), std::move(structure));
    std::vector<Structure> result;
    for (auto &[order, structure] : ordered)
      result.push_back(std::move(structure));
    return result;
  }

private:
  static size_t orderOf(StringRef kind) {
    static constexpr StringLiteral order[] = {
        "embedding", "tied embedding", "attention",         "RoPE",
        "RMSNorm",   "LayerNorm",      "mixture of experts"};
    return std::find(std::begin(order), std::end(order), kind) - std::begin(order);
  }

  void add(StringRef kind, Form form, Operation *op) {
    std::string text = llvm::join(form.words, ", ");
    Structure &group = groups[{kind.str(), text}];
    if (group.nodes.empty())
      group = {kind.str(), text, std::move(form.properties), {}};
    StringRef name = nodeName(op->getLoc());
    group.nodes.push_back(name.empty() ? "(unnamed)" : name.str());
  }

  /// What layers multiply with, for tables that are one of these too.
  void findHeads() {
    function.walk([&](Operation *op) {
      if (!isa<LinearOp, QLinearOp>(op))
        return;
      layerSources.merge(sourcesBehind(op->getOperand(1)));
    });
  }

  void addTable(Operation *op, Value table) {
    bool tied = llvm::any_of(sourcesBehind(table),
                             [&](auto &name) { return layerSources.count(name) > 0; });
    auto dims = dimsOf(table.getType());
    Form form;
    form.say(sizeOf(dims[0]) + " rows of " + sizeOf(dims[1]));
    setSize(form, "rows", dims[0]);
    setSize(form, "columns", dims[1]);
    if (auto codes = dyn_cast<QType>(table.getType())) {
      Form stored = describeCodes({}, codes);
      llvm::append_range(form.words, stored.words);
      for (auto &entry : stored.properties)
        form.properties[entry.first] = entry.second;
    }
    add(tied ? "tied embedding" : "embedding", std::move(form), op);
  }

  /// The router of a mixture: the largest of a softmax or of a layer's few results.
  void addExperts(TopKOp op) {
    Operation *scores = throughForm(op.getX()).getDefiningOp();
    auto from = dimsOf(op.getX().getType());
    auto experts = from.back().constantValue();
    auto top = dimsOf(op.getValues().getType()).back().constantValue();
    if (!experts || !top || *experts > 4096 || op.getAxis() + 1 != from.size() ||
        !(isLayer(scores) || isa_and_present<SoftmaxOp, SigmoidOp>(scores)))
      return;
    Form form;
    form.say(Twine(*experts) + " experts");
    form.say("top " + Twine(*top));
    form.properties["experts"] = *experts;
    form.properties["top"] = *top;
    add("mixture of experts", std::move(form), op);
  }

  void addLayer(Operation *op) {
    if (auto layer = dyn_cast<QLinearOp>(op))
      return add("linear on codes", describeCodes(layer.getX(), layer.getWeight().getType()), op);
    Form form;
    std::string type;
    llvm::raw_string_ostream(type) << elementTypeOf(op->getResult(0).getType());
    form.say(type);
    form.properties["type"] = type;
    add(isa<SparseLinearOp>(op) ? "linear, sparse part" : "linear", std::move(form), op);
  }

  void visit(Operation *op) {
    if (auto attention = dyn_cast<AttentionOp>(op))
      add("attention", describe(attention), op);
    else if (auto rope = dyn_cast<RopeOp>(op))
      add("RoPE", describe(rope), op);
    else if (auto norm = dyn_cast<RmsNormOp>(op))
      add("RMSNorm", describeNorm(op, norm.getEpsilon(), !!norm.getGain(), false), op);
    else if (auto layerNorm = dyn_cast<LayerNormOp>(op))
      add("LayerNorm",
          describeNorm(op, layerNorm.getEpsilon(), !!layerNorm.getGain(), !!layerNorm.getBias()),
          op);
    else if (isActivation(op)) {
      auto [kind, form] = describeActivation(op);
      add(kind, std::move(form), op);
    } else if (isa<LinearOp, QLinearOp, SparseLinearOp>(op))
      addLayer(op);
    else if (auto gather = dyn_cast<GatherOp>(op))
      visitGather(gather);
    else if (auto lookUp = dyn_cast<QGatherOp>(op))
      addTable(op, lookUp.getTable());
    else if (auto topK = dyn_cast<TopKOp>(op))
      addExperts(topK);
    else if (auto host = dyn_cast<HostCallOp>(op)) {
      Form form;
      StringRef domain = host.getDomain();
      form.say(domain + (domain.empty() ? "" : "::") + host.getCallee());
      form.properties["domain"] = domain;
      form.properties["op"] = host.getCallee();
      add("computed by the application", std::move(form), op);
    } else if (isa<ConvOp>(op))
      add("convolution", {}, op);
    else if (isa<HadamardOp>(op))
      add("Hadamard rotation", {}, op);
  }

  void visitGather(GatherOp op) {
    auto dims = dimsOf(op.getX().getType());
    bool rotates = isReadByRope(op);
    if (!rotates && dims.size() == 2 && op.getAxis() == 0 && isConstantValue(op.getX()) &&
        isa<FloatType>(elementTypeOf(op.getX().getType())))
      addTable(op, op.getX());
  }

  func::FuncOp function;
  std::set<std::string> layerSources;
  llvm::MapVector<std::pair<std::string, std::string>, Structure,
                  std::map<std::pair<std::string, std::string>, unsigned>>
      groups;
};

} // namespace

std::vector<Structure> qcc::findStructures(func::FuncOp function) { return Finder(function).run(); }
