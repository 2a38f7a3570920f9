// Operations of a block as code for one of its threads.
//
// A warp multiplies 16 rows with 8 columns and 32 bytes of K at once (mma.sync). What a thread
// holds of them is in terms of g = lane / 4 and t = lane % 4 (PTX ISA, "Matrix Fragments for
// mma.m16n8k32"): of A words t and t + 4 of rows g and g + 8, of B words t and t + 4 of column g,
// of sums columns 2 t and 2 t + 1 of rows g and g + 8. Which columns of the matrix the eight of a
// product are is free: a thread loads neighbouring words of a panel, which are w columns of one
// step of K, at once. So product j of w has columns w g + j; a thread's sums of all w are of 2 w
// neighbouring columns.
//
// Shared memory has 32 banks of 4 bytes; accesses of 16 bytes go by quarters of a warp. Rows of A
// are 16 bytes longer than a multiple of 64, so that eight of them begin in different banks; rows
// of sums likewise. Of a panel, t picks lines of 64 bytes: the padding behind every second one
// keeps lines 2 and 3 out of the banks of 0 and 1.
#include "BlockBuilder.h"
#include "LaneBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::ptx;

namespace {

constexpr int64_t kPanelColumns = 16, kWordBytes = 4;
constexpr int64_t kStepBytes = 32;  ///< of K, in a product
constexpr int64_t kSliceBytes = 64; ///< of a row, that a slice reads
/// Bytes of a panel in shared memory: for half a product, a product and a slice.
constexpr int64_t panelBytes(int64_t depth) { return depth * kPanelColumns / 128 * 160; }

} // namespace

//===-- Values --------------------------------------------------------------------------------===//

Value BlockBuilder::ci(int64_t v) { return arith::ConstantIntOp::create(b, loc, v, 32); }
Value BlockBuilder::add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
Value BlockBuilder::mul(Value x, int64_t y) {
  return y == 1 ? x : arith::MulIOp::create(b, loc, x, ci(y)).getResult();
}
Value BlockBuilder::shr(Value x, int64_t bits) {
  return bits ? arith::ShRUIOp::create(b, loc, x, ci(bits)).getResult() : x;
}
Value BlockBuilder::and_(Value x, int64_t mask) {
  return arith::AndIOp::create(b, loc, x, ci(mask));
}
Value BlockBuilder::toI32(Value v) { return arith::TruncIOp::create(b, loc, b.getI32Type(), v); }
/// Number in the warpgroup.
Value BlockBuilder::thread() {
  Value number = NVVM::ThreadIdXOp::create(b, loc, b.getI32Type());
  return warpgroups == 1 ? number : and_(number, kBlockThreads - 1);
}

/// The same through a shuffle, which stays in its loop, and so does what is computed from it. Ahead
/// of the loop addresses of all that a thread copies or decodes would take the registers of sums.
Value BlockBuilder::threadHere() {
  LaneBuilder lanes(b, loc);
  return lanes.shuffle(thread(), lanes.lane());
}

/// What comes from the warp's first thread is known to be the same in all.
Value BlockBuilder::ofFirstThread(Value number) {
  return NVVM::ShflOp::create(b, loc, b.getI32Type(), ci(-1), number, ci(0), ci(31),
                              NVVM::ShflKind::idx, UnitAttr());
}
Value BlockBuilder::warp() { return ofFirstThread(shr(thread(), 5)); }
Value BlockBuilder::warpgroup() {
  Value number = NVVM::ThreadIdXOp::create(b, loc, b.getI32Type());
  return ofFirstThread(shr(number, llvm::Log2_64(kBlockThreads)));
}

/// Of a warpgroup; the hardware's barrier 0 is left to whole blocks.
void BlockBuilder::barrier() {
  if (warpgroups == 1)
    NVVM::BarrierOp::create(b, loc);
  else
    NVVM::BarrierOp::create(b, loc, Type(), add(warpgroup(), 1), ci(kBlockThreads), nullptr,
                            Value());
}

