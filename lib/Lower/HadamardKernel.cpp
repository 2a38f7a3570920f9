// Rotations of rows at run time, and their codes: qnt.hadamard along the last axis, perhaps with
// the qnt.quantize that reads it. A row lies in scratch while its butterflies run.
#include "FamilySupport.h"
#include "qcc/Algorithms/Hadamard.h"
#include "qcc/Lower/TokenRow.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

int64_t rowLength(HadamardOp op) { return *dimsOf(op.getType()).back().constantValue(); }

class HadamardEmitter {
public:
  explicit HadamardEmitter(KernelFrame &frame)
      : frame(frame), k(frame.k), op(opOf<HadamardOp>(frame.kernel)), length(rowLength(op)),
        block(op.getBlock()), base(hadamardBase(block)), power(base ? block / base : 0) {}
  LogicalResult emit();
  /// Two rows, and P as floats.
  static int64_t scratchBytes(HadamardOp op);

private:
  Value signedBy(Value x, Value index);
  Value inRegister(Value x);
  void load(Value row);
  void butterflies();
  void multiplyBase();
  void fillMatrix();
  Value result(Value i, Value lanes);
  void store(Value row);

  KernelFrame &frame;
  KernelBuilder &k;
  HadamardOp op;
  QuantizeOp quantize; ///< null where the reals are wanted
  TokenBuffer tokens;
  int64_t length, block, base, power;
  Value x, out, work, second, matrix, finished;
};

int64_t upTo64(int64_t bytes) { return (bytes + 63) / 64 * 64; }

int64_t HadamardEmitter::scratchBytes(HadamardOp op) {
  int64_t base = hadamardBase(op.getBlock()), row = upTo64(rowLength(op) * 4);
  return base > 1 ? 2 * row + upTo64(base * base * 4) : row;
}

/// x with the signs of D at indices index .. index + 15 of a block.
Value HadamardEmitter::signedBy(Value x, Value index) {
  uint64_t seed = op.getSeed();
  if (!seed)
    return x;
  auto c = [&](uint32_t v) { return k.broadcast(k.ci32(static_cast<int32_t>(v))); };
  Value h = k.add(k.broadcast(k.toI32(index)), k.iota32());
  h = k.xor_(k.mul(h, c(0x9e3779b1)), c(hadamardKey(seed)));
  h = k.mul(k.xor_(h, k.shrU(h, c(16))), c(0x85ebca6b));
  h = k.mul(k.xor_(h, k.shrU(h, c(13))), c(0xc2b2ae35));
  h = k.xor_(h, k.shrU(h, c(16)));
  Value bits = k.bitcast(x, k.like(x, k.i32()));
  return k.bitcast(k.xor_(bits, k.and_(h, c(0x80000000))), x.getType());
}

/// Butterflies of stride 1 to 8 within a vector: a + b in the lower lane, a - b in the upper.
Value HadamardEmitter::inRegister(Value x) {
  for (int64_t stride = 1; stride < std::min<int64_t>(power, kLanes); stride *= 2) {
    SmallVector<int64_t> partner;
    SmallVector<int32_t> flips;
    for (int64_t l = 0; l < kLanes; ++l) {
      partner.push_back(l ^ stride);
      flips.push_back(l & stride ? INT32_MIN : 0);
    }
    Value mask = arith::ConstantOp::create(k.builder(), k.loc(),
                                           DenseElementsAttr::get(k.vec(k.i32()), ArrayRef(flips)));
    Value flipped = k.bitcast(k.xor_(k.bitcast(x, mask.getType()), mask), x.getType());
    x = k.add(k.shuffle(x, x, partner), flipped);
  }
  return x;
}

void HadamardEmitter::load(Value row) {
  Elem elem = elemOfValue(op.getX());
  k.forLoop(k.ci64(0), k.ci64(length), k.ci64(block), [&](Value at) {
    Value from = k.add(k.mul(row, k.ci64(length)), at);
    k.forLanes(k.ci64(block), [&](Value i, Value lanes) {
      Value v = k.vload(elem, x, k.add(from, i), lanes);
      if (!op.getInverse())
        v = signedBy(v, i);
      k.vstore(Elem::F32, inRegister(v), work, k.add(at, i), lanes);
    });
  });
}

/// The strides of whole vectors, over all blocks at once.
void HadamardEmitter::butterflies() {
  for (int64_t stride = kLanes; stride < power; stride *= 2)
    k.forLoop(k.ci64(0), k.ci64(length), k.ci64(2 * stride), [&](Value at) {
      k.forLoop(k.ci64(0), k.ci64(stride), k.ci64(kLanes), [&](Value i) {
        Value low = k.add(at, i), high = k.add(low, k.ci64(stride));
        Value a = k.vload(Elem::F32, work, low), b = k.vload(Elem::F32, work, high);
        k.vstore(Elem::F32, k.add(a, b), work, low);
        k.vstore(Elem::F32, k.sub(a, b), work, high);
      });
    });
}

/// P (or its transpose) as floats, from one bit an entry.
void HadamardEmitter::fillMatrix() {
  std::vector<int8_t> entries = hadamardMatrix(base);
  int64_t words = llvm::divideCeil(base * base, 64);
  Value bits = k.stackBuffer(words * 8);
  for (int64_t w = 0; w < words; ++w) {
    uint64_t word = 0;
    for (int64_t b = 0; b < 64 && w * 64 + b < base * base; ++b) {
      int64_t i = (w * 64 + b) / base, j = (w * 64 + b) % base;
      if (entries[op.getInverse() ? j * base + i : i * base + j] < 0)
        word |= uint64_t(1) << b;
    }
    k.store(Elem::I64, k.ci64(static_cast<int64_t>(word)), bits, k.ci64(w));
  }
  k.forRange(k.ci64(base * base), [&](Value i) {
    Value word = k.load(Elem::I64, bits, k.shrU(i, k.ci64(6)));
    Value bit = k.and_(k.shrU(word, k.and_(i, k.ci64(63))), k.ci64(1));
    k.store(Elem::F32, k.select(k.eq(bit, k.ci64(0)), k.cf32(1), k.cf32(-1)), matrix, i);
  });
}

