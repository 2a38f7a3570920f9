// How a row of a cache lies as bytes: what qnt.encode_rows writes and qnt.decode_rows reads.
#ifndef QCC_QNT_ROWCODES_H
#define QCC_QNT_ROWCODES_H

#include "Qnt/Qnt.h"

namespace qcc::qnt {

/// A row of `channels` numbers as codes of i8 or u4, and behind them their scales.
struct RowCodes {
  Storage codes;
  int64_t channels;

  /// Channels that share a step and a minimum as codes of u4; byte j of their codes holds channels
  /// j and half + j.
  static constexpr int64_t block = 32, half = block / 2, blockScaleBytes = 4;
  static constexpr float largestHalf = 65504;
  static constexpr uint32_t nan = 0x7fc00000, nanHalf = 0x7e00;

  int64_t blocks() const { return (channels + block - 1) / block; }
  int64_t codeBytes() const {
    if (codes == Storage::i8)
      return channels;
    return channels / block * half + std::min(channels % block, half);
  }
  int64_t bytes() const {
    return codeBytes() + (codes == Storage::i8 ? sizeof(float) : blocks() * blockScaleBytes);
  }
};

/// The rows that an op writes, or reads.
inline RowCodes rowCodesOf(EncodeRowsOp op) {
  return {op.getCodes(), *dimsOf(op.getX().getType()).back().constantValue()};
}
inline RowCodes rowCodesOf(DecodeRowsOp op) {
  return {op.getCodes(), *dimsOf(op.getType()).back().constantValue()};
}

} // namespace qcc::qnt
#endif
