// Quantized types in the terms of the algorithms, and their codes in the logical layout.
#ifndef QCC_PACK_WEIGHTFORMATS_H
#define QCC_PACK_WEIGHTFORMATS_H

#include "Qnt/Qnt.h"
#include "qcc/Algorithms/WeightCodec.h"
#include "llvm/ADT/ArrayRef.h"
#include <optional>
#include <vector>

namespace qcc::pack {

/// How weights of `type` are encoded, for reading codes: nothing for codes of more than 8 bits,
/// other groupings than by rows, FNUZ floats. Floating zero points are left out. With one scale for
/// the whole tensor the format is that of a single row of all numbers.
std::optional<WeightFormat> weightFormatOf(qnt::QType type);
/// Whether methods can choose codes of `type` row by row, for logicalBytes: the format says all of
/// it.
bool isChosenByRows(qnt::QType type);

ScaleFormat scaleFormat(mlir::Type type);
/// Scales as stored, appended to `out`. Scales of two levels are given as their codes instead.
void appendScales(ScaleFormat format, llvm::ArrayRef<float> scales, std::vector<uint8_t> &out);

/// `count` codes, a byte each, packed with the low bits first into (count * bits + 7) / 8 bytes.
void packCodes(const uint8_t *codes, int64_t count, unsigned bits, uint8_t *out);
/// Codes [first, first + count) of packed ones, a byte each, extended by their sign.
void unpackCodes(const uint8_t *packed, int64_t first, int64_t count, unsigned bits,
                 bool isUnsigned, uint8_t *codes);

/// The buffer of `type` in layout logical (QuantizedLayout.h) that holds `rows`, chosen by rows.
std::vector<uint8_t> logicalBytes(qnt::QType type, const EncodedRows &rows);

} // namespace qcc::pack
#endif