Value BlockBuilder::sharedPtr(Value generic) {
  auto type = LLVM::LLVMPointerType::get(b.getContext(),
                                         static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared));
  return LLVM::AddrSpaceCastOp::create(b, loc, type, generic);
}
Value BlockBuilder::at(Value base, Value bytes) {
  return LLVM::GEPOp::create(b, loc, base.getType(), b.getI8Type(), base, ValueRange{bytes},
                             LLVM::GEPNoWrapFlags::none);
}
Value BlockBuilder::at(Value base, int64_t bytes) {
  return LLVM::GEPOp::create(b, loc, base.getType(), b.getI8Type(), base,
                             ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)},
                             LLVM::GEPNoWrapFlags::none);
}
Type BlockBuilder::wordsType(int64_t words) {
  return words == 1 ? Type(b.getI32Type()) : VectorType::get(words, b.getI32Type());
}

void BlockBuilder::keepRolled(scf::ForOp loop) {
  MLIRContext *context = loop.getContext();
  auto disable =
      LLVM::LoopUnrollAttr::get(context, BoolAttr::get(context, true), {}, {}, {}, {}, {}, {});
  loop->setAttr("llvm.loop_annotation",
                LLVM::LoopAnnotationAttr::get(context, {}, {}, {}, disable, {}, {}, {}, {}, {}, {},
                                              {}, {}, {}, {}, {}));
}

//===-- The block and its memory --------------------------------------------------------------===//

BlockBuilder::Values BlockBuilder::position() {
  auto wide = [&](Value v) { return arith::ExtUIOp::create(b, loc, b.getI64Type(), v); };
  static_assert(kGroupThreads == 16 && kBlockThreads == tile::kBlockGroups * kGroupThreads);
  Value group = shr(threadHere(), 4);
  Value block = NVVM::BlockIdXOp::create(b, loc, b.getI32Type());
  Value blocks = NVVM::GridDimXOp::create(b, loc, b.getI32Type());
  if (warpgroups > 1) { // the first of all blocks come first, so that few tiles are far apart
    block = add(block, arith::MulIOp::create(b, loc, warpgroup(), blocks));
    blocks = mul(blocks, warpgroups);
  }
  return {wide(group), wide(ci(tile::kBlockGroups)), wide(block), wide(blocks)};
}

void ptx::placeShared(ModuleOp module) {
  OpBuilder b(module.getContext());
  bool some = false;
  int64_t alignment = 128;
  for (func::FuncOp kernel : module.getOps<func::FuncOp>()) {
    uint64_t bytes = 0, whole = 0;
    kernel.walk([&](tile::SharedOp op) {
      uint64_t &most = op.getWhole() ? whole : bytes;
      most = std::max(most, op.getBytes());
    });
    if (auto warpgroups = kernel->getAttrOfType<IntegerAttr>(tile::kWarpgroups)) {
      alignment = 1024;
      kernel->setAttr("qcc.block_threads",
                      b.getI64IntegerAttr(warpgroups.getInt() * kBlockThreads));
      kernel->setAttr(kWarpgroupBytes, b.getI64IntegerAttr(static_cast<int64_t>(bytes)));
      bytes = std::max(whole, bytes * static_cast<uint64_t>(warpgroups.getInt()));
    }
    kernel.walk([&](tile::JoinOp) { kernel->setAttr("qcc.shares_tasks", b.getUnitAttr()); });
    if (bytes)
      kernel->setAttr("qcc.shared_bytes", b.getI64IntegerAttr(static_cast<int64_t>(bytes)));
    some |= bytes != 0;
  }
  if (!some)
    return;
  b.setInsertionPointToStart(module.getBody());
  auto type = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
  auto memory = LLVM::GlobalOp::create(b, module.getLoc(), type, /*isConstant=*/false,
                                       LLVM::Linkage::External, kSharedMemory, Attribute(),
                                       static_cast<uint64_t>(alignment));
  memory.setAddrSpace(static_cast<uint32_t>(NVVM::NVVMMemorySpace::Shared));
}

Value BlockBuilder::shared(tile::SharedOp op) {
  auto type = LLVM::LLVMPointerType::get(b.getContext(),
                                         static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared));
  Value base = LLVM::AddressOfOp::create(b, loc, type, kSharedMemory);
  if (warpgroups > 1 && !op.getWhole()) {
    auto kernel = op->getParentOfType<func::FuncOp>();
    base = at(base, mul(warpgroup(), kernel->getAttrOfType<IntegerAttr>(kWarpgroupBytes).getInt()));
  }
  return LLVM::AddrSpaceCastOp::create(b, loc, op.getType(), base);
}

