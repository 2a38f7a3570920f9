// What one thread does of the operations on strips: rows of a warp as operands and sums.
#ifndef QCC_LIB_GPU_STRIPBUILDER_H
#define QCC_LIB_GPU_STRIPBUILDER_H

#include "BlockBuilder.h"

namespace qcc::ptx {

class StripBuilder : public BlockBuilder {
public:
  using BlockBuilder::BlockBuilder;

  /// Rewrites an operation on strips and gives its results; nothing for other operations.
  std::optional<Values> rewrite(mlir::Operation *op);

private:
  struct Strip {
    Value lane, rows, slice; ///< which strip of rows, which slice of columns
  };
  Strip strip(int64_t slices);
  Values places(tile::PlacesOp op);
  Values loadRows(tile::LoadRowsOp op);
  Values dotLines(tile::DotLinesOp op);
  Values weighLines(tile::WeighLinesOp op);
  Values dotTogether(tile::DotLinesOp op);
  Values weighTogether(tile::WeighLinesOp op);
  void fetchLines(tile::FetchLinesOp op);
  Value reduceRows(tile::ReduceRowsOp op);
  void storeRows(tile::StoreRowsOp op);
  void narrowLines(tile::NarrowLinesOp op);
  Value gather(tile::GatherOp op);
  Value exp2(tile::Exp2Op op);

  Value element(Value vector, int64_t index);
  Value packed(Value low, Value high, bool half);
  Values weightsAsOperand(tile::WeighLinesOp op, int64_t line);
  Value product(mlir::ValueRange a, mlir::ValueRange b, Value sum, bool half);
  Values products(mlir::ValueRange sums, mlir::ValueRange words, mlir::ValueRange lines, bool half,
                  bool turned);

  // Lines of numbers (LineNumbers.cpp).

  static constexpr int64_t kPiece = 8; ///< numbers that a thread makes 16-bit ones at once
  /// What a line holds, as `tile.narrow_lines` and `tile.fetch_lines` have it.
  struct LineFormat {
    mlir::Type numbers;
    int64_t scales;
    bool aligned;
  };
  /// Four words of piece `number` of the line at `line`.
  Values pieceOf(const LineFormat &format, Value line, Value number);
  Values floatsOf(const LineFormat &format, Value from);
  Values bytesOf(const LineFormat &format, Value line, Value number);
  Values nibblesOf(const LineFormat &format, Value line, Value number);
  Values codeWords(const LineFormat &format, Value from);
  Value byteAsFloat(Value word, int64_t index);
  Value real(double number);
};

} // namespace qcc::ptx
#endif
