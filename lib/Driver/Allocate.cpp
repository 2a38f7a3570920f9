// Errors by second moments, sensitivities by measurement, the choice by a knapsack.
#include "qcc/Driver/Allocate.h"
#include "mlir/Support/Timing.h"
#include "qcc/Algorithms/Knapsack.h"
#include "qcc/Driver/Sequential.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "qcc/Pack/WeightFormats.h"
#include "qcc/Support/AtomicOutput.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <set>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

/// Share of the bytes below which the code of all kernels is not worth a choice.
constexpr double kSmallCode = 0.002;

/// A name as a glob that matches nothing else.
std::string literalGlob(StringRef name) {
  std::string glob;
  for (char c : name) {
    if (StringRef("*?[]{}\\!^").contains(c))
      glob += '\\';
    glob += c;
  }
  return glob;
}

std::string quoted(StringRef text) {
  std::string result = "'";
  for (char c : text)
    result += c == '\'' ? "''" : std::string(1, c);
  return result + "'";
}

class Weigher {
public:
  Weigher(const LoadedModel &floats, ArrayRef<std::string> schemes, const ModelSamples &samples,
          const PipelineOptions &base, const CompileRequest &request,
          const AllocationOptions &options)
      : floats(floats), schemes(schemes), samples(samples), base(base), request(request),
        options(options), timing(manager.getRootScope()) {}
  Expected<std::vector<WeightChoice>> run();

private:
  Expected<LoadedModel> assigned(const PipelineOptions &pipeline);
  Error addScheme(const std::string &scheme);
  Error addTables();
  std::string inputsOf(StringRef scheme) const;
  void addCandidate(MarkedWeight &weight, const std::string &scheme);
  Error addInputLosses(WeightChoice &choice, const OutputLoss &loss);
  Error computeErrors();
  Error measureSensitivities();
  Expected<double> lossAlone(const WeightChoice &choice, const std::string &scheme,
                             const OutputLoss &loss);

  const LoadedModel &floats;
  ArrayRef<std::string> schemes;
  const ModelSamples &samples;
  const PipelineOptions &base;
  const CompileRequest &request;
  const AllocationOptions &options;
  DefaultTimingManager manager;
  TimingScope timing;
  std::vector<WeightChoice> choices;
  std::map<std::string, size_t> byName;
  std::map<std::string, std::map<std::string, qnt::QType>> types; ///< weight, scheme
};

Expected<LoadedModel> Weigher::assigned(const PipelineOptions &pipeline) {
  LoadedModel copy = floats.clone();
  if (Error failed =
          runStages(copy, Stage::AssignBits, Stage::AssignBits, pipeline, request, timing))
    return std::move(failed);
  return copy;
}

/// What follows the layers that read a weight: kernels are made for that, not for shapes.
static std::string kindOf(MarkedWeight &weight) {
  std::set<std::string> seen;
  for (qnt::LinearOp linear : weight.readers)
    for (Operation *user : linear->getUsers())
      seen.insert(user->getName().getStringRef().str());
  return llvm::join(seen, " ");
}

/// Bytes of a weight in an artifact: layers read panels, in which rows and blocks are padded.
static double packedBytes(qnt::QType type, bool isTable) {
  bool unaligned = type.getGranularity() == qnt::Granularity::block && type.getBlock() % 4 != 0;
  bool inPanels = !isTable && type.isByRows() && type.getBits() <= 8 && !unaligned;
  qnt::Layout layout = inPanels ? qnt::Layout::panel16_block : qnt::Layout::logical;
  return static_cast<double>(*layoutOf(type.withLayout(layout)).bytes.constantValue());
}

/// How layers under a scheme store their inputs; empty for floats.
std::string Weigher::inputsOf(StringRef scheme) const {
  Expected<Scheme> parsed = parseScheme(scheme, request.quantize.ownSchemes);
  if (!parsed) {
    llvm::consumeError(parsed.takeError());
    return "";
  }
  if (parsed->act == Scheme::Act::Float)
    return "";
  return llvm::formatv("{0}:{1}:{2}:{3}", static_cast<int>(parsed->act), parsed->actGroup,
                       parsed->actSymmetric, parsed->actRange);
}

