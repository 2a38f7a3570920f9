// Threads, turns of kernel and probe, and the probe of the multiply-add instructions; see Timing.h.
#include "Timing.h"
#include "Tile/Tile.h"
#include <atomic>
#include <chrono>
#include <cmath>
#include <sched.h>
#include <thread>

using namespace qcc;
using namespace qcc::bench;
using Clock = std::chrono::steady_clock;

/// Moves this thread to the index-th of the cores that the process may use.
static void pin(int index) {
  cpu_set_t allowed, one;
  CPU_ZERO(&one);
  sched_getaffinity(0, sizeof allowed, &allowed);
  index %= CPU_COUNT(&allowed);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed) && index-- == 0)
      CPU_SET(cpu, &one);
  sched_setaffinity(0, sizeof one, &one);
}

double bench::parallelSeconds(int threads, llvm::function_ref<void(int)> work) {
  std::vector<Clock::time_point> begins(threads), ends(threads);
  std::atomic<int> missing = threads;
  std::vector<std::thread> team;
  for (int i = 0; i < threads; ++i)
    team.emplace_back([&, i] {
      pin(i);
      --missing;
      while (missing.load()) { // sleeping would add the time to wake up
      }
      begins[i] = Clock::now();
      work(i);
      ends[i] = Clock::now();
    });
  for (std::thread &thread : team)
    thread.join();
  return std::chrono::duration<double>(*std::max_element(ends.begin(), ends.end()) -
                                       *std::min_element(begins.begin(), begins.end()))
      .count();
}

static double median(std::vector<double> values) {
  auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void bench::measure(benchmark::State &state, const char *unit, int threads, const Work &kernel,
                    const Work &probe) {
  double best = 0, peak = 0;
  std::vector<double> shares;
  for (auto _ : state) {
    auto seconds = [&](const Work &work) {
      return parallelSeconds(threads, [&](int thread) { work.run(thread, shares.size()); });
    };
    double time = seconds(kernel), rate = kernel.amount / time;
    double probeRate = probe.amount / seconds(probe);
    state.SetIterationTime(time);
    best = std::max(best, rate);
    peak = std::max(peak, probeRate);
    shares.push_back(rate / probeRate);
  }
  state.counters[unit] = best;
  state.counters["probe"] = peak;
  state.counters["share"] = best / peak;
  state.counters["median_share"] = median(std::move(shares));
}

qcc_kernel_fn LazyKernel::function() {
  if (!jit)
    jit = Jit::build(target, [&](mlir::ModuleOp module) {
      KernelBuilder k(module, "kernel", target);
      emit(k);
      k.finish();
    });
  return jit->kernel("kernel");
}

namespace {

/// Levels without dots of bf16 multiply the numbers of pairs as floats.
Numbers multipliedAs(const Target &target, Numbers numbers) {
  return numbers == Numbers::Pairs && !target.hasBf16Dots ? Numbers::Floats : numbers;
}

void emitPeak(KernelBuilder &k, Numbers numbers, int count) {
  using Value = mlir::Value;
  Elem element = numbers == Numbers::Codes ? Elem::I32 : Elem::F32;
  auto bytes = k.vec(k.builder().getI8Type(), 64), pairs = k.vec(k.builder().getBF16Type(), 32);
  mlir::Type type = numbers == Numbers::Codes   ? bytes
                    : numbers == Numbers::Pairs ? pairs
                                                : k.vec(k.f32());
  Value p = k.argPtr(0);
  Value x = k.rawLoad(type, p), y = k.rawLoad(type, k.bytePtr(p, k.ci64(64)));
  KernelBuilder::Values init;
  for (int i = 0; i < count; ++i)
    init.push_back(k.vload(element, p, k.ci64(i * kLanes)));
  auto product = [&](Value sum, Value other) -> Value {
    switch (numbers) {
    case Numbers::Codes: // levels without the instruction would share the products of equal codes
      return tile::Dot4Op::create(k.builder(), k.loc(), sum, k.bitcast(other, bytes), y);
    case Numbers::Pairs:
      return tile::DotBf16Op::create(k.builder(), k.loc(), sum, x, y);
    case Numbers::Floats:
      return k.fma(x, y, sum);
    }
    llvm_unreachable("unknown numbers");
  };
  auto sums = k.forRange(k.end(), init, [&](Value, mlir::ValueRange c) {
    KernelBuilder::Values next;
    for (int i = 0; i < count; ++i)
      next.push_back(product(c[i], c[(i + 1) % count]));
    return next;
  });
  for (int i = 0; i < count; ++i) // keeps them alive
    k.vstore(element, sums[i], k.scratch(), k.ci64(i * kLanes));
}

} // namespace

PeakProbe::PeakProbe(const Target &target, Numbers numbers)
    : products(numbers == Numbers::Codes                          ? 64
               : multipliedAs(target, numbers) == Numbers::Floats ? 16
                                                                  : 32),
      accumulators(target.vectorBytes == 64 ? 24 : 6),
      kernel(target,
             [=, count = accumulators](KernelBuilder &k) {
               emitPeak(k, multipliedAs(k.target(), numbers), count);
             }),
      operands(4096) {}

Work PeakProbe::work(double amount, int threads) {
  double turnAmount = 2e-9 * products * accumulators * threads;
  int64_t turns = std::ceil(amount / turnAmount);
  return {turnAmount * turns, [this, turns, kernel = kernel.function()](int, int64_t) {
            alignas(64) char sink[24 * 64];
            int64_t slot = reinterpret_cast<int64_t>(operands.data());
            kernel(&slot, 0, turns, 0, sink);
          }};
}
