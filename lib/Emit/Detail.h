// What the files of this folder tell each other. Not for other rooms.
#ifndef QCC_LIB_EMIT_DETAIL_H
#define QCC_LIB_EMIT_DETAIL_H

#include "qcc/Emit/Emit.h"
#include "qcc/Support/AtomicOutput.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/MemoryBufferRef.h"
#include "llvm/TargetParser/Triple.h"
#include <array>

namespace qcc::emit {

/// Machine code of one module, with a name for messages.
struct ObjectCode {
  std::string name;
  MachineCode bytes;
};

//--- Names of what an artifact holds, all local to it.
inline constexpr llvm::StringLiteral manifestSection = ".qcc.manifest";
inline std::string prefixed(const ModelParts &parts, llvm::StringRef symbol) {
  return parts.name + "." + symbol.str();
}
std::string prefixed(const ModelParts &parts, const LevelPart &level, llvm::StringRef symbol);
inline std::string weightsSymbol(llvm::StringRef model) { return model.str() + ".weights"; }
inline std::string descriptorSymbol(llvm::StringRef model) { return model.str() + ".descriptor"; }
inline std::string exportedSymbol(llvm::StringRef model) { return "qcc_model_" + model.str(); }
/// Offset of weights_sha256 in the descriptor; the hash is known only after the weights are
/// written.
uint64_t descriptorHashOffset();

//--- Descriptor.cpp, Support.cpp: modules that every artifact gets.
struct DescriptorOptions {
  bool aliasForDlopen = false;
  std::string sidecar; // file name, or empty
};
CodeModule makeDescriptorModule(const ModelParts &parts, const DescriptorOptions &options);
/// memcpy, memmove and memset: code generation may call them, and nothing may be imported.
CodeModule makeSupportModule();
llvm::ArrayRef<llvm::StringRef> supportSymbols();

//--- Bfloat16.cpp.
void expandBfloatRounding(llvm::Module &module);

//--- Codegen.cpp.
/// Checks that tables and symbols fit together.
llvm::Error checkParts(const ModelParts &parts);
/// Gives every function its model-wide name, hidden visibility and the CPU of its level.
void prepareModules(ModelParts &parts);
/// Runs LLVM's pipeline over each module and, if `objects` is given, generates code. Results keep
/// the order of the modules, whatever the number of threads.
llvm::Error compileModules(llvm::ArrayRef<CodeModule *> modules, const std::string &triple,
                           unsigned optLevel, unsigned threads, std::vector<ObjectCode> *objects);
/// One module out of many, for the text kinds.
llvm::Expected<CodeModule> mergeModules(llvm::ArrayRef<CodeModule *> modules, llvm::StringRef name);
llvm::Expected<std::string> printAssembly(CodeModule &code, const std::string &triple,
                                          unsigned optLevel);

//--- ElfWriter.cpp.
/// A relocatable object that reserves `bytes` bytes for the weights without holding them: the
/// section has no bits until attachWeights() gives it some.
ObjectCode makeWeightsObject(const llvm::Triple &triple, llvm::StringRef model, uint64_t bytes);

/// A change to a file: `bytes` at `offset`.
struct FilePatch {
  uint64_t offset;
  std::vector<uint8_t> bytes;
};
struct WeightsPlacement {
  uint64_t fileOffset = 0; // where the weights go, relative to the start of the ELF image
  uint64_t hashOffset = 0; // where their hash goes
  std::vector<FilePatch> patches;
};
/// Plans how the weights section of a linked image (shared or relocatable) is moved to the end of
/// the file, where the bytes are then streamed to.
llvm::Expected<WeightsPlacement> placeWeights(llvm::MemoryBufferRef image, llvm::StringRef model,
                                              bool embedded);
/// What precedes the only member of an archive that defines `symbol`.
std::string archiveHead(llvm::StringRef symbol, uint64_t memberBytes);

//--- Link.cpp.
/// Error 1701 when an object refers to a symbol that none defines. Adds to `needsSupport` whether
/// one of supportSymbols() is among the undefined.
llvm::Error checkUndefined(llvm::ArrayRef<const ObjectCode *> objects, bool &needsSupport);
struct LinkOutput {
  std::string temp; // where to write
  std::string path; // what messages name
  unsigned threads;
};
llvm::Error linkShared(llvm::ArrayRef<const ObjectCode *> objects, const LinkOutput &output);
llvm::Error linkRelocatable(llvm::ArrayRef<const ObjectCode *> objects, const LinkOutput &output);
/// Makes every symbol but `keep` local, so that two models fit into one program.
llvm::Expected<llvm::SmallVector<char, 0>> localizeSymbols(llvm::MemoryBufferRef object,
                                                           llvm::StringRef keep);

//--- WeightsStream.cpp.
using Sha256 = std::array<uint8_t, 32>;
/// Streams the weights to a file of `outputs` at `offset`; hashing runs beside producing.
llvm::Expected<Sha256> streamWeights(const WeightsPart &weights, AtomicOutputs &outputs,
                                     size_t index, uint64_t offset);

} // namespace qcc::emit
#endif
