// A GPU driver without a GPU: device memory, streams and graphs as libcuda.so.1 has them, kernels
// in the tile interpreter. What tests do not ask for is not there.
//
// It is stricter than a driver: streams do nothing until something waits for them, so that what is
// taken before it is there, or changed before it is taken, shows; calls need a context; handles and
// addresses are checked; a finding of the interpreter is a failed launch, and so are nodes of a
// graph that do not wait for each other and touch the same bytes.
#ifndef QCC_TEST_GPU_FAKEDRIVER_H
#define QCC_TEST_GPU_FAKEDRIVER_H

#include "qcc/Simt/Device.h"
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace qcc::fake {

/// Results that callers tell apart.
enum Result : int {
  success = 0,
  invalidValue = 1,
  outOfMemory = 2,
  notInitialized = 3,
  noDevice = 100,
  invalidDevice = 101,
  invalidContext = 201,
  noBinary = 209,
  invalidPtx = 218,
  invalidHandle = 400,
  notFound = 500,
  launchFailed = 719
};

/// Kernels of one module in the NVVM dialect, by the PTX that they became.
class KernelModule {
public:
  virtual ~KernelModule() = default;
  virtual bool has(const std::string &kernel) const = 0;
  /// What is wrong with the launch, or nothing.
  virtual std::string run(const std::string &kernel, unsigned blocks, unsigned threads,
                          unsigned sharedBytes, uint64_t parameter, simt::Device &device) = 0;
};

/// The kernels that became this PTX: those of the module nvptx-TARGET in the file that `qcc
/// --emit=mlir` wrote. Null, with the reason, without them.
std::unique_ptr<KernelModule> loadKernels(const std::string &file, const std::string &ptx,
                                          std::string &problem);

struct Function {
  KernelModule *module;
  std::string name;
};

struct Node {
  Function function;
  unsigned blocks, threads, sharedBytes;
  uint64_t parameter;
  std::vector<size_t> after; ///< earlier nodes that it waits for
};

using Graph = std::vector<Node>;

/// Work in order, done when something waits for it.
struct Stream {
  std::vector<std::function<int()>> queue;
};

/// Everything that a process has of the driver.
class Driver {
public:
  static Driver &get();

  /// Wraps an exported function: counts the call, fails it where a test says so.
  int call(const char *name, bool needsContext, const std::function<int()> &work);
  /// The same for one that gives something back, which it does even where it fails.
  int release(const char *name, bool needsContext, const std::function<int()> &work);

  int drain(Stream &stream);
  int drainAll();
  int launch(const Graph &graph);
  void dropContext();
  bool isPinned(const void *data, size_t bytes) const;
  int write(uint64_t to, const void *from, size_t bytes);
  int read(void *to, uint64_t from, size_t bytes);

  template <typename T> T *add(std::set<T *> &all, T *made) { return *all.insert(made).first; }

  std::map<std::string, int64_t> settings = {{"devices", 1},     {"major", 8}, {"minor", 0},
                                             {"driver", 12080},  {"units", 2}, {"blocks", 2},
                                             {"memory", 1 << 30}};
  std::map<std::string, int64_t> calls;
  std::string failing; ///< function that fails
  int64_t failingCall = 0;
  int failure = 0;
  std::string kernelFile, lastFinding;

  simt::Device device;
  std::map<uint64_t, size_t> allocations;
  std::map<const void *, size_t> pinned;
  std::set<Stream *> streams;
  std::set<KernelModule *> modules;
  std::set<Function *> functions;
  int64_t depth = 0; ///< of the graph instantiated last
  std::set<Graph *> graphs;
  std::set<std::shared_ptr<Graph> *> executables;
  int64_t contexts = 0; ///< times the primary context is held
  bool initialized = false;
  int lost = 0; ///< error that a lost context answers with
  std::recursive_mutex lock;

private:
  int begin(const char *name, bool needsContext);
};

} // namespace qcc::fake
#endif
