// `qcc run`: once, on files, random values or ONNX test data.
#include "Options.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Data/Inputs.h"
#include "qcc/Data/TestData.h"
#include "qcc/Quality/Compare.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Print.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <algorithm>
#include <cmath>

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;
using namespace qcc::quality;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

namespace {
class Runner {
public:
  Runner(const Args &args, const Context &context, Model &model)
      : args(args), context(context), model(model) {}

  llvm::Error run();

private:
  llvm::Error runFolder(const std::string &folder);
  llvm::Error compareOutputs(const std::string &folder, std::vector<HostTensor> &got,
                             const std::vector<NamedTensor> &want);
  llvm::Error runGiven();
  llvm::Expected<PartialInputs> givenInputs();
  llvm::Error finish(std::vector<HostTensor> &outputs);
  llvm::Error place(PartialInputs &values, StringRef name, HostTensor tensor);
  llvm::json::Array summarize(const std::vector<HostTensor> &outputs);

  const Args &args;
  const Context &context;
  Model &model;
  Tolerance tolerance;
  llvm::json::Array folders;
};

llvm::Error Runner::run() {
  auto atol = args.number("--atol", tolerance.atol, 0),
       rtol = args.number("--rtol", tolerance.rtol, 0);
  if (!atol || !rtol)
    return llvm::joinErrors(atol.takeError(), rtol.takeError());
  tolerance = {*atol, *rtol};
  if (!args.has("--test-data"))
    return runGiven();
  if (args.has("--input") || args.has("--random"))
    return makeError(Diag::UsageError, "",
                     "--test-data brings its own inputs; --input and --random "
                     "do not go with it");
  llvm::Error errors = llvm::Error::success();
  for (const std::string &folder : args.all("--test-data"))
    errors = llvm::joinErrors(std::move(errors), runFolder(folder));
  if (context.json)
    context.printJson(llvm::json::Object{{"schema", "qcc.run/1"},
                                         {"model", model.path},
                                         {"level", model.level},
                                         {"ok", !static_cast<bool>(errors)},
                                         {"test_data", std::move(folders)}});
  return errors;
}

llvm::Error Runner::runFolder(const std::string &folder) {
  auto data = readTestData(folder);
  if (!data)
    return data.takeError();
  auto places = matchNames(data->inputs, model.inputs, folder, "input");
  if (!places)
    return places.takeError();
  PartialInputs values(model.inputs.size());
  for (size_t i = 0; i < places->size(); ++i) {
    auto fitted =
        fitInput(model, (*places)[i], std::move(data->inputs[i].tensor), /*convert=*/false);
    if (!fitted)
      return fitted.takeError();
    values[(*places)[i]] = std::move(*fitted);
  }
  auto inputs = completeInputs(model, std::move(values));
  if (!inputs)
    return inputs.takeError();
  auto session = model.newSession();
  if (!session)
    return session.takeError();
  auto outputs = (*session)->run(*inputs);
  if (!outputs)
    return outputs.takeError();
  if (llvm::Error error = compareOutputs(folder, *outputs, data->outputs))
    return error;
  return finish(*outputs);
}

llvm::Error Runner::compareOutputs(const std::string &folder, std::vector<HostTensor> &got,
                                   const std::vector<NamedTensor> &want) {
  auto places = matchNames(want, model.outputs, folder, "output");
  if (!places)
    return places.takeError();
  llvm::Error errors = llvm::Error::success();
  llvm::json::Array list;
  double maxAbs = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    size_t index = (*places)[i];
    Comparison result = compareTensors(got[index], want[i].tensor, tolerance);
    maxAbs = std::max(maxAbs, result.maxAbs);
    list.push_back(llvm::json::Object{{"name", model.outputs[index].name},
                                      {"ok", result.equal()},
                                      {"elements", result.count},
                                      {"bad", result.bad},
                                      {"max_abs", result.maxAbs}});
    if (!result.equal())
      errors =
          llvm::joinErrors(std::move(errors), comparisonError(result, got[index], want[i].tensor,
                                                              folder, model.outputs[index].name));
  }
  bool failed = static_cast<bool>(errors);
  if (context.json)
    folders.push_back(llvm::json::Object{
        {"folder", folder}, {"ok", !failed}, {"max_abs", maxAbs}, {"outputs", std::move(list)}});
  else
    context.out << (failed ? "FAIL " : "ok   ") << folder << ": " << want.size()
                << " outputs, largest difference " << formatNumber(maxAbs, 3) << '\n';
  return errors;
}

llvm::Error Runner::place(PartialInputs &values, StringRef name, HostTensor tensor) {
  int index = findInput(model, name);
  if (index < 0)
    index = findInputRole(model, name);
  if (index < 0) {
    std::vector<std::string> names;
    for (const TensorInfo &info : model.inputs)
      names.push_back(info.name);
    std::string close = nearest(name, names);
    return makeError(Diag::BadOptionValue, model.path, "no input named '" + name.str() + "'",
                     {"inputs: " + llvm::join(names, ", ")},
                     close.empty() ? "" : "did you mean " + close + "?");
  }
  auto fitted = fitInput(model, index, std::move(tensor), /*convert=*/true);
  if (!fitted)
    return fitted.takeError();
  values[index] = std::move(*fitted);
  return llvm::Error::success();
}

