// Memory and streams of the fake driver.
#include "FakeDriver.h"
#include <cstdlib>
#include <cstring>

using namespace qcc::fake;

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  Driver &d = Driver::get();
  return d.call("cuMemAlloc_v2", true, [&] {
    size_t used = 0;
    for (auto &[at, size] : d.allocations)
      used += size;
    if (!bytes)
      return invalidValue;
    if (used + bytes > static_cast<size_t>(d.settings["memory"]))
      return outOfMemory;
    // Kernels may read scratch memory that nothing wrote as long as it does not matter, which the
    // results show.
    *address = d.device.upload(std::vector<uint8_t>(bytes, 0xff),
                               "allocation of " + std::to_string(bytes) + " bytes");
    d.allocations[*address] = bytes;
    return success;
  });
}

EXPORT int cuMemFree_v2(uint64_t address) {
  Driver &d = Driver::get();
  return d.release("cuMemFree_v2", true, [&]() -> int {
    int result = d.drainAll();
    if (!d.allocations.erase(address))
      return invalidValue;
    d.device.release(address);
    return result;
  });
}

EXPORT int cuMemGetInfo_v2(size_t *free, size_t *total) {
  Driver &d = Driver::get();
  return d.call("cuMemGetInfo_v2", true, [&] {
    *free = *total = static_cast<size_t>(d.settings["memory"]);
    for (auto &[at, size] : d.allocations)
      *free -= size;
    return success;
  });
}

EXPORT int cuMemHostAlloc(void **data, size_t bytes, unsigned) {
  Driver &d = Driver::get();
  return d.call("cuMemHostAlloc", true, [&] {
    *data = std::malloc(bytes);
    d.pinned[*data] = bytes;
    return success;
  });
}

EXPORT int cuMemFreeHost(void *data) {
  Driver &d = Driver::get();
  return d.release("cuMemFreeHost", true, [&]() -> int {
    int result = d.drainAll();
    if (!d.pinned.erase(data))
      return invalidValue;
    std::free(data);
    return result;
  });
}

/// Appends to a stream's work.
static int enqueue(void *stream, std::function<int()> work) {
  auto *s = static_cast<Stream *>(stream);
  if (!Driver::get().streams.count(s))
    return invalidHandle;
  s->queue.push_back(std::move(work));
  return success;
}

EXPORT int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
  Driver &d = Driver::get();
  return d.call("cuMemcpyHtoDAsync_v2", true, [&]() -> int {
    if (d.isPinned(from, bytes))
      return enqueue(stream, [=, &d] { return d.write(to, from, bytes); });
    auto *data = static_cast<const uint8_t *>(from);
    std::vector<uint8_t> copy(data, data + bytes);
    return enqueue(stream, [=, &d] { return d.write(to, copy.data(), bytes); });
  });
}

EXPORT int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
  Driver &d = Driver::get();
  return d.call("cuMemcpyDtoHAsync_v2", true,
                [&] { return enqueue(stream, [=, &d] { return d.read(to, from, bytes); }); });
}

static int copyOnDevice(uint64_t to, uint64_t from, size_t bytes) {
  Driver &d = Driver::get();
  std::vector<uint8_t> between(bytes);
  int result = d.read(between.data(), from, bytes);
  return result ? result : d.write(to, between.data(), bytes);
}

EXPORT int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) {
  return Driver::get().call("cuMemcpyDtoDAsync_v2", true, [&] {
    return enqueue(stream, [=] { return copyOnDevice(to, from, bytes); });
  });
}

namespace {
/// CUDA_MEMCPY2D of cuda.h.
struct Copy2d {
  size_t fromX, fromY;
  int fromKind;
  const void *fromHost;
  uint64_t from;
  void *fromArray;
  size_t fromPitch;
  size_t toX, toY;
  int toKind;
  void *toHost;
  uint64_t to;
  void *toArray;
  size_t toPitch, width, height;
};
static_assert(sizeof(Copy2d) == 128);
} // namespace

EXPORT int cuMemcpy2DAsync_v2(const Copy2d *given, void *stream) {
  return Driver::get().call("cuMemcpy2DAsync_v2", true, [&]() -> int {
    Copy2d c = *given;
    if (c.fromKind != 2 || c.toKind != 2 || c.fromX || c.fromY || c.toX || c.toY ||
        c.fromPitch < c.width || c.toPitch < c.width)
      return invalidValue;
    return enqueue(stream, [=]() -> int {
      for (size_t row = 0; row < c.height; ++row)
        if (int result = copyOnDevice(c.to + row * c.toPitch, c.from + row * c.fromPitch, c.width))
          return result;
      return success;
    });
  });
}

EXPORT int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *stream) {
  Driver &d = Driver::get();
  return d.call("cuMemsetD8Async", true, [&] {
    return enqueue(stream, [=, &d] {
      std::vector<uint8_t> filled(bytes, value);
      return d.write(to, filled.data(), bytes);
    });
  });
}

EXPORT int cuStreamCreate(void **stream, unsigned) {
  Driver &d = Driver::get();
  return d.call("cuStreamCreate", true, [&] {
    *stream = d.add(d.streams, new Stream);
    return success;
  });
}

EXPORT int cuStreamSynchronize(void *stream) {
  Driver &d = Driver::get();
  return d.call("cuStreamSynchronize", true, [&]() -> int {
    auto *s = static_cast<Stream *>(stream);
    return d.streams.count(s) ? d.drain(*s) : static_cast<int>(invalidHandle);
  });
}

EXPORT int cuStreamDestroy_v2(void *stream) {
  Driver &d = Driver::get();
  return d.release("cuStreamDestroy_v2", true, [&]() -> int {
    auto *s = static_cast<Stream *>(stream);
    if (!d.streams.count(s))
      return invalidHandle;
    int result = d.drain(*s);
    d.streams.erase(s);
    delete s;
    return result;
  });
}
