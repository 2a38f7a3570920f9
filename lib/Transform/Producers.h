// Where the channels of a value can be divided by constants without changing the model: at what
// makes them, through ops that pass a positive factor of a channel on.
#ifndef QCC_LIB_TRANSFORM_PRODUCERS_H
#define QCC_LIB_TRANSFORM_PRODUCERS_H

#include "LayerQueries.h"

namespace qcc::transform {

/// What takes the division: a norm in gain and bias, or a layer in the rows of its weight and its
/// bias. `repeats` > 1 where attention repeats each run of `width` channels of the layer for that
/// many heads: factors must be equal in the repetitions.
struct Producer {
  mlir::Operation *op = nullptr;
  int64_t width = 0, repeats = 1;
};

/// The producer of `value`, which only `reader` may read, or why there is none.
struct FoundProducer {
  Producer producer;
  const char *whyNot = nullptr;
};
FoundProducer findProducer(mlir::Value value);

/// Divides the channels that `producer` makes by `s`, a list that is available above it.
void divideChannels(mlir::RewriterBase &rewriter, const Producer &producer, mlir::Value s);

} // namespace qcc::transform
#endif