llvm::Expected<PartialInputs> Runner::givenInputs() {
  PartialInputs values(model.inputs.size());
  for (const std::string &text : args.all("--input")) {
    auto [name, file] = StringRef(text).split('=');
    if (name.empty() || file.empty())
      return makeError(Diag::BadOptionValue, "", "--input '" + text + "' does not read NAME=FILE");
    auto tensor = readTensor(file, name);
    if (!tensor)
      return tensor.takeError();
    if (llvm::Error error = place(values, name, std::move(*tensor)))
      return error;
  }
  uint64_t seed = 0;
  for (const std::string &text : args.all("--random")) {
    auto spec = parseRandomSpec(text);
    if (!spec)
      return spec.takeError();
    if (llvm::Error error = place(values, spec->name, makeRandom(*spec, seed++)))
      return error;
  }
  return values;
}

llvm::Error Runner::runGiven() {
  auto values = givenInputs();
  if (!values)
    return values.takeError();
  auto inputs = completeInputs(model, std::move(*values));
  if (!inputs)
    return inputs.takeError();
  auto session = model.newSession();
  if (!session)
    return session.takeError();
  auto outputs = (*session)->run(*inputs);
  if (!outputs)
    return outputs.takeError();
  if (context.json) {
    context.printJson(llvm::json::Object{{"schema", "qcc.run/1"},
                                         {"model", model.path},
                                         {"level", model.level},
                                         {"outputs", summarize(*outputs)}});
  } else {
    std::vector<std::vector<std::string>> rows = {
        {"output", "type", "shape", "min", "mean", "max"}};
    for (llvm::json::Value &value : summarize(*outputs)) {
      llvm::json::Object &row = *value.getAsObject();
      auto text = [&](StringRef key) { return formatNumber(row.getNumber(key).value_or(NAN), 6); };
      rows.push_back({row.getString("name")->str(), row.getString("type")->str(),
                      row.getString("shape")->str(), text("min"), text("mean"), text("max")});
    }
    printTable(context.out, rows);
  }
  return finish(*outputs);
}

llvm::json::Array Runner::summarize(const std::vector<HostTensor> &outputs) {
  llvm::json::Array list;
  for (size_t i = 0; i < outputs.size(); ++i) {
    double low = INFINITY, high = -INFINITY, sum = 0;
    for (int64_t k = 0; k < outputs[i].count(); ++k) {
      double value = outputs[i].number(k);
      low = std::min(low, value);
      high = std::max(high, value);
      sum += value;
    }
    llvm::json::Object row{{"name", model.outputs[i].name},
                           {"type", dtypeName(outputs[i].dtype())},
                           {"shape", dimsToString(outputs[i].dims())}};
    auto add = [&](StringRef key, double value) {
      row[key] = std::isfinite(value) ? llvm::json::Value(value) : llvm::json::Value(nullptr);
    };
    add("min", low);
    add("mean", sum / static_cast<double>(outputs[i].count()));
    add("max", high);
    list.push_back(std::move(row));
  }
  return list;
}

/// What --validate and --output-dir ask for.
llvm::Error Runner::finish(std::vector<HostTensor> &outputs) {
  for (size_t i = 0; args.has("--validate") && i < outputs.size(); ++i)
    if (int64_t bad = countNotFinite(outputs[i]))
      return makeError(Diag::NotFinite, model.path,
                       "output '" + model.outputs[i].name + "' has " + std::to_string(bad) +
                           " of " + std::to_string(outputs[i].count()) +
                           " elements NaN or infinite");
  if (!args.has("--output-dir"))
    return llvm::Error::success();
  std::string folder = args.get("--output-dir");
  if (std::error_code code = fs::create_directories(folder))
    return makeError(Diag::CannotWrite, folder, code.message());
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::string name = model.outputs[i].name;
    std::replace(name.begin(), name.end(), '/', '_');
    llvm::SmallString<256> file(folder);
    path::append(file, name + ".npy");
    if (llvm::Error error = writeNpy(file, outputs[i]))
      return error;
  }
  return llvm::Error::success();
}
} // namespace

llvm::Error cli::runRun(const Args &args, const Context &context) {
  auto path = onlyModel(args, "run");
  if (!path)
    return path.takeError();
  if (args.has("--reference")) {
    auto request = makeCompileRequest(args, context, *path, "reference.so");
    if (!request)
      return request.takeError();
    if (!context.backend.reference)
      return makeError(Diag::NotAvailable, "", "--reference is not available in this version");
    quality::QuantizeReport report;
    std::unique_ptr<TempFolder> folder; // of what the interpreter reads
    if (request->quantize.needsRuns()) {
      auto created = TempFolder::create();
      if (!created)
        return created.takeError();
      folder = std::move(*created);
      request = quantizeInto(folder->path, *request, context, report);
      if (!request)
        return request.takeError();
    }
    auto model = context.backend.reference(*request);
    if (!model)
      return model.takeError();
    (*model)->path = *path;
    guessRoles(**model);
    return Runner(args, context, **model).run();
  }
  auto opened = openModel(args, context, *path);
  if (!opened)
    return opened.takeError();
  return Runner(args, context, *opened->model).run();
}