/// Pieces of 16 bytes, neighbouring ones by neighbouring threads; of 4 where lines begin anywhere.
void BlockBuilder::copyAsync(tile::CopyAsyncOp op) {
  auto piece = static_cast<int64_t>(op.getPiece()), turn = kBlockThreads * piece;
  auto width = static_cast<int64_t>(op.getWidth()), run = static_cast<int64_t>(op.getRun());
  int64_t all = static_cast<int64_t>(op.getMaxLines()) * width;
  auto globalType = LLVM::LLVMPointerType::get(
      b.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Global));
  Value from = LLVM::AddrSpaceCastOp::create(b, loc, globalType, in(op.getFrom()));
  Value lines = toI32(in(op.getLines())), bytes = toI32(in(op.getBytes()));
  Value first = mul(threadHere(), piece), zero = ci(0);
  // A thread's pieces are `turn` bytes apart: in the same place of other lines or of the same line.
  bool single = op.getMaxLines() == 1;
  Value line = single ? zero : shr(first, llvm::Log2_64(width));
  Value byte = single ? first : and_(first, width - 1);
  Value padded = add(first, mul(shr(first, llvm::Log2_64(run)), op.getPad()));
  // Pieces of a thread are in lines that are a multiple of eight apart.
  if (op.getSwizzled())
    padded = arith::XOrIOp::create(b, loc, padded, mul(and_(line, 7), piece));
  Value to = at(sharedPtr(in(op.getTo())), padded);
  auto cache = piece == 16 ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA;
  OpBuilder::InsertionGuard guard(b);
  // Many pieces one after the other: a warpgroup that copies has no registers for all of them.
  constexpr int64_t many = 16, together = 2;
  if (warpgroups > 1 && op.getSwizzled() && all % (many * turn) == 0) {
    auto loop = scf::ForOp::create(b, loc, ci(0), ci(all), ci(together * turn));
    keepRolled(loop);
    b.setInsertionPointToStart(loop.getBody());
    line = add(line, shr(loop.getInductionVar(), llvm::Log2_64(width)));
    to = at(to, loop.getInductionVar());
    all = together * turn;
  }
  for (int64_t x = 0; x < all; x += turn) {
    if (all - x < turn) { // a part of the threads
      Value some = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, first, ci(all - x));
      auto choice = scf::IfOp::create(b, loc, some, /*withElseRegion=*/false);
      b.setInsertionPointToStart(choice.thenBlock());
    }
    Value l = single ? line : add(line, x / width), j = add(byte, single ? x : x % width);
    Value left = arith::SubIOp::create(b, loc, bytes, j);
    left = arith::MaxSIOp::create(b, loc, arith::MinSIOp::create(b, loc, left, ci(piece)), zero);
    Value exists = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, l, lines);
    left = arith::SelectOp::create(b, loc, exists, left, zero);
    Value offset = arith::MulIOp::create(b, loc, arith::ExtUIOp::create(b, loc, b.getI64Type(), l),
                                         in(op.getStride()));
    offset =
        arith::AddIOp::create(b, loc, offset, arith::ExtUIOp::create(b, loc, b.getI64Type(), j));
    NVVM::CpAsyncOp::create(b, loc, at(to, x + x / run * static_cast<int64_t>(op.getPad())),
                            at(from, offset), piece, cache, left);
  }
}

//===-- Products ------------------------------------------------------------------------------===//

BlockBuilder::Place BlockBuilder::place(const tile::SumsShape &shape) {
  Place p;
  p.lane = NVVM::LaneIdOp::create(b, loc, b.getI32Type());
  p.group = shr(p.lane, 2), p.inGroup = and_(p.lane, 3);
  Value warp = this->warp();
  int64_t columns = llvm::Log2_64(shape.columnWarps()), rows = llvm::Log2_64(shape.rowWarps());
  p.columnWarp = and_(warp, shape.columnWarps() - 1);
  p.rowWarp = and_(shr(warp, columns), shape.rowWarps() - 1);
  p.slice = shr(warp, columns + rows);
  return p;
}

