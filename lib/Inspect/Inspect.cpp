// What a model is made of: signature, weights, structures, and what passes left with the reason.
#include "qcc/Inspect/Inspect.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Support/Timing.h"
#include "qcc/Inspect/Roofline.h"
#include "qcc/Inspect/Structures.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Pipeline/Signature.h"
#include "qcc/Quantize/QntFile.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Print.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include <map>
#include <set>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

//===-- Remarks ----------------------------------------------------------------------------------//

/// What a pass left as it was.
struct Missed {
  std::string stage, pass, reason, node;
};

/// Keeps missed remarks; the context owns it, longer than whoever asked for them.
class MissedRemarks : public remark::detail::MLIRRemarkStreamerBase {
public:
  using List = std::shared_ptr<std::vector<Missed>>;
  explicit MissedRemarks(List list) : list(std::move(list)) {}
  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    if (remark.getRemarkType() != llvm::remarks::Type::Missed)
      return;
    Missed missed{remark.getCategoryName().str(), remark.getRemarkName().str(), "",
                  qnt::nodeName(remark.getLocation()).str()};
    for (const auto &argument : remark.getArgs())
      if (argument.key == "Reason")
        missed.reason = argument.val;
    list->push_back(std::move(missed));
  }

private:
  List list;
};

//===-- What is found ----------------------------------------------------------------------------//

/// Nodes that one pass left for one reason.
struct Left {
  std::string stage, pass, reason;
  std::vector<std::string> nodes;
};

struct Found {
  llvm::json::Array inputs, outputs;
  std::string signature;
  int64_t weights = 0;
  uint64_t weightBytes = 0;
  std::map<std::string, int64_t> ops;
  std::vector<Structure> structures;
  std::vector<Left> left;
  std::map<std::string, int64_t> kernels; ///< groups by kind
  std::vector<Roofline> rooflines;        ///< of the GPUs that were asked for
};

/// One line per input and output; caches of the same sizes as one before are only counted.
void readSignature(func::FuncOp function, Found &found) {
  llvm::raw_string_ostream os(found.signature);
  auto list = [&](StringRef title, TypeRange types, auto attrs, llvm::json::Array &json) {
    os << title << '\n';
    std::set<std::string> seen; // kinds and sizes
    int64_t alike = 0;
    for (auto [i, type] : llvm::enumerate(types)) {
      data::TensorInfo info = tensorInfo(type, attrs(i));
      auto [kind, rest] = StringRef(info.role).split('.');
      std::string form = (kind + "." + rest.rsplit('.').second + llvm::join(info.dims, ",")).str();
      if ((kind == "past" || kind == "present") && !seen.insert(form).second)
        ++alike;
      else
        os << "  " << data::describe(info) << (info.role.empty() ? "" : "  role " + info.role)
           << '\n';
      json.push_back(llvm::json::Object{
          {"name", info.name}, {"role", info.role}, {"dims", llvm::json::Array(info.dims)}});
    }
    if (alike)
      os << "  and " << alike << " caches more of the same sizes\n";
  };
  list(
      "inputs", function.getArgumentTypes(), [&](unsigned i) { return function.getArgAttrDict(i); },
      found.inputs);
  list(
      "outputs", function.getResultTypes(),
      [&](unsigned i) { return function.getResultAttrDict(i); }, found.outputs);
}

void readModule(ModuleOp module, Found &found) {
  for (qnt::WeightOp weight : module.getOps<qnt::WeightOp>()) {
    ++found.weights;
    if (weight.getSource())
      if (auto file = dyn_cast<qnt::FileAttr>(*weight.getSource()))
        found.weightBytes += file.getLength();
  }
  for (func::FuncOp function : module.getOps<func::FuncOp>()) {
    for (Operation &op : function.getBody().front())
      ++found.ops[op.getName().getStringRef().str()];
    readSignature(function, found);
  }
}

//===-- Caches -----------------------------------------------------------------------------------//

/// The node that puts new rows behind a cache's past ones, and whether it changes them before.
std::pair<std::string, bool> concatOfPast(BlockArgument past) {
  SmallVector<Value> open = {past};
  for (size_t i = 0; i < open.size() && i < 16; ++i)
    for (Operation *user : open[i].getUsers()) {
      if (isa<qnt::ConcatOp>(user))
        return {qnt::nodeName(user->getLoc()).str(), open[i] != past};
      if (!isa<qnt::AttentionOp>(user) && user->getNumResults() == 1)
        open.push_back(user->getResult(0));
    }
  return {};
}

