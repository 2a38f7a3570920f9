// What the fake driver keeps, and when it does what.
#include "FakeDriver.h"
#include <cstdio>
#include <cstdlib>

using namespace qcc::fake;

/// How many contexts the thread has pushed.
static thread_local int64_t pushed = 0;

Driver &Driver::get() {
  static Driver *made = new Driver; // outlives what uses it at the end of the process
  return *made;
}

int Driver::begin(const char *name, bool needsContext) {
  ++calls[name];
  if (failing == name && failingCall && --failingCall == 0) {
    lost = failure >= 700 ? failure : lost;
    return failure;
  }
  if (lost)
    return lost;
  if (needsContext && (!initialized || !contexts || !pushed))
    return initialized ? invalidContext : notInitialized;
  return success;
}

int Driver::call(const char *name, bool needsContext, const std::function<int()> &work) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  int result = begin(name, needsContext);
  return result ? result : work();
}

int Driver::release(const char *name, bool needsContext, const std::function<int()> &work) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  int result = begin(name, needsContext);
  int own = work();
  return result ? result : own;
}

int Driver::drain(Stream &stream) {
  std::vector<std::function<int()>> work;
  std::swap(work, stream.queue);
  for (auto &step : work)
    if (int result = lost ? lost : step())
      return result;
  return success;
}

int Driver::drainAll() {
  for (Stream *stream : streams)
    if (int result = drain(*stream))
      return result;
  return success;
}

namespace {
/// What the launches of a graph touched so far. None may touch what another one writes unless it
/// waits for that one.
class Together {
public:
  /// Whom the node gets in the way of, or nothing.
  std::string add(const Node &node, std::vector<qcc::simt::Device::Touched> ranges) {
    std::set<size_t> waits;
    for (size_t before : node.after) {
      waits.insert(before);
      waits.insert(done[before].waits.begin(), done[before].waits.end());
    }
    std::string finding;
    for (size_t other = 0; other != done.size() && finding.empty(); ++other)
      if (!waits.count(other) && meet(ranges, done[other].ranges))
        finding = node.function.name + " does not wait for " + done[other].name +
                  ", and both touch the same bytes";
    done.push_back({node.function.name, std::move(ranges), std::move(waits)});
    return finding;
  }

private:
  using Ranges = std::vector<qcc::simt::Device::Touched>;
  static bool meet(const Ranges &some, const Ranges &others) {
    for (size_t i = 0, k = 0; i != some.size() && k != others.size();) {
      const auto &a = some[i], &b = others[k];
      if (a.begin < b.end && b.begin < a.end && (a.written || b.written))
        return true;
      ++(a.end < b.end ? i : k);
    }
    return false;
  }
  struct Done {
    std::string name;
    Ranges ranges;
    std::set<size_t> waits;
  };
  std::vector<Done> done;
};
} // namespace

int Driver::launch(const Graph &graph) {
  Together together;
  for (const Node &node : graph) {
    std::string finding = node.function.module->run(node.function.name, node.blocks, node.threads,
                                                    node.sharedBytes, node.parameter, device);
    if (finding.empty())
      finding = together.add(node, device.touched());
    if (finding.empty())
      continue;
    std::fprintf(stderr, "fake GPU: %s\n", finding.c_str());
    lastFinding = finding;
    return lost = launchFailed;
  }
  return success;
}

/// What a lost context held goes with it; from any other, all is to be given back.
void Driver::dropContext() {
  for (auto &[address, bytes] : allocations)
    device.release(address);
  for (auto &[data, bytes] : pinned)
    std::free(const_cast<void *>(data));
  auto drop = [](auto &all) {
    for (auto *one : all)
      delete one;
    all.clear();
  };
  drop(streams);
  drop(functions);
  drop(modules);
  drop(graphs);
  drop(executables);
  allocations.clear();
  pinned.clear();
  lost = 0;
}

bool Driver::isPinned(const void *data, size_t bytes) const {
  auto behind = pinned.upper_bound(data);
  if (behind == pinned.begin())
    return false;
  const auto &[start, size] = *std::prev(behind);
  return static_cast<const char *>(data) + bytes <= static_cast<const char *>(start) + size;
}

int Driver::write(uint64_t to, const void *from, size_t bytes) {
  return device.write(to, {static_cast<const uint8_t *>(from), bytes}) ? success : invalidValue;
}

int Driver::read(void *to, uint64_t from, size_t bytes) {
  return device.read(from, {static_cast<uint8_t *>(to), bytes}) ? success : invalidValue;
}

//--- For tests.

#define EXPORT extern "C" __attribute__((visibility("default")))

