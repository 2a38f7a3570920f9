// Turns the pieces of a compiled model (LLVM modules, descriptions, weights) into files: shared
// object, relocatable object, archive, LLVM text or assembly. model.h is the layout they follow.
#ifndef QCC_EMIT_EMIT_H
#define QCC_EMIT_EMIT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace qcc::emit {

using MachineCode = llvm::SmallVector<char, 0>; ///< an object file

/// Machine code by the text that it follows from, for models whose parts are much alike. Any number
/// of threads may use one.
class CodeCache {
public:
  /// Null where there is none.
  std::shared_ptr<const MachineCode> find(llvm::StringRef key) const;
  void insert(llvm::StringRef key, MachineCode code);
  size_t size() const;

private:
  mutable std::mutex mutex;
  llvm::StringMap<std::shared_ptr<const MachineCode>> codes;
};

/// An LLVM module with a context of its own, so that modules compile in parallel; or machine code
/// that a cache had.
struct CodeModule {
  CodeModule() = default;
  CodeModule(CodeModule &&) = default;
  CodeModule &operator=(CodeModule &&other) {
    module = std::move(other.module); // before the context that the old module lives in
    context = std::move(other.context);
    optimized = other.optimized;
    cached = std::move(other.cached);
    key = std::move(other.key);
    symbols = std::move(other.symbols);
    return *this;
  }

  std::unique_ptr<llvm::LLVMContext> context; // declared first: must outlive the module
  std::unique_ptr<llvm::Module> module;
  bool optimized = false; // only instruction selection is left to do

  // With a cache: the code, if it was there (then there is no module), or the key to keep it by.
  std::shared_ptr<const MachineCode> cached;
  std::string key;
  std::vector<std::string> symbols; // that `cached` defines, without the prefix of emission
};

/// One slot of a kernel table: a function of the level's own modules, or, where the code would be
/// the same, of another level's.
struct KernelRef {
  std::string symbol;
  int level = -1; // index into ModelParts::levels; -1 is the level that holds the reference
};

/// Code for one feature level. Symbols are local to the level: two levels may both define "k0".
struct LevelPart {
  std::string name;        // "x86-avx512-vnni"
  uint64_t features = 0;   // bits QCC_FEATURE_*
  std::string cpu;         // target-cpu of functions that carry no such attribute
  std::string cpuFeatures; // target-features likewise, "+avx512f,+avx512vnni"
  std::vector<std::pair<std::string, std::string>> attributes; // e.g. prefer-vector-width=512
  std::vector<CodeModule> modules;
  std::vector<KernelRef> kernels; // as many as ModelParts::kernelNames, same order
};

/// Kernels for one kind of GPU as text, which its driver compiles. What mirrors qcc_gpu_kernel_desc
/// is in the order of ModelParts::kernelNames.
struct GpuKernelPart {
  std::string name;
  uint32_t slots = 0, blockThreads = 0, blockWorkers = 0;
  uint32_t staticSharedBytes = 0, dynamicSharedBytes = 0;
  uint64_t frameBytes = 0;
  bool sharesTasks = false;
};
struct GpuPart {
  std::string name; // "nvptx-sm_90a"
  uint32_t major = 0, minor = 0;
  bool exact = false;
  std::string ptx;
  std::vector<GpuKernelPart> kernels;
};

// The following mirror the structs of model.h, with owned strings.
struct TensorPart {
  std::string name;
  uint32_t dtype = 1; // qcc_dtype
  std::vector<std::string> dims;
  std::string role;
};
struct SymbolPart {
  std::string name;
  int64_t min = 0, max = 0, divisor = 1;
  int32_t input = -1, axis = 0;
};
struct KvPart {
  uint32_t input = 0, output = 0, layer = 0;
  bool isValue = false;
  int32_t pastSymbol = -1;
};
struct CheckPart {
  std::string lhs, rhs, site;
};
/// An operator that the application computes.
struct HostPart {
  std::string domain, callee, node, attributes;
  std::vector<uint32_t> dtypes, ranks; // of inputs (dtype 0 where one is absent), then of outputs
  uint32_t inputs = 0;
};
struct EntryPart {
  std::string name = "main";
  std::vector<TensorPart> inputs, outputs;
  std::vector<SymbolPart> symbols;
  std::vector<KvPart> kv;
  std::vector<CheckPart> checks;
  std::vector<std::string> sites;
  std::vector<HostPart> hosts;
  uint32_t segments = 1;
  uint32_t slices = 0;                         // 1 + the symbol that a run may be cut along
  std::vector<std::vector<uint32_t>> accesses; // of each launch: 2 * place, + 1 where it writes
  std::string planSymbol, runSymbol;           // defined by a body module
};

/// Takes the weight bytes in order, in pieces of any size.
using WeightsSink = llvm::function_ref<llvm::Error(llvm::ArrayRef<uint8_t>)>;

/// Weights are produced piece by piece and never lie in memory as a whole. `write` is called once,
/// on the calling thread, and must hand exactly `bytes` bytes to the sink; it passes the sink's
/// error on.
struct WeightsPart {
  uint64_t bytes = 0;
  std::function<llvm::Error(WeightsSink)> write;
};

/// Everything an artifact is made of. Names of functions in body modules are one name space, those
/// of each level another; emission prefixes them all with the model's name.
struct ModelParts {
  std::string name;   // C identifier
  std::string triple; // "x86_64-unknown-linux-gnu" or "aarch64-unknown-linux-gnu"
  std::vector<std::string> kernelNames;
  std::vector<LevelPart> levels; // best first; none where there is code for GPUs alone
  std::vector<GpuPart> gpus;     // best first
  std::vector<CodeModule> bodyModules;
  std::string bodyCpu, bodyCpuFeatures; // empty: the baseline of the architecture
  std::vector<EntryPart> entries;
  WeightsPart weights;
  std::string manifest;             // JSON
  std::shared_ptr<CodeCache> cache; // of modules with a key; not for the text kinds
};

enum class OutputKind { SharedObject, Object, Archive, LlvmIr, Assembly };

struct EmitOptions {
  OutputKind kind = OutputKind::SharedObject;
  std::string path;      // "-" is stdout, for the text kinds
  bool sidecar = false;  // weights to STEM.weights beside the output
  unsigned optLevel = 2; // LLVM's optimisation level, 0..3
  unsigned threads = 0;  // 0: all cores. Has no influence on the bytes
};

struct EmitReport {
  uint64_t codeBytes = 0, weightsBytes = 0;
  std::string weightsSha256; // hex
  std::vector<std::string> files;
};

/// Writes the output and what belongs beside it (header, sidecar). Files appear by rename when all
/// of them are complete; after an error the folder is as before. Consumes the modules.
/// Errors: 1102, 113x (files), 17xx (code that does not compile or link).
llvm::Error emitModel(ModelParts parts, const EmitOptions &options, EmitReport *report = nullptr);

/// "a/b/my-model.so" -> "my_model": the default model name of an output.
std::string modelNameFromPath(llvm::StringRef path);

/// The C header that goes beside .o and .a.
std::string modelHeader(llvm::StringRef modelName);

/// The manifest inside a .so, .o or .a, read without executing anything of it.
llvm::Expected<std::string> readManifest(llvm::StringRef path);

/// Checks that a shared object needs no other, has no undefined symbol and exports exactly
/// `exports`. The error names the first offender.
llvm::Error checkSelfContained(llvm::StringRef path, llvm::ArrayRef<std::string> exports);

} // namespace qcc::emit
#endif
