// Products whose weights stay in the cache, activations quantized already, against the peak of the
// multiply-add instruction: gemm/SCHEME/MxNxK/THREADS.
#include "Products.h"

using namespace qcc;
using namespace qcc::bench;

namespace {

constexpr std::pair<int64_t, int64_t> weightShapes[] = {{384, 384},   {1536, 384}, {384, 1536},
                                                        {768, 768},   {3072, 768}, {768, 3072},
                                                        {2048, 2048}, {4096, 4096}};

std::vector<Shape> shapesOf(const Scheme &scheme) {
  if (!scheme.common)
    return {{16, 768, 768}, {128, 768, 768}};
  std::vector<Shape> shapes;
  for (int64_t m : {16, 128, 512, 4096})
    for (auto [n, k] : weightShapes)
      shapes.push_back({m, n, k});
  return shapes;
}

void run(benchmark::State &state, Product &product, PeakProbe &probe, const Shape &shape,
         int threads) {
  constexpr double turnOps = 1e8; // of a thread
  int64_t times = std::max(1.0, turnOps * threads / shape.ops());
  NumberBuffer weights(product.scheme.weightBytes(shape.n, shape.k));
  auto call = product.prepare(shape, threads);
  Work kernel{1e-9 * shape.ops() * times, [&](int thread, int64_t) {
                for (int64_t i = 0; i < times; ++i)
                  call(weights.data(), thread);
              }};
  measure(state, "GOPS", threads, kernel, probe.work(kernel.amount, threads));
}

} // namespace

void bench::registerGemm(const Settings &settings) {
  auto floats = std::make_shared<PeakProbe>(*settings.target, Numbers::Floats);
  auto pairs = std::make_shared<PeakProbe>(*settings.target, Numbers::Pairs);
  auto codes = std::make_shared<PeakProbe>(*settings.target, Numbers::Codes);
  for (const Scheme &scheme : allSchemes()) {
    auto product = std::make_shared<Product>(*settings.target, scheme);
    auto probe = scheme.integer() ? codes : scheme.spec.pairs ? pairs : floats;
    for (const Shape &shape : shapesOf(scheme))
      for (int threads : {1, 2}) {
        std::string name =
            "gemm/" + scheme.name + "/" + shape.str() + "/threads:" + std::to_string(threads);
        benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State &state) {
          run(state, *product, *probe, shape, threads);
        })->UseManualTime();
      }
  }
}
