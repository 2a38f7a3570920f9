// How every suite times: pinned threads that start together, and a kernel in turn with a probe, the
// best that this machine can do, so that a busy neighbour slows both.
#ifndef QCC_BENCHMARKS_TIMING_H
#define QCC_BENCHMARKS_TIMING_H

#include "Jit.h"
#include "qcc/Kernels/ProductTrial.h"
#include <benchmark/benchmark.h>
#include <utility>

namespace qcc::bench {

/// What the command line says.
struct Settings {
  const Target *target;
  int64_t weightBytes; ///< that GEMV reads in a pass; far over the last-level cache
};

/// Seconds from the first start to the last end of work(0) … work(threads - 1), each on a core of
/// its own as far as there are.
double parallelSeconds(int threads, llvm::function_ref<void(int)> work);

/// The tasks [first, second) of a thread.
inline std::pair<int64_t, int64_t> part(int64_t tasks, int thread, int threads) {
  return {tasks * thread / threads, tasks * (thread + 1) / threads};
}

/// What all threads together do in a turn, in billions of what the rate counts. Turns take about a
/// millisecond, so that some find a busy machine idle.
struct Work {
  double amount;
  std::function<void(int thread, int64_t turn)> run;
};

/// Runs kernel and probe in turn. Counters: the fastest turns of the kernel (named `unit`) and of
/// the probe, in 1e9 a second; `share`, the one by the other; and `median_share` of the turns,
/// which is near `share` on a quiet machine.
void measure(benchmark::State &state, const char *unit, int threads, const Work &kernel,
             const Work &probe);

/// A kernel that is compiled when it is first asked for: filters leave most cases out.
class LazyKernel {
public:
  LazyKernel(const Target &target, std::function<void(KernelBuilder &)> emit)
      : target(target), emit(std::move(emit)) {}
  qcc_kernel_fn function();

private:
  const Target &target;
  std::function<void(KernelBuilder &)> emit;
  std::unique_ptr<Jit> jit;
};

/// The multiply-add instruction at its best: as many accumulators as registers hold, nothing else.
/// Where several instructions stand for it, kernels that share some of them may be faster.
enum class Numbers { Floats, Pairs /* of bf16 */, Codes };
class PeakProbe {
public:
  PeakProbe(const Target &target, Numbers numbers);
  /// At least `amount` billions of operations, two a multiply-add: as many as the kernel, so that
  /// both meet the same disturbances.
  Work work(double amount, int threads);

private:
  int64_t products; ///< of an instruction
  int accumulators;
  LazyKernel kernel;
  NumberBuffer operands;
};

/// Room for any one matrix of the GEMV suite.
constexpr int64_t leastWeightBytes = 32 << 20;

// The suites.
void registerGemm(const Settings &settings);
void registerGemv(const Settings &settings);
void registerFused(const Settings &settings);

} // namespace qcc::bench
#endif