/// Columns of a tile whose words a thread loads at once: a warp has the columns of eight threads.
static int64_t wordsAtOnce(const tile::SumsShape &shape) {
  return std::min<int64_t>(4, shape.columnVectors());
}

/// Of the first 16 rows and 32 bytes, the line of 16 bytes whose address this thread gives; wide
/// numbers it reads itself.
Value BlockBuilder::rowsOfA(tile::MultiplyOp op, const Place &p) {
  tile::SumsShape shape = tile::shapeOf(op);
  Value row = add(op.getWide() ? p.group : and_(p.lane, 15), mul(p.rowWarp, shape.warpRows()));
  Value within = op.getWide() ? mul(p.inGroup, 8) : mul(shr(p.lane, 4), 16);
  Value slice = mul(p.slice, op.getWide() ? 2 * kSliceBytes : kSliceBytes);
  return at(sharedPtr(in(op.getA())), add(add(mul(row, op.getAStride()), within), slice));
}

/// The first words of the thread's columns.
Value BlockBuilder::columnsOfB(tile::MultiplyOp op, const Place &p) {
  tile::SumsShape shape = tile::shapeOf(op);
  Value column = add(mul(p.columnWarp, shape.warpColumns()), mul(p.group, wordsAtOnce(shape)));
  Value panel = shr(column, llvm::Log2_64(kPanelColumns));
  Value offset = mul(panel, op.getBStride());
  offset = add(offset, mul(and_(column, kPanelColumns - 1), kWordBytes));
  Value line = add(mul(p.inGroup, 64), mul(shr(p.inGroup, 1), 32));
  offset = add(add(offset, line), mul(p.slice, panelBytes(kSliceBytes)));
  return at(sharedPtr(in(op.getB())), offset);
}

BlockBuilder::Values BlockBuilder::loadMatrices(Value from, bool turned) {
  Type word = b.getI32Type();
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), {word, word, word, word});
  Value matrices = NVVM::LdMatrixOp::create(
      b, loc, type, from, 4, turned ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8), NVVM::LdStMatrixEltType::B16);
  Values words;
  for (int64_t i = 0; i < 4; ++i)
    words.push_back(LLVM::ExtractValueOp::create(b, loc, matrices, i));
  return words;
}

BlockBuilder::Values BlockBuilder::loadWords(Value from, int64_t words) {
  Value all = LLVM::LoadOp::create(b, loc, wordsType(words), from, words * kWordBytes);
  if (words == 1)
    return {all};
  Values each;
  for (int64_t i = 0; i < words; ++i)
    each.push_back(vector::ExtractOp::create(b, loc, all, i));
  return each;
}

/// The same of 16 bytes of K: words t alone. Threads 16 and up give lines that are not looked at.
BlockBuilder::Values BlockBuilder::loadHalfA(Value from) {
  Type word = b.getI32Type();
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), {word, word});
  Value matrices = NVVM::LdMatrixOp::create(b, loc, type, from, 2, NVVM::MMALayout::row,
                                            NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8),
                                            NVVM::LdStMatrixEltType::B16);
  return {LLVM::ExtractValueOp::create(b, loc, matrices, 0),
          LLVM::ExtractValueOp::create(b, loc, matrices, 1)};
}

/// Two words of f32 as one of bf16.
Value BlockBuilder::pairOf(Value low, Value high) {
  auto real = [&](Value v) { return arith::BitcastOp::create(b, loc, b.getF32Type(), v); };
  Value both = LaneBuilder(b, loc).pairOfBf16(real(low), real(high));
  return LLVM::BitcastOp::create(b, loc, b.getI32Type(), both);
}

/// The same of 16 rows of wide numbers: 2 t and 2 t + 1, and those eight further.
BlockBuilder::Values BlockBuilder::loadWideA(Value from, int64_t stride) {
  Values words;
  for (int64_t i = 0; i < 4; ++i) {
    Values two = loadWords(at(from, i % 2 * 8 * stride + i / 2 * 8 * kWordBytes), 2);
    words.push_back(pairOf(two[0], two[1]));
  }
  return words;
}

