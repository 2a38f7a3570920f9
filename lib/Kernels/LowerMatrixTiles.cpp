// Products of blocks in matrix tiles: AMX instructions, or loops of tile.dot4 or tile.dot_bf16
// anywhere else.
//
// The eight tile registers have fixed uses, so the instructions name them: nothing is allocated,
// spilled or configured anew around calls, as LLVM would do with tile values. All have 16 rows of
// 64 bytes.
//   0 1 2 3  sums of 16 rows × 16 columns: rows 0 to 15 of both panels, then rows 16 to 31; or of
//            four steps of K
//   4 5      A: 16 rows × 64 codes, or 32 bf16
//   6 7      B: 16 steps of K × 16 columns × 4 codes, or 2 bf16, as packW8 and packPairs leave them
#include "LowerMatrixTiles.h"
#include "Tile/Tile.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "qcc/Kernels/ValueBuilder.h"

using namespace mlir;

namespace qcc {

namespace {

constexpr int kPanels = 2, kSumTile = 0, kATile = 4, kBTile = 6;
constexpr int64_t kTileRows = 16, kTileRowBytes = 64, kTileBytes = kTileRows * kTileRowBytes;

class MatrixTileBuilder : public ValueBuilder {
public:
  explicit MatrixTileBuilder(Operation *op)
      : ValueBuilder(OpBuilder(op), op->getLoc()), anchor(op) {}

