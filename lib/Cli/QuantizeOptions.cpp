// --quantize, methods, calibration data, budgets and gates as a QuantizeRequest.
#include "Options.h"
#include "qcc/Recipe/Recipe.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"

using namespace qcc;
using namespace qcc::cli;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;
using quality::Gate;

llvm::Error cli::choose(const Args &args, StringRef option, llvm::ArrayRef<const char *> words,
                        std::string &value) {
  if (!args.has(option))
    return llvm::Error::success();
  value = args.get(option);
  for (const char *word : words)
    if (value == word)
      return llvm::Error::success();
  return badValue(option, value, (option + " takes " + llvm::join(words, ", ")).str());
}

/// How a table or a head is stored: f32, f16, w8, w4 or another scheme.
static llvm::Error chooseStorage(const Args &args, StringRef option, llvm::ArrayRef<Scheme> own,
                                 std::string &value) {
  if (!args.has(option))
    return llvm::Error::success();
  value = args.get(option);
  if (value == "f32" || value == "f16")
    return llvm::Error::success();
  auto scheme = parseScheme(value, own);
  if (scheme)
    return llvm::Error::success();
  llvm::consumeError(scheme.takeError());
  return badValue(option, value,
                  (option + " takes f32, f16, w8, w4, or another scheme such as nf4:g64").str());
}

static llvm::Error mustExist(StringRef option, StringRef file) {
  if (fs::exists(file))
    return llvm::Error::success();
  return makeError(Diag::CannotRead, file.str(), "no such file or folder",
                   {("it is the value of " + option).str()});
}

llvm::Expected<DataRequest> cli::parseData(const Args &args, StringRef option, StringRef samples) {
  DataRequest data;
  if (!args.has(option))
    return data;
  data.where = args.get(option);
  if (llvm::Error error = mustExist(option, data.where))
    return std::move(error);
  auto ctx = args.integer("--ctx", 0, 2, INT32_MAX);
  if (!ctx)
    return ctx.takeError();
  data.ctx = *ctx;
  if (!samples.empty()) {
    auto count = args.integer(samples, -1, 1, INT64_MAX);
    if (!count)
      return count.takeError();
    data.samples = *count;
  }
  data.labels = args.get("--labels");
  return data;
}

static llvm::Error parseSchemes(const Args &args, const Context &context,
                                QuantizeRequest &request) {
  std::string text = args.get("--quantize", "keep");
  if (text == "keep")
    return llvm::Error::success();
  request.keep = false;
  request.text = text;
  request.automatic = text == "auto";
  if (request.automatic)
    return llvm::Error::success();
  auto schemes = parseSchemeList(text, request.ownSchemes);
  if (!schemes)
    return schemes.takeError();
  request.candidates = std::move(*schemes);
  request.scheme = request.candidates.front();
  request.text.clear();
  for (const Scheme &scheme : request.candidates)
    request.text += (request.text.empty() ? "" : ",") + schemeToString(scheme, request.ownSchemes);
  return llvm::Error::success();
}

llvm::Error cli::parseSweepSchemes(const Args &args, const Context &context,
                                   QuantizeRequest &request) {
  if (args.get("--quantize") == "auto" || args.get("--quantize") == "keep")
    return badValue("--quantize", args.get("--quantize"), "qcc sweep takes a list of schemes");
  request.keep = true;
  return parseSchemes(args, context, request);
}

static llvm::Error parseMethods(const Args &args, QuantizeRequest &request) {
  static constexpr const char *known[] = {"default",  "rtn",         "clip",      "gptq",
                                          "rounding", "kmeans",      "signround", "stochastic",
                                          "awq",      "smoothquant", "outliers",  "columns",
                                          "sparse",   "rows",        "hadamard",  "bias"};
  for (const std::string &value : args.all("--method")) {
    llvm::SmallVector<StringRef> parts;
    StringRef(value).split(parts, ',');
    for (StringRef part : parts) {
      if (!llvm::is_contained(known, part))
        return badValue("--method", part, "methods are " + llvm::join(llvm::ArrayRef(known), ", "));
      if (!llvm::is_contained(request.methods, part))
        request.methods.push_back(part.str());
    }
  }
  return llvm::Error::success();
}