/// 16 rows with 8 columns, of bf16 where sums are f32; as many inputs as there are words.
Value BlockBuilder::product(ValueRange a, ValueRange columns, Value sum, bool isSigned) {
  bool reals = cast<VectorType>(sum.getType()).getElementType().isF32();
  Type element = cast<VectorType>(sum.getType()).getElementType();
  auto type =
      LLVM::LLVMStructType::getLiteral(b.getContext(), {element, element, element, element});
  Values sums;
  for (int64_t i = 0; i < 4; ++i)
    sums.push_back(vector::ExtractOp::create(b, loc, sum, i));
  using Kind = NVVM::MMATypes;
  std::array<Kind, 2> kinds = {isSigned ? Kind::s8 : Kind::u8, Kind::s8};
  if (reals)
    kinds = {Kind::bf16, Kind::bf16};
  std::optional<NVVM::MMAIntOverflow> overflow;
  if (!reals)
    overflow = NVVM::MMAIntOverflow::wrapped;
  Value made = NVVM::MmaOp::create(
      b, loc, type, a, columns, sums,
      ArrayRef<int64_t>{16, 8, static_cast<int64_t>(columns.size()) * (reals ? 8 : 16)},
      std::nullopt, overflow, kinds,
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  Values results;
  for (int64_t i = 0; i < 4; ++i)
    results.push_back(LLVM::ExtractValueOp::create(b, loc, made, i));
  return vector::FromElementsOp::create(b, loc, sum.getType(), results);
}

/// A magnitude moved to where bf16 has its own is the number times a power of two, subnormal
/// numbers included.
BlockBuilder::Values BlockBuilder::bf16Of(Value codes, Type type, bool keepsNan) {
  bool wide = isa<Float8E5M2Type>(type);
  int64_t left = wide ? 5 : 4;
  double power = wide ? 0x1p112 : 0x1p120;
  auto pairs = VectorType::get(2, b.getBF16Type());
  auto splat = [&](double number) -> Value {
    return arith::ConstantOp::create(
        b, loc, DenseElementsAttr::get(pairs, b.getFloatAttr(b.getBF16Type(), number).getValue()));
  };
  Values words;
  for (int64_t half = 0; half < 2; ++half) {
    Value two = shr(codes, 16 * half), first = and_(two, 0xff), second = and_(shr(two, 8), 0xff);
    Value apart = arith::OrIOp::create(b, loc, first, mul(second, 1 << 16));
    Value magnitudes = mul(and_(apart, 0x007f007f), 1 << left);
    Value bits = arith::OrIOp::create(b, loc, magnitudes, mul(and_(apart, 0x00800080), 1 << 8));
    Value scaled = LLVM::FMAOp::create(b, loc, pairs, LLVM::BitcastOp::create(b, loc, pairs, bits),
                                       splat(power), splat(-0.0));
    words.push_back(LLVM::BitcastOp::create(b, loc, b.getI32Type(), scaled));
    if (keepsNan) { // magnitude 0x7f is the only one whose successor has bit 7: it gets 0x7f80 too
      Value next = add(and_(apart, 0x007f007f), 0x00010001);
      words.back() = arith::OrIOp::create(b, loc, words.back(), mul(and_(next, 0x00800080), 0xff));
    }
  }
  return words;
}

/// The same of codes of 8-bit floats, A of f8E4M3FN and B of `columnType`, with 32 inputs.
Value BlockBuilder::float8Product(ValueRange a, ValueRange columns, Value sum, Type columnType,
                                  bool asBf16) {
  if (asBf16) { // a thread has the same inputs of both, of whatever place in K
    for (int64_t half = 0; half < 2; ++half) {
      Type rowType = Float8E4M3FNType::get(b.getContext());
      Values upper = bf16Of(a[2 * half], rowType), lower = bf16Of(a[2 * half + 1], rowType);
      sum = product({upper[0], lower[0], upper[1], lower[1]}, bf16Of(columns[half], columnType),
                    sum, /*isSigned=*/true);
    }
    return sum;
  }
  Values operands(a);
  llvm::append_range(operands, columns);
  for (int64_t i = 0; i < 4; ++i)
    operands.push_back(vector::ExtractOp::create(b, loc, sum, i));
  StringRef kind = isa<Float8E5M2Type>(columnType) ? "e5m2" : "e4m3";
  std::string name = ("llvm.nvvm.mma.m16n8k32.row.col.f32.e4m3." + kind + ".f32").str();
  Type f32 = b.getF32Type();
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), {f32, f32, f32, f32});
  Value made =
      LLVM::CallIntrinsicOp::create(b, loc, type, b.getStringAttr(name), operands).getResult(0);
  Values results;
  for (int64_t i = 0; i < 4; ++i)
    results.push_back(LLVM::ExtractValueOp::create(b, loc, made, i));
  return vector::FromElementsOp::create(b, loc, sum.getType(), results);
}

