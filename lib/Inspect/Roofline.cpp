// Bytes and multiply-adds of every launch, and the least time that a device needs for them.
#include "qcc/Inspect/Roofline.h"
#include "Qnt/Qnt.h"
#include "qcc/Lower/KernelFrame.h"
#include "qcc/Support/Print.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

/// Multiply-adds of an op as m × n × k, and the peak that they run at.
struct Product {
  SmallVector<DimExpr> sizes;
  double Device::*peak = &Device::f32;
};

double Device::*peakOf(Type x, Type weight) {
  bool codes = isa<QType>(x) && isa<QType>(weight);
  Type element = elementTypeOf(x);
  return codes ? &Device::int8 : element.isBF16() || element.isF16() ? &Device::bf16 : &Device::f32;
}

Product ofLayer(Operation *op) {
  Type x = op->getOperand(0).getType(), weight = op->getOperand(1).getType();
  SmallVector<DimExpr> rows = dimsOf(op->getResult(0).getType()), matrix = dimsOf(weight);
  DimExpr n = rows.pop_back_val();
  Product product{{elementCount(op->getContext(), rows), n, matrix.back()}, peakOf(x, weight)};
  auto products = op->getAttrOfType<StorageAttr>("products");
  if (products && products.getValue() == Storage::bf16)
    product.peak = &Device::bf16;
  return product;
}

Product ofAttention(AttentionOp op) {
  SmallVector<DimExpr> q = dimsOf(op.getQuery().getType()), v = dimsOf(op.getValue().getType());
  Product product{{q[0] * q[1] * q[2], v[2], q[3] + v[3]}};
  if (op.getProducts() != Storage::f32) // of i16: two products of bytes each
    product.peak = &Device::bf16;
  return product;
}

Product ofConv(ConvOp op) {
  SmallVector<DimExpr> out = dimsOf(op->getResult(0).getType());
  SmallVector<DimExpr> weight = dimsOf(op.getWeight().getType());
  DimExpr channels = weight.front();
  out.erase(out.begin() + 1);
  weight.erase(weight.begin());
  return {{elementCount(op->getContext(), out), channels, elementCount(op->getContext(), weight)}};
}

Product ofMatmul(MatmulOp op) {
  SmallVector<DimExpr> out = dimsOf(op->getResult(0).getType());
  DimExpr n = out.pop_back_val(), k = dimsOf(op.getX().getType()).back();
  return {{elementCount(op->getContext(), out), n, k}, peakOf(op.getX().getType(), {})};
}

/// The product of a group, or none.
Product productOf(FusedOp group) {
  Product found;
  for (Operation &op : group.getBody().front())
    llvm::TypeSwitch<Operation *>(&op)
        .Case<LinearOp, QLinearOp, SparseLinearOp>(
            [&](Operation *layer) { found = ofLayer(layer); })
        .Case<AttentionOp>([&](AttentionOp op) { found = ofAttention(op); })
        .Case<ConvOp>([&](ConvOp op) { found = ofConv(op); })
        .Case<MatmulOp>([&](MatmulOp op) { found = ofMatmul(op); });
  return found;
}

class Counter {
public:
  Counter(const Device &device, const llvm::StringMap<int64_t> &sizes)
      : device(device), sizes(sizes) {}

  RooflineEntry entryOf(FusedOp group) {
    RooflineEntry entry{group.getKind().str(), "", 1};
    double gathered = 0;
    for (auto [operand, argument] : llvm::zip(group.getInputs(), group.getBody().getArguments()))
      (isTable(argument) ? gathered : entry.bytes) += bytesOf(operand.getType());
    double results = 0;
    for (Type type : group.getResultTypes())
      results += bytesOf(type);
    // Of a table only the rows that are asked for are read.
    entry.bytes += results + std::min(gathered, results);
    Product product = productOf(group);
    double seconds = 0;
    if (!product.sizes.empty()) {
      entry.operations = 2;
      SmallVector<std::string> texts;
      for (DimExpr size : product.sizes) {
        entry.operations *= static_cast<double>(valueOf(size));
        texts.push_back(std::to_string(valueOf(size)));
      }
      entry.form = llvm::join(texts, " × ");
      seconds = entry.operations / (device.*product.peak);
    }
    entry.bound = "products";
    auto atLeast = [&](double other, const char *bound) {
      if (other > seconds)
        seconds = other, entry.bound = bound;
    };
    atLeast(entry.bytes / device.bytesPerSecond, "memory");
    atLeast(kGraphLaunchSeconds, "launch");
    entry.seconds = seconds;
    return entry;
  }

private:
  static bool isTable(BlockArgument argument) {
    return !argument.use_empty() && llvm::all_of(argument.getUsers(), [&](Operation *user) {
      return isa<GatherOp, QGatherOp>(user) && user->getOperand(0) == argument;
    });
  }
  int64_t valueOf(DimExpr size) const { return size.evaluate(sizes).value_or(0); }
  double bytesOf(Type type) const { return static_cast<double>(valueOf(lower::bufferBytes(type))); }