void Weigher::addCandidate(MarkedWeight &weight, const std::string &scheme) {
  auto [at, isNew] = byName.try_emplace(weight.name, choices.size());
  if (isNew) {
    WeightChoice choice;
    choice.name = weight.name;
    choice.rows = weight.rows;
    choice.columns = weight.columns;
    choice.kind = kindOf(weight);
    choices.push_back(std::move(choice));
  }
  qnt::QType type = weight.quantize.getType();
  auto &known = types[weight.name];
  std::string inputs = inputsOf(scheme);
  for (const Candidate &other : choices[at->second].candidates)
    if (known[other.scheme] == type && other.inputs == inputs)
      return; // the same layer by another name
  known[scheme] = type;
  Candidate candidate;
  candidate.scheme = scheme;
  candidate.inputs = inputs;
  candidate.bytes = packedBytes(type, weight.readers.empty());
  choices[at->second].candidates.push_back(std::move(candidate));
}

/// Which weights of layers a scheme marks, and what they take.
Error Weigher::addScheme(const std::string &scheme) {
  PipelineOptions pipeline = base;
  pipeline.scheme = scheme;
  if (pipeline.head.empty())
    pipeline.head = scheme;
  Expected<LoadedModel> copy = assigned(pipeline);
  if (!copy)
    return copy.takeError();
  for (LayerGroup &group : findMarkedWeights(*copy->module->getOps<func::FuncOp>().begin()))
    if (group.input)
      for (MarkedWeight &weight : group.weights)
        addCandidate(weight, scheme);
  return Error::success();
}

/// Embedding tables that no layer shares: their error is that of their numbers.
Error Weigher::addTables() {
  if (!base.embed.empty())
    return Error::success();
  for (const char *scheme : {"w8", "w4"}) {
    PipelineOptions pipeline = base;
    pipeline.scheme = schemes.front();
    pipeline.embed = scheme;
    Expected<LoadedModel> copy = assigned(pipeline);
    if (!copy)
      return copy.takeError();
    for (LayerGroup &group : findMarkedWeights(*copy->module->getOps<func::FuncOp>().begin())) {
      if (group.input)
        continue;
      for (MarkedWeight &weight : group.weights) {
        addCandidate(weight, scheme);
        WeightChoice &choice = choices[byName[weight.name]];
        choice.isTable = true;
        Candidate &candidate = choice.candidates.back();
        auto format = pack::weightFormatOf(weight.quantize.getType());
        auto matrix = evaluateMatrix(*copy, weight.matrix(), options.threads);
        if (!matrix)
          return matrix.takeError();
        if (!format || candidate.scheme != scheme)
          continue;
        EncodedRows codes = encodeRows(*format, matrix->data(), weight.rows, weight.columns);
        std::vector<float> decoded(matrix->size());
        decodeRows(*format, codes, decoded.data());
        double energy = 0, error = 0;
        for (size_t i = 0; i < decoded.size(); ++i) {
          energy += double((*matrix)[i]) * (*matrix)[i];
          error += std::pow(double((*matrix)[i]) - decoded[i], 2);
        }
        candidate.error = candidate.nearest = energy > 0 ? error / energy : 0;
      }
    }
  }
  return Error::success();
}

/// The relative output error of each weight under each candidate, on the float model's inputs.
Error Weigher::computeErrors() {
  PipelineOptions pipeline = base;
  pipeline.scheme = schemes.front();
  Expected<LoadedModel> copy = assigned(pipeline);
  if (!copy)
    return copy.takeError();
  MethodPlan plan;
  plan.gptq = !options.toNearest;
  auto method = [&](const MarkedWeight &weight, std::vector<float> matrix,
                    const Moments &moments) -> Expected<EncodedRows> {
    WeightChoice &choice = choices[byName[weight.name]];
    for (Candidate &candidate : choice.candidates) {
      auto format = pack::weightFormatOf(types[weight.name][candidate.scheme]);
      if (!format)
        continue;
      WeightReport report;
      chooseCodes(plan, *format, matrix, weight.rows, weight.columns, &moments, options.threads,
                  report);
      candidate.error = report.energy > 0 ? report.layer.result / report.energy : 0;
      candidate.nearest = report.energy > 0 ? report.layer.rtn / report.energy : 0;
    }
    // The walk itself goes on with the float model.
    return EncodedRows();
  };
  SequentialOptions sequence;
  sequence.folder = options.folder;
  sequence.threads = options.threads;
  sequence.progress = [&](uint64_t done, uint64_t all, StringRef name) {
    if (options.progress)
      options.progress(done, 2 * all, name);
  };
  return surveyLayers(*copy, *copy->module->getOps<func::FuncOp>().begin(), floats, samples, method,
                      sequence);
}

