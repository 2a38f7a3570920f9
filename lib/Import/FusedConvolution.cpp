// com.microsoft's convolutions with a sum and an activation behind them, or with the channels last.
#include "OpTable.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// What attributes activation and activation_params make of y.
Value activated(NodeBuilder &n, Value y) {
  std::string kind = n.stringAttr("activation", "");
  auto given = n.floatsAttr("activation_params");
  auto parameter = [&](size_t i) {
    return i < given.size() ? std::optional<double>(given[i]) : std::nullopt;
  };
  if (kind.empty() || !y)
    return y;
  if (kind == "Clip" && given.size() == 2)
    return n.minimum(n.maximum(y, given[0]), given[1]);
  if (Activation function = activationNamed(n, kind, parameter(0), parameter(1)))
    return function(y);
  n.unsupported("applies '" + kind + "' to the sum", "export it as a node of its own");
  return {};
}

/// Channels to the second place, or from there to the last.
Value turned(NodeBuilder &n, Value x, bool toFirst) {
  if (!n.atLeast(x, 3))
    return {};
  auto order = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(n.rank(x))));
  if (toFirst)
    std::rotate(order.begin() + 1, order.end() - 1, order.end());
  else
    std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return n.transpose(x, order);
}

template <bool channelsLast> void fusedConv(NodeBuilder &n) {
  Value x = n.in(0);
  if (channelsLast)
    x = turned(n, x, true);
  Value y = convolved(n, x, n.in(1), n.optional(2));
  if (channelsLast && y)
    y = turned(n, y, false);
  if (n.has(3))
    y = n.add(y, n.in(3));
  n.out(0, activated(n, y));
}

void nhwcMaxPool(NodeBuilder &n) {
  Value x = n.in(0);
  if (!n.atLeast(x, 3))
    return;
  Value most = maxPooled(n, turned(n, x, true));
  n.out(0, most ? turned(n, most, false) : Value());
}

constexpr OpEntry table[] = {
    {"com.microsoft", "FusedConv", 1, fusedConv<false>},
    {"com.microsoft", "NhwcFusedConv", 1, fusedConv<true>},
    {"com.microsoft", "NhwcConv", 1, fusedConv<true>},
    {"com.microsoft", "NhwcMaxPool", 1, nhwcMaxPool},
};

} // namespace

ArrayRef<OpEntry> qcc::import::fusedConvolutionOps() { return table; }
