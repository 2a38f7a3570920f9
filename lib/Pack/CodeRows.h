// Matrices of codes, read row by row, wherever the codes come from.
#ifndef QCC_LIB_PACK_CODEROWS_H
#define QCC_LIB_PACK_CODEROWS_H

#include "WeightMatrix.h"
#include "qcc/Pack/WeightFormats.h"

namespace qcc::pack {

/// Where the parts of rows go; null parts are left out. `zeros` are as codes are.
struct RowBuffers : RowParts {
  float *realZeros = nullptr; ///< [rows][blocks], zero points of float type
};

/// A matrix of codes of at most 8 bits, read in runs of rows.
class CodeRows {
public:
  CodeRows(qnt::QType type, int64_t rows, int64_t columns);
  virtual ~CodeRows() = default;
  /// Scales of a row of `columns` codes.
  static int64_t blocksOf(qnt::QType type, int64_t columns);
  /// One byte a code (two's complement where signed), and `blocks` scales for each row: what values
  /// are multiplied by, the same for each row where the tensor has one. Called from several threads
  /// at once.
  virtual void read(int64_t first, int64_t last, const RowBuffers &out) const = 0;
  bool hasRealZeros() const;

  qnt::QType type;
  int64_t rows, columns, blocks;
  std::vector<float> table; ///< of a codebook, 2^bits values
};

/// Runs of rows with all their parts.
struct RowRun {
  RowRun(const CodeRows &rows, int64_t first, int64_t last);
  std::vector<uint8_t> codes, scaleCodes;
  std::vector<float> scales, supers, realZeros;
  std::vector<int8_t> zeros;
};

/// Codes that are chosen while they are read. Null where only the interpreter knows how.
std::unique_ptr<CodeRows> quantizedRows(qnt::QType type, StridedView view);
/// Codes that exist. Null when the grouping is not by rows.
std::unique_ptr<CodeRows> tensorRows(std::shared_ptr<const reference::QTensor> tensor);
/// Codes put together from a carrier (one an element, or packed in bytes), scales and zero points.
/// Null where only the interpreter knows how.
std::shared_ptr<const CodeRows> assembledRows(qnt::QType type, const StridedView &codes,
                                              const StridedView &scales, const StridedView *zeros);
/// Codes in the logical layout, as .qnt files and blobs hold them. Null when `type` is not grouped
/// by rows.
std::shared_ptr<const CodeRows> logicalRows(qnt::QType type, const char *bytes,
                                            std::shared_ptr<const void> owner);
/// All rows as the interpreter holds them.
std::shared_ptr<const reference::QTensor> toQTensor(const CodeRows &rows);

} // namespace qcc::pack
#endif
