// `qcc quantize`, `calibrate`, `sweep` and `tune`: from options to requests of the backend, and
// what comes back as files, JSON or tables.
#include "Options.h"
#include "qcc/Cli/Names.h"
#include "qcc/Support/AtomicOutput.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"

using namespace qcc;
using namespace qcc::cli;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

/// Writes a report by atomic rename.
static llvm::Error writeReport(StringRef file, const quality::QuantizeReport &report) {
  if (file.empty())
    return llvm::Error::success();
  std::string text = llvm::formatv("{0:2}\n", llvm::json::Value(quality::toJson(report)));
  return writeFileAtomically(file, text);
}

/// Runs Backend::quantize and writes the report, whether a gate refused or not.
static llvm::Error quantizeAndReport(CompileRequest &request, const Context &context,
                                     quality::QuantizeReport &report) {
  std::string file;
  std::swap(file, request.report);
  request.quantization = &report;
  report.model = request.input;
  report.output = request.output;
  report.scheme = request.quantize.text;
  report.methods = request.quantize.methods;
  report.seed = request.quantize.seed;
  llvm::Error result = context.backend.quantize(request, context.err);
  bool told = !report.tensors.empty() || report.gate;
  if (!file.empty() && (!result || told))
    result = llvm::joinErrors(std::move(result), writeReport(file, report));
  return result;
}

llvm::Expected<CompileRequest> cli::quantizeInto(StringRef folder, const CompileRequest &request,
                                                 const Context &context,
                                                 quality::QuantizeReport &report) {
  if (!context.backend.quantize)
    return later("quantizing on data (--calib, --accept, --budget-*, --method, auto)");
  CompileRequest first = request;
  first.output = (folder + "/model.qnt").str();
  first.work = (folder + "/work").str();
  first.emit = EmitKind::Qnt;
  first.toStage.clear();
  first.dumpStages.clear();
  if (llvm::Error error = quantizeAndReport(first, context, report))
    return std::move(error);
  CompileRequest second = request.afterQuantize(first.output);
  second.quantization = &report;
  return second;
}

llvm::Error cli::compileWithRuns(const CompileRequest &request, const Context &context) {
  if (!context.backend.compile)
    return later("compiling");
  if (!request.quantize.needsRuns())
    return context.backend.compile(request, context.err);
  quality::QuantizeReport report;
  if (request.emit == EmitKind::Qnt && request.toStage.empty() && context.backend.quantize) {
    CompileRequest whole = request;
    whole.work = request.output + ".work";
    return quantizeAndReport(whole, context, report);
  }
  auto folder = TempFolder::create();
  if (!folder)
    return folder.takeError();
  auto second = quantizeInto((*folder)->path, request, context, report);
  if (!second)
    return second.takeError();
  second->report.clear(); // the first half wrote it
  return context.backend.compile(*second, context.err);
}

/// --threads, which a request on the way to a run does not read.
static llvm::Error parseThreads(const Args &args, CompileRequest &request) {
  auto threads = args.integer("--threads", 0, 1, 1023);
  if (!threads)
    return threads.takeError();
  request.threads = static_cast<unsigned>(*threads);
  return llvm::Error::success();
}

/// Only .onnx models (and what they become before codes) are quantized or observed.
static llvm::Error checkInput(StringRef input, StringRef command) {
  StringRef suffix = path::extension(input);
  if (suffix == ".onnx" || suffix == ".mlir" || (suffix == ".qnt" && command != "quantize"))
    return llvm::Error::success();
  return makeError(Diag::UsageError, input.str(),
                   ("qcc " + command + " takes an .onnx model").str());
}

/// To a .qnt, and from there to ONNX where that is wanted.
static llvm::Error quantizeToModel(CompileRequest &request, const Context &context,
                                   quality::QuantizeReport &report) {
  if (request.emit == EmitKind::Qnt)
    return quantizeAndReport(request, context, report);
  CompileRequest first = request;
  first.emit = EmitKind::Qnt;
  first.quiet = true;
  first.output += ".tmp.qnt"; // beside the output, where there is room for a model
  llvm::FileRemover remover(first.output);
  if (llvm::Error error = quantizeAndReport(first, context, report))
    return error;
  return context.backend.compile(request.afterQuantize(first.output), context.err);
}

llvm::Error cli::runQuantize(const Args &given, const Context &context) {
  auto input = onlyModel(given, "quantize");
  if (!input)
    return input.takeError();
  if (llvm::Error error = checkInput(*input, "quantize"))
    return error;
  Args args = given;
  std::string output = args.get("-o", outputStem(*input) + ".qnt");
  if (path::extension(output) != ".qnt" && path::extension(output) != ".onnx")
    return makeError(Diag::BadOptionValue, "", "-o '" + output + "' is no .qnt or .onnx file", {},
                     "qcc compile writes the other kinds");
  if (!args.has("-o") && fs::exists(output))
    return makeError(Diag::WouldOverwrite, output, "exists", {}, "name the output with -o");
  args.values["-o"] = {output};
  args.assumed["--quantize"] = "auto";
  auto request = makeCompileRequest(args, context, *input);
  if (!request)
    return request.takeError();
  if (!isModelFile(request->emit))
    return makeError(Diag::BadOptionValue, "",
                     "--emit '" + args.get("--emit") + "' is no kind of quantized model", {},
                     "qcc quantize writes qnt, onnx and onnx-ms");
  if (request->quantize.keep)
    return makeError(Diag::UsageError, "", "--quantize=keep leaves nothing to quantize", {},
                     "qcc MODEL.onnx -o MODEL.qnt keeps the numbers as they are");
  if (!context.backend.quantize)
    return later("qcc quantize");
  request->keepWork = args.has("--work");
  request->work = args.get("--work", output + ".work");
  llvm::json::Object facts;
  request->facts = context.json ? &facts : nullptr;
  quality::QuantizeReport report;
  llvm::Error result = quantizeToModel(*request, context, report);
  if (context.json) {
    llvm::json::Object object = quality::toJson(report);
    for (auto &fact : facts)
      object[fact.first] = std::move(fact.second);
    object["schema"] = "qcc.quantize/1";
    object["ok"] = !static_cast<bool>(result);
    context.printJson(std::move(object));
  } else if (!report.tensors.empty() || report.gate) {
    quality::printReport(context.out, report);
  }
  return result;
}