Expected<double> Weigher::lossAlone(const WeightChoice &choice, const std::string &scheme,
                                    const OutputLoss &loss) {
  std::string path = options.folder + "/alone.yaml";
  std::string text = "overrides:\n  - {match: '*', quantize: keep}\n  - {match: " +
                     quoted(literalGlob(choice.name)) + ", quantize: '" + scheme + "'}\n";
  if (Error failed = writeFileAtomically(path, text))
    return std::move(failed);
  PipelineOptions pipeline = base;
  pipeline.scheme = scheme;
  pipeline.recipe = path;
  Expected<LoadedModel> copy = assigned(pipeline);
  if (!copy)
    return copy.takeError();
  return loss.of(*copy);
}

Error Weigher::measureSensitivities() {
  ModelSamples few = samples;
  few.count = std::min<size_t>(samples.count, options.lossSamples);
  auto loss = OutputLoss::create(floats, few, {options.folder, options.threads, 1});
  if (!loss)
    return loss.takeError();
  size_t done = 0;
  for (WeightChoice &choice : choices) {
    if (options.progress)
      options.progress(choices.size() + done++, 2 * choices.size(), choice.name);
    // The coarsest candidate stands out best from noise.
    // Where some leave the inputs as they are, its loss is that of the weight alone.
    auto coarsest =
        llvm::max_element(choice.candidates, [](const Candidate &a, const Candidate &b) {
          return std::pair(a.inputs.empty(), a.nearest) < std::pair(b.inputs.empty(), b.nearest);
        });
    Expected<double> measured = lossAlone(choice, coarsest->scheme, **loss);
    if (!measured)
      return measured.takeError();
    choice.measured = std::max(0.0, *measured);
    choice.sensitivity = coarsest->nearest > 0 ? choice.measured / coarsest->nearest : 0;
    for (Candidate &candidate : choice.candidates)
      candidate.loss = candidate.error * choice.sensitivity;
    if (Error failed = addInputLosses(choice, **loss))
      return failed;
  }
  return Error::success();
}

/// What candidates lose by how they store inputs, where they differ in that: the loss under the one
/// with the finest weight, less what its weight loses.
Error Weigher::addInputLosses(WeightChoice &choice, const OutputLoss &loss) {
  std::map<std::string, const Candidate *> finest;
  for (const Candidate &candidate : choice.candidates)
    if (const Candidate *&best = finest[candidate.inputs];
        !best || candidate.nearest < best->nearest)
      best = &candidate;
  if (choice.isTable || finest.size() < 2)
    return Error::success();
  std::map<std::string, double> losses;
  for (const auto &[inputs, candidate] : finest) {
    if (inputs.empty())
      continue;
    Expected<double> measured = lossAlone(choice, candidate->scheme, loss);
    if (!measured)
      return measured.takeError();
    losses[inputs] = std::max(0.0, *measured - candidate->nearest * choice.sensitivity);
  }
  for (Candidate &candidate : choice.candidates)
    candidate.loss += losses[candidate.inputs];
  return Error::success();
}

Expected<std::vector<WeightChoice>> Weigher::run() {
  for (const std::string &scheme : schemes)
    if (Error failed = addScheme(scheme))
      return std::move(failed);
  if (Error failed = addTables())
    return std::move(failed);
  if (choices.empty())
    return std::move(choices);
  if (Error failed = computeErrors())
    return std::move(failed);
  if (options.orFloat)
    for (WeightChoice &choice : choices) {
      Candidate floats;
      floats.scheme = "keep";
      floats.bytes = 4.0 * static_cast<double>(choice.rows) * static_cast<double>(choice.columns);
      choice.candidates.push_back(std::move(floats));
    }
  if (Error failed = measureSensitivities())
    return std::move(failed);
  return std::move(choices);
}

} // namespace

Expected<std::vector<WeightChoice>>
qcc::weighCandidates(const LoadedModel &floats, ArrayRef<std::string> schemes,
                     const ModelSamples &samples, const PipelineOptions &base,
                     const CompileRequest &request, const AllocationOptions &options) {
  return Weigher(floats, schemes, samples, base, request, options).run();
}