void HadamardEmitter::multiplyBase() {
  k.forLoop(k.ci64(0), k.ci64(length), k.ci64(block), [&](Value at) {
    k.forLanes(k.ci64(power), [&](Value t, Value lanes) {
      Value column = k.add(at, t);
      k.forRange(k.ci64(base), [&](Value i) {
        auto sum = k.forRange(k.ci64(base), k.broadcast(k.cf32(0)), [&](Value j, ValueRange acc) {
          Value sign = k.load(Elem::F32, matrix, k.add(k.mul(i, k.ci64(base)), j));
          Value v = k.vload(Elem::F32, work, k.add(column, k.mul(j, k.ci64(power))), lanes);
          // A product with 1 or -1 is exact.
          return KernelBuilder::Values{k.fma(k.broadcast(sign), v, acc[0])};
        });
        k.vstore(Elem::F32, sum[0], second, k.add(column, k.mul(i, k.ci64(power))), lanes);
      });
    });
  });
}

/// 16 elements of the rotated row.
Value HadamardEmitter::result(Value i, Value lanes) {
  return k.vload(Elem::F32, finished, i, lanes);
}

void HadamardEmitter::store(Value row) {
  Value scale = k.broadcast(k.cf32(hadamardScale(block)));
  Value from = base > 1 ? second : work;
  Elem elem = elemOfValue(op.getOut());
  bool reals = llvm::is_contained(frame.yield()->getOperands(), op.getOut());
  SmallVector<Value> zeros(2, k.broadcast(k.cf32(0))); // smallest and largest
  // The signs of an inverse count from the start of each block.
  auto ranges =
      k.forLoop(k.ci64(0), k.ci64(length), k.ci64(block), zeros, [&](Value at, ValueRange carried) {
        return k.forLanes(k.ci64(block), carried, [&](Value i, Value lanes, ValueRange range) {
          Value here = k.add(at, i), v = k.mul(k.vload(Elem::F32, from, here, lanes), scale);
          if (op.getInverse())
            v = signedBy(v, i);
          if (reals)
            k.vstore(elem, v, out, k.add(k.mul(row, k.ci64(length)), here), lanes);
          if (!quantize)
            return KernelBuilder::Values(range.begin(), range.end());
          k.vstore(Elem::F32, v, from, here, lanes);
          v = k.fillTail(v, lanes, k.cf32(0));
          bool symmetric = quantize.getOut().getType().isSymmetric();
          return KernelBuilder::Values{k.min(range[0], v),
                                       k.max(range[1], symmetric ? k.abs(v) : v)};
        });
      });
  if (!quantize)
    return;
  finished = from;
  TokenRange range{{}, k.reduceMax(ranges[1])};
  if (!quantize.getOut().getType().isSymmetric())
    range.low = k.reduceMin(ranges[0]);
  emitTokenRow(k, tokens, row, k.ci64(length), range,
               [&](Value i, Value lanes) { return result(i, lanes); });
}

LogicalResult HadamardEmitter::emit() {
  if (!base)
    return refuse(op, "no Hadamard matrix of order " + Twine(block) + " is known");
  if (op.getAxis() + 1 != static_cast<int64_t>(dimsOf(op.getType()).size()))
    return refuse(op,
                  "rotations at run time are along the last axis, not axis " + Twine(op.getAxis()));
  auto pointer = densePointer(frame, op.getX());
  if (failed(pointer))
    return failure();
  x = *pointer;
  for (auto [i, value] : llvm::enumerate(frame.yield()->getOperands())) {
    if (auto codes = value.getDefiningOp<QuantizeOp>()) {
      quantize = codes;
      tokens = tokenBuffer(frame, codes.getOut().getType(), frame.resultPointer(i));
    } else {
      out = frame.resultPointer(i);
    }
  }
  work = k.scratch();
  second = k.bytePtr(work, k.ci64(upTo64(length * 4)));
  if (base > 1) {
    matrix = k.bytePtr(second, k.ci64(upTo64(length * 4)));
    fillMatrix();
  }
  k.forTasks([&](Value row) {
    load(row);
    butterflies();
    if (base > 1)
      multiplyBase();
    store(row);
  });
  return success();
}

} // namespace

FailureOr<LaunchShape> lower::hadamardShape(KernelOp kernel) {
  MLIRContext *context = kernel.getContext();
  auto op = opOf<HadamardOp>(kernel);
  int64_t length = std::max<int64_t>(1, rowLength(op));
  int64_t steps = 4 + hadamardBase(op.getBlock()) + llvm::Log2_64(op.getBlock());
  LaunchShape shape;
  shape.tasks = rowCount(context, dimsOf(op.getType()));
  shape.grain = DimExpr::constant(context, 1 + (1 << 16) / (length * steps));
  shape.scratchBytes = DimExpr::constant(context, HadamardEmitter::scratchBytes(op));
  return shape;
}

LogicalResult lower::emitHadamard(KernelFrame &frame) { return HadamardEmitter(frame).emit(); }
