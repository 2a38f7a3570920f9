// Cutting pieces out of functions, and their way to machine code.
#include "qcc/Driver/Piece.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Support/Timing.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Target/Target.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <unistd.h>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using llvm::Error;
using llvm::Expected;

Piece qcc::cutPiece(func::FuncOp function, ArrayRef<Value> wanted,
                    llvm::function_ref<bool(Value)> known) {
  Piece piece;
  SmallVector<Value> open(wanted);
  DenseSet<Value> seen;
  DenseSet<Operation *> needed;
  while (!open.empty()) {
    Value value = open.pop_back_val();
    if (!seen.insert(value).second || isa<BlockArgument>(value))
      continue;
    if (known(value)) {
      piece.inputs.insert(value);
      continue;
    }
    Operation *def = value.getDefiningOp();
    needed.insert(def);
    llvm::append_range(open, def->getOperands());
  }
  for (Operation &op : function.getBody().front())
    if (needed.contains(&op))
      piece.ops.insert(&op);
  llvm::append_range(piece.outputs, wanted);
  return piece;
}

/// Copies the weights that `ops` use, and those that their recipes use, in the module's order.
static void copyWeights(ModuleOp from, ModuleOp to, ArrayRef<Operation *> ops) {
  SymbolTable symbols(from);
  DenseSet<Operation *> used;
  SmallVector<Operation *> open(ops);
  while (!open.empty()) {
    Operation *op = open.pop_back_val();
    op->walk([&](UseOp use) {
      Operation *weight = symbols.lookup(use.getWeight());
      if (weight && used.insert(weight).second)
        open.push_back(weight);
    });
  }
  OpBuilder builder = OpBuilder::atBlockBegin(to.getBody());
  for (WeightOp weight : from.getOps<WeightOp>())
    if (used.contains(weight))
      builder.clone(*weight);
}

OwningOpRef<ModuleOp> qcc::extractPiece(func::FuncOp function, const Piece &piece) {
  MLIRContext *context = function.getContext();
  auto source = function->getParentOfType<ModuleOp>();
  OwningOpRef<ModuleOp> module(ModuleOp::create(source.getLoc()));
  Builder attributes(context);
  SmallVector<Type> inputs(function.getArgumentTypes()), results;
  for (Value input : piece.inputs)
    inputs.push_back(input.getType());
  for (Value output : piece.outputs)
    results.push_back(output.getType());
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  auto copy = func::FuncOp::create(builder, function.getLoc(), "main",
                                   FunctionType::get(context, inputs, results));
  if (Attribute symbols = function->getAttr(symbolsAttrName))
    copy->setAttr(symbolsAttrName, symbols);
  unsigned given = function.getNumArguments();
  for (unsigned i = 0; i < inputs.size(); ++i) {
    auto name = i < given ? function.getArgAttrOfType<StringAttr>(i, nameAttrName)
                          : attributes.getStringAttr("live." + Twine(i - given));
    if (name)
      copy.setArgAttr(i, nameAttrName, name);
  }
  for (unsigned i = 0; i < results.size(); ++i)
    copy.setResultAttr(i, nameAttrName, attributes.getStringAttr("out." + Twine(i)));
  Block *body = copy.addEntryBlock();
  IRMapping mapping;
  for (auto [i, argument] : llvm::enumerate(function.getArguments()))
    mapping.map(argument, body->getArgument(i));
  for (auto [i, input] : llvm::enumerate(piece.inputs))
    mapping.map(input, body->getArgument(given + i));
  builder.setInsertionPointToEnd(body);
  for (Operation *op : piece.ops) {
    if (auto observe = dyn_cast<ObserveOp>(op)) // who runs the piece sees the value itself
      mapping.map(observe->getResult(0), mapping.lookup(observe.getX()));
    else
      builder.clone(*op, mapping);
  }
  SmallVector<Value> returned;
  for (Value output : piece.outputs)
    returned.push_back(mapping.lookup(output));
  func::ReturnOp::create(builder, function.getLoc(), returned);
  copyWeights(source, *module, piece.ops.getArrayRef());
  return module;
}

Expected<std::unique_ptr<data::RuntimeModel>> qcc::compilePiece(const LoadedModel &model,
                                                                func::FuncOp function,
                                                                const Piece &piece,
                                                                const PieceOptions &options) {
  LoadedModel part;
  part.module = extractPiece(function, piece);
  part.modelDir = model.modelDir;
  part.blobDir = model.blobDir;
  part.codes = model.codes;
  CompileRequest request;
  request.name = "piece";
  request.quiet = true;
  request.threads = options.threads;
  llvm::SmallString<128> path(options.folder);
  llvm::sys::path::append(path, "piece.so");
  request.output = std::string(path);
  PipelineOptions pipeline;
  pipeline.optLevel = options.optLevel;
  pipeline.levels = {hostLevels().front()->name};
  DefaultTimingManager manager;
  TimingScope timing = manager.getRootScope();
  if (Error failed = runStages(part, Stage::Quantize, Stage::Lower, pipeline, request, timing))
    return std::move(failed);
  if (Error failed = emitArtifact(part, pipeline.levels, request, llvm::nulls()))
    return std::move(failed);
  data::LoadOptions load;
  load.threads = options.threads;
  auto loaded = data::loadRuntimeModel(path, load);
  llvm::sys::fs::remove(path); // the mapping stays
  return loaded;
}