/// "devices", "major", …: what the driver says it is. "unordered": nodes of graphs wait for nobody.
EXPORT void fake_set(const char *name, int64_t value) { Driver::get().settings[name] = value; }
/// The file that kernels are found in.
EXPORT void fake_kernels(const char *file) { Driver::get().kernelFile = file; }
/// The `nth` call of `function` from now on, counted from 1, gives `result`; 0: none does. A result
/// from 700 on loses the context.
EXPORT void fake_fail(const char *function, int64_t nth, int result) {
  Driver &d = Driver::get();
  d.failing = function;
  d.failingCall = nth;
  d.failure = result;
}
/// Calls of `function` since the process began.
EXPORT int64_t fake_calls(const char *function) { return Driver::get().calls[function]; }
/// Launches one after another in the graph that was recorded last, at most.
EXPORT int64_t fake_depth() { return Driver::get().depth; }
/// What was made and not given back.
EXPORT int64_t fake_live() {
  Driver &d = Driver::get();
  return static_cast<int64_t>(d.allocations.size() + d.pinned.size() + d.streams.size() +
                              d.modules.size() + d.graphs.size() + d.executables.size()) +
         d.contexts + pushed;
}
/// As after the start of a new process.
EXPORT void fake_reset() {
  Driver &d = Driver::get();
  d.lost = 0;
  d.failing.clear();
  d.lastFinding.clear();
}

//--- Devices and contexts.

EXPORT int cuInit(unsigned) {
  Driver &d = Driver::get();
  return d.call("cuInit", false, [&] {
    d.initialized = true;
    return d.settings["devices"] ? success : noDevice;
  });
}

EXPORT int cuDriverGetVersion(int *version) {
  Driver &d = Driver::get();
  return d.call("cuDriverGetVersion", false, [&] {
    *version = static_cast<int>(d.settings["driver"]);
    return success;
  });
}

EXPORT int cuGetErrorName(int result, const char **name) {
  static const std::map<int, const char *> names = {{invalidValue, "CUDA_ERROR_INVALID_VALUE"},
                                                    {outOfMemory, "CUDA_ERROR_OUT_OF_MEMORY"},
                                                    {noDevice, "CUDA_ERROR_NO_DEVICE"},
                                                    {invalidPtx, "CUDA_ERROR_INVALID_PTX"},
                                                    {launchFailed, "CUDA_ERROR_LAUNCH_FAILED"}};
  auto found = names.find(result);
  *name = found == names.end() ? nullptr : found->second;
  return *name ? success : invalidValue;
}

EXPORT int cuGetErrorString(int result, const char **text) {
  const Driver &d = Driver::get();
  *text = result == launchFailed && !d.lastFinding.empty() ? d.lastFinding.c_str() : "it is said";
  return success;
}

EXPORT int cuDeviceGetCount(int *count) {
  Driver &d = Driver::get();
  return d.call("cuDeviceGetCount", false, [&] {
    *count = static_cast<int>(d.settings["devices"]);
    return success;
  });
}

EXPORT int cuDeviceGet(int *device, int index) {
  Driver &d = Driver::get();
  return d.call("cuDeviceGet", false, [&] {
    *device = 100 + index;
    return index < d.settings["devices"] ? success : invalidDevice;
  });
}

EXPORT int cuDeviceGetName(char *name, int bytes, int device) {
  return Driver::get().call("cuDeviceGetName", false, [&] {
    std::snprintf(name, static_cast<size_t>(bytes), "Interpreter %d", device - 100);
    return device >= 100 ? success : invalidDevice;
  });
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device) {
  Driver &d = Driver::get();
  return d.call("cuDeviceGetAttribute", false, [&] {
    static const std::map<int, const char *> known = {{16, "units"}, {75, "major"}, {76, "minor"}};
    auto found = known.find(attribute);
    if (found == known.end() || device < 100)
      return invalidValue;
    *value = static_cast<int>(d.settings[found->second]);
    return success;
  });
}

EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int) {
  Driver &d = Driver::get();
  return d.call("cuDeviceTotalMem_v2", false, [&] {
    *bytes = static_cast<size_t>(d.settings["memory"]);
    return success;
  });
}

EXPORT int cuDevicePrimaryCtxRetain(void **context, int) {
  Driver &d = Driver::get();
  return d.call("cuDevicePrimaryCtxRetain", false, [&] {
    ++d.contexts;
    *context = &d;
    return success;
  });
}

EXPORT int cuDevicePrimaryCtxRelease_v2(int) {
  Driver &d = Driver::get();
  return d.release("cuDevicePrimaryCtxRelease_v2", false, [&] {
    if (--d.contexts == 0 && d.lost)
      d.dropContext();
    return success;
  });
}

EXPORT int cuCtxPushCurrent_v2(void *context) {
  Driver &d = Driver::get();
  return d.call("cuCtxPushCurrent_v2", false, [&] {
    if (context != &d)
      return invalidContext;
    ++pushed;
    return success;
  });
}

EXPORT int cuCtxPopCurrent_v2(void **context) {
  Driver &d = Driver::get();
  return d.release("cuCtxPopCurrent_v2", false, [&] {
    *context = &d;
    if (!pushed)
      return invalidContext;
    --pushed;
    return success;
  });
}