llvm::Error cli::runCalibrate(const Args &args, const Context &context) {
  auto input = onlyModel(args, "calibrate");
  if (!input)
    return input.takeError();
  if (llvm::Error error = checkInput(*input, "calibrate"))
    return error;
  for (const char *option : {"--data", "-o"})
    if (!args.has(option))
      return makeError(Diag::UsageError, "",
                       std::string("qcc calibrate needs ") + option +
                           (option[1] == '-' ? " DATA" : " FILE"));
  CalibrateRequest request;
  auto data = parseData(args, "--data", "--limit");
  if (!data)
    return data.takeError();
  request.data = std::move(*data);
  request.output = args.get("-o");
  request.rangesOnly = args.has("--ranges-only");
  auto model = makeCompileRequest(args, context, *input, request.output + ".so");
  if (!model)
    return model.takeError();
  request.model = std::move(*model);
  if (llvm::Error error = parseThreads(args, request.model))
    return error;
  request.model.exactNumerics = true;
  llvm::json::Object facts;
  request.model.facts = context.json ? &facts : nullptr;
  if (!context.backend.calibrate)
    return later("qcc calibrate");
  if (llvm::Error error = context.backend.calibrate(request, context.err))
    return error;
  if (context.json) {
    facts["schema"] = "qcc.calibrate/1";
    facts["output"] = request.output;
    context.printJson(std::move(facts));
  }
  return llvm::Error::success();
}

llvm::Error cli::runSweep(const Args &given, const Context &context) {
  auto input = onlyModel(given, "sweep");
  if (!input)
    return input.takeError();
  if (llvm::Error error = checkInput(*input, "sweep"))
    return error;
  if (given.has("--data") + given.has("--tokens") + given.has("--pairs") != 1)
    return makeError(Diag::UsageError, "", "give one of --data, --tokens and --pairs", {},
                     "qcc sweep --help shows examples");
  SweepRequest request;
  request.pairs = given.has("--pairs");
  StringRef option = request.pairs ? "--pairs" : given.has("--tokens") ? "--tokens" : "--data";
  auto data = parseData(given, option, "--limit");
  if (!data)
    return data.takeError();
  request.data = std::move(*data);
  if (given.has("--latency-at")) {
    std::string text = given.get("--latency-at");
    auto at = parseLatency("1ms@" + text, "--latency-at");
    if (!at) {
      llvm::consumeError(at.takeError());
      return badValue("--latency-at", text,
                      "it reads 1x128, 1x128,threads=2, decode or prefill512");
    }
    request.latencyAt = std::move(*at);
  }
  // The list names the rows of the table: nothing has to be chosen, so no budget is needed.
  Args args = given;
  args.values.erase("--quantize");
  auto model = makeCompileRequest(args, context, *input, "sweep.so");
  if (!model)
    return model.takeError();
  request.model = std::move(*model);
  if (llvm::Error error = parseThreads(given, request.model))
    return error;
  if (given.has("--quantize"))
    if (llvm::Error error = parseSweepSchemes(given, context, request.model.quantize))
      return error;
  if (!context.backend.sweep)
    return later("qcc sweep");
  Progress progress(context, "sweep");
  request.progress = [&](int64_t done, int64_t total) { progress.show(done, total); };
  auto table = context.backend.sweep(request, context.err);
  if (!table)
    return table.takeError();
  if (context.json)
    context.printJson(quality::toJson(*table));
  else
    quality::printSweep(context.out, *table);
  return llvm::Error::success();
}

llvm::Error cli::runTune(const Args &args, const Context &context) {
  if (!args.positionals.empty())
    return makeError(Diag::UsageError, "",
                     "qcc tune takes no model, '" + args.positionals.front() + "' is given");
  if (!args.has("-o"))
    return makeError(Diag::UsageError, "", "qcc tune needs -o FILE");
  TuneRequest request;
  request.output = args.get("-o");
  request.model = args.has("--model");
  std::string targets = args.get("--target", "native"), threads = args.get("--threads");
  for (StringRef part : llvm::split(targets, ','))
    request.targets.push_back(part.trim().str());
  for (StringRef part : llvm::split(threads, ',')) {
    unsigned count = 0;
    if (part.empty())
      continue;
    if (part.getAsInteger(10, count) || count < 1 || count > 1023)
      return badValue("--threads", part, "it reads 1,4: counts between 1 and 1023");
    request.threads.push_back(count);
  }
  auto seconds = args.number("--seconds", 0, 0);
  if (!seconds)
    return seconds.takeError();
  request.seconds = *seconds;
  if (!context.backend.tune)
    return later("qcc tune");
  llvm::json::Object facts;
  request.facts = context.json ? &facts : nullptr;
  Progress progress(context, "tune");
  request.progress = [&](int64_t done, int64_t total) { progress.show(done, total); };
  if (llvm::Error error = context.backend.tune(request, context.err))
    return error;
  if (context.json) {
    facts["schema"] = "qcc.tune/1";
    facts["output"] = request.output;
    context.printJson(std::move(facts));
  }
  return llvm::Error::success();
}