  void configure();
  void release() { call("llvm.x86.tilerelease", {}); }
  void inTiles(tile::BlockDotOp op);
  void inDots(tile::BlockDotOp op);
  void inTiles(tile::StepDotOp op);
  void inDots(tile::StepDotOp op);

private:
  void call(StringRef intrinsic, ValueRange operands) {
    LLVM::CallIntrinsicOp::create(b, where, b.getStringAttr(intrinsic), operands);
  }
  Value at(Value ptr, Value bytes) {
    return LLVM::GEPOp::create(b, where, ptrType(), b.getI8Type(), ptr, ValueRange{bytes},
                               LLVM::GEPNoWrapFlags::inbounds);
  }
  Value tileNumber(int n) { return constant(b.getI8Type(), n); }
  void loadTile(int number, Value ptr, Value stride) {
    call("llvm.x86.tileloadd64", {tileNumber(number), ptr, stride});
  }
  void multiply(tile::BlockDotOp op, Value a, Value panels, Value panelStride);
  void multiply(tile::StepDotOp op, Value column);
  enum class Products { Unsigned, Signed, Bf16 }; ///< of codes: whether A is signed
  Values dotTile(Value a, Value tile, ValueRange sums, Products how);
  Values forRange(Value count, ValueRange init, llvm::function_ref<Values(Value, ValueRange)> body);
  Operation *anchor;
};

/// The configuration: byte 0 the palette, at 16 the bytes of a row of each tile in 16 bits, at 48
/// the rows of each tile in 8 bits.
void MatrixTileBuilder::configure() {
  const int64_t bytes = kTileRowBytes * 0x0001000100010001, rows = kTileRows * 0x0101010101010101;
  auto type = VectorType::get(8, i64());
  auto words = DenseElementsAttr::get(type, ArrayRef<int64_t>{1, 0, bytes, bytes, 0, 0, rows, 0});
  Value buffer = frameBuffer(anchor, 64);
  LLVM::StoreOp::create(b, where, arith::ConstantOp::create(b, where, words), buffer, 64);
  call("llvm.x86.ldtilecfg", {buffer});
}

/// One step of 64 in K.
void MatrixTileBuilder::multiply(tile::BlockDotOp op, Value a, Value panels, Value panelStride) {
  int blocks = static_cast<int>(op.getRows() / kTileRows);
  Value rowBytes = ci64(kTileRowBytes), below = mul(op.getAStride(), ci64(kTileRows));
  for (int g = 0; g < kPanels; ++g)
    loadTile(kBTile + g, g ? at(panels, panelStride) : panels, rowBytes);
  for (int r = 0; r < blocks; ++r) {
    loadTile(kATile + r, r ? at(a, below) : a, op.getAStride());
    for (int g = 0; g < kPanels; ++g)
      call(
          op.getBf16() ? "llvm.x86.tdpbf16ps" : "llvm.x86.tdpbusd",
          {tileNumber(kSumTile + r * kPanels + g), tileNumber(kATile + r), tileNumber(kBTile + g)});
  }
}

void MatrixTileBuilder::inTiles(tile::BlockDotOp op) {
  int blocks = static_cast<int>(op.getRows() / kTileRows);
  for (int t = 0; t < blocks * kPanels; ++t) // a stride of 0 starts every row with the same sums
    loadTile(kSumTile + t, at(op.getInit(), ci64(t % kPanels * kTileRowBytes)), ci64(0));
  forRange(op.getSteps(), {}, [&](Value s, ValueRange) {
    multiply(op, at(op.getA(), mul(s, ci64(kTileRowBytes))),
             at(op.getB(), mul(s, ci64(kTileBytes))), op.getBStride());
    return Values();
  });
  multiply(op, at(op.getA(), mul(op.getSteps(), ci64(kTileRowBytes))), op.getLast(),
           op.getLastStride());
  for (int t = 0; t < blocks * kPanels; ++t) {
    int64_t offset = t / kPanels * kPanels * kTileBytes + t % kPanels * kTileRowBytes;
    call("llvm.x86.tilestored64",
         {tileNumber(kSumTile + t), at(op.getOut(), ci64(offset)), ci64(kPanels * kTileRowBytes)});
  }
}

ValueBuilder::Values
MatrixTileBuilder::forRange(Value count, ValueRange init,
                            llvm::function_ref<Values(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, where, ci64(0), count, ci64(1), init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Values next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!init.empty()) // without carried values the loop has its terminator
    scf::YieldOp::create(b, where, next);
  return Values(loop.getResults());
}

/// One column of every step: independent sums, so that products need not wait for each other.
void MatrixTileBuilder::multiply(tile::StepDotOp op, Value column) {
  for (int64_t s = 0; s < static_cast<int64_t>(op.getSteps()); ++s) {
    int64_t shared = s / op.getParts();
    int aTile = kATile + shared % 2, bTile = kBTile + s % 2, sum = kSumTile + s;
    Value first = mul(op.getColumns(), ci64(s));
    if (s % op.getParts() == 0) {
      Value from = add(mul(op.getColumns(), ci64(shared)), column);
      loadTile(aTile, at(op.getA(), mul(from, ci64(kTileRowBytes))), op.getAStride());
    }
    loadTile(bTile, at(op.getB(), mul(add(first, column), ci64(kTileBytes))), ci64(kTileRowBytes));
    call("llvm.x86.tdpbssd", {tileNumber(sum), tileNumber(aTile), tileNumber(bTile)});
  }
}

void MatrixTileBuilder::inTiles(tile::StepDotOp op) {
  int steps = static_cast<int>(op.getSteps());
  for (int s = 0; s < steps; ++s)
    call("llvm.x86.tilezero", {tileNumber(kSumTile + s)});
  forRange(op.getColumns(), {}, [&](Value column, ValueRange) {
    multiply(op, column);
    return Values();
  });
  for (int s = 0; s < steps; ++s)
    call("llvm.x86.tilestored64",
         {tileNumber(kSumTile + s), at(op.getOut(), ci64(s * kTileBytes)), ci64(kTileRowBytes)});
}

/// The sums of a row and of 16 columns, with their products over a tile of B added.
ValueBuilder::Values MatrixTileBuilder::dotTile(Value a, Value tile, ValueRange sums,
                                                Products how) {
  auto step = how == Products::Bf16 ? vec(b.getBF16Type(), kTileRowBytes / 2)
                                    : vec(b.getI8Type(), kTileRowBytes);
  return forRange(ci64(kTileRows), sums, [&](Value i, ValueRange c) {
    Value four = LLVM::LoadOp::create(b, where, i32(), at(a, mul(i, ci64(4))), 1);
    Value columns = LLVM::LoadOp::create(b, where, step, at(tile, mul(i, ci64(64))), 1);
    Value x = bitcast(broadcast(four), step);
    if (how == Products::Bf16)
      return Values{tile::DotBf16Op::create(b, where, c[0], x, columns)};
    bool isSigned = how == Products::Signed;
    return Values{tile::Dot4Op::create(b, where, c[0], x, columns, 8, isSigned)};
  });
}

void MatrixTileBuilder::inDots(tile::StepDotOp op) {
  for (int64_t s = 0; s < static_cast<int64_t>(op.getSteps()); ++s)
    forRange(ci64(kTileRows), {}, [&](Value r, ValueRange) {
      Value row = at(op.getA(), mul(r, op.getAStride()));
      row = at(row, mul(op.getColumns(), ci64(s / op.getParts() * kTileRowBytes)));
      Value tiles = at(op.getB(), mul(op.getColumns(), ci64(s * kTileBytes)));
      Values sums{broadcast(ci32(0))};
      sums = forRange(op.getColumns(), sums, [&](Value column, ValueRange c) {
        return dotTile(at(row, mul(column, ci64(kTileRowBytes))),
                       at(tiles, mul(column, ci64(kTileBytes))), c, Products::Signed);
      });
      Value to = at(op.getOut(), add(ci64(s * kTileBytes), mul(r, ci64(kTileRowBytes))));
      LLVM::StoreOp::create(b, where, sums[0], to, 4);
      return Values();
    });
}

void MatrixTileBuilder::inDots(tile::BlockDotOp op) {
  Products how = op.getBf16() ? Products::Bf16 : Products::Unsigned;
  auto sum = vec(op.getBf16() ? f32() : i32());
  forRange(ci64(op.getRows()), {}, [&](Value r, ValueRange) {
    Value row = at(op.getA(), mul(r, op.getAStride()));
    forRange(ci64(kPanels), {}, [&](Value g, ValueRange) {
      Value panel = at(op.getB(), mul(g, op.getBStride()));
      Value init = at(op.getInit(), mul(g, ci64(64)));
      Values sums{LLVM::LoadOp::create(b, where, sum, init, 4)};
      sums = forRange(op.getSteps(), sums, [&](Value s, ValueRange c) {
        return dotTile(at(row, mul(s, ci64(64))), at(panel, mul(s, ci64(kTileBytes))), c, how);
      });
      sums = dotTile(at(row, mul(op.getSteps(), ci64(64))),
                     at(op.getLast(), mul(g, op.getLastStride())), sums, how);
      Value group = add(mul(r, ci64(kPanels)), g);
      LLVM::StoreOp::create(b, where, sums[0], at(op.getOut(), mul(group, ci64(64))), 4);
      return Values();
    });
    return Values();
  });
}

} // namespace

bool isMatrixTileOp(Operation *op) {
  return isa<tile::ConfigureOp, tile::ReleaseOp, tile::BlockDotOp, tile::StepDotOp>(op);
}

void lowerMatrixTileOp(Operation *op, const Target &target) {
  MatrixTileBuilder builder(op);
  if (auto dot = dyn_cast<tile::BlockDotOp>(op))
    target.hasAmx() ? builder.inTiles(dot) : builder.inDots(dot);
  else if (auto dot = dyn_cast<tile::StepDotOp>(op))
    target.hasAmx() ? builder.inTiles(dot) : builder.inDots(dot);
  else if (target.hasAmx())
    isa<tile::ConfigureOp>(op) ? builder.configure() : builder.release();
  op->erase();
}

} // namespace qcc
