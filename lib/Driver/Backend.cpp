// The compiler plugged into the command line.
#include "qcc/Driver/Backend.h"
#include "mlir/Support/Timing.h"
#include "qcc/Driver/Calibrate.h"
#include "qcc/Driver/Quantize.h"
#include "qcc/Driver/Sweep.h"
#include "qcc/Driver/Tune.h"
#include "qcc/Import/Import.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Pipeline/Signature.h"
#include "qcc/Quantize/QntFile.h"
#include "qcc/Reference/Interpreter.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

/// A model that the scalar interpreter runs.
class ReferenceModel : public data::Model {
public:
  static Expected<std::unique_ptr<data::Model>> load(const CompileRequest &request);
  Expected<std::unique_ptr<data::Session>> newSession() override;

  std::unique_ptr<MLIRContext> context;
  LoadedModel loaded;
  func::FuncOp function;
};

class ReferenceSession : public data::Session {
public:
  explicit ReferenceSession(ReferenceModel &model) : model(model) {}
  Expected<std::vector<data::HostTensor>> run(ArrayRef<data::HostTensor> inputs) override {
    std::vector<reference::RtValue> values;
    for (auto [input, type] : llvm::zip(inputs, model.function.getArgumentTypes()))
      values.push_back(
          reference::Tensor::borrow(qnt::elementTypeOf(type), input.dims(), input.data()));
    reference::FolderWeights weights(model.loaded.modelDir, model.loaded.blobDir);
    auto results = reference::evaluateFunction(model.function, values, weights);
    if (!results)
      return results.takeError();
    std::vector<data::HostTensor> outputs;
    for (reference::RtValue &value : *results) {
      auto &tensor = std::get<reference::Tensor>(value);
      data::HostTensor output(dtypeOf(tensor.elementType()), tensor.dims().vec());
      memcpy(output.data(), tensor.data(), tensor.byteSize());
      outputs.push_back(std::move(output));
    }
    return outputs;
  }

private:
  ReferenceModel &model;
};

Expected<std::unique_ptr<data::Session>> ReferenceModel::newSession() {
  return std::make_unique<ReferenceSession>(*this);
}

Expected<std::unique_ptr<data::Model>> ReferenceModel::load(const CompileRequest &request) {
  auto model = std::make_unique<ReferenceModel>();
  model->context = makeContext(1);
  Expected<LoadedModel> loaded = loadModel(*model->context, request);
  if (!loaded)
    return loaded.takeError();
  model->loaded = std::move(*loaded);
  auto functions = model->loaded.module->getOps<func::FuncOp>();
  assert(!functions.empty() && "loadModel() refuses files without a function");
  model->function = *functions.begin();
  // What is quantized is interpreted quantized.
  if (!request.quantize.keep) {
    PipelineOptions options;
    options.scheme = request.quantize.text;
    options.embed = request.quantize.embed;
    options.head = request.quantize.head;
    options.skip = request.quantize.skip;
    options.recipe = request.quantize.recipe;
    DefaultTimingManager manager;
    TimingScope timing = manager.getRootScope();
    if (Error failed =
            runStages(model->loaded, Stage::Import, Stage::Quantize, options, request, timing))
      return std::move(failed);
  }
  model->inputs = inputInfos(model->function);
  model->outputs = outputInfos(model->function);
  model->path = request.input;
  model->level = "reference";
  return model;
}

Error check(const CheckRequest &request, raw_ostream &out, raw_ostream &err) {
  auto context = makeContext(1);
  ImportOptions options;
  if (!request.functions.empty())
    options.functionFiles.push_back(request.functions);
  Expected<CheckReport> report = checkOnnx(request.input, *context, options);
  if (!report)
    return report.takeError();
  if (request.json) {
    llvm::json::Array ops;
    for (const UnsupportedOp &op : report->unsupported)
      ops.push_back(llvm::json::Object{{"op", op.op},
                                       {"domain", op.domain},
                                       {"opset", op.opset},
                                       {"nodes", llvm::json::Array(op.nodes)},
                                       {"reason", op.reason},
                                       {"remedy", op.remedy}});
    llvm::json::Object object{{"schema", "qcc.check/1"},
                              {"model", report->model},
                              {"nodes", static_cast<int64_t>(report->nodes)},
                              {"supported", report->ok()},
                              {"unsupported", std::move(ops)}};
    out << llvm::formatv("{0:2}", llvm::json::Value(std::move(object))) << '\n';
  } else if (report->ok()) {
    out << report->model << ": all " << report->nodes << " nodes are supported\n";
  }
  if (report->ok())
    return Error::success();
  std::vector<std::string> notes;
  for (const UnsupportedOp &op : report->unsupported)
    notes.push_back(llvm::formatv("{0}{1} (opset {2}), {3} node(s), first '{4}': {5}; {6}",
                                  op.domain.empty() ? "" : op.domain + "::", op.op, op.opset,
                                  op.nodes.size(), op.nodes.empty() ? "" : op.nodes[0], op.reason,
                                  op.remedy));
  return makeError(Diag::UnsupportedOps, report->model,
                   std::to_string(report->unsupported.size()) + " kinds of node are not supported",
                   notes);
}

