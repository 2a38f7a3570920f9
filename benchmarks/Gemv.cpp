// Products of a few rows with more weights than caches hold, against plain reading of the same
// bytes: gemv/SCHEME/pages:PAGES/MxNxK/THREADS. Weights lie as a file that is mapped, as in an
// artifact, or in huge pages.
#include "Products.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBuffer.h"
#include <filesystem>
#include <sys/mman.h>
#include <unistd.h>

using namespace qcc;
using namespace qcc::bench;
using Value = mlir::Value;

namespace {

constexpr int64_t turnBytes = 16 << 20; ///< of a thread
constexpr Shape matrices[] = {{0, 4096, 4096}, {0, 2048, 5632}};

/// Mapped on first use and kept for all cases.
class Weights {
public:
  Weights(bool huge, int64_t bytes) : huge(huge), bytes(bytes) {}
  ~Weights() {
    if (base)
      munmap(base, bytes);
  }
  /// Null if the machine gives no such pages.
  const char *data() {
    if (!base)
      huge ? mapHuge() : mapFile();
    return base;
  }
  int64_t size() const { return bytes; }
  const bool huge;

private:
  void mapFile();
  void mapHuge();

  const int64_t bytes;
  char *base = nullptr;
};

void Weights::mapFile() {
  std::string path = std::filesystem::temp_directory_path() / "qcc-bench-XXXXXX";
  int file = mkstemp(path.data());
  unlink(path.c_str());
  std::vector<char> numbers(1 << 20);
  fillWithNumbers(numbers.data(), numbers.size());
  for (int64_t at = 0; at < bytes; at += numbers.size())
    if (write(file, numbers.data(), numbers.size()) != ssize_t(numbers.size())) {
      close(file);
      return;
    }
  void *mapped = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  close(file);
  base = mapped == MAP_FAILED ? nullptr : static_cast<char *>(mapped);
}

/// Whether most of `bytes` are in huge pages, as the kernel counts them for this process.
bool inHugePages(int64_t bytes) {
  auto text = llvm::MemoryBuffer::getFileAsStream("/proc/self/smaps_rollup");
  int64_t kilobytes = 0;
  if (text)
    (*text)->getBuffer().split("AnonHugePages:").second.ltrim().consumeInteger(10, kilobytes);
  return kilobytes * 1024 >= bytes / 10 * 9;
}

void Weights::mapHuge() {
  void *mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED)
    return;
  madvise(mapped, bytes, MADV_HUGEPAGE);
  fillWithNumbers(mapped, bytes);
  if (inHugePages(bytes))
    base = static_cast<char *>(mapped);
  else
    munmap(mapped, bytes);
}

/// Reads as fast as loads can: eight streams, asked for two kilobytes ahead as far as the
/// second-level cache. They lie apart by no multiple of a page, which would send all of them to the
/// same few lines of the first.
class ReadProbe {
public:
  explicit ReadProbe(const Target &target) : kernel(target, emit) {}
  /// Reads about `bytes` a turn, from where `start` says.
  Work work(int64_t bytes, std::function<const char *(int64_t turn)> start, int threads) {
    int64_t tasks = std::max<int64_t>(1, bytes / taskBytes);
    return {1e-9 * tasks * taskBytes, [=, function = kernel.function()](int thread, int64_t turn) {
              alignas(64) char sink[streams * 64];
              int64_t slot = reinterpret_cast<int64_t>(start(turn));
              auto [begin, end] = part(tasks, thread, threads);
              function(&slot, begin, end, thread, sink);
            }};
  }

private:
  static constexpr int64_t streams = 8, streamBytes = 65 << 10, taskBytes = streams * streamBytes;
  static void emit(KernelBuilder &k) {
    auto line = k.vec(k.i32());
    k.forTasks([&](Value task) {
      Value base = k.bytePtr(k.argPtr(0), k.mul(task, k.ci64(taskBytes)));
      KernelBuilder::Values init(streams, k.broadcast(k.ci32(0)));
      auto seen = k.forRange(k.ci64(streamBytes / 64), init, [&](Value i, mlir::ValueRange c) {
        KernelBuilder::Values next;
        for (int64_t s = 0; s < streams; ++s) {
          Value at = k.bytePtr(base, k.add(k.mul(i, k.ci64(64)), k.ci64(s * streamBytes)));
          k.prefetch(k.bytePtr(at, k.ci64(2048)), /*locality=*/2);
          next.push_back(k.or_(c[s], k.rawLoad(line, at)));
        }
        return next;
      });
      for (int64_t s = 0; s < streams; ++s) // keeps them alive
        k.rawStore(seen[s], k.bytePtr(k.scratch(), k.ci64(64 * s)));
    });
  }
  LazyKernel kernel;
};

void run(benchmark::State &state, Product &product, Weights &weights, ReadProbe &probe,
         const Shape &shape, int threads) {
  const char *data = weights.data();
  if (!data)
    return state.SkipWithError("the machine does not give these pages");
  int64_t bytes = product.scheme.weightBytes(shape.n, shape.k), stride = roundUp(bytes, 64);
  int64_t all = std::max<int64_t>(1, weights.size() / stride);
  // A turn is a part of the pass; the probe reads what the kernel will half a pass later.
  int64_t some = std::clamp<int64_t>(threads * turnBytes / stride, 1, all);
  auto call = product.prepare(shape, threads);
  Work kernel{1e-9 * bytes * some, [&](int thread, int64_t turn) {
                for (int64_t i = 0; i < some; ++i)
                  call(data + (turn * some + i) % all * stride, thread);
              }};
  auto opposite = [=](int64_t turn) {
    return data + std::min((turn * some + all / 2) % all, all - some) * stride;
  };
  measure(state, "GB/s", threads, kernel, probe.work(some * stride, opposite, threads));
}

} // namespace

void bench::registerGemv(const Settings &settings) {
  auto probe = std::make_shared<ReadProbe>(*settings.target);
  int64_t bytes = roundUp(settings.weightBytes, 2 << 20);
  std::shared_ptr<Weights> mappings[] = {std::make_shared<Weights>(false, bytes),
                                         std::make_shared<Weights>(true, bytes)};
  for (const Scheme &scheme : allSchemes()) {
    if (!scheme.common || !scheme.integer())
      continue;
    auto product = std::make_shared<Product>(*settings.target, scheme);
    for (auto &weights : mappings)
      for (Shape shape : matrices)
        for (int threads : {1, 2})
          for (int64_t rows : {1, 2, 4, 8}) {
            shape.m = rows;
            std::string name = "gemv/" + scheme.name +
                               (weights->huge ? "/pages:huge/" : "/pages:file/") + shape.str() +
                               "/threads:" + std::to_string(threads);
            benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State &state) {
              run(state, *product, *weights, *probe, shape, threads);
            })->UseManualTime();
          }
  }
}
