// The command line as plain data, and what plugs in behind it. lib/Cli parses and prints;
// everything that needs the compiler is a callback of Backend, so that this room links no MLIR.
// cli.md's promises are kept here.
#ifndef QCC_CLI_COMMANDS_H
#define QCC_CLI_COMMANDS_H

#include "qcc/Data/Model.h"
#include "qcc/Quality/Report.h"
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

enum class EmitKind {
  SharedObject,
  Object,
  Archive,
  Qnt,
  Onnx,
  OnnxMs,
  Mlir,
  LlvmIr,
  Assembly,
  Ptx
};

/// Kinds that hold a model as the quantize stage leaves it, for any target.
inline bool isModelFile(EmitKind kind) {
  return kind == EmitKind::Qnt || kind == EmitKind::Onnx || kind == EmitKind::OnnxMs;
}

/// One dimension of --shape: fixed when both ends are equal.
struct ShapeRange {
  int64_t min = 0, max = 0;
  bool operator==(const ShapeRange &) const = default;
};
struct ShapeBinding {
  std::string input;
  std::vector<ShapeRange> dims;
};

/// Samples to observe or to measure on.
struct DataRequest {
  std::string where;    ///< as --data takes it; empty: not given
  int64_t samples = -1; ///< at most so many; negative: all
  int64_t ctx = 0;      ///< window of a token file; 0: not given
  std::string labels;   ///< array of class numbers; empty: none
  bool given() const { return !where.empty(); }
};

/// What --quantize and everything about it ask for, as parsed. An empty text means "not given".
struct QuantizeRequest {
  bool keep = true;               ///< --quantize=keep or absent
  bool automatic = false;         ///< auto, asked for or implied by --calib, --accept, --budget-*
  std::string text = "keep";      ///< canonical: "keep", "auto", a scheme, or a comma list of them
  Scheme scheme;                  ///< valid when exactly one scheme is asked for
  std::vector<Scheme> candidates; ///< of a comma list or one scheme; empty with keep and auto
  std::vector<std::string> skip;  ///< globs over tensor names
  std::string embed, head;        ///< f32, f16, w8, w4 or ""
  std::string kv;                 ///< f32, f16, int8, fp8, int4 or ""
  std::string attention;          ///< products of attention: f32, i16 or ""
  bool requantize = false;
  bool acceptUnmeasured = false; ///< --accept=none

  /// In the order given; empty: not given, which is "rtn" without data and "default" with it.
  std::vector<std::string> methods;
  std::string recipe;             ///< path of a .yaml
  std::vector<Scheme> ownSchemes; ///< that the recipe defines
  bool overrides = false;         ///< whether the recipe says how to store some tensors
  DataRequest calib;              ///< samples, unless `statistics`
  std::string statistics;         ///< --calib=F.qstats or F.json: a file that `qcc calibrate` wrote
  uint64_t memLimit = 0;          ///< bytes for runs on data; 0: no limit
  uint64_t seed = 0;

  quality::Gate gate;
  DataRequest evalData;
  bool requireMeasured = false;
  std::optional<uint64_t> budgetSize;
  std::vector<LatencyBudget> budgetLatency;
  std::string costTable;     ///< path
  bool shippedCosts = false; ///< no layers are timed: the table that comes with qcc will do

  /// Whether Backend::quantize is needed: the model has to be run, or choices have to be made.
  bool needsRuns() const {
    return automatic || candidates.size() > 1 || calib.given() || !statistics.empty() ||
           evalData.given() || budgetSize || !budgetLatency.empty() ||
           (!methods.empty() && methods != std::vector<std::string>{"rtn"});
  }
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
  bool exactNumerics = true;
  bool weightsInFile = false;
  std::vector<ShapeBinding> shapes;
  std::vector<std::pair<std::string, std::string>> binds; ///< role, input name
  std::vector<std::string> cutInputs, cutOutputs;
  std::string functions;            ///< file of FunctionProtos
  std::vector<std::string> hostOps; ///< DOMAIN::OP[=RESULTS], computed by the application
  std::string fromStage, toStage, dumpStages, blobs;
  unsigned threads = 0; ///< of the compiler; 0: as many as the machine offers
  std::string report;   ///< .json file
  bool validatePasses = false;
  bool quiet = false;                ///< temporary compile for run, bench, eval: no closing line
  std::vector<std::string> mlirArgs; ///< "--mlir-…" as given
  std::vector<std::string> options;  ///< canonical options without paths and job counts
  /// When not null, the compiler adds facts for --json (sizes, schemes, stages, timings).
  llvm::json::Object *facts = nullptr;
  /// For Backend::quantize: where finished parts are kept, so that an interrupted run goes on where
  /// it stopped. Parts that other options, data or another model made are not used.
  std::string work;
  bool keepWork = false; ///< not removed when all is done
  /// Backend::quantize fills it (its request's `report` is empty, the command line writes the
  /// file). Backend::compile gets it when a .qnt was made on the way, for its own --report; else
  /// null.
  quality::QuantizeReport *quantization = nullptr;
  /// Backend::quantize, when `quantization` is wanted: at most so many runs of the model to find
  /// what each weight contributes to the loss; 0: none.
  int64_t attribution = 0;
  /// What only Backend::quantize knows of how codes were made, for the metadata of a .qnt.
  llvm::json::Object provenance;

