// Rows of quantized tensors as real numbers: real = scale * (value(code) - zero).
#include "Dequantizer.h"
#include "qcc/Kernels/QuantizedLayout.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

bool Dequantizer::reads(QType type) {
  if (llvm::is_contained({Storage::f8e4m3fnuz, Storage::f8e5m2fnuz}, type.getStorage()))
    return false;
  if (type.getGranularity() == Granularity::token)
    return type.getLayout() != Layout::logical || !type.getGroup();
  return type.isByRows() && !holdsReals(type);
}

Dequantizer::Dequantizer(KernelFrame &frame, QType type, Value base, Elem out)
    : k(frame.k), type(type), out(out), base(base) {
  QuantizedLayout layout = layoutOf(type);
  DimExpr length = dimsOf(type).back();
  auto constant = [&](int64_t value) { return DimExpr::constant(type.getContext(), value); };
  columns = frame.dim(length);
  runs = frame.dim(isToken() ? layout.groups : layout.blocks);
  if (isBlocks()) {
    panel = blockLayoutOf(type);
    DimExpr codes = panel.group ? constant(panel.codeBytes(0))
                                : length.ceilDiv(constant(panel.unit())) * panel.unitBytes();
    DimExpr bytes = codes + (kPanel * panel.scaleBytes + panel.zeroBytes());
    codeBytes = frame.dim(codes);
    blockBytes = frame.dim(bytes);
    panelBytes = frame.dim(layout.blocks * bytes + panel.headerBytes());
    table = base;
    this->base = k.bytePtr(base, k.ci64(panel.tableBytes()));
    return;
  }
  DimExpr k4 = length.ceilDiv(constant(4)) * 64;
  rowBytes = frame.dim(isPanels() ? k4 : layout.rowBytes);
  planeBytes = frame.dim(layout.planeBytes);
  scales = k.bytePtr(base, frame.dim(layout.scales));
  extra = k.bytePtr(base, frame.dim(layout.extra));
  supers = k.bytePtr(base, frame.dim(layout.supers));
  table = k.bytePtr(base, frame.dim(layout.table));
}

Value Dequantizer::signExtend(Value code) {
  int64_t unused = 32 - type.getBits();
  if (isUnsignedStorage(type.getStorage()))
    return code;
  return k.shr(k.shl(code, k.ci32(unused)), k.ci32(unused));
}

/// 16 codes of a packed row from column `i` on: a code has bits in one byte or two.
Value Dequantizer::logicalCodes(Value i, Value lanes) {
  bool isSigned = !isUnsignedStorage(type.getStorage());
  int64_t bits = type.getBits();
  if (bits == 8)
    return k.vload(isSigned ? Elem::I8 : Elem::U8, codeRow, i, lanes);
  if (bits == 16)
    return k.vload(isSigned ? Elem::I16 : Elem::U16, codeRow, i, lanes);
  Value first = k.mul(k.add(k.iota64(), i), k.ci64(bits));
  Value byte = k.shrU(first, k.ci64(3)), place = k.and_(k.toI32(first), k.ci32(7));
  Value word = k.vgather(Elem::U8, codeRow, byte, lanes);
  if (8 % bits != 0) { // the byte after the last code is the padding's, or the scales'
    Value next = k.vgather(Elem::U8, codeRow, k.add(byte, k.ci64(1)), lanes);
    word = k.or_(word, k.shl(next, k.ci32(8)));
  }
  return signExtend(k.and_(k.shrU(word, place), k.ci32((1 << bits) - 1)));
}

