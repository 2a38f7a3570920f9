// Outputs against a reference's, and class numbers.
#include "qcc/Data/DataFiles.h"
#include "qcc/Quality/Series.h"
#include "qcc/Quality/Stats.h"
#include "llvm/ADT/Twine.h"
#include <cmath>

using namespace qcc;
using namespace qcc::data;
using namespace qcc::quality;
using llvm::StringRef;

void quality::addOutput(const HostTensor &got, const HostTensor &want, const HostTensor *mask,
                        OutputSeries &series) {
  int64_t width = got.rank() ? got.dims().back() : 1;
  int64_t rows = width ? got.count() / width : 0;
  bool masked = mask && got.rank() == 3 && mask->rank() == 2 && mask->dims()[0] == got.dims()[0] &&
                mask->dims()[1] == got.dims()[1];
  OutputSeries::PerSample sample;
  double dot = 0, norm = 0;
  std::vector<double> a(width), b(width);
  for (int64_t row = 0; row < rows; ++row) {
    if (masked && mask->number(row) == 0)
      continue;
    ++sample.rows;
    for (int64_t i = 0; i < width; ++i) {
      a[i] = got.number(row * width + i);
      b[i] = want.number(row * width + i);
      dot += a[i] * b[i];
      norm += a[i] * a[i];
      sample.signal += b[i] * b[i];
      sample.noise += (a[i] - b[i]) * (a[i] - b[i]);
    }
    if (!series.logits)
      continue;
    series.agree.push_back(argmax(a) == argmax(b));
    logSoftmax(a);
    logSoftmax(b);
    series.kld.push_back(klDivergence(b, a));
  }
  if (sample.rows == 0)
    return;
  bool zero = norm == 0 || sample.signal == 0;
  // Two vectors of zeros point the same way.
  sample.cosine = zero ? (norm == sample.signal ? 1 : 0) : dot / std::sqrt(norm * sample.signal);
  series.samples.push_back(sample);
}

llvm::Expected<std::vector<OutputSeries>> quality::measureOutputs(Subject &model,
                                                                  Subject &reference,
                                                                  const SampleSet &samples,
                                                                  const ProgressFn &progress) {
  std::vector<OutputSeries> list;
  for (const TensorInfo &output : model.model().outputs) {
    OutputSeries series;
    series.name = output.name;
    series.logits = output.role == "logits" || output.name == "logits";
    list.push_back(std::move(series));
  }
  int maskIndex = findInputRole(model.model(), "mask");
  for (int64_t s = 0; s < samples.count(); ++s) {
    auto sample = samples.get(s);
    if (!sample)
      return sample.takeError();
    auto values = bindSample(model.model(), *sample);
    if (!values)
      return values.takeError();
    std::optional<HostTensor> mask;
    if (maskIndex >= 0 && (*values)[maskIndex])
      mask = (*values)[maskIndex]->clone();
    auto got = model.run(std::move(*values));
    if (!got)
      return got.takeError();
    auto want = reference.run(*sample);
    if (!want)
      return want.takeError();
    StringRef where = reference.model().path;
    if (got->size() != want->size())
      return unsuitable(where, "the models have " + llvm::Twine(got->size()) + " and " +
                                   llvm::Twine(want->size()) + " outputs");
    for (size_t i = 0; i < got->size(); ++i) {
      if ((*got)[i].dims() != (*want)[i].dims())
        return unsuitable(where, "output '" + llvm::Twine(list[i].name) + "' has shapes " +
                                     dimsToString((*got)[i].dims()) + " and " +
                                     dimsToString((*want)[i].dims()));
      addOutput((*got)[i], (*want)[i], mask ? &*mask : nullptr, list[i]);
    }
    progress(s + 1, samples.count());
  }
  return list;
}

/// The class that a model's scores are highest for.
static llvm::Expected<int64_t> classOf(Subject &subject, const Sample &sample) {
  auto outputs = subject.run(sample);
  if (!outputs)
    return outputs.takeError();
  const HostTensor &scores = (*outputs)[findLogits(subject.model())];
  if (scores.rank() < 1 || scores.rank() > 2 || scores.count() == 0 ||
      scores.count() != scores.dims().back())
    return unsuitable(subject.model().path, "an output of shape " + dimsToString(scores.dims()) +
                                                " is not a score per class");
  return argmax(scores.numbers());
}

llvm::Expected<LabelSeries> quality::measureLabels(Subject &model, Subject *reference,
                                                   const SampleSet &samples, StringRef labels,
                                                   const ProgressFn &progress) {
  LabelSeries series;
  std::optional<HostTensor> file;
  if (labels.ends_with(".npy")) {
    auto read = readNpy(labels);
    if (!read)
      return read.takeError();
    file = std::move(*read);
    if (file->rank() != 1 || file->count() < samples.count() || isFloatType(file->dtype()))
      return unsuitable(labels, "labels are " + llvm::Twine(samples.count()) +
                                    " class numbers, not " + dtypeName(file->dtype()) +
                                    " of shape " + dimsToString(file->dims()));
  }
  for (int64_t i = 0; i < samples.count(); ++i) {
    auto sample = samples.get(i);
    if (!sample)
      return sample.takeError();
    if (file) {
      series.labels.push_back(file->integer(i));
    } else {
      auto label = sample->arrays.find(labels.str());
      if (label == sample->arrays.end() || label->second.count() != 1 ||
          isFloatType(label->second.dtype()))
        return unsuitable(samples.where(),
                          "no array '" + llvm::Twine(labels) + "' with a class number per sample");
      series.labels.push_back(label->second.integer(0));
      sample->arrays.erase(label);
    }
    auto ours = classOf(model, *sample);
    if (!ours)
      return ours.takeError();
    series.predicted.push_back(*ours);
    if (reference) {
      auto theirs = classOf(*reference, *sample);
      if (!theirs)
        return theirs.takeError();
      series.referencePredicted.push_back(*theirs);
    }
    progress(i + 1, samples.count());
  }
  return series;
}
