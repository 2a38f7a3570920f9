// Rows by the error that codes of 8 bits would save, over all layers.
#include "qcc/Driver/RowPromotion.h"
#include "qcc/Algorithms/Promotion.h"
#include "qcc/Pack/WeightFormats.h"
#include "qcc/Transform/Layers.h"
#include "llvm/Support/FormatVariadic.h"
#include <numeric>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using llvm::Error;
using llvm::Expected;

namespace {

/// Of all rows one in so many gets more bits, in pieces that kernels and schemes take.
constexpr int64_t kRowsPerPromoted = 16, kPiece = 32;
/// From this many outputs on a layer is a head, whose scheme is chosen apart.
constexpr int64_t kHeadRows = 8192;

struct ScoredWeight {
  std::string name;
  std::vector<unsigned> readers; ///< numbers of layers
  std::vector<double> scores;    ///< relative to the energy of the layer's outputs
  int64_t columns = 0;
  double bytes = 0; ///< that a promoted row takes more
};

func::FuncOp functionOf(const LoadedModel &model) {
  return *model.module.get().getOps<func::FuncOp>().begin();
}

WeightFormat eightBits() {
  WeightFormat format;
  format.scale = ScaleFormat::F32;
  return format;
}

/// How many rows of each weight get more bits: its best rows in pieces, the pieces of all weights
/// by what they gain a byte. What is left of a weight must still be a layer that schemes take.
std::vector<int64_t> countsOf(ArrayRef<ScoredWeight> weights) {
  std::vector<std::pair<double, size_t>> pieces; // gain a byte, weight
  int64_t rows = 0, taken = 0;
  for (auto [i, weight] : llvm::enumerate(weights)) {
    std::vector<double> scores = weight.scores;
    std::sort(scores.begin(), scores.end(), std::greater<>());
    auto all = static_cast<int64_t>(scores.size());
    rows += all;
    for (int64_t from = 0; from + 2 * kPiece <= all; from += kPiece) {
      double gain = std::accumulate(&scores[from], &scores[from] + kPiece, 0.0);
      pieces.emplace_back(gain / weight.bytes, i);
    }
  }
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](auto &a, auto &b) { return a.first > b.first; });
  std::vector<int64_t> counts(weights.size());
  for (auto [gain, weight] : pieces) {
    if (taken + kPiece > rows / kRowsPerPromoted || !(gain > 0))
      break;
    counts[weight] += kPiece;
    taken += kPiece;
  }
  return counts;
}

} // namespace

Expected<std::vector<PromotedRows>> qcc::promoteRows(LoadedModel &model, LoadedModel &assigned,
                                                     const ModelSamples &samples,
                                                     const SequentialOptions &options) {
  std::vector<LinearOp> layers;
  functionOf(model).walk([&](LinearOp layer) { layers.push_back(layer); });
  DenseMap<Operation *, unsigned> numbers;
  functionOf(assigned).walk([&](LinearOp layer) { numbers[layer] = numbers.size(); });
  std::vector<ScoredWeight> weights;
  auto visit = [&](const MarkedWeight &weight, std::vector<float> matrix,
                   const Moments &moments) -> Expected<EncodedRows> {
    MarkedWeight copy = weight;
    auto format = pack::weightFormatOf(copy.quantize.getType());
    ScoredWeight scored;
    for (LinearOp reader : weight.readers)
      scored.readers.push_back(numbers.lookup(reader));
    bool possible = llvm::none_of(scored.readers, [&](unsigned number) {
      return transform::whyNotPromoted(layers[number]) != nullptr;
    });
    if (!format || format->bits >= 8 || weight.rows >= kHeadRows || !possible)
      return EncodedRows();
    if (format->kind == WeightKind::Codebook && format->table.empty())
      format->table = learnTable(*format, matrix.data(), weight.rows, weight.columns);
    scored.name = weight.name;
    scored.columns = weight.columns;
    scored.bytes = (8.0 - format->bits) * static_cast<double>(weight.columns) / 8;
    const double *h = moments.gram.data();
    scored.scores = rowScores(*format, eightBits(), matrix.data(), weight.rows, weight.columns, h,
                              nullptr, options.threads);
    auto energies = errorObjectives(matrix.data(), weight.rows, weight.columns, h, options.threads);
    double energy = std::accumulate(energies.begin(), energies.end(), 0.0);
    for (double &score : scored.scores)
      score = energy > 0 ? score / energy : 0;
    weights.push_back(std::move(scored));
    return EncodedRows();
  };
  if (Error failed = surveyLayers(assigned, functionOf(assigned), model, samples, visit, options))
    return std::move(failed);
  std::vector<PromotedRows> result;
  IRRewriter rewriter(model.module.get().getContext());
  for (auto [weight, count] : llvm::zip_equal(weights, countsOf(weights))) {
    if (!count)
      continue;
    PromotedRows promoted{weight.name, qcc::promoteRows(weight.scores, count), weight.columns, 0};
    double all = std::accumulate(weight.scores.begin(), weight.scores.end(), 0.0);
    for (int32_t row : promoted.rows)
      promoted.share += all > 0 ? weight.scores[row] / all : 0;
    for (unsigned number : weight.readers)
      transform::promoteRows(rewriter, layers[number], promoted.rows);
    result.push_back(std::move(promoted));
  }
  return std::move(result);
}

void qcc::addToReport(quality::QuantizeReport &report, ArrayRef<PromotedRows> promoted,
                      StringRef scheme, StringRef promotedScheme) {
  for (const PromotedRows &part : promoted) {
    quality::TensorReport tensor;
    tensor.name = part.weight + transform::promotedSuffix.str();
    tensor.dims = {static_cast<int64_t>(part.rows.size()), part.columns};
    for (StringRef candidate : {scheme, promotedScheme}) {
      quality::CandidateReport row;
      row.scheme = candidate.str();
      row.transform = "rows";
      row.method = "rows";
      tensor.candidates.push_back(std::move(row));
    }
    tensor.chosen = 1;
    tensor.reason = llvm::formatv("these rows hold {0:f0} % of the weight's predicted error:",
                                  100 * part.share);
    for (int32_t row : part.rows)
      tensor.reason += " " + std::to_string(row);
    report.tensors.push_back(std::move(tensor));
  }
}

std::string qcc::promotedSchemeOf(const Scheme &scheme) {
  Scheme high;
  high.bits = 8;
  high.act = scheme.act;
  return schemeToString(high);
}

std::string qcc::promotedOverride(StringRef promotedScheme) {
  return ("  - {match: '*" + transform::promotedSuffix + "', quantize: '" + promotedScheme + "'}\n")
      .str();
}
