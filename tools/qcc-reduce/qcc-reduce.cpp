// Makes a module that shows a fault smaller, with qcc's dialects and passes. A script given by
// -reduction-tree='test=SCRIPT' or -opt-reduction-pass='opt-pass=PASS test=SCRIPT' says whether a
// smaller module still shows it: it gets the file as its argument and exits 1 if so. Example:
// test/Tools/reduce.mlir
#include "mlir/Reducer/Passes.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Pipeline/Stages.h"

int main(int argc, char **argv) {
  mlir::registerReducerPasses();
  qcc::registerAllPasses();
  auto context = qcc::makeContext(/*threads=*/1);
  return mlir::failed(mlir::mlirReduceMain(argc, argv, *context));
}