  /// The same compile on the .qnt that Backend::quantize made of `input`: what the first half has
  /// used up does not concern the second.
  CompileRequest afterQuantize(std::string qnt) const {
    CompileRequest second = *this;
    second.input = std::move(qnt);
    second.blobs.clear();
    second.quantize = {};
    second.quantize.costTable = quantize.costTable; // kernels go by it, too
    second.shapes.clear();
    second.binds.clear();
    second.cutInputs.clear();
    second.cutOutputs.clear();
    second.functions.clear();
    second.hostOps.clear();
    return second;
  }
};

/// `qcc calibrate`: observe ranges and second moments.
struct CalibrateRequest {
  CompileRequest model; ///< input, binds, shapes, targets, threads; quantize.memLimit and seed
  DataRequest data;
  std::string output;
  bool rangesOnly = false; ///< no second moments
};

/// `qcc sweep`: a table of schemes with size, latency and quality.
struct SweepRequest {
  CompileRequest model; ///< quantize.candidates are the rows (empty: the backend's usual ones)
  /// To measure on: with labels accuracy, on a token file perplexity and divergence, on logits
  /// divergence, else cosine, against the model as it is.
  DataRequest data;
  bool pairs = false; ///< `data` holds sentence pairs: Spearman
  /// Only shape and threads count; nothing: the shape of the first sample, or a decoder's step.
  std::optional<LatencyBudget> latencyAt;
  std::function<void(int64_t done, int64_t total)> progress; ///< never empty
};

/// `qcc tune`: measure this machine's kernels for the latency model.
struct TuneRequest {
  bool model = false; ///< predict from the description of the level instead
  std::vector<std::string> targets;
  std::string output;
  std::vector<unsigned> threads; ///< counts to measure; empty: 1 and all
  double seconds = 0;            ///< about so long in all; 0: as long as it takes
  llvm::json::Object *facts = nullptr;
  std::function<void(int64_t done, int64_t total)> progress; ///< never empty
};

/// `qcc inspect` and `qcc check`: what concerns reading the model counts of `model`. Artifacts are
/// inspected without the compiler.
struct LookRequest {
  CompileRequest model;
  bool json = false;
};

/// The compiler, as the command line sees it. An empty function means that this build cannot do it.
struct Backend {
  std::function<llvm::Error(const CompileRequest &, llvm::raw_ostream &err)> compile;
  /// Results go to `out`: text, or one JSON object with "schema": "qcc.inspect/1".
  std::function<llvm::Error(const LookRequest &, llvm::raw_ostream &out)> inspect;
  /// Prints what is (un)supported to `out`; the error, if any, carries the exit code.
  std::function<llvm::Error(const LookRequest &, llvm::raw_ostream &out)> check;
  /// A model that the scalar interpreter runs: .onnx, .qnt or .mlir.
  std::function<llvm::Expected<std::unique_ptr<data::Model>>(const CompileRequest &)> reference;
  /// Hex hash that binds an artifact to its source, as the manifest's "source_sha256" spells it.
  /// Empty function: the SHA-256 of the file's bytes.
  std::function<llvm::Expected<std::string>(llvm::StringRef model)> sourceHash;

  /// Calibration, methods, bit assignment and gates: writes request.output, a .qnt. Called for `qcc
  /// quantize`, and by the other commands (into a temporary folder) when
  /// request.quantize.needsRuns(); `compile` then gets the .qnt with quantize.keep. A gate that is
  /// not met is QCC1871 (quality::gateError), and nothing is written.
  std::function<llvm::Error(const CompileRequest &, llvm::raw_ostream &err)> quantize;
  std::function<llvm::Error(const CalibrateRequest &, llvm::raw_ostream &err)> calibrate;
  std::function<llvm::Expected<quality::SweepTable>(const SweepRequest &, llvm::raw_ostream &err)>
      sweep;
  std::function<llvm::Error(const TuneRequest &, llvm::raw_ostream &err)> tune;
};

/// Runs one command and returns the exit code of design.md 6.
int cliMain(int argc, const char *const *argv, const Backend &backend);

} // namespace qcc
#endif