  const Device &device;
  const llvm::StringMap<int64_t> &sizes;
};

/// Launches that wait for one another, through the values that they hand on.
class Chains {
public:
  struct Chain {
    double seconds = 0;
    int64_t launches = 0;
  };
  Chain longest;

  void add(Operation *op, double seconds, int64_t launches) {
    Chain chain;
    for (Value operand : op->getOperands())
      if (Chain before = ends.lookup(operand); before.seconds > chain.seconds)
        chain = before;
    chain = {chain.seconds + seconds, chain.launches + launches};
    for (Value result : op->getResults())
      ends[result] = chain;
    if (chain.seconds > longest.seconds)
      longest = chain;
  }

private:
  llvm::DenseMap<Value, Chain> ends;
};

} // namespace

Roofline qcc::rooflineOf(func::FuncOp function, const Device &device) {
  Roofline result;
  result.device = &device;
  if (auto symbols = function->getAttrOfType<ArrayAttr>(symbolsAttrName))
    for (Attribute attr : symbols) {
      auto symbol = cast<SymbolAttr>(attr);
      result.sizes.try_emplace(symbol.getName(), std::max<int64_t>(1, symbol.getMin()));
    }
  Counter counter(device, result.sizes);
  Chains chains;
  double work = 0;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    auto group = dyn_cast<FusedOp>(op);
    if (!group) {
      chains.add(op, 0, 0);
      return;
    }
    RooflineEntry entry = counter.entryOf(group);
    chains.add(group, entry.seconds, 1);
    if (entry.bound != StringRef("launch"))
      work += entry.seconds;
    for (RooflineEntry &known : result.entries)
      if (known.kind == entry.kind && known.form == entry.form && known.bytes == entry.bytes) {
        ++known.launches;
        return;
      }
    result.entries.push_back(std::move(entry));
  });
  result.chain = chains.longest.launches;
  result.seconds = std::max(chains.longest.seconds, work);
  llvm::stable_sort(result.entries, [](const RooflineEntry &x, const RooflineEntry &y) {
    return x.seconds * x.launches > y.seconds * y.launches;
  });
  return result;
}

void qcc::printRoofline(raw_ostream &os, const Roofline &roofline) {
  std::vector<std::string> sizes;
  for (const auto &symbol : roofline.sizes)
    sizes.push_back((symbol.getKey() + " = " + Twine(symbol.second)).str());
  llvm::sort(sizes);
  os << "at least, on one " << roofline.device->name
     << (sizes.empty() ? "" : " with " + llvm::join(sizes, ", ")) << '\n';
  std::vector<std::vector<std::string>> rows;
  for (const RooflineEntry &entry : roofline.entries)
    rows.push_back(
        {"  " + entry.kind, "× " + std::to_string(entry.launches), entry.form,
         formatBytes(static_cast<uint64_t>(entry.bytes)),
         entry.operations ? llvm::formatv("{0:F3} GOP", entry.operations / 1e9).str() : "",
         llvm::formatv("{0:F1} µs", entry.seconds * 1e6), std::string("by ") + entry.bound});
  printTable(os, rows);
  os << llvm::formatv("  all launches {0:F1} µs; {1} of them one after another\n",
                      roofline.seconds * 1e6, roofline.chain);
}

llvm::json::Object qcc::rooflineJson(const Roofline &roofline) {
  llvm::json::Array entries;
  for (const RooflineEntry &entry : roofline.entries)
    entries.push_back(llvm::json::Object{{"kind", entry.kind},
                                         {"form", entry.form},
                                         {"launches", entry.launches},
                                         {"bytes", entry.bytes},
                                         {"operations", entry.operations},
                                         {"us", entry.seconds * 1e6},
                                         {"bound", entry.bound}});
  llvm::json::Object sizes;
  for (const auto &symbol : roofline.sizes)
    sizes[symbol.getKey()] = symbol.second;
  return llvm::json::Object{{"device", roofline.device->name},
                            {"sizes", std::move(sizes)},
                            {"launches", std::move(entries)},
                            {"chain", roofline.chain},
                            {"us", roofline.seconds * 1e6}};
}
