// Estimates and progress lines; see Progress.h.
#include "qcc/Driver/Progress.h"
#include "qcc/Algorithms/Moments.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Process.h"
#include <algorithm>
#include <vector>

using namespace qcc;

namespace {

/// Runs that take less are over before their estimate has been read.
constexpr double kWorthSaying = 30;
/// Share of a run after which its own speed says more than the probe.
constexpr double kTrusted = 0.05;
/// Columns are walked with a search of grids, a refinement and several objectives, about this many
/// products of the weights with the moments; its inner loops are shorter than those of the probe.
constexpr double kProductsPerCode = 12;

} // namespace

uint64_t qcc::groupWork(const GroupSize &size, bool followFloat) {
  auto k = static_cast<double>(size.inputs), n = static_cast<double>(size.outputs),
       rows = static_cast<double>(size.positions);
  double moments = rows * k * k * (followFloat ? 1.5 : 0.5);
  double passes = rows * n * k * (followFloat ? 2 : 1);
  double codes = kProductsPerCode * n * k * k + 2 * k * k * k;
  return static_cast<uint64_t>((moments + passes + codes) / 1e6) + 1;
}

double qcc::probeWorkRate(unsigned threads) {
  constexpr int64_t k = 768, rows = 256;
  std::vector<float> x(rows * k, 0.5f);
  double best = 0;
  for (int round = 0; round < 3; ++round) {
    ProductSum sum(k, /*symmetric=*/false);
    auto start = std::chrono::steady_clock::now();
    sum.add(x.data(), x.data(), rows, nullptr, threads);
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(rows * k * k) / 1e6 / std::max(1e-6, took.count()));
  }
  return best;
}

std::string qcc::roughTime(double seconds) {
  if (seconds < 90)
    return llvm::formatv("{0:f0} s", seconds);
  if (seconds < 90 * 60)
    return llvm::formatv("{0:f0} min", seconds / 60);
  return llvm::formatv("{0:f1} h", seconds / 3600);
}

LayerProgress::LayerProgress(llvm::raw_ostream &err, llvm::StringRef what, bool quiet,
                             bool estimate, unsigned threads)
    : err(err), what(what), quiet(quiet),
      onTerminal(!quiet && llvm::sys::Process::StandardErrIsDisplayed()), estimate(estimate),
      threads(threads) {}

LayerProgress::~LayerProgress() {
  if (shown)
    err << "\r\033[K";
}

void LayerProgress::sayEstimate(uint64_t all) {
  expected = static_cast<double>(all) / probeWorkRate(threads);
  if (*expected >= kWorthSaying && !quiet) {
    err << llvm::formatv("{0}: about {1} on this machine; what is finished is kept, run again "
                         "after an interruption\n",
                         what, roughTime(*expected));
    err.flush();
  }
}

void LayerProgress::operator()(uint64_t done, uint64_t all, llvm::StringRef name) {
  if (estimate && !expected)
    sayEstimate(all);
  if (!onTerminal || all == 0)
    return;
  shown = true;
  double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  double share = static_cast<double>(done) / static_cast<double>(all);
  std::optional<double> left;
  if (share >= kTrusted)
    left = elapsed * (1 - share) / share;
  else if (expected)
    left = std::max(0.0, *expected - elapsed);
  err << llvm::formatv("\r\033[K{0}: {1:f0} %{2}  {3}", what, 100 * share,
                       left ? ", " + roughTime(*left) + " left" : std::string(), name);
  err.flush();
}
