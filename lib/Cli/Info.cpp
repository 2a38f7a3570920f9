// `qcc inspect`, `check`, `targets`, `explain`, `version`: what there is to know.
#include "GpuCode.h"
#include "qcc/Cli/Context.h"
#include "qcc/Data/RuntimeModel.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Print.h"
#include "qcc/Target/Target.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/Path.h"
#include <algorithm>

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;
using llvm::StringRef;

namespace {
llvm::json::Array signatureJson(llvm::ArrayRef<TensorInfo> tensors) {
  llvm::json::Array list;
  for (const TensorInfo &info : tensors)
    list.push_back(llvm::json::Object{{"name", info.name},
                                      {"type", dtypeName(info.dtype)},
                                      {"dims", llvm::json::Array(info.dims)},
                                      {"role", info.role}});
  return list;
}

std::vector<qcc_level_info> levelsOf(const RuntimeModel &model, uint32_t count) {
  std::vector<qcc_level_info> levels;
  for (uint32_t i = 0; i < count; ++i) {
    qcc_level_info level = {};
    level.struct_size = sizeof(level);
    if (qcc_model_level(model.handle, i, &level, nullptr) == QCC_OK)
      levels.push_back(level);
  }
  return levels;
}

/// Operators that the application computes: name, nodes.
std::vector<std::pair<std::string, std::vector<std::string>>> hostOpsOf(const RuntimeModel &model) {
  std::vector<std::pair<std::string, std::vector<std::string>>> ops;
  qcc_host_op_info info = {};
  info.struct_size = sizeof(info);
  for (uint32_t i = 0; qcc_model_host_op(model.handle, 0, i, &info, nullptr) == QCC_OK; ++i) {
    std::string name = (*info.domain ? std::string(info.domain) + "::" : std::string()) + info.op;
    auto at = llvm::find_if(ops, [&](auto &op) { return op.first == name; });
    if (at == ops.end())
      ops.push_back({name, {}}), at = ops.end() - 1;
    at->second.push_back(info.node);
  }
  return ops;
}

void printSignature(llvm::raw_ostream &out, StringRef title, llvm::ArrayRef<TensorInfo> tensors) {
  out << title << '\n';
  std::vector<std::vector<std::string>> rows;
  for (const TensorInfo &info : tensors)
    rows.push_back({"  " + info.name, dtypeName(info.dtype).str(),
                    "[" + llvm::join(info.dims, ", ") + "]", info.role});
  printTable(out, rows);
}

/// The artifact's own facts; the manifest is shown as it is.
llvm::Error inspectArtifact(StringRef file, const Context &context) {
  LoadOptions options;
  options.threads = 1;
  auto model = loadRuntimeModel(file, options);
  if (!model)
    return model.takeError();
  qcc_model_info info = {};
  info.struct_size = sizeof(info);
  qcc_error error = {};
  if (qcc_model_get_info((*model)->handle, &info, &error))
    return runtimeError(error, file);
  std::vector<qcc_level_info> levels = levelsOf(**model, info.n_levels);
  std::vector<GpuCode> gpus = gpuCodesOf((*model)->handle, info.n_gpu_codes, info.n_kernels);
  std::string hash =
      info.weights_sha256 ? llvm::toHex(llvm::ArrayRef(info.weights_sha256, 32), true) : "";
  auto manifest = llvm::json::parse((*model)->manifest);
  if (!manifest) {
    llvm::consumeError(manifest.takeError());
    manifest = llvm::json::Value(nullptr);
  }
  std::string abi = std::to_string(info.abi_major) + "." + std::to_string(info.abi_minor);
  auto hostOps = hostOpsOf(**model);
  if (context.json) {
    llvm::json::Array list, hosts;
    for (auto &[op, nodes] : hostOps)
      hosts.push_back(llvm::json::Object{{"op", op}, {"nodes", llvm::json::Array(nodes)}});
    for (const qcc_level_info &level : levels)
      list.push_back(llvm::json::Object{{"name", level.name}, {"usable", level.usable != 0}});
    context.printJson(
        llvm::json::Object{{"schema", "qcc.inspect/1"},
                           {"model", file.str()},
                           {"name", info.name},
                           {"abi", abi},
                           {"inputs", signatureJson((*model)->inputs)},
                           {"outputs", signatureJson((*model)->outputs)},
                           {"levels", std::move(list)},
                           {"level", info.level ? info.level : ""},
                           {"gpus", gpuCodesJson(gpus)},
                           {"kernels", static_cast<int64_t>(info.n_kernels)},
                           {"caches", static_cast<int64_t>((*model)->caches)},
                           {"host_ops", std::move(hosts)},
                           {"weights_bytes", static_cast<int64_t>(info.weights_bytes)},
                           {"weights_sha256", hash},
                           {"manifest", std::move(*manifest)}});
    return llvm::Error::success();
  }
  llvm::raw_ostream &out = context.out;
  out << info.name << ", artifact ABI " << abi << ", " << info.n_kernels << " kernels, weights "
      << formatBytes(info.weights_bytes) << " (sha256 " << hash << ")\n";
  printSignature(out, "inputs", (*model)->inputs);
  printSignature(out, "outputs", (*model)->outputs);
  if (!levels.empty())
    out << "feature levels\n";
  for (const qcc_level_info &level : levels)
    out << "  " << level.name
        << (StringRef(level.name) == (*model)->level ? "  (in use here)"
            : level.usable                           ? "  (usable here)"
                                                     : "  (not on this machine)")
        << '\n';
  printGpuCodes(out, gpus);
  if ((*model)->caches)
    out << "decoder with " << (*model)->caches << " cache tensors\n";
  if (!hostOps.empty())
    out << "computed by the application\n";
  for (auto &[op, nodes] : hostOps)
    out << "  " << op << " × " << nodes.size() << "  first " << nodes.front() << '\n';
  out << "manifest\n" << llvm::formatv("{0:2}", *manifest) << '\n';
  return llvm::Error::success();
}
} // namespace