BlockBuilder::Values BlockBuilder::multiply(tile::MultiplyOp op) {
  tile::SumsShape shape = tile::shapeOf(op);
  NVVM::SyncWarpOp::create(b, loc, ci(-1)); // both groups go on together
  Place p = place(shape);
  Value rows = rowsOfA(op, p), columns = columnsOfB(op, p);
  auto aStride = static_cast<int64_t>(op.getAStride()),
       bStride = static_cast<int64_t>(op.getBStride());
  int64_t words = wordsAtOnce(shape);
  auto depth = static_cast<int64_t>(op.getDepth()), halves = std::min<int64_t>(2, depth / 16);
  Values sums;
  for (Value sum : op.getSums())
    sums.push_back(in(sum));
  auto rowsAt = [&](int64_t row, int64_t byte) {
    if (op.getWide())
      return loadWideA(at(rows, row * aStride + 2 * byte), aStride);
    Value from = at(rows, row * aStride + byte);
    return halves == 1 ? loadHalfA(from) : loadMatrices(from);
  };
  for (int64_t byte = 0; byte < depth; byte += kStepBytes) {
    SmallVector<Values> ofColumns(shape.columnVectors()); // words of each eight columns
    for (int64_t q = 0; q < shape.columnVectors() / words; ++q)
      for (int64_t half = 0; half < halves; ++half) {
        Value from = at(columns, panelBytes(byte + half * kStepBytes / 2));
        from = at(from, q * std::max<int64_t>(1, words / 2) * bStride);
        for (auto [j, word] : llvm::enumerate(loadWords(from, words)))
          ofColumns[q * words + static_cast<int64_t>(j)].push_back(word);
      }
    for (int64_t r = 0; r < shape.rowVectors(); ++r) {
      Values a = rowsAt(r * 16, byte);
      for (int64_t c = 0; c < shape.columnVectors(); ++c) {
        Value &sum = sums[r * shape.columnVectors() + c];
        sum = op.getFloat8() ? float8Product(a, ofColumns[c], sum, *op.getFloat8(), op.getBf16())
                             : product(a, ofColumns[c], sum, op.getIsSigned());
      }
    }
  }
  return sums;
}

//===-- Products of words in registers --------------------------------------------------------===//

/// Thread (g, t) of a warp of eight columns has column g.
static tile::SumsShape shapeOfWords() { return {16, 32, 1}; }

Value BlockBuilder::loadWords(tile::LoadWordsOp op) {
  Place p = place(shapeOfWords());
  Value high = shr(p.inGroup, 1), low = and_(p.inGroup, 1);
  Value panel = arith::MulIOp::create(b, loc, shr(p.columnWarp, 1), toI32(in(op.getStride())));
  Value column = add(mul(and_(p.columnWarp, 1), 8 * kWordBytes), mul(p.group, kWordBytes));
  Value line = add(mul(high, op.getHigh()), mul(low, op.getLow()));
  Value from = at(sharedPtr(in(op.getPtr())), add(panel, add(column, line)));
  Value word = LLVM::LoadOp::create(b, loc, b.getI32Type(), from, kWordBytes);
  if (!op.getHighBits() && !op.getLowBits())
    return word;
  Value bits = add(mul(high, op.getHighBits()), mul(low, op.getLowBits()));
  return arith::ShRUIOp::create(b, loc, word, bits);
}

