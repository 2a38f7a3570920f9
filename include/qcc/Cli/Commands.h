// The command line as plain data, and what plugs in behind it. lib/Cli parses and prints;
// everything that needs the compiler is a callback of Backend, so that this room links no MLIR.
// cli.md's promises are kept here.
#ifndef QCC_CLI_COMMANDS_H
#define QCC_CLI_COMMANDS_H

#include "qcc/Data/Model.h"
#include "qcc/Support/Scheme.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace llvm {
class raw_ostream;
}

namespace qcc {

enum class EmitKind { SharedObject, Object, Archive, Qnt, Mlir, LlvmIr, Assembly };

/// One dimension of --shape: fixed when both ends are equal.
struct ShapeRange {
  int64_t min = 0, max = 0;
  bool operator==(const ShapeRange &) const = default;
};
struct ShapeBinding {
  std::string input;
  std::vector<ShapeRange> dims;
};

/// What --quantize, --embed and --head ask for, as parsed. An empty text means "not given".
struct QuantizeRequest {
  bool keep = true;              ///< --quantize=keep or absent
  std::string text = "keep";     ///< canonical
  Scheme scheme;                 ///< valid unless keep
  std::vector<std::string> skip; ///< globs over tensor names
  std::string embed, head;       ///< f32, f16, w8, w4 or ""
  std::string method = "rtn";
  bool requantize = false;
  bool acceptUnmeasured = false; ///< --accept=none
};

/// Every option of `qcc compile`, checked as far as the text allows.
struct CompileRequest {
  std::string input;
  std::string output; ///< a path, or "-" for text on stdout
  EmitKind emit = EmitKind::SharedObject;
  std::string name; ///< C identifier of the model; never empty
  int optLevel = 2;
  std::vector<std::string> targets; ///< as spelled; "x86" or the host's family when not given
  std::string triple, mcpu, mattr;
  QuantizeRequest quantize;
  bool exactNumerics = false;
  bool weightsInFile = false;
  std::vector<ShapeBinding> shapes;
  std::vector<std::pair<std::string, std::string>> binds; ///< role, input name
  std::vector<std::string> cutInputs, cutOutputs;
  std::string functions; ///< file of FunctionProtos
  std::string fromStage, toStage, dumpStages, blobs;
  unsigned threads = 0; ///< of the compiler; 0: as many as the machine offers
  std::string report;   ///< .json file
  bool validatePasses = false;
  bool quiet = false;                ///< temporary compile for run, bench, eval: no closing line
  std::vector<std::string> mlirArgs; ///< "--mlir-…" as given
  std::vector<std::string> options;  ///< canonical options without paths and job counts
  /// When not null, the compiler adds facts for --json (sizes, schemes, stages, timings).
  llvm::json::Object *facts = nullptr;
};

struct InspectRequest {
  std::string input; ///< .onnx, .qnt or .mlir; .so files are inspected without the compiler
  std::string blobs;
  bool json = false;
};

struct CheckRequest {
  std::string input;
  std::string functions;
  bool json = false;
};

/// The compiler, as the command line sees it. An empty function means that this build cannot do it.
struct Backend {
  std::function<llvm::Error(const CompileRequest &, llvm::raw_ostream &err)> compile;
  /// Results go to `out`: text, or one JSON object with "schema": "qcc.inspect/1".
  std::function<llvm::Error(const InspectRequest &, llvm::raw_ostream &out)> inspect;
  /// Prints what is (un)supported to `out`; the error, if any, carries the exit code.
  std::function<llvm::Error(const CheckRequest &, llvm::raw_ostream &out, llvm::raw_ostream &err)>
      check;
  /// A model that the scalar interpreter runs: .onnx, .qnt or .mlir.
  std::function<llvm::Expected<std::unique_ptr<data::Model>>(const CompileRequest &)> reference;
  /// Hex hash that binds an artifact to its source, as the manifest's "source_sha256" spells it.
  /// Empty function: the SHA-256 of the file's bytes.
  std::function<llvm::Expected<std::string>(llvm::StringRef model)> sourceHash;
};

/// Runs one command and returns the exit code of design.md 6.
int cliMain(int argc, const char *const *argv, const Backend &backend);

} // namespace qcc
#endif
