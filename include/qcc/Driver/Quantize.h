// `qcc quantize`: a float model and samples become codes.
#ifndef QCC_DRIVER_QUANTIZE_H
#define QCC_DRIVER_QUANTIZE_H

#include "qcc/Cli/Commands.h"

namespace qcc {

/// Backend::quantize: reads request.input, runs calibration and methods, writes request.output (a
/// .qnt). Finished layers are kept in request.work until all is done.
llvm::Error quantizeModel(const CompileRequest &request, llvm::raw_ostream &err);

} // namespace qcc
#endif