/// Which inputs the four quarters have is free too: a thread reads those of its words at once.
Value BlockBuilder::multiplyWords(tile::MultiplyWordsOp op) {
  NVVM::SyncWarpOp::create(b, loc, ci(-1)); // both groups go on together
  Place p = place(shapeOfWords());
  Value sum = in(op.getSums());
  Values words;
  for (Value word : op.getWords())
    words.push_back(in(word));
  std::optional<Type> float8 = op.getFloat8();
  bool reals = cast<VectorType>(sum.getType()).getElementType().isF32() && !float8;
  auto stride = static_cast<int64_t>(op.getAStride()), count = static_cast<int64_t>(words.size());
  bool wide = reals && !op.getNarrow();
  int64_t own = count * (wide ? 2 : 1) * kWordBytes; // bytes of A, of a quarter
  Value rows = at(sharedPtr(in(op.getA())), add(mul(p.group, stride), mul(p.inGroup, own)));
  if (!wide) {
    Values upper = loadWords(rows, count), lower = loadWords(at(rows, 8 * stride), count), a;
    for (int64_t i = 0; i < count; ++i)
      a.append({upper[i], lower[i]});
    if (float8)
      return float8Product(a, words, sum, *float8, op.getBf16());
    int64_t each = reals ? 2 : count; // words of a product
    for (int64_t i = 0; i < count; i += each)
      sum = product(ArrayRef(a).slice(2 * i, 2 * each), ArrayRef(words).slice(i, each), sum,
                    /*isSigned=*/true);
    return sum;
  }
  for (int64_t i = 0; i < count; i += 2) {
    Values upper = loadWords(at(rows, i * 8), 4),
           lower = loadWords(at(rows, 8 * stride + i * 8), 4);
    Values a = {pairOf(upper[0], upper[2]), pairOf(lower[0], lower[2]), pairOf(upper[1], upper[3]),
                pairOf(lower[1], lower[3])};
    sum = product(a, ArrayRef(words).slice(i, 2), sum, /*isSigned=*/true);
  }
  return sum;
}

//===-- What lies beside sums -----------------------------------------------------------------===//

/// Neighbouring columns, of every 8 w, of which a thread has sums.
static int64_t neighbours(const tile::SumsShape &shape) { return 2 * wordsAtOnce(shape); }

BlockBuilder::Values BlockBuilder::byColumn(tile::ByColumnOp op) {
  tile::SumsShape shape = tile::shapeOf(op);
  Place p = place(shape);
  int64_t words = wordsAtOnce(shape), wide = std::min<int64_t>(4, neighbours(shape));
  Value column = add(mul(p.columnWarp, shape.warpColumns()), mul(p.inGroup, neighbours(shape)));
  Value from = at(sharedPtr(in(op.getPtr())), mul(column, kWordBytes));
  Values results;
  Type element = cast<VectorType>(op.getResultTypes()[0]).getElementType();
  auto type = VectorType::get(4, element);
  for (int64_t q = 0; q < shape.columnVectors() / words; ++q) {
    Values near;
    for (int64_t i = 0; i < neighbours(shape); i += wide)
      llvm::append_range(near, loadWords(at(from, (q * 8 * words + i) * kWordBytes), wide));
    for (int64_t j = 0; j < words; ++j) {
      Values four = {near[j], near[words + j], near[j], near[words + j]};
      if (!element.isInteger(32))
        for (Value &v : four)
          v = arith::BitcastOp::create(b, loc, element, v);
      results.push_back(vector::FromElementsOp::create(b, loc, type, four));
    }
  }
  return results;
}

BlockBuilder::Values BlockBuilder::byRow(tile::ByRowOp op) {
  tile::SumsShape shape = tile::shapeOf(op);
  Place p = place(shape);
  Type element = cast<VectorType>(op.getResultTypes()[0]).getElementType();
  Value first = add(mul(p.rowWarp, shape.warpRows()), p.group), last = toI32(in(op.getLast()));
  auto number = [&](int64_t row) -> Value {
    Value r = arith::MinSIOp::create(b, loc, add(first, row), last);
    Value offset = arith::MulIOp::create(b, loc, arith::ExtUIOp::create(b, loc, b.getI64Type(), r),
                                         in(op.getStride()));
    Value from = in(op.getPtr());
    from = LLVM::GEPOp::create(b, loc, from.getType(), element, from, ValueRange{offset},
                               LLVM::GEPNoWrapFlags::none);
    return LLVM::LoadOp::create(b, loc, element, from, kWordBytes);
  };
  Values results;
  for (int64_t r = 0; r < shape.rowVectors(); ++r) {
    Value upper = number(r * 16), lower = number(r * 16 + 8);
    results.push_back(vector::FromElementsOp::create(b, loc, VectorType::get(4, element),
                                                     ValueRange{upper, upper, lower, lower}));
  }
  return results;
}