static llvm::Error parseCalibration(const Args &args, QuantizeRequest &request) {
  auto data = parseData(args, "--calib", "--calib-samples");
  if (!data)
    return data.takeError();
  auto evalData = parseData(args, "--eval-data", "");
  if (!evalData)
    return evalData.takeError();
  request.calib = std::move(*data);
  request.calib.labels.clear();
  request.evalData = std::move(*evalData);
  StringRef suffix = path::extension(request.calib.where);
  bool samples = fs::is_directory(request.calib.where) || suffix == ".npz" || suffix == ".npy";
  if (request.calib.given() && !samples) {
    request.statistics = request.calib.where;
    request.calib = {};
  }
  if (args.has("--calib-samples") && !request.calib.given())
    return makeError(Diag::UsageError, "", "--calib-samples goes with --calib=DATA");
  if (args.has("--mem-limit")) {
    auto limit = parseBytes(args.get("--mem-limit"), "--mem-limit");
    if (!limit)
      return limit.takeError();
    request.memLimit = *limit;
  }
  auto seed = args.integer("--seed", 0, 0, INT64_MAX);
  if (!seed)
    return seed.takeError();
  request.seed = static_cast<uint64_t>(*seed);
  return llvm::Error::success();
}

static llvm::Error parseBudgets(const Args &args, QuantizeRequest &request) {
  if (args.has("--budget-size")) {
    auto size = parseBytes(args.get("--budget-size"), "--budget-size");
    if (!size)
      return size.takeError();
    request.budgetSize = *size;
  }
  for (const std::string &text : args.all("--budget-latency")) {
    auto latency = parseLatency(text, "--budget-latency");
    if (!latency)
      return latency.takeError();
    request.budgetLatency.push_back(std::move(*latency));
  }
  request.costTable = args.get("--cost-table");
  request.shippedCosts = request.costTable == "default";
  if (request.shippedCosts)
    request.costTable.clear();
  if (!request.costTable.empty())
    return mustExist("--cost-table", request.costTable);
  return llvm::Error::success();
}

/// What contradicts itself once all parts are known.
static llvm::Error checkQuantize(const Args &args, bool consent, QuantizeRequest &request) {
  bool demands = request.gate.kind == Gate::Kind::Percent || request.gate.kind == Gate::Kind::File;
  bool data = request.calib.given() || request.evalData.given();
  bool implied = request.calib.given() || !request.statistics.empty() || demands ||
                 request.budgetSize || !request.budgetLatency.empty();
  if (request.keep && implied && args.has("--quantize"))
    return makeError(
        Diag::UsageError, "",
        "--quantize=keep leaves nothing for --calib, --accept and --budget-* to choose");
  if (request.keep && implied) {
    request.keep = false;
    request.automatic = true;
    request.text = "auto";
  }
  if (request.gate.kind == Gate::Kind::Percent && !data)
    return makeError(Diag::UsageError, "", "--accept=" + request.gate.text + " needs data", {},
                     "give --eval-data=D, or --calib=D of which a part is put aside");
  bool limited = request.budgetSize || !request.budgetLatency.empty() || demands;
  if (request.candidates.size() > 1 && !limited)
    return makeError(Diag::UsageError, "",
                     "--quantize with a list of schemes needs a budget or a gate to choose by", {},
                     "give --budget-size, --budget-latency or --accept");
  bool ruinous = llvm::any_of(request.candidates, [](const Scheme &scheme) {
    return scheme.bits >= 1 && scheme.bits <= 2;
  });
  if (consent && ruinous && !request.acceptUnmeasured && !data && !demands)
    return makeError(Diag::BadOptionValue, "",
                     "--quantize=" + request.text +
                         " leaves 2 bits or fewer of every weight, and "
                         "its quality is not measured",
                     {}, "give --accept=none to have it anyway");
  return llvm::Error::success();
}

