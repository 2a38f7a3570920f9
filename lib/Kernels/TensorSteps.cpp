// Scales and zero points of the steps of K, next to the sums of a tile.
//
// The sums of a step of codes are exact, and a warp keeps all of K of its results: steps are scaled
// and added in turn, as everywhere.
#include "TensorSteps.h"

using namespace mlir;

namespace qcc {

int64_t stepInputs(const BlockProduct &p) {
  if (p.core == BlockCore::Float8)
    return p.layout.group ? std::min(p.layout.group, kFloat8Run) : kFloat8Run;
  return p.core == BlockCore::Float ? p.layout.group : p.inputs;
}

TensorTile::Codes TensorSteps::codes() const {
  using Codes = TensorTile::Codes;
  if (float8())
    return p.value == CodeValue::Float8E5M2 ? Codes::Float8E5M2 : Codes::Float8E4M3;
  return isWide() ? Codes::Reals : reals() ? Codes::Pairs : Codes::Signed;
}

void TensorSteps::copyRows(Value first, Value to, int64_t inputs, int64_t padding) {
  if (isWide())
    return tile.copyReals(o, at.row, first, to, inputs, padding);
  Value size = k.ci64(inputBytes()), stride = k.mul(o.aStride, size);
  Value from = k.bytePtr(o.a, k.add(k.mul(at.row, stride), k.mul(first, size)));
  tile.copyRows(from, stride, k.sub(o.m, at.row), k.mul(k.sub(o.k, first), size), to,
                inputs * inputBytes(), padding);
}

void TensorSteps::storeNumbers(Value scales, Value zeros, Value to, Value panel) {
  Value line = k.bytePtr(to, k.mul(panel, k.ci64(kPanel * 4)));
  k.rawStore(scales, line, 4);
  if (!zeros)
    return;
  if (needsSums())
    zeros = k.sub(zeros, k.ci32(kSignShift));
  k.rawStore(zeros, k.bytePtr(line, k.ci64(zerosAt())), 4);
}

void TensorSteps::storeNumbers(BlockDecoder &decoder, Value from, Value block, Value to,
                               Value panel) {
  Value zeros = hasZeros() ? decoder.zeros(from, block, o.k) : Value();
  if (zeros && reals())
    zeros = decoder.valueZeros(zeros);
  storeNumbers(decoder.scales(from, block, o.k), zeros, to, panel);
}

TensorSteps::Values TensorSteps::scaled(ValueRange sums, Value numbers, Value step,
                                        ValueRange acc) {
  Value last = k.sub(k.sub(o.m, at.row), k.ci64(1));
  Values scales = tile.byColumn(numbers, k.f32()), zeros, codeSums, aScales;
  if (needsSums()) {
    Value bias = k.broadcast(k.ci32(integerBias(p) - kSignShift), tile::kSumsPerVector);
    zeros = hasZeros() ? tile.byColumn(k.bytePtr(numbers, k.ci64(zerosAt())), k.i32())
                       : Values(scales.size(), bias);
    Value from = k.elemPtr(Elem::I32, o.aSum, k.add(k.mul(at.row, o.aSumStride), step));
    codeSums = tile.byRow(from, o.aSumStride, last, k.i32());
  }
  bool grouped = !sumsReals() && p.aGroup;
  if (grouped) {
    Value number = k.div(step, k.ci64(p.aGroup / p.inputs));
    Value from = k.elemPtr(Elem::F32, o.aScale, k.add(k.mul(at.row, o.aScaleStride), number));
    aScales = tile.byRow(from, o.aScaleStride, last, k.f32());
  }
  Values next;
  for (auto [i, sum] : llvm::enumerate(sums)) {
    size_t column = i % scales.size(), row = i / scales.size();
    Value exact = sum, scale = scales[column];
    if (needsSums())
      exact = k.sub(exact, k.mul(zeros[column], codeSums[row]));
    if (grouped)
      scale = k.mul(scale, aScales[row]);
    next.push_back(k.fma(sumsReals() ? exact : k.toF32(exact), scale, acc[i]));
  }
  return next;
}

} // namespace qcc