void BlockBuilder::storeSums(tile::StoreSumsOp op) {
  tile::SumsShape shape = tile::shapeOf(op);
  Place p = place(shape);
  int64_t words = wordsAtOnce(shape), wide = std::min<int64_t>(4, neighbours(shape));
  int64_t stride = (shape.columns + 4) * kWordBytes;
  Value row = add(mul(p.rowWarp, shape.warpRows()), p.group);
  Value column = add(mul(p.columnWarp, shape.warpColumns()), mul(p.inGroup, neighbours(shape)));
  Value offset = add(mul(row, stride), mul(column, kWordBytes));
  Value to = at(sharedPtr(in(op.getTo())), add(offset, mul(p.slice, shape.rows * stride)));
  for (int64_t r = 0; r < shape.rowVectors(); ++r)
    for (int64_t q = 0; q < shape.columnVectors() / words; ++q)
      for (int64_t half = 0; half < 2; ++half) { // rows g, then rows g + 8
        Values near;
        for (int64_t i = 0; i < neighbours(shape); ++i) {
          Value sum = in(op.getSums()[r * shape.columnVectors() + q * words + i % words]);
          near.push_back(vector::ExtractOp::create(b, loc, sum, half * 2 + i / words));
        }
        for (int64_t i = 0; i < neighbours(shape); i += wide) {
          auto type = VectorType::get(wide, near[0].getType());
          Value some = vector::FromElementsOp::create(b, loc, type, ArrayRef(near).slice(i, wide));
          int64_t place = (r * 16 + half * 8) * stride + (q * 8 * words + i) * kWordBytes;
          LLVM::StoreOp::create(b, loc, some, at(to, place), wide * kWordBytes)
              ->setAttr(kBlockStore, b.getUnitAttr());
        }
      }
}

void BlockBuilder::findWarpgroups(Operation *op) {
  if (auto kernel = op->getParentOfType<func::FuncOp>())
    if (auto count = kernel->getAttrOfType<IntegerAttr>(tile::kWarpgroups))
      warpgroups = count.getInt();
}

std::optional<BlockBuilder::Values> BlockBuilder::rewrite(Operation *op) {
  auto nothing = [] { return Values(); };
  using Result = std::optional<Values>;
  findWarpgroups(op);
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](tile::PositionOp) { return position(); })
      .Case([&](tile::AgainOp o) {
        Value number = ofFirstThread(toI32(in(o.getNumber())));
        return Values{arith::ExtUIOp::create(b, loc, b.getI64Type(), number)};
      })
      .Case([&](tile::SharedOp o) { return Values{shared(o)}; })
      .Case([&](tile::BarrierOp) {
        barrier();
        return nothing();
      })
      .Case([&](tile::ScratchOfOp o) { return Values{scratchOf(o)}; })
      .Case([&](tile::JoinOp o) { return Values{join(o)}; })
      .Case([&](tile::CopyAsyncOp o) {
        copyAsync(o);
        return nothing();
      })
      .Case([&](tile::CommitOp) {
        NVVM::CpAsyncCommitGroupOp::create(b, loc);
        return nothing();
      })
      .Case([&](tile::AwaitOp o) {
        NVVM::CpAsyncWaitGroupOp::create(b, loc, static_cast<uint32_t>(o.getPending()));
        return nothing();
      })
      .Case([&](tile::MultiplyOp o) { return multiply(o); })
      .Case([&](tile::LoadWordsOp o) { return Values{loadWords(o)}; })
      .Case([&](tile::MultiplyWordsOp o) { return Values{multiplyWords(o)}; })
      .Case([&](tile::ByColumnOp o) { return byColumn(o); })
      .Case([&](tile::ByRowOp o) { return byRow(o); })
      .Case([&](tile::StoreSumsOp o) {
        storeSums(o);
        return nothing();
      })
      .Default([](Operation *) { return std::nullopt; });
}