/// The model as import sees it: signature, ops by kind, weights.
Error inspect(const InspectRequest &request, raw_ostream &out) {
  auto context = makeContext(1);
  CompileRequest load;
  load.input = request.input;
  load.blobs = request.blobs;
  llvm::json::Value metadata = nullptr;
  if (StringRef(request.input).ends_with(".qnt")) {
    auto text = quantize::readQntMetadata(request.input);
    if (!text)
      return text.takeError();
    auto parsed = llvm::json::parse(*text);
    if (!parsed)
      return parsed.takeError();
    metadata = std::move(*parsed);
  }
  Expected<LoadedModel> model = loadModel(*context, load);
  if (!model)
    return model.takeError();
  std::map<std::string, int64_t> ops;
  uint64_t weightBytes = 0;
  int64_t weights = 0;
  llvm::json::Array inputs, outputs;
  std::string text;
  llvm::raw_string_ostream os(text);
  for (qnt::WeightOp weight : model->module->getOps<qnt::WeightOp>()) {
    ++weights;
    if (weight.getSource())
      if (auto file = dyn_cast<qnt::FileAttr>(*weight.getSource()))
        weightBytes += file.getLength();
  }
  for (func::FuncOp function : model->module->getOps<func::FuncOp>()) {
    for (Operation &op : function.getBody().front())
      ++ops[op.getName().getStringRef().str()];
    auto list = [&](StringRef title, TypeRange types, auto attrs, llvm::json::Array &json) {
      os << title << '\n';
      for (auto [i, type] : llvm::enumerate(types)) {
        data::TensorInfo info = tensorInfo(type, attrs(i));
        os << "  " << data::describe(info) << (info.role.empty() ? "" : "  role " + info.role)
           << '\n';
        json.push_back(llvm::json::Object{
            {"name", info.name}, {"role", info.role}, {"dims", llvm::json::Array(info.dims)}});
      }
    };
    list(
        "inputs", function.getArgumentTypes(),
        [&](unsigned i) { return function.getArgAttrDict(i); }, inputs);
    list(
        "outputs", function.getResultTypes(),
        [&](unsigned i) { return function.getResultAttrDict(i); }, outputs);
  }
  if (request.json) {
    llvm::json::Object counts;
    for (auto &[name, count] : ops)
      counts[name] = count;
    llvm::json::Object object{{"schema", "qcc.inspect/1"},
                              {"inputs", std::move(inputs)},
                              {"outputs", std::move(outputs)},
                              {"weights", weights},
                              {"weights_bytes", static_cast<int64_t>(weightBytes)},
                              {"ops", std::move(counts)}};
    if (metadata.getAsObject())
      object["metadata"] = std::move(metadata);
    out << llvm::formatv("{0:2}", llvm::json::Value(std::move(object))) << '\n';
    return Error::success();
  }
  out << text << "weights\n  " << weights << " tensors, "
      << llvm::formatv("{0:F1}", weightBytes / 1e6) << " MB\nops\n";
  for (auto &[name, count] : ops)
    out << llvm::formatv("  {0,6} {1}\n", count, name);
  if (metadata.getAsObject())
    out << "made by\n" << llvm::formatv("{0:2}", metadata) << '\n';
  return Error::success();
}

} // namespace

Backend qcc::makeBackend() {
  Backend backend;
  backend.compile = compileModel;
  backend.quantize = quantizeModel;
  backend.calibrate = calibrateModel;
  backend.sweep = sweepSchemes;
  backend.tune = tuneMachine;
  backend.inspect = inspect;
  backend.check = check;
  backend.reference = ReferenceModel::load;
  return backend;
}
