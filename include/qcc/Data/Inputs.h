// Where a model's inputs come from: files, random values, and what follows from roles.
#ifndef QCC_DATA_INPUTS_H
#define QCC_DATA_INPUTS_H

#include "qcc/Data/Model.h"
#include <optional>
#include <string>
#include <vector>

namespace qcc::data {

/// A generator whose numbers depend on the seed alone, on every machine (SplitMix64).
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t next();
  double uniform();             ///< [0, 1)
  double normal();              ///< N(0, 1), Box-Muller
  int64_t below(int64_t bound); ///< [0, bound), bound >= 1

private:
  uint64_t state;
};

/// --random NAME=TYPE[DIMS][:LOW..HIGH]. Integers lie in [LOW, HIGH), default 0..2; floats too, or
/// are N(0, 1) without a range.
struct RandomSpec {
  std::string name;
  uint32_t dtype = QCC_F32;
  std::vector<int64_t> dims;
  bool ranged = false;
  double low = 0, high = 0;
};
llvm::Expected<RandomSpec> parseRandomSpec(llvm::StringRef text);
HostTensor makeRandom(const RandomSpec &spec, uint64_t seed);

/// Checks type and rank of a value for an input; with `convert`, integer types become the input's
/// integer type and float types its float type. QCC1808 otherwise.
llvm::Expected<HostTensor> fitInput(const Model &model, size_t index, HostTensor value,
                                    bool convert);

using PartialInputs = std::vector<std::optional<HostTensor>>;

/// Supplies inputs that are absent: mask ones, positions counting, types 0, past empty. Any other
/// absent input is QCC1008, which lists them all.
llvm::Expected<std::vector<HostTensor>> completeInputs(const Model &model, PartialInputs values);

/// Values for timing, of these shapes: ids uniform in [0, vocabulary), masks ones, positions
/// ascending, types 0, floats N(0, 1), other integers 0.
std::vector<HostTensor> syntheticInputs(const Model &model,
                                        const std::vector<std::vector<int64_t>> &shapes,
                                        int64_t vocabulary, uint64_t seed);

/// Number of positions in the cache that inputs of these shapes bring along.
int64_t pastLength(const Model &model, const std::vector<std::vector<int64_t>> &shapes);

} // namespace qcc::data
#endif