/// 16 codes from column `i` of the run on, out of the planes of a panel's block.
Value Dequantizer::blockCodes(Value i, Value lanes) {
  Value column = k.add(k.iota64(), i), unit = k.div(column, k.ci64(panel.unit()));
  Value within = k.sub(column, k.mul(unit, k.ci64(panel.unit())));
  Value sub = k.shrU(within, k.ci64(2)), byte = k.and_(within, k.ci64(3));
  Value output = k.mul(k.and_(row, k.ci64(kPanel - 1)), k.ci64(4));
  Value plane = k.add(k.mul(unit, k.ci64(panel.unitBytes())), k.add(byte, k.broadcast(output)));
  Value code;
  int done = 0;
  for (int width : panel.planes()) {
    if (!width)
      break;
    int64_t perVector = 8 / width;
    Value vector = k.div(sub, k.ci64(perVector));
    Value shift = k.mul(k.sub(sub, k.mul(vector, k.ci64(perVector))), k.ci64(width));
    Value bytes = k.vgather(Elem::U8, blockNow, k.add(plane, k.mul(vector, k.ci64(64))), lanes);
    Value part = k.and_(k.shrU(bytes, k.toI32(shift)), k.ci32((1 << width) - 1));
    part = k.shl(part, k.ci32(done));
    code = code ? k.or_(code, part) : part;
    plane = k.add(plane, k.ci64(panel.unit() / 4 / perVector * 64));
    done += width;
  }
  int32_t bias = isUnsignedStorage(type.getStorage()) ? 0 : 1 << (type.getBits() - 1);
  return k.sub(code, k.ci32(bias));
}

/// 16 codes from column `i` of the row on, as i32.
Value Dequantizer::codes(Value i, Value lanes) {
  switch (type.getLayout()) {
  case Layout::panel16_k4: { // four columns of a row lie together, in steps of 16 rows
    Value column = k.add(k.iota64(), i);
    Value at = k.add(k.mul(k.shrU(column, k.ci64(2)), k.ci64(64)), k.and_(column, k.ci64(3)));
    return k.vgather(Elem::I8, codeRow, at, lanes);
  }
  case Layout::token_f8:
    return k.vload(Elem::U8, codeRow, i, lanes);
  case Layout::token_u8:
    return k.sub(k.vload(Elem::U8, codeRow, i, lanes), k.ci32(128));
  case Layout::token_s8:
    return k.vload(Elem::I8, codeRow, i, lanes);
  case Layout::token_s16: {
    Value high = k.vload(Elem::I8, codeRow, i, lanes);
    Value low = k.vload(Elem::I8, k.bytePtr(codeRow, planeBytes), i, lanes);
    return k.add(k.shl(high, k.ci32(8)), low);
  }
  default:
    return logicalCodes(i, lanes);
  }
}

/// What codes stand for, as f32.
Value Dequantizer::valueOf(Value code, Value lanes) {
  if (type.getCodebook())
    return k.vgather(Elem::F32, table, k.zextI64(code), lanes);
  switch (type.getStorage()) {
  case Storage::f8e4m3fn:
    return e4m3ToF32(k, code);
  case Storage::f8e5m2:
    return e5m2ToF32(k, code);
  case Storage::f4e2m1: { // (1 + m / 2) * 2^(e - 1), subnormal where e = 0
    Value magnitude = k.and_(code, k.ci32(7)), sign = k.shl(k.and_(code, k.ci32(8)), k.ci32(28));
    Value normal = k.add(k.shl(magnitude, k.ci32(22)), k.ci32(126 << 23));
    Value half = k.select(k.eq(magnitude, k.ci32(0)), k.broadcast(k.ci32(0)),
                          k.broadcast(k.ci32(126 << 23)));
    Value bits = k.select(k.lt(magnitude, k.ci32(2)), half, normal);
    return k.bitcast(k.or_(bits, sign), k.vec(k.f32()));
  }
  default:
    return k.toF32(code);
  }
}

Value Dequantizer::scaleAt(Value run) {
  ScaleForm form = isPanels() ? ScaleForm::F32 : scaleFormOf(type.getScale());
  Value lane = k.and_(row, k.ci64(kPanel - 1));
  if (isBlocks()) {
    Value stored = k.load(scaleElem(form), k.bytePtr(blockNow, codeBytes), lane);
    Value scale = scaleToF32(k, form, stored);
    Value panelStart = k.mul(k.shrU(row, k.ci64(4)), panelBytes);
    if (panel.twoLevel)
      scale = k.mul(scale, k.load(Elem::F32, k.bytePtr(base, panelStart), lane));
    return scale;
  }
  bool one = type.getGranularity() == Granularity::tensor && !isPanels();
  Value at = one ? k.ci64(0) : k.add(k.mul(row, runs), run);
  Value scale = scaleToF32(k, form, k.load(scaleElem(form), scales, at));
  if (type.getSuper())
    scale = k.mul(scale, k.load(Elem::F32, supers, row));
  return scale;
}

