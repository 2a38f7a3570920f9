// The gate of a quantization: float model and candidate compiled for this machine, run on held-out
// data, judged.
#ifndef QCC_DRIVER_GATERUN_H
#define QCC_DRIVER_GATERUN_H

#include "qcc/Cli/Commands.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Quality/GateResult.h"

namespace qcc {

/// Decides request.quantize.gate on the codes in `qnt`, against request.input in floats. Data: that
/// of the gate's sets; for the short forms --eval-data, else a fifth of --calib. `folder` is
/// temporary. Nothing is measured where there is no data; the result says so.
llvm::Expected<quality::GateResult> decideGate(const CompileRequest &request, llvm::StringRef qnt,
                                               llvm::StringRef folder);

} // namespace qcc
#endif
