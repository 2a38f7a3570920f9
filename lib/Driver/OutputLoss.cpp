// Outputs of two models, sample by sample.
#include "qcc/Driver/Allocate.h"
#include "qcc/Driver/Walk.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using llvm::Error;
using llvm::Expected;

struct OutputLoss::Impl {
  const ModelSamples &samples;
  PieceOptions options;
  unsigned output = 0;
  bool isLogits = false;
  int64_t width = 1;
  std::unique_ptr<SampleTensors> truth;
};

OutputLoss::OutputLoss(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
OutputLoss::~OutputLoss() = default;

/// The result that counts: logits, else the first one of floats.
static std::pair<unsigned, bool> judgedResult(func::FuncOp function) {
  std::optional<unsigned> floats;
  for (unsigned i = 0; i < function.getNumResults(); ++i) {
    auto text = [&](StringRef attr) {
      auto value = function.getResultAttrOfType<StringAttr>(i, attr);
      return value ? value.getValue() : StringRef();
    };
    if (text(roleAttrName) == "logits" || text(nameAttrName) == "logits")
      return {i, true};
    if (!floats && elementTypeOf(function.getResultTypes()[i]).isF32())
      floats = i;
  }
  return {floats.value_or(0), false};
}

std::string OutputLoss::unit(const LoadedModel &model) {
  return judgedResult(*model.module.get().getOps<func::FuncOp>().begin()).second ? "KLD"
                                                                                 : "1 - cosine";
}

static Value resultOf(const LoadedModel &model, unsigned index) {
  func::FuncOp function = *model.module.get().getOps<func::FuncOp>().begin();
  return function.getBody().front().getTerminator()->getOperand(index);
}

Expected<std::unique_ptr<OutputLoss>> OutputLoss::create(const LoadedModel &reference,
                                                         const ModelSamples &samples,
                                                         const PieceOptions &options) {
  auto impl = std::unique_ptr<Impl>(new Impl{samples, options, 0, false, 1, nullptr});
  func::FuncOp function = *reference.module.get().getOps<func::FuncOp>().begin();
  std::tie(impl->output, impl->isLogits) = judgedResult(function);
  Value result = resultOf(reference, impl->output);
  SmallVector<DimExpr> dims = dimsOf(result.getType());
  impl->width = dims.empty() ? 1 : dims.back().constantValue().value_or(1);
  auto store = SampleTensors::create(options.folder);
  if (!store)
    return store.takeError();
  impl->truth = std::move(*store);
  Walk walk(reference, function, samples.count, samples.inputs, options);
  if (Error failed = walk.compute(
          result, [&](size_t, ArrayRef<qcc_tensor> out) { return impl->truth->append(out[0]); }))
    return std::move(failed);
  return std::unique_ptr<OutputLoss>(new OutputLoss(std::move(impl)));
}

/// KL(p || q) of two rows of logits, natural logarithm.
static double divergence(const float *p, const float *q, int64_t width) {
  float largestP = p[0], largestQ = q[0];
  for (int64_t i = 1; i < width; ++i) {
    largestP = std::max(largestP, p[i]);
    largestQ = std::max(largestQ, q[i]);
  }
  double sumP = 0, sumQ = 0, weighted = 0;
  for (int64_t i = 0; i < width; ++i) {
    double e = std::exp(p[i] - largestP);
    sumP += e;
    sumQ += std::exp(q[i] - largestQ);
    weighted += e * ((p[i] - largestP) - (q[i] - largestQ));
  }
  return weighted / sumP - std::log(sumP) + std::log(sumQ);
}

static double cosineDistance(const float *a, const float *b, int64_t width) {
  double ab = 0, aa = 0, bb = 0;
  for (int64_t i = 0; i < width; ++i) {
    ab += double(a[i]) * b[i];
    aa += double(a[i]) * a[i];
    bb += double(b[i]) * b[i];
  }
  return aa > 0 && bb > 0 ? 1 - ab / std::sqrt(aa * bb) : (aa == bb ? 0 : 1);
}

Expected<double> OutputLoss::of(const LoadedModel &model) const {
  func::FuncOp function = *model.module.get().getOps<func::FuncOp>().begin();
  MaskedSamples masked(impl->samples);
  Walk walk(model, function, impl->samples.count, masked.source(), impl->options);
  double sum = 0;
  int64_t rows = 0;
  Error failed = walk.compute(
      resultOf(model, impl->output), [&](size_t sample, ArrayRef<qcc_tensor> out) -> Error {
        auto want = impl->truth->view(sample);
        if (!want)
          return want.takeError();
        int64_t width = impl->width, count = out[0].bytes / (4 * width);
        const auto *p = static_cast<const float *>(want->data);
        const auto *q = static_cast<const float *>(out[0].data);
        std::vector<uint8_t> counted = masked.counted(count);
        for (int64_t row = 0; row < count; ++row) {
          if (!counted.empty() && !counted[row])
            continue;
          sum += impl->isLogits ? divergence(p + row * width, q + row * width, width)
                                : cosineDistance(p + row * width, q + row * width, width);
          ++rows;
        }
        return Error::success();
      });
  if (failed)
    return std::move(failed);
  return rows ? sum / static_cast<double>(rows) : 0;
}