/// The zero point of a run as f32, or null.
Value Dequantizer::zeroAt(Value run) {
  if (!type.getZero())
    return {};
  if (isToken())
    return k.toF32(k.load(Elem::I32, extra, row));
  Value lane = k.and_(row, k.ci64(kPanel - 1));
  bool isSigned = !isUnsignedStorage(type.getStorage());
  if (isBlocks()) {
    Value zeros = k.bytePtr(blockNow, k.add(codeBytes, k.ci64(kPanel * panel.scaleBytes)));
    if (panel.zeros == BlockZeros::Float)
      return k.load(Elem::F32, zeros, lane);
    Value stored;
    if (panel.bits > 4) {
      stored = k.load(Elem::U8, zeros, lane);
    } else {
      Value shift = k.shl(k.toI32(k.shrU(lane, k.ci64(3))), k.ci32(2));
      stored = k.shrU(k.load(Elem::U8, zeros, k.and_(lane, k.ci64(7))), shift);
      stored = k.and_(stored, k.ci32(15));
    }
    return k.toF32(k.sub(stored, k.ci32(isSigned ? 1 << (panel.bits - 1) : 0)));
  }
  bool one = type.getGranularity() == Granularity::tensor;
  Value at = one ? k.ci64(0) : k.add(k.mul(row, runs), run);
  if (auto elem = isa<FloatType>(type.getZero()) ? elemOf(type.getZero()) : std::nullopt)
    return k.load(*elem, extra, at);
  return k.toF32(k.load(isSigned ? Elem::I8 : Elem::U8, extra, at));
}

/// `count` columns from `from` on, which share scale and zero point number `run`.
void Dequantizer::emitRun(Value run, Value from, Value count, Value result) {
  if (isBlocks())
    blockNow = k.bytePtr(block, k.mul(run, blockBytes));
  Value scale = k.broadcast(scaleAt(run)), zero = zeroAt(run);
  k.forLanes(count, [&](Value i, Value lanes) {
    Value at = k.add(from, i);
    Value value = type.getLayout() == Layout::token_f32
                      ? k.vload(Elem::F32, codeRow, at, lanes)
                      : valueOf(isBlocks() ? blockCodes(i, lanes) : codes(at, lanes), lanes);
    if (zero)
      value = k.sub(value, zero);
    k.vstore(out, k.cast(k.mul(scale, value), Elem::F32, out), result, at, lanes);
  });
}

void Dequantizer::emit(Value index, Value result) {
  row = index;
  if (isBlocks()) {
    Value start = k.mul(k.shrU(row, k.ci64(4)), panelBytes);
    block = k.bytePtr(base, k.add(start, k.ci64(panel.headerBytes())));
  } else if (isPanels()) { // rowBytes is a panel's share of 16 rows
    Value start = k.mul(k.shrU(row, k.ci64(4)), rowBytes);
    codeRow = k.bytePtr(base, k.add(start, k.mul(k.and_(row, k.ci64(15)), k.ci64(4))));
  } else {
    codeRow = k.bytePtr(base, k.mul(row, rowBytes));
  }
  int64_t size = isToken()                                     ? type.getGroup()
                 : type.getGranularity() == Granularity::block ? type.getBlock()
                                                               : 0;
  if (!size)
    return emitRun(k.ci64(0), k.ci64(0), columns, result);
  k.forRange(runs, [&](Value run) {
    Value from = k.mul(run, k.ci64(size));
    emitRun(run, from, k.min(k.ci64(size), k.sub(columns, from)), result);
  });
}
