// The border of a stage: nothing that was used up goes on.
#include "Passes.h"
#include "qcc/Pipeline/Stages.h"

namespace qcc::pipeline {
#define GEN_PASS_DEF_CHECKSTAGE
#include "qcc/Pipeline/Passes.h.inc"
} // namespace qcc::pipeline

using namespace mlir;
using namespace qcc;

namespace {

struct CheckStage : pipeline::impl::CheckStageBase<CheckStage> {
  using CheckStageBase::CheckStageBase;

  void runOnOperation() override {
    auto last = stageByName(stage);
    if (!last) {
      getOperation().emitError() << "no stage is called '" << stage << "'";
      return signalPassFailure();
    }
    llvm::StringMap<Stage> usedUp;
    for (Stage s : allStages()) {
      for (StringRef op : usedUpBy(s))
        usedUp.try_emplace(op, s);
      if (s == *last)
        break;
    }
    bool ok = true;
    getOperation().walk([&](Operation *op) {
      auto it = usedUp.find(op->getName().getStringRef());
      if (it == usedUp.end())
        return;
      emitError(op->getLoc()) << "QCC1902: '" << op->getName() << "' op may not outlive stage '"
                              << stageName(it->second) << "'";
      ok = false;
    });
    if (!ok)
      signalPassFailure();
  }
};

} // namespace