struct Cache {
  unsigned argument = 0;
  std::string layer, name, node;
  bool changed = false; ///< by ops between the input and that node
};

/// Inputs with the role of a cache.
std::vector<Cache> cachesOf(func::FuncOp function) {
  std::vector<Cache> caches;
  for (BlockArgument argument : function.getArguments()) {
    unsigned i = argument.getArgNumber();
    auto role = function.getArgAttrOfType<StringAttr>(i, qnt::roleAttrName);
    auto name = function.getArgAttrOfType<StringAttr>(i, qnt::nameAttrName);
    // "past.0.key"
    if (!role || !role.getValue().starts_with("past."))
      continue;
    auto [node, changed] = concatOfPast(argument);
    caches.push_back(
        {i, role.getValue().rsplit('.').first.str(), name ? name.str() : "", node, changed});
  }
  return caches;
}

/// How a cache that is not f32 is stored. Codes are the same in all caches of a function.
std::string formatOf(func::FuncOp function, unsigned argument) {
  Type element = qnt::elementTypeOf(function.getArgument(argument).getType());
  std::string format;
  llvm::raw_string_ostream os(format);
  if (element.isUnsignedInteger(8))
    function.walk([&](qnt::DecodeRowsOp op) {
      os << (op.getCodes() == qnt::Storage::i8 ? "int8" : "int4") << " codes";
      return WalkResult::interrupt();
    });
  else if (!element.isF32())
    os << element;
  return format;
}

/// The stage that fuses has run: a cache begins in place, or is copied for a reason.
void addCaches(func::FuncOp function, ArrayRef<Cache> caches, ArrayRef<Missed> missed,
               std::vector<Structure> &structures) {
  llvm::DenseSet<unsigned> inPlace;
  // Groups take the past as an operand.
  function.walk([&](qnt::KvBeginOp begin) {
    Value past = begin.getPast();
    if (auto inner = dyn_cast<BlockArgument>(past))
      if (auto group = dyn_cast<qnt::FusedOp>(inner.getOwner()->getParentOp()))
        past = group.getInputs()[inner.getArgNumber()];
    if (auto argument = dyn_cast<BlockArgument>(past))
      inPlace.insert(argument.getArgNumber());
  });
  struct Group {
    std::vector<std::string> names;
    std::set<std::string> layers;
  };
  llvm::MapVector<std::string, Group, std::map<std::string, unsigned>> groups;
  for (const Cache &cache : caches) {
    std::string form = "in place";
    if (!inPlace.contains(cache.argument)) {
      form = cache.node.empty() ? "only read"
             : cache.changed    ? "copied: its rows are changed before new ones follow"
                                : "copied: past and new rows are no result together";
      for (const Missed &remark : missed)
        if (remark.pass == "fuse-cache" && remark.node == cache.node)
          form = "copied: " + remark.reason;
    }
    if (std::string format = formatOf(function, cache.argument); !format.empty())
      form += ", " + format;
    groups[form].names.push_back(cache.name);
    groups[form].layers.insert(cache.layer);
  }
  for (auto &[form, group] : groups)
    structures.push_back({"KV cache",
                          "of " + std::to_string(group.layers.size()) + " layers, " + form,
                          llvm::json::Object{{"in_place", StringRef(form).starts_with("in place")},
                                             {"layers", static_cast<int64_t>(group.layers.size())}},
                          std::move(group.names)});
}

//===-- Running the stages -----------------------------------------------------------------------//

/// Softmax and batched products that no pass took and none gave a reason for.
void addSilent(func::FuncOp function, std::vector<Left> &left) {
  llvm::StringSet<> explained;
  for (const Left &entry : left)
    for (const std::string &node : entry.nodes)
      explained.insert(node);
  auto note = [&](Operation *op, StringRef reason) {
    std::string node = qnt::nodeName(op->getLoc()).str();
    if (explained.contains(node))
      return;
    for (Left &entry : left)
      if (entry.reason == reason)
        return entry.nodes.push_back(node);
    left.push_back({"raise", "", reason.str(), {node}});
  };
  function.walk([&](Operation *op) {
    bool routes =
        llvm::any_of(op->getUsers(), [](Operation *user) { return isa<qnt::TopKOp>(user); });
    if (isa<qnt::SoftmaxOp>(op) && !routes)
      note(op, "a softmax that belongs to no attention");
    else if (isa<qnt::MatmulOp>(op))
      note(op, "a product of two activations that belongs to no attention");
  });
}

