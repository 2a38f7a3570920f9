// Streams weights into a file: the caller produces, this thread writes, another hashes.
#include "Detail.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/SHA256.h"
#include <condition_variable>
#include <mutex>
#include <thread>

using namespace llvm;

namespace qcc::emit {
namespace {

constexpr size_t bufferBytes = size_t(4) << 20;

/// Hashes buffers in the order they come, at most one being hashed while the next is filled.
class Hasher {
public:
  Hasher() : thread([this] { loop(); }) {}
  ~Hasher() { finish(); }

  /// Takes `full` and gives back an empty buffer in its place.
  void push(std::vector<uint8_t> &full) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !busy; });
    std::swap(pending, full);
    full.clear();
    busy = true;
    changed.notify_all();
  }

  Sha256 finish() {
    if (thread.joinable()) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return !busy; });
        stop = true;
        changed.notify_all();
      }
      thread.join();
      digest = sha.final();
    }
    return digest;
  }

private:
  void loop() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return busy || stop; });
      if (!busy)
        return;
      lock.unlock();
      sha.update(pending);
      lock.lock();
      busy = false;
      changed.notify_all();
    }
  }

  SHA256 sha;
  Sha256 digest{};
  std::vector<uint8_t> pending;
  bool busy = false, stop = false;
  std::mutex mutex;
  std::condition_variable changed;
  std::thread thread; // last: starts when the rest is there
};

} // namespace

Expected<Sha256> streamWeights(const WeightsPart &weights, AtomicOutputs &outputs, size_t index,
                               uint64_t offset) {
  Hasher hasher;
  std::vector<uint8_t> buffer;
  buffer.reserve(bufferBytes);
  uint64_t seen = 0, written = 0;
  auto flush = [&]() -> Error {
    if (Error e = outputs.write(index, offset + written, buffer))
      return e;
    written += buffer.size();
    hasher.push(buffer);
    buffer.reserve(bufferBytes);
    return Error::success();
  };
  auto sink = [&](ArrayRef<uint8_t> bytes) -> Error {
    seen += bytes.size();
    if (seen > weights.bytes)
      return Error::success(); // reported below, with the full count
    while (!bytes.empty()) {
      size_t n = std::min(bytes.size(), bufferBytes - buffer.size());
      buffer.insert(buffer.end(), bytes.begin(), bytes.begin() + n);
      bytes = bytes.drop_front(n);
      if (buffer.size() == bufferBytes)
        if (Error e = flush())
          return e;
    }
    return Error::success();
  };
  if (weights.bytes)
    if (Error e = weights.write(sink))
      return std::move(e);
  if (seen != weights.bytes)
    return makeError(Diag::WeightsLength, "weights",
                     "announced " + std::to_string(weights.bytes) + " bytes, produced " +
                         std::to_string(seen));
  if (!buffer.empty())
    if (Error e = flush())
      return std::move(e);
  return hasher.finish();
}

} // namespace qcc::emit
