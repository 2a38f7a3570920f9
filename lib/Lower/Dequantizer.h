// Rows of quantized tensors as real numbers, out of every layout.
#ifndef QCC_LIB_LOWER_DEQUANTIZER_H
#define QCC_LIB_LOWER_DEQUANTIZER_H

#include "qcc/Algorithms/Pack.h"
#include "qcc/Lower/KernelFrame.h"

namespace qcc::lower {

class Dequantizer {
public:
  /// Whether rows of `type` can be read.
  static bool reads(qnt::QType type);
  /// Call at the top level of the kernel. `base` is the tensor's buffer.
  Dequantizer(KernelFrame &frame, qnt::QType type, mlir::Value base, Elem out);

  /// Writes row number `row` (all indices of the last axis) to `result`.
  void emit(mlir::Value row, mlir::Value result);

private:
  bool isPanels() const { return type.getLayout() == qnt::Layout::panel16_k4; }
  bool isBlocks() const { return type.getLayout() == qnt::Layout::panel16_block; }
  bool isToken() const { return type.getGranularity() == qnt::Granularity::token; }
  mlir::Value logicalCodes(mlir::Value i, mlir::Value lanes);
  mlir::Value blockCodes(mlir::Value i, mlir::Value lanes);
  mlir::Value codes(mlir::Value i, mlir::Value lanes);
  mlir::Value valueOf(mlir::Value code, mlir::Value lanes);
  mlir::Value signExtend(mlir::Value code);
  mlir::Value scaleAt(mlir::Value run);
  mlir::Value zeroAt(mlir::Value run);
  void emitRun(mlir::Value run, mlir::Value from, mlir::Value count, mlir::Value result);

  KernelBuilder &k;
  qnt::QType type;
  Elem out;
  BlockLayout panel; ///< of isBlocks()
  mlir::Value base, rowBytes, planeBytes, scales, extra, supers, table, columns;
  mlir::Value runs;                              ///< scales of a row
  mlir::Value panelBytes, codeBytes, blockBytes; ///< of isBlocks()
  mlir::Value row, codeRow, block; ///< of the row being written; block: its first panel block
  mlir::Value blockNow;            ///< isBlocks(): of the run being written
};

} // namespace qcc::lower
#endif