std::vector<Left> grouped(ArrayRef<Missed> missed) {
  std::vector<Left> left;
  for (const Missed &remark : missed) {
    auto same = llvm::find_if(left, [&](const Left &entry) {
      return entry.pass == remark.pass && entry.reason == remark.reason;
    });
    if (same == left.end())
      left.push_back({remark.stage, remark.pass, remark.reason, {}}), same = left.end() - 1;
    if (!llvm::is_contained(same->nodes, remark.node))
      same->nodes.push_back(remark.node);
  }
  return left;
}

/// Runs the stages on the module, whose weights stay unread, and looks at what they found.
Error readStructures(LoadedModel &model, bool quantized, Found &found) {
  MLIRContext &context = *model.module->getContext();
  auto list = std::make_shared<std::vector<Missed>>();
  const std::vector<Missed> &missed = *list;
  remark::RemarkCategories categories;
  categories.missed = ".*";
  if (failed(remark::enableOptimizationRemarks(context, std::make_unique<MissedRemarks>(list),
                                               std::make_unique<remark::RemarkEmittingPolicyAll>(),
                                               categories)))
    return makeError(Diag::Internal, "", "remarks cannot be collected");
  DefaultTimingManager manager;
  TimingScope timing = manager.getRootScope();
  PipelineOptions options;
  options.scheme = "keep";
  if (!quantized)
    if (Error failed =
            runStages(model, Stage::Import, Stage::Quantize, options, CompileRequest(), timing))
      return failed;
  func::FuncOp function = *model.module->getOps<func::FuncOp>().begin();
  found.structures = findStructures(function);
  std::vector<Cache> caches = cachesOf(function);
  std::vector<Left> silent = grouped(missed);
  addSilent(function, silent);
  size_t before = missed.size();
  if (Error failed = runStages(model, Stage::Fuse, Stage::Fuse, options, CompileRequest(), timing))
    return failed;
  addCaches(function, caches, missed, found.structures);
  for (qnt::FusedOp group : function.getOps<qnt::FusedOp>())
    ++found.kernels[group.getKind().str()];
  found.left = std::move(silent);
  llvm::append_range(found.left, grouped(ArrayRef(missed).drop_front(before)));
  return Error::success();
}

//===-- Rooflines --------------------------------------------------------------------------------//

/// GPUs among the targets; the error names a target that is none.
Expected<std::vector<const Device *>> devicesOf(ArrayRef<std::string> targets) {
  std::vector<const Device *> devices;
  for (const std::string &name : targets) {
    const Target *target = findTarget(name);
    const Device *device = target ? deviceOf(*target) : nullptr;
    if (!device)
      return makeError(Diag::BadOptionValue, "",
                       "--target '" + name + "' is no GPU, which rooflines are of", {},
                       "name one of the nvptx levels of qcc targets");
    devices.push_back(device);
  }
  return devices;
}

/// The model as its kernels find it: with codes, groups and layouts, weights unread.
Error readRooflines(MLIRContext &context, const CompileRequest &request, bool quantized,
                    Found &found) {
  auto devices = devicesOf(request.targets);
  if (!devices)
    return devices.takeError();
  if (devices->empty())
    return Error::success();
  Expected<LoadedModel> model = loadModel(context, request);
  if (!model)
    return model.takeError();
  DefaultTimingManager manager;
  TimingScope timing = manager.getRootScope();
  PipelineOptions options = pipelineOptions(request.quantize);
  options.exactNumerics = request.exactNumerics;
  if (Error failed = runStages(*model, quantized ? Stage::Fuse : Stage::Import, Stage::Pack,
                               options, request, timing))
    return failed;
  func::FuncOp function = *model->module->getOps<func::FuncOp>().begin();
  for (const Device *device : *devices)
    found.rooflines.push_back(rooflineOf(function, *device));
  return Error::success();
}

//===-- Printing ---------------------------------------------------------------------------------//

