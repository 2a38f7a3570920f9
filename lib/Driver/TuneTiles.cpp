// Kernels in memory, one for each register tile, timed in turn: a busy neighbour slows all of them.
#include "mlir/IR/OwningOpRef.h"
#include "qcc/Driver/Tune.h"
#include "qcc/Kernels/KernelJit.h"
#include "qcc/Kernels/Lowering.h"
#include "qcc/Kernels/ProductTrial.h"
#include "qcc/Kernels/RegisterTiles.h"
#include <chrono>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kRows[] = {1, 2, 4, 8, 16, 64};
constexpr int64_t kOutputs = 1024, kInputs = 2048;
/// More than caches hold: kernels meet weights that nobody has read for a while.
constexpr int64_t kWeightBytes = 64 << 20;
/// A turn takes a millisecond at least, so that some find a busy machine idle.
constexpr double kTurnSeconds = 1e-3;
constexpr int kLeastTurns = 3, kMostTurns = 25;
/// For all turns of all tiles with so many rows, if kLeastTurns take no longer.
constexpr double kSecondsEach = 0.25;

/// A kernel whose products go in one tile.
struct TileKernel {
  RegisterTile tile;
  std::unique_ptr<KernelJit> jit;
  qcc_kernel_fn function = nullptr;
  double bestSeconds = 0; ///< of a call
};

class TileTimer {
public:
  explicit TileTimer(const Target &level) : level(level), weights(kWeightBytes) {
    DialectRegistry registry;
    registerKernelDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }
  Error measure(const TiledProduct &product);

  std::vector<TileCost> costs;

private:
  Expected<TileKernel> compile(const TiledProduct &product, RegisterTile tile);
  void time(const TiledProduct &product, int64_t rows, MutableArrayRef<TileKernel> kernels);

  const Target &level;
  MLIRContext context{MLIRContext::Threading::DISABLED};
  NumberBuffer weights;
};

Expected<TileKernel> TileTimer::compile(const TiledProduct &product, RegisterTile tile) {
  CostTable onlyThis;
  onlyThis.target = level.name;
  onlyThis.tiles = {{product.scheme, 1, tile, 1}};
  OwningOpRef<ModuleOp> module(ModuleOp::create(UnknownLoc::get(&context)));
  KernelBuilder k(*module, "product", level, &onlyThis);
  emitProductTrial(k, product.spec);
  k.finish();
  auto jit = KernelJit::compile(*module, level);
  if (!jit)
    return jit.takeError();
  auto function = (*jit)->kernel("product");
  if (!function)
    return function.takeError();
  return TileKernel{tile, std::move(*jit), *function};
}

void TileTimer::time(const TiledProduct &product, int64_t rows,
                     MutableArrayRef<TileKernel> kernels) {
  ProductShape shape{rows, kOutputs, kInputs};
  ProductOperands operands(product.spec, shape);
  int64_t stride = roundUp(weightBytes(product.spec, shape.n, shape.k), 4096), matrix = 0;
  int64_t tasks = matmulTasks(shape.m, shape.n);
  NumberBuffer scratch(matmulScratchBytes(product.spec, shape.k));
  double total = 0;
  for (int turn = 0; turn < kMostTurns && (turn < kLeastTurns || total < kSecondsEach); ++turn)
    for (TileKernel &kernel : kernels) {
      auto start = Clock::now();
      double seconds = 0;
      int calls = 0;
      for (; seconds < kTurnSeconds; ++calls) {
        const char *data = static_cast<const char *>(weights.data()) + matrix * stride;
        matrix = (matrix + 1) % (kWeightBytes / stride);
        kernel.function(operands.slots(data).data(), 0, tasks, 0, scratch.data());
        seconds = std::chrono::duration<double>(Clock::now() - start).count();
      }
      total += seconds;
      if (turn == 0 || seconds / calls < kernel.bestSeconds)
        kernel.bestSeconds = seconds / calls;
    }
  for (const TileKernel &kernel : kernels)
    costs.push_back({product.scheme, rows, kernel.tile, 1e-9 * shape.ops() / kernel.bestSeconds});
}

Error TileTimer::measure(const TiledProduct &product) {
  std::vector<TileKernel> kernels;
  for (int64_t rows : kRows) {
    std::vector<RegisterTile> tiles = tileCandidates(product.spec, level, rows);
    for (RegisterTile tile : tiles)
      if (llvm::none_of(kernels, [&](const TileKernel &kernel) { return kernel.tile == tile; })) {
        Expected<TileKernel> kernel = compile(product, tile);
        if (!kernel)
          return kernel.takeError();
        kernels.push_back(std::move(*kernel));
      }
    auto end = std::partition(kernels.begin(), kernels.end(), [&](const TileKernel &kernel) {
      return llvm::is_contained(tiles, kernel.tile);
    });
    time(product, rows, {kernels.data(), static_cast<size_t>(end - kernels.begin())});
  }
  return Error::success();
}

} // namespace

Expected<std::vector<TileCost>>
qcc::measureTiles(const Target &level, llvm::function_ref<void(size_t done, size_t all)> progress) {
  TileTimer timer(level);
  std::vector<TiledProduct> products = tiledProducts();
  for (auto [i, product] : llvm::enumerate(products)) {
    progress(i, products.size());
    if (Error failed = timer.measure(product))
      return std::move(failed);
  }
  return std::move(timer.costs);
}
