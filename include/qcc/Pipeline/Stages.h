// Stages: what passes each one runs, and how to run some of them.
#ifndef QCC_PIPELINE_STAGES_H
#define QCC_PIPELINE_STAGES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/Timing.h"
#include <optional>
#include <string>
#include <vector>

namespace qcc {

enum class Stage {
#define QCC_STAGE(name, text, usedUp, help) name,
#include "qcc/Pipeline/Stages.def"
#undef QCC_STAGE
};

llvm::StringRef stageName(Stage stage);
/// One line on what the stage does.
llvm::StringRef stageHelp(Stage stage);
/// Ops that must not outlive the stage.
llvm::SmallVector<llvm::StringRef> usedUpBy(Stage stage);
llvm::ArrayRef<Stage> allStages();
std::optional<Stage> stageByName(llvm::StringRef name);

/// What the passes of the stages depend on.
struct PipelineOptions {
  int optLevel = 2;
  std::string scheme = "keep";   ///< of linear layers, canonical
  std::string embed, head;       ///< "" takes the default of the scheme
  std::vector<std::string> skip; ///< globs
  std::string attention;         ///< its products: f32 or i16; "": i16 where a scheme is given
  std::string kv;                ///< how caches are stored: f16, fp8, int8, int4; "": as they are
  std::string recipe;            ///< file with schemes of its own and overrides
  std::string statistics;        ///< assign-bits: file that static scales come from
  bool foldNormGains = false;    ///< rotate: norm gains move into the layers that follow
  std::optional<uint64_t> hadamardSeed; ///< rotate: by Hadamard matrices with signs of this seed
  bool observeRanges = false;           ///< calibrate: observers at the inputs of linear layers
  std::string decisions;                ///< transform: file of decisions (Support/Decisions.h)
  bool exactNumerics = true;            ///< fuse: else layers of floats multiply in bf16
  std::vector<std::string> levels;      ///< feature levels to write kernels for, best first
  std::string costTable;                ///< lower: file that register tiles are chosen by
};

/// Adds the passes of one stage and, last, its check. Import has normalising passes only: reading
/// the model is importOnnx().
void buildStage(mlir::OpPassManager &pm, Stage stage, const PipelineOptions &options);

/// qcc-opt: every pass, and a pipeline qcc-stage-NAME for each stage.
void registerAllPasses();

} // namespace qcc
#endif
