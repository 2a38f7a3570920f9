// Modules, graphs and launches of the fake driver.
#include "FakeDriver.h"
#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace qcc::fake;

#define EXPORT extern "C" __attribute__((visibility("default")))

static void writeLog(unsigned count, const int *options, void **values, const std::string &text) {
  char *log = nullptr;
  size_t bytes = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == 5)
      log = static_cast<char *>(values[i]);
    if (options[i] == 6)
      bytes = static_cast<unsigned>(reinterpret_cast<uintptr_t>(values[i]));
  }
  if (log && bytes) {
    std::strncpy(log, text.c_str(), bytes - 1);
    log[bytes - 1] = '\0';
  }
}

/// "sm_90a" needs 9.0 exactly, "sm_80" 8.0 at least.
static bool runsOn(const std::string &ptx, int64_t capability) {
  size_t at = ptx.find(".target sm_");
  if (at == std::string::npos)
    return false;
  char *end = nullptr;
  int64_t wanted = std::strtol(ptx.c_str() + at + 11, &end, 10);
  return *end == 'a' ? wanted == capability : wanted <= capability;
}

EXPORT int cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options,
                              void **values) {
  Driver &d = Driver::get();
  int result = d.call("cuModuleLoadDataEx", true, [&] {
    std::string ptx = static_cast<const char *>(image), problem;
    if (!runsOn(ptx, d.settings["major"] * 10 + d.settings["minor"]))
      return noBinary;
    const char *file = std::getenv("QCC_FAKE_GPU_KERNELS");
    auto loaded = loadKernels(d.kernelFile.empty() && file ? file : d.kernelFile, ptx, problem);
    if (!loaded) {
      writeLog(count, options, values, problem);
      return invalidPtx;
    }
    *module = d.add(d.modules, loaded.release());
    return success;
  });
  if (result == invalidPtx)
    writeLog(count, options, values, "ptxas says no");
  return result;
}

EXPORT int cuModuleUnload(void *module) {
  Driver &d = Driver::get();
  return d.release("cuModuleUnload", true, [&]() -> int {
    auto *m = static_cast<KernelModule *>(module);
    if (!d.modules.erase(m))
      return invalidHandle;
    std::erase_if(d.functions, [&](Function *f) {
      bool ours = f->module == m;
      if (ours)
        delete f;
      return ours;
    });
    delete m;
    return success;
  });
}

EXPORT int cuModuleGetFunction(void **function, void *module, const char *name) {
  Driver &d = Driver::get();
  return d.call("cuModuleGetFunction", true, [&] {
    auto *m = static_cast<KernelModule *>(module);
    if (!d.modules.count(m))
      return invalidHandle;
    if (!m->has(name))
      return notFound;
    *function = d.add(d.functions, new Function{m, name});
    return success;
  });
}

EXPORT int cuFuncSetAttribute(void *function, int, int) {
  Driver &d = Driver::get();
  return d.call("cuFuncSetAttribute", true, [&] {
    return d.functions.count(static_cast<Function *>(function)) ? success : invalidHandle;
  });
}

EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int, size_t) {
  Driver &d = Driver::get();
  return d.call("cuOccupancyMaxActiveBlocksPerMultiprocessor", true, [&] {
    *blocks = static_cast<int>(d.settings["blocks"]);
    return d.functions.count(static_cast<Function *>(function)) ? success : invalidHandle;
  });
}

EXPORT int cuGraphCreate(void **graph, unsigned) {
  Driver &d = Driver::get();
  return d.call("cuGraphCreate", true, [&] {
    *graph = d.add(d.graphs, new Graph);
    return success;
  });
}

namespace {
/// CUDA_KERNEL_NODE_PARAMS of cuda.h, as cuGraphAddKernelNode_v2 takes it.
struct KernelNode {
  void *function;
  unsigned grid[3], block[3], sharedBytes;
  void **parameters, **extra;
  void *kernel, *context;
};
static_assert(sizeof(KernelNode) == 72);
} // namespace

/// Nodes are numbered from 1, which stand for handles.
EXPORT int cuGraphAddKernelNode_v2(void **node, void *graph, void *const *after, size_t count,
                                   const KernelNode *p) {
  Driver &d = Driver::get();
  return d.call("cuGraphAddKernelNode_v2", true, [&] {
    auto *g = static_cast<Graph *>(graph);
    auto *f = static_cast<Function *>(p->function);
    if (!d.graphs.count(g) || !d.functions.count(f))
      return invalidHandle;
    std::vector<size_t> before;
    for (size_t i = 0; i != count && !d.settings["unordered"]; ++i)
      before.push_back(reinterpret_cast<size_t>(after[i]) - 1);
    bool known = std::all_of(before.begin(), before.end(), [&](size_t b) { return b < g->size(); });
    if (!known || !p->grid[0] || !p->block[0])
      return invalidValue;
    uint64_t parameter;
    std::memcpy(&parameter, p->parameters[0], sizeof parameter);
    g->push_back({*f, p->grid[0], p->block[0], p->sharedBytes, parameter, before});
    *node = reinterpret_cast<void *>(g->size());
    return success;
  });
}

static int64_t depthOf(const Graph &graph) {
  std::vector<int64_t> depths;
  for (const Node &node : graph) {
    int64_t depth = 1;
    for (size_t before : node.after)
      depth = std::max(depth, depths[before] + 1);
    depths.push_back(depth);
  }
  return depths.empty() ? 0 : *std::max_element(depths.begin(), depths.end());
}

EXPORT int cuGraphInstantiateWithFlags(void **executable, void *graph, uint64_t) {
  Driver &d = Driver::get();
  return d.call("cuGraphInstantiateWithFlags", true, [&] {
    auto *g = static_cast<Graph *>(graph);
    if (!d.graphs.count(g))
      return invalidHandle;
    d.depth = depthOf(*g);
    *executable = d.add(d.executables, new std::shared_ptr<Graph>(new Graph(*g)));
    return success;
  });
}

EXPORT int cuGraphLaunch(void *executable, void *stream) {
  Driver &d = Driver::get();
  return d.call("cuGraphLaunch", true, [&] {
    auto *e = static_cast<std::shared_ptr<Graph> *>(executable);
    auto *s = static_cast<Stream *>(stream);
    if (!d.executables.count(e) || !d.streams.count(s))
      return invalidHandle;
    s->queue.push_back([&d, graph = *e] { return d.launch(*graph); });
    return success;
  });
}

EXPORT int cuGraphDestroy(void *graph) {
  Driver &d = Driver::get();
  return d.release("cuGraphDestroy", true, [&] {
    auto *g = static_cast<Graph *>(graph);
    if (!d.graphs.erase(g))
      return invalidHandle;
    delete g;
    return success;
  });
}

EXPORT int cuGraphExecDestroy(void *executable) {
  Driver &d = Driver::get();
  return d.release("cuGraphExecDestroy", true, [&] {
    auto *e = static_cast<std::shared_ptr<Graph> *>(executable);
    if (!d.executables.erase(e))
      return invalidHandle;
    delete e;
    return success;
  });
}