/// The options of a recipe, where the command line does not say otherwise, and its own schemes.
static llvm::Error takeRecipe(Args &args, QuantizeRequest &request) {
  request.recipe = args.get("--recipe");
  if (request.recipe.empty())
    return llvm::Error::success();
  if (llvm::Error error = mustExist("--recipe", request.recipe))
    return error;
  auto recipe = qcc::readRecipe(request.recipe);
  if (!recipe)
    return recipe.takeError();
  request.ownSchemes = std::move(recipe->schemes);
  request.overrides = !recipe->overrides.empty();
  std::map<std::string, std::vector<std::string>> options;
  for (auto &[name, value] : recipe->options)
    options["--" + name].push_back(value);
  for (auto &[name, values] : options)
    if (!args.has(name))
      args.values[name] = values;
  return llvm::Error::success();
}

llvm::Error cli::parseQuantize(const Args &given, const Context &context, bool consent,
                               QuantizeRequest &request) {
  Args args = given;
  if (llvm::Error error = takeRecipe(args, request))
    return error;
  request.skip = args.all("--skip");
  request.requantize = args.has("--requantize");
  for (auto [option, value] :
       {std::pair("--embed", &request.embed), std::pair("--head", &request.head)})
    if (llvm::Error error = chooseStorage(args, option, request.ownSchemes, *value))
      return error;
  if (llvm::Error error = choose(args, "--kv", {"f32", "f16", "int8", "fp8", "int4"}, request.kv))
    return error;
  if (llvm::Error error = choose(args, "--attention", {"f32", "i16"}, request.attention))
    return error;
  auto gate = quality::parseAccept(args.get("--accept", "guard"));
  if (!gate)
    return gate.takeError();
  request.gate = std::move(*gate);
  request.acceptUnmeasured = request.gate.kind == Gate::Kind::None;
  request.requireMeasured = args.has("--require-measured");
  if (llvm::Error error = parseSchemes(args, context, request))
    return error;
  if (llvm::Error error = parseMethods(args, request))
    return error;
  if (llvm::Error error = parseCalibration(args, request))
    return error;
  if (llvm::Error error = parseBudgets(args, request))
    return error;
  return checkQuantize(args, consent, request);
}

static llvm::Error addHash(StringRef option, StringRef file, std::vector<std::string> &options) {
  if (file.empty())
    return llvm::Error::success();
  auto buffer = llvm::MemoryBuffer::getFile(file, false, false);
  if (!buffer)
    return makeError(Diag::CannotRead, file.str(), buffer.getError().message());
  auto digest = llvm::SHA256::hash(llvm::arrayRefFromStringRef((*buffer)->getBuffer()));
  options.push_back((option + "=sha256:" + llvm::toHex(digest, /*LowerCase=*/true)).str());
  return llvm::Error::success();
}

llvm::Error cli::quantizeOptions(const QuantizeRequest &request,
                                 std::vector<std::string> &options) {
  auto given = [&](StringRef option, const std::string &value) {
    if (!value.empty())
      options.push_back((option + "=" + value).str());
  };
  given("--quantize", request.text);
  for (const std::string &glob : request.skip)
    given("--skip", glob);
  given("--embed", request.embed);
  given("--head", request.head);
  given("--kv", request.kv);
  given("--attention", request.attention);
  if (request.requantize)
    options.push_back("--requantize");
  given("--method", llvm::join(request.methods, ","));
  if (request.gate.kind != Gate::Kind::Guard)
    given("--accept", request.gate.text);
  if (request.budgetSize)
    given("--budget-size", std::to_string(*request.budgetSize));
  for (const LatencyBudget &latency : request.budgetLatency)
    given("--budget-latency", latency.str());
  if (request.shippedCosts)
    options.push_back("--cost-table=default");
  if (request.seed)
    given("--seed", std::to_string(request.seed));
  for (auto [option, file] :
       {std::pair("--recipe", &request.recipe), std::pair("--calib", &request.statistics),
        std::pair("--cost-table", &request.costTable)})
    if (llvm::Error error = addHash(option, *file, options))
      return error;
  return llvm::Error::success();
}
