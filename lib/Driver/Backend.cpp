// The compiler plugged into the command line.
#include "qcc/Driver/Backend.h"
#include "mlir/Support/Timing.h"
#include "qcc/Driver/Calibrate.h"
#include "qcc/Driver/Quantize.h"
#include "qcc/Driver/Sweep.h"
#include "qcc/Driver/Tune.h"
#include "qcc/Inspect/Inspect.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Pipeline/Signature.h"
#include "qcc/Reference/Interpreter.h"
#include "qcc/Support/Diagnostics.h"

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
  PipelineOptions options = pipelineOptions(request.quantize);
  if (!request.quantize.keep || !options.kv.empty()) {
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

} // namespace

Backend qcc::makeBackend() {
  Backend backend;
  backend.compile = compileModel;
  backend.quantize = quantizeModel;
  backend.calibrate = calibrateModel;
  backend.sweep = sweepSchemes;
  backend.tune = tuneMachine;
  backend.inspect = inspectModel;
  backend.check = checkModel;
  backend.reference = ReferenceModel::load;
  return backend;
}