llvm::Error cli::runInspect(const Args &args, const Context &context) {
  auto file = onlyModel(args, "inspect");
  if (!file)
    return file.takeError();
  if (StringRef(*file).ends_with(".so"))
    return inspectArtifact(*file, context);
  if (!context.backend.inspect)
    return makeError(Diag::NotAvailable, *file,
                     "inspecting this kind of file is not available in this version");
  auto model = makeLookRequest(args, context, *file);
  if (!model)
    return model.takeError();
  return context.backend.inspect({std::move(*model), context.json}, context.out);
}

llvm::Error cli::runCheck(const Args &args, const Context &context) {
  auto file = onlyModel(args, "check");
  if (!file)
    return file.takeError();
  if (!context.backend.check)
    return makeError(Diag::NotAvailable, "", "qcc check is not available in this version");
  auto model = makeLookRequest(args, context, *file);
  if (!model)
    return model.takeError();
  return context.backend.check({std::move(*model), context.json}, context.out);
}

llvm::Error cli::runTargets(const Args &args, const Context &context) {
  if (!args.positionals.empty())
    return makeError(Diag::UsageError, "", "qcc targets takes no arguments");
  std::vector<const Target *> host = hostLevels();
  auto runsHere = [&](const Target &target) {
    return std::find(host.begin(), host.end(), &target) != host.end();
  };
  if (context.json) {
    llvm::json::Array levels, names;
    for (const Target &target : allTargets())
      levels.push_back(llvm::json::Object{{"name", target.name},
                                          {"triple", target.triple},
                                          {"cpu", target.cpu},
                                          {"host", runsHere(target)}});
    for (const TargetName &name : targetNames())
      names.push_back(llvm::json::Object{{"name", name.name}, {"meaning", name.meaning}});
    context.printJson(llvm::json::Object{
        {"schema", "qcc.targets/1"}, {"levels", std::move(levels)}, {"names", std::move(names)}});
    return llvm::Error::success();
  }
  std::vector<std::vector<std::string>> rows;
  for (const TargetName &name : targetNames())
    rows.push_back({name.name, name.meaning});
  printTable(context.out, rows);
  context.out << "\nthis machine has\n";
  for (const Target *target : host)
    context.out << "  " << target->name << '\n';
  if (host.empty())
    context.out << "  none of them\n";
  return llvm::Error::success();
}

llvm::Error cli::runExplain(const Args &args, const Context &context) {
  std::vector<int> numbers;
  for (StringRef word : args.positionals) {
    int number = 0;
    StringRef digits = word;
    if (!digits.consume_front_insensitive("QCC") && !digits.empty() && !llvm::isDigit(digits[0]))
      digits = "";
    if (digits.getAsInteger(10, number) || explainDiag(number).empty())
      return makeError(Diag::UsageError, "", "'" + word.str() + "' is not a diagnostic of qcc", {},
                       "qcc explain without a code lists them");
    numbers.push_back(number);
  }
  bool all = numbers.empty();
  if (all)
    numbers = allDiags().vec();
  llvm::json::Array list;
  for (int number : numbers) {
    std::string name = diagName(static_cast<Diag>(number));
    int exitCode = diagExitCode(static_cast<Diag>(number));
    if (context.json)
      list.push_back(
          llvm::json::Object{{"code", name}, {"exit", exitCode}, {"text", explainDiag(number)}});
    else
      context.out << name << " (exit " << exitCode
                  << "): " << (all ? explainDiag(number).split(". ").first : explainDiag(number))
                  << '\n';
  }
  if (context.json)
    context.printJson(
        llvm::json::Object{{"schema", "qcc.explain/1"}, {"diagnostics", std::move(list)}});
  return llvm::Error::success();
}

llvm::Error cli::runVersion(const Args &args, const Context &context) {
  if (!args.positionals.empty())
    return makeError(Diag::UsageError, "", "qcc version takes no arguments");
  std::string abi = std::to_string(QCC_ABI_MAJOR) + "." + std::to_string(QCC_ABI_MINOR);
  if (context.json)
    context.printJson(llvm::json::Object{{"schema", "qcc.version/1"},
                                         {"version", QCC_VERSION},
                                         {"llvm", LLVM_VERSION_STRING},
                                         {"runtime", qcc_runtime_version()},
                                         {"artifact_abi", abi}});
  else
    context.out << "qcc " << QCC_VERSION << ", LLVM " << LLVM_VERSION_STRING << ", runtime "
                << qcc_runtime_version() << ", artifact ABI " << abi << '\n';
  return llvm::Error::success();
}
