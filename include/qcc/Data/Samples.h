// Data sets: a sequence of samples, each a set of named arrays, read one at a time.
#ifndef QCC_DATA_SAMPLES_H
#define QCC_DATA_SAMPLES_H

#include "qcc/Data/Inputs.h"
#include <map>

namespace qcc::data {

/// One sample. Arrays keep a leading axis of 1 when `stacked`; else they have the sample's own
/// shape.
struct Sample {
  std::map<std::string, HostTensor> arrays;
  bool stacked = false;
};

struct SampleOptions {
  int64_t limit = -1; ///< at most so many samples; negative: all
  int64_t ctx = 0;    ///< window of a token file; 0: not given
};

/// Where samples come from; one thread at a time.
class SampleSource {
public:
  virtual ~SampleSource() = default;
  virtual llvm::Expected<Sample> read(int64_t index) = 0;
  int64_t count = 0;
  bool tokens = false; ///< samples are windows of token ids
};

/// A data set on disk. Memory holds one sample at a time, whatever the number of samples. Copies
/// share the files; one thread at a time. Sample order is the file's (folders: by name), so that
/// results and hashes do not depend on the machine.
class SampleSet {
public:
  /// An .npz or a folder of .npy files with a leading sample axis (arrays a_NAME and b_NAME, as of
  /// sentence pairs, are two samples each, a before b); a folder of one .npz per sample
  /// (ragged); an ONNX test data folder (input_*.pb), or a folder of such; token ids in an .npy
  /// (or the only array of an .npz): a line, cut into windows of `ctx` without overlap (a tail
  /// shorter than a window is left out), or rows, each of which is a window or cut into several.
  /// Windows are arrays "ids" of shape 1 x width. Errors: QCC1001 (ctx is needed), 1101, 1808,
  /// 1820, 1821.
  static llvm::Expected<SampleSet> open(llvm::StringRef where, const SampleOptions &options = {});

  int64_t count() const { return static_cast<int64_t>(indices.size()); }
  llvm::Expected<Sample> get(int64_t index) const;
  const std::string &where() const { return place; }
  /// Whether the samples are windows of a token file.
  bool isTokens() const { return source->tokens; }

  /// The samples of these indices, in this order.
  SampleSet select(llvm::ArrayRef<int64_t> chosen) const;
  /// Puts `share` of the samples aside (at least one of each part where there are two), drawn by
  /// `seed`: the rest, then what was put aside, both in the order of the set.
  std::pair<SampleSet, SampleSet> split(double share, uint64_t seed) const;

  /// SHA-256 over names, types, shapes and elements of all samples, in lower-case hex: equal for
  /// equal samples in whatever form they are stored.
  llvm::Expected<std::string> contentHash() const;

private:
  SampleSet(std::shared_ptr<SampleSource> source, std::string place)
      : source(std::move(source)), place(std::move(place)) {}
  std::shared_ptr<SampleSource> source;
  std::vector<int64_t> indices;
  std::string place;
};

/// All samples at once; for small sets.
llvm::Expected<std::vector<Sample>> readSamples(llvm::StringRef where, int64_t limit = -1);

/// The input that an array of this name is for: of that name, of that role, or of the role that the
/// name usually has (input_ids, attention_mask, …); -1: none.
int inputForArray(const Model &model, llvm::StringRef name);

/// The arrays of a sample that the model takes, as a batch of one where the sample has no batch
/// axis; integer and float types are converted. Other arrays (labels) are passed over. QCC1808
/// where a shape does not fit.
llvm::Expected<PartialInputs> bindSample(const Model &model, const Sample &sample);

/// Samples of equal shapes that run together.
struct Batch {
  int64_t first = 0, count = 0;   ///< samples [first, first + count)
  std::vector<HostTensor> inputs; ///< complete, in signature order, stacked along axis 0
  int mask = -1;                  ///< index of the input that is 0 at positions that do not count
};

/// Goes through a data set batch by batch: neighbours of equal shapes go together as far as the
/// model's batch axis is open and `most` allows. Ragged samples are never padded.
class BatchReader {
public:
  /// Both must outlive the reader.
  BatchReader(const SampleSet &samples, const Model &model, int64_t most = 1);
  /// Nothing after the last sample.
  llvm::Expected<std::optional<Batch>> next();

private:
  const SampleSet &samples;
  const Model &model;
  int64_t most, at = 0;
  std::optional<std::vector<HostTensor>> ahead; ///< inputs of sample `at`, read already
};

} // namespace qcc::data
#endif
