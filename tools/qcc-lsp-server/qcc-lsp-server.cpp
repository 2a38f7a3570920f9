// Serves editors that speak the language server protocol: errors, hovers, jumps to definitions and
// references in .mlir files of qcc's dialects. Example: test/Tools/lsp-server.test
#include "Qnt/Qnt.h"
#include "Tile/Tile.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"
#include "qcc/Kernels/Lowering.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<qcc::qnt::QntDialect, qcc::tile::TileDialect>();
  qcc::registerKernelDialects(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
