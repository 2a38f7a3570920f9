// Data sets: a sequence of samples, each a set of named arrays.
#ifndef QCC_DATA_SAMPLES_H
#define QCC_DATA_SAMPLES_H

#include "qcc/Data/HostTensor.h"
#include "llvm/Support/Error.h"
#include <map>

namespace qcc::data {

/// One sample. Arrays keep a leading axis of 1 when `stacked`; else they have the sample's own
/// shape.
struct Sample {
  std::map<std::string, HostTensor> arrays;
  bool stacked = false;
};

/// Reads an .npz or a folder of .npy files with a leading sample axis, a folder of one .npz per
/// sample, an ONNX test data folder (input_*.pb), or a folder of such. At most `limit` samples;
/// negative: all.
llvm::Expected<std::vector<Sample>> readSamples(llvm::StringRef where, int64_t limit = -1);

} // namespace qcc::data
#endif
