// What each stage runs. Read this first: the compiler is the list of stages, a stage a list of
// passes.
#include "qcc/Pipeline/Stages.h"
#include "Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "qcc/AssignBits/Passes.h"
#include "qcc/Calibrate/Passes.h"
#include "qcc/Fuse/Passes.h"
#include "qcc/Gpu/Gpu.h"
#include "qcc/Kernels/Lowering.h"
#include "qcc/Lower/Passes.h"
#include "qcc/Pack/Passes.h"
#include "qcc/Quantize/Passes.h"
#include "qcc/Raise/Passes.h"
#include "qcc/Rotate/Passes.h"
#include "qcc/Target/Target.h"
#include "qcc/Transform/Passes.h"

using namespace mlir;
using namespace qcc;

StringRef qcc::stageName(Stage stage) {
  switch (stage) {
#define QCC_STAGE(name, text, usedUp, help)                                                        \
  case Stage::name:                                                                                \
    return text;
#include "qcc/Pipeline/Stages.def"
#undef QCC_STAGE
  }
  return {};
}

StringRef qcc::stageHelp(Stage stage) {
  switch (stage) {
#define QCC_STAGE(name, text, usedUp, help)                                                        \
  case Stage::name:                                                                                \
    return help;
#include "qcc/Pipeline/Stages.def"
#undef QCC_STAGE
  }
  return {};
}

SmallVector<StringRef> qcc::usedUpBy(Stage stage) {
  StringRef list;
  switch (stage) {
#define QCC_STAGE(name, text, usedUp, help)                                                        \
  case Stage::name:                                                                                \
    list = usedUp;                                                                                 \
    break;
#include "qcc/Pipeline/Stages.def"
#undef QCC_STAGE
  }
  SmallVector<StringRef> names;
  list.split(names, ',', -1, false);
  return names;
}

ArrayRef<Stage> qcc::allStages() {
  static constexpr Stage stages[] = {
#define QCC_STAGE(name, text, usedUp, help) Stage::name,
#include "qcc/Pipeline/Stages.def"
#undef QCC_STAGE
  };
  return stages;
}

std::optional<Stage> qcc::stageByName(StringRef name) {
  for (Stage stage : allStages())
    if (stageName(stage) == name)
      return stage;
  return std::nullopt;
}