/// Numbers for pairs of kind and scheme.
using KernelNumbers = std::map<std::pair<std::string, std::string>, int>;

static int kernelOf(const WeightChoice &choice, const Candidate &candidate,
                    KernelNumbers &numbers) {
  if (choice.isTable)
    return -1;
  return numbers.try_emplace({choice.kind, candidate.scheme}, static_cast<int>(numbers.size()))
      .first->second;
}

/// Puts a solution into the choices and sums it up.
static Allocation take(const KnapsackResult &result, std::vector<WeightChoice> &choices) {
  Allocation allocation;
  allocation.feasible = result.feasible;
  allocation.optimal = result.optimal;
  allocation.bound = result.bound;
  KernelNumbers used;
  for (auto [choice, chosen] : llvm::zip_equal(choices, result.choice)) {
    const Candidate &candidate = choice.candidates[chosen];
    choice.chosen = chosen;
    allocation.loss += candidate.loss;
    allocation.bytes += candidate.bytes;
    allocation.ms += candidate.ms;
    kernelOf(choice, candidate, used);
  }
  allocation.kernels = used.size();
  return allocation;
}

Allocation qcc::allocate(std::vector<WeightChoice> &choices, std::optional<double> maxBytes,
                         std::optional<double> maxMs, double kernelBytes) {
  std::vector<std::vector<KnapsackOption>> groups;
  KernelNumbers kernels;
  for (const WeightChoice &choice : choices) {
    groups.emplace_back();
    for (const Candidate &candidate : choice.candidates) {
      KnapsackOption option{candidate.loss, {}, kernelOf(choice, candidate, kernels)};
      if (maxBytes)
        option.costs.push_back(candidate.bytes);
      if (maxMs)
        option.costs.push_back(candidate.ms);
      groups.back().push_back(std::move(option));
    }
  }
  std::vector<double> budgets;
  if (maxBytes)
    budgets.push_back(*maxBytes);
  if (maxMs)
    budgets.push_back(*maxMs);
  // Kernels that hardly show beside the weights are just paid for.
  double all = kernelBytes * static_cast<double>(kernels.size());
  if (maxBytes && all > kSmallCode * *maxBytes)
    return take(chooseSharing(groups, budgets, std::vector<double>(kernels.size(), kernelBytes)),
                choices);
  if (maxBytes)
    budgets[0] -= all;
  return take(chooseOptions(groups, budgets), choices);
}

Allocation qcc::allocateForLoss(std::vector<WeightChoice> &choices, double maxLoss) {
  std::vector<std::vector<KnapsackOption>> groups;
  for (const WeightChoice &choice : choices) {
    groups.emplace_back();
    for (const Candidate &candidate : choice.candidates)
      groups.back().push_back({candidate.bytes, {candidate.loss}, -1});
  }
  return take(chooseOptions(groups, {maxLoss}), choices);
}

bool qcc::promoteWorst(std::vector<WeightChoice> &choices) {
  std::vector<WeightChoice *> worst;
  double total = 0, moved = 0;
  for (WeightChoice &choice : choices) {
    worst.push_back(&choice);
    total += choice.candidates[choice.chosen].loss;
  }
  llvm::stable_sort(worst, [](const WeightChoice *a, const WeightChoice *b) {
    return a->candidates[a->chosen].loss > b->candidates[b->chosen].loss;
  });
  bool any = false;
  for (WeightChoice *choice : worst) {
    if (moved > total / 2)
      break;
    moved += choice->candidates[choice->chosen].loss;
    int better = choice->chosen;
    for (int i = 0; i < static_cast<int>(choice->candidates.size()); ++i) {
      const Candidate &candidate = choice->candidates[i], &now = choice->candidates[choice->chosen];
      bool improves = candidate.loss < now.loss;
      bool next = better == choice->chosen || candidate.bytes < choice->candidates[better].bytes;
      if (improves && next)
        better = i;
    }
    any |= better != choice->chosen;
    choice->chosen = better;
  }
  return any;
}

std::string qcc::recipeOf(ArrayRef<WeightChoice> choices) {
  std::string text = "# the schemes that were allocated\noverrides:\n";
  for (const WeightChoice &choice : choices)
    text += "  - {match: " + quoted(literalGlob(choice.name)) + ", quantize: '" +
            choice.candidates[choice.chosen].scheme + "'}\n";
  return text;
}