llvm::json::Value toJson(Found &found, llvm::json::Value metadata) {
  auto counts = [](const std::map<std::string, int64_t> &table) {
    llvm::json::Object object;
    for (auto &[name, count] : table)
      object[name] = count;
    return object;
  };
  llvm::json::Array structures, left;
  for (Structure &structure : found.structures)
    structures.push_back(llvm::json::Object{{"kind", structure.kind},
                                            {"form", structure.form},
                                            {"count", int64_t(structure.nodes.size())},
                                            {"properties", std::move(structure.properties)},
                                            {"nodes", llvm::json::Array(structure.nodes)}});
  for (const Left &entry : found.left)
    left.push_back(llvm::json::Object{{"stage", entry.stage},
                                      {"pass", entry.pass},
                                      {"reason", entry.reason},
                                      {"count", int64_t(entry.nodes.size())},
                                      {"nodes", llvm::json::Array(entry.nodes)}});
  llvm::json::Object object{{"schema", "qcc.inspect/1"},
                            {"inputs", std::move(found.inputs)},
                            {"outputs", std::move(found.outputs)},
                            {"weights", found.weights},
                            {"weights_bytes", static_cast<int64_t>(found.weightBytes)},
                            {"structures", std::move(structures)},
                            {"left", std::move(left)},
                            {"ops", counts(found.ops)},
                            {"kernel_groups", counts(found.kernels)}};
  llvm::json::Array rooflines;
  for (const Roofline &roofline : found.rooflines)
    rooflines.push_back(rooflineJson(roofline));
  if (!rooflines.empty())
    object["rooflines"] = std::move(rooflines);
  if (metadata.getAsObject())
    object["metadata"] = std::move(metadata);
  return object;
}

void printText(raw_ostream &out, const Found &found, const llvm::json::Value &metadata) {
  out << found.signature << "weights\n  " << found.weights << " tensors, "
      << llvm::formatv("{0:F1}", found.weightBytes / 1e6) << " MB\nstructures\n";
  std::vector<std::vector<std::string>> rows;
  for (const Structure &structure : found.structures)
    rows.push_back({"  " + structure.kind, "× " + std::to_string(structure.nodes.size()),
                    structure.form, "first " + structure.nodes.front()});
  printTable(out, rows);
  if (!found.left.empty())
    out << "left as they are\n";
  rows.clear();
  for (const Left &entry : found.left)
    rows.push_back({"  " + (entry.pass.empty() ? "raise" : entry.pass),
                    "× " + std::to_string(entry.nodes.size()), entry.reason,
                    "first " + entry.nodes.front()});
  printTable(out, rows);
  out << "ops\n";
  for (auto &[name, count] : found.ops)
    out << llvm::formatv("  {0,6} {1}\n", count, name);
  out << "groups that become kernels\n";
  for (auto &[name, count] : found.kernels)
    out << llvm::formatv("  {0,6} {1}\n", count, name);
  for (const Roofline &roofline : found.rooflines)
    printRoofline(out, roofline);
  if (metadata.getAsObject())
    out << "made by\n" << llvm::formatv("{0:2}", metadata) << '\n';
}

Expected<llvm::json::Value> metadataOf(StringRef input) {
  if (!input.ends_with(".qnt"))
    return llvm::json::Value(nullptr);
  auto text = quantize::readQntMetadata(input);
  if (!text)
    return text.takeError();
  return llvm::json::parse(*text);
}

} // namespace

Error qcc::inspectModel(const LookRequest &request, raw_ostream &out) {
  auto context = makeContext(1);
  auto metadata = metadataOf(request.model.input);
  if (!metadata)
    return metadata.takeError();
  Expected<LoadedModel> model = loadModel(*context, request.model);
  if (!model)
    return model.takeError();
  Found found;
  readModule(*model->module, found);
  // A dump of the last stages has no groups to make any more.
  bool fused = false;
  model->module->walk(
      [&](Operation *op) { fused |= isa<qnt::FusedOp, qnt::LaunchOp, qnt::EntryOp>(op); });
  bool quantized = StringRef(request.model.input).ends_with(".qnt");
  if (!fused)
    if (Error failed = readStructures(*model, quantized, found))
      return failed;
  if (Error failed = readRooflines(*context, request.model, quantized, found))
    return failed;
  if (request.json)
    out << llvm::formatv("{0:2}", toJson(found, std::move(*metadata))) << '\n';
  else
    printText(out, found, *metadata);
  return Error::success();
}