namespace {

void addImport(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(pipeline::createPromoteHalf());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void addRaise(OpPassManager &pm) {
  auto add = [&](std::unique_ptr<Pass> pass) { pm.addNestedPass<func::FuncOp>(std::move(pass)); };
  add(raise::createRaiseReshape());
  add(raise::createRaiseLayerNorm());
  add(raise::createRaiseRmsNorm());
  add(raise::createRaiseGelu());
  add(raise::createRaiseSilu());
  add(raise::createRaiseRope());
  add(raise::createRaiseAttention());
  add(raise::createRaiseLinear());
  pm.addPass(createCSEPass());
}

void addRotate(OpPassManager &pm, const PipelineOptions &options) {
  auto add = [&](std::unique_ptr<Pass> pass) { pm.addNestedPass<func::FuncOp>(std::move(pass)); };
  if (options.foldNormGains || options.hadamardSeed)
    add(rotate::createFoldNormGains());
  if (!options.hadamardSeed)
    return;
  add(rotate::createRotateHadamard({*options.hadamardSeed}));
  add(rotate::createRotateHeads({*options.hadamardSeed}));
  add(rotate::createRotateInputs());
  pm.addPass(createCSEPass()); // what reads the stream in two places rotates once
}

void addTransform(OpPassManager &pm, const PipelineOptions &options) {
  if (options.decisions.empty())
    return;
  auto add = [&](std::unique_ptr<Pass> pass) { pm.addNestedPass<func::FuncOp>(std::move(pass)); };
  // Layers are named by their observers too, which splitting moves and the last pass takes away.
  add(transform::createCorrectBias({options.decisions}));
  transform::SplitOutliersOptions split;
  split.decisions = options.decisions;
  add(transform::createSplitOutliers(split));
  transform::MigrateScalesOptions migrate;
  migrate.decisions = options.decisions;
  add(transform::createMigrateScales(migrate));
}

void addAssignBits(OpPassManager &pm, const PipelineOptions &options) {
  if (options.scheme == "keep" && options.recipe.empty())
    return;
  assignbits::AssignSchemesOptions schemes;
  schemes.scheme = options.scheme;
  if (!options.embed.empty())
    schemes.embed = options.embed;
  if (!options.head.empty())
    schemes.head = options.head;
  schemes.skip.assign(options.skip.begin(), options.skip.end());
  schemes.recipe = options.recipe;
  schemes.statistics = options.statistics;
  pm.addNestedPass<func::FuncOp>(assignbits::createAssignSchemes(schemes));
  pm.addPass(createCSEPass()); // one quantization of an activation for all its readers
}

void addQuantize(OpPassManager &pm, const PipelineOptions &options) {
  pm.addNestedPass<func::FuncOp>(quantize::createCenterCodes());
  pm.addNestedPass<func::FuncOp>(quantize::createQuantizeLinear());
  pm.addNestedPass<func::FuncOp>(quantize::createQuantizeGather());
  // A model that came quantized keeps what it has.
  bool asked = options.scheme != "keep" || !options.recipe.empty();
  bool wished = options.attention == "i16";
  if (options.attention.empty() ? asked : wished)
    pm.addNestedPass<func::FuncOp>(quantize::createNarrowAttention({wished}));
  if (!options.kv.empty())
    pm.addNestedPass<func::FuncOp>(quantize::createNarrowCaches({options.kv}));
  pm.addPass(quantize::createHoistWeights());
}

bool anyLevel(ArrayRef<std::string> levels, bool (Target::*has)() const) {
  return llvm::any_of(levels, [&](const auto &level) { return (findTarget(level)->*has)(); });
}

void addFuse(OpPassManager &pm, const PipelineOptions &options) {
  auto add = [&](std::unique_ptr<Pass> pass) { pm.addNestedPass<func::FuncOp>(std::move(pass)); };
  add(fuse::createMarkSlices());
  add(fuse::createDropCasts());
  if (!options.exactNumerics)
    add(fuse::createNarrowProducts({anyLevel(options.levels, &Target::isGpu),
                                    anyLevel(options.levels, &Target::hasFloat8Products)}));
  add(fuse::createNormalizeReductions());
  // At -O0 every op is a kernel of its own, except what has no meaning alone.
  fuse::FuseRowsOptions rows;
  rows.maxOps = options.optLevel == 0 ? 1 : 24;
  add(fuse::createSplitNonZero());
  add(fuse::createFuseCache());
  add(fuse::createTrimLogits());
  add(fuse::createFuseAttention());
  add(fuse::createFuseLinear());
  add(fuse::createFuseHadamard());
  add(fuse::createFuseRows(rows));
  add(fuse::createFuseRest());
}

void addLower(OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(lower::createOutlineKernels());
  pm.addNestedPass<qnt::KernelOp>(lower::createExpandRows());
  pm.addPass(lower::createPlaceWeights());
  for (const std::string &level : options.levels)
    pm.addPass(lower::createLowerKernels({level, options.costTable}));
  pm.addPass(lower::createLowerBody());
}

} // namespace

void qcc::buildStage(OpPassManager &pm, Stage stage, const PipelineOptions &options) {
  switch (stage) {
  case Stage::Import:
    addImport(pm);
    break;
  case Stage::Raise:
    addRaise(pm);
    break;
  // These three only act when asked to: nothing of a model changes without data or a wish.
  case Stage::Rotate:
    addRotate(pm, options);
    break;
  case Stage::Calibrate:
    if (options.observeRanges)
      pm.addNestedPass<func::FuncOp>(calibrate::createObserveRanges());
    break;
  case Stage::Transform:
    addTransform(pm, options);
    break;
  case Stage::AssignBits:
    addAssignBits(pm, options);
    break;
  case Stage::Quantize:
    addQuantize(pm, options);
    break;
  case Stage::Fuse:
    addFuse(pm, options);
    break;
  case Stage::Pack:
    pm.addPass(pack::createPackWeights());
    break;
  case Stage::Lower:
    addLower(pm, options);
    break;
  }
  pm.addPass(pipeline::createCheckStage({stageName(stage).str()}));
}

void qcc::registerAllPasses() {
  registerTransformsPasses();
  registerKernelPasses();
  ptx::registerGpuPasses();
  pipeline::registerQccPipelinePasses();
  raise::registerQccRaisePasses();
  rotate::registerQccRotatePasses();
  calibrate::registerQccCalibratePasses();
  transform::registerQccTransformPasses();
  assignbits::registerQccAssignBitsPasses();
  quantize::registerQccQuantizePasses();
  fuse::registerQccFusePasses();
  pack::registerQccPackPasses();
  lower::registerQccLowerPasses();
  for (Stage stage : allStages())
    PassPipelineRegistration<>(("qcc-stage-" + stageName(stage)).str(), stageHelp(stage),
                               [stage](OpPassManager &pm) {
                                 PipelineOptions options;
                                 options.levels = {"scalar"};
                                 options.foldNormGains = options.observeRanges = true;
                                 buildStage(pm, stage, options);
                               });
}
