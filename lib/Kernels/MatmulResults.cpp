// Scaling of sums and the call of the epilogue.
#include "MatmulResults.h"

using namespace mlir;

namespace qcc {

Value rowScaleOf(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o, Value row) {
  const BlockProduct &block = spec.block;
  bool codes = block.core == BlockCore::Int8 || block.core == BlockCore::Int16;
  bool scales = codes ? !block.aGroup : block.scalesRows;
  if (spec.kind != MatmulKind::W8A8 && !(spec.kind == MatmulKind::Block && scales))
    return {};
  return o.aScale ? k.load(Elem::F32, o.aScale, row) : o.aScaleUniform;
}

void storeGroup(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o,
                MatmulEpilogue epilogue, MatmulResult result, Value rowScale) {
  Value &acc = result.acc, row = result.row, column = result.col;
  if (spec.kind == MatmulKind::W8A8) {
    if (spec.weightZeroPoints) {
      Value sum = k.load(Elem::I32, o.aSum, row);
      acc = k.sub(acc, k.mul(k.vload(Elem::I32, o.bZero, column), sum));
    }
    if (o.aZero) {
      // The correction is -128 times the column's sum, which is what zero points multiply.
      Value sum = k.shr(k.vload(Elem::I32, o.bCorrection, column), k.ci32(7));
      acc = k.add(acc, k.mul(sum, k.load(Elem::I32, o.aZero, row)));
    }
    Value scale = k.mul(rowScale, k.vload(Elem::F32, o.bScale, column));
    acc = k.mul(k.toF32(acc), scale);
  } else if (rowScale) {
    acc = k.mul(acc, rowScale);
  }
  Value lanes = k.sub(o.n, column);
  k.ifElse(
      k.ge(lanes, k.ci64(kPanel)), [&] { epilogue(result); },
      [&] {
        result.lanes = lanes;
        epilogue(result);
      });
}

} // namespace qcc
