// Registration and verifiers of the tile dialect.
#include "Tile/Tile.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace qcc::tile;

#include "Tile/TileDialect.cpp.inc"
#define GET_OP_CLASSES
#include "Tile/TileOps.cpp.inc"

void TileDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "Tile/TileOps.cpp.inc"
      >();
}

/// The shapes of operations on bytes: four of each operand to a sum.
static LogicalResult verifyByteSums(Operation *op, Type acc, ValueRange bytes) {
  int64_t lanes = cast<VectorType>(acc).getNumElements();
  for (Value v : bytes)
    if (int64_t n = cast<VectorType>(v.getType()).getNumElements(); n != 4 * lanes) // (C1)
      return op->emitOpError("has ")
             << n << " bytes for " << lanes << " sums, expected " << 4 * lanes;
  if (lanes % 16 != 0) // (C2)
    return op->emitOpError("has ") << lanes << " sums, expected a multiple of 16";
  return success();
}

LogicalResult Dot4Op::verify() {
  if (failed(verifyByteSums(*this, getAcc().getType(), {getA(), getB()})))
    return failure();
  if (getBits() < 1 || getBits() > 8) // (C3)
    return emitOpError("has bits = ") << getBits() << ", expected 1 to 8";
  if (getIsSigned() && getBits() != 8) // (C3)
    return emitOpError("has bits = ") << getBits() << ", expected 8 for signed bytes";
  return success();
}

LogicalResult MmlaOp::verify() {
  return verifyByteSums(*this, getAcc().getType(), {getA(), getB()}); // (C1), (C2)
}

/// The same for pairs of 16 bits.
static LogicalResult verifyPairSums(Operation *op, Type acc, Type pairs) {
  int64_t lanes = cast<VectorType>(acc).getNumElements();
  if (int64_t n = cast<VectorType>(pairs).getNumElements(); n != 2 * lanes) // (C1)
    return op->emitOpError("has ")
           << n << " numbers for " << lanes << " sums, expected " << 2 * lanes;
  if (lanes % 16 != 0) // (C2)
    return op->emitOpError("has ") << lanes << " sums, expected a multiple of 16";
  return success();
}

LogicalResult Dot2Op::verify() {
  return verifyPairSums(*this, getAcc().getType(), getA().getType()); // (C1), (C2)
}

LogicalResult DotBf16Op::verify() {
  return verifyPairSums(*this, getAcc().getType(), getA().getType()); // (C1), (C2)
}

LogicalResult ToBf16Op::verify() {
  int64_t lanes = cast<VectorType>(getValue().getType()).getNumElements();
  if (lanes % 16 != 0) // (C1)
    return emitOpError("has ") << lanes << " lanes, expected a multiple of 16";
  return success();
}

LogicalResult LookupOp::verify() {
  auto table = cast<VectorType>(getTable().getType());
  auto indices = cast<VectorType>(getIndices().getType());
  auto result = cast<VectorType>(getResult().getType());
  bool floats = table.getElementType().isF32() && indices.getElementType().isInteger(32);
  bool bytes = table.getElementType().isInteger(8) && indices.getElementType().isInteger(8);
  if (table.getNumElements() != 16 || (!floats && !bytes)) // (C1)
    return emitOpError("looks up ") << indices << " in " << table
                                    << ", expected i32 in vector<16xf32> or i8 in vector<16xi8>";
  if (result != VectorType::get(indices.getShape(), table.getElementType())) // (C2)
    return emitOpError("gives ") << result << " for " << indices << " in " << table;
  if (indices.getNumElements() % 16 != 0) // (C3)
    return emitOpError("has ") << indices.getNumElements() << " indices, expected a multiple of 16";
  return success();
}

static LogicalResult verifyElement(Operation *op, Type vector) {
  Type e = cast<VectorType>(vector).getElementType();
  if (e.isInteger(8) || e.isInteger(16) || e.isInteger(32) || e.isInteger(64) || e.isF16() ||
      e.isBF16() || e.isF32() || e.isF64())
    return success();
  return op->emitOpError("moves elements of type ")
         << e << ", expected i8 to i64, f16, bf16, f32 or f64";
}

LogicalResult LoadOp::verify() {
  return verifyElement(*this, getResult().getType()); // (C2); (C1) is the trait AllTypesMatch
}

LogicalResult StoreOp::verify() { return verifyElement(*this, getValue().getType()); } // (C1)

LogicalResult PrefetchOp::verify() {
  if (getLocality() < 0 || getLocality() > 3) // (C1)
    return emitOpError("has locality ") << getLocality() << ", expected 0 to 3";
  return success();
}

LogicalResult BlockDotOp::verify() {
  if (getRows() != 16 && getRows() != 32) // (C1)
    return emitOpError("has ") << getRows() << " rows, expected 16 or 32";
  return success();
}

LogicalResult StepDotOp::verify() {
  if (getSteps() < 1 || getSteps() > 4) // (C1)
    return emitOpError("has ") << getSteps() << " steps, expected 1 to 4";
  if (getParts() != 1 && getParts() != 2 && getParts() != 4) // (C2)
    return emitOpError("has ") << getParts() << " parts, expected 1, 2 or 4";
  if (APInt columns; getParts() > 1 && matchPattern(getColumns(), m_ConstantInt(&columns)))
    if (columns != 1) // (C3)
      return emitOpError("has ") << columns.getSExtValue() << " columns, expected 1 beside parts";
  return success();
}

//===-- Blocks of groups ----------------------------------------------------------------------===//

LogicalResult SharedOp::verify() {
  if (static_cast<int64_t>(getBytes()) <= 0) // (C1)
    return emitOpError("has ") << static_cast<int64_t>(getBytes()) << " bytes, expected some";
  return success();
}

LogicalResult ScratchOfOp::verify() {
  if (getBytes() % 16 != 0) // (C1)
    return emitOpError("has ") << getBytes() << " bytes, expected a multiple of 16";
  return success();
}

LogicalResult CopyAsyncOp::verify() {
  uint64_t all = getMaxLines() * getWidth(), run = getRun();
  bool wide = getMaxLines() == 1 ? getWidth() % 16 == 0 : llvm::isPowerOf2_64(getWidth());
  bool powers = llvm::isPowerOf2_64(getMaxLines()) && wide && llvm::isPowerOf2_64(run);
  if (!powers || getWidth() < 16 || run < 16 || run > 2048 || run > all) // (C1)
    return emitOpError("copies ") << getMaxLines() << " lines of " << getWidth()
                                  << " bytes in runs of " << run
                                  << ", expected powers of two from 16 on, runs up to 2048";
  if (getPad() % 16 != 0) // (C2)
    return emitOpError("has ") << getPad() << " bytes of padding, expected a multiple of 16";
  if (getPiece() != 4 && getPiece() != 16) // (C2)
    return emitOpError("copies pieces of ") << getPiece() << " bytes, expected 4 or 16";
  if (getSwizzled() && (getWidth() != 128 || getPad() != 0 || getPiece() != 16)) // (C3)
    return emitOpError("swizzles lines of ")
           << getWidth() << " bytes with " << getPad() << " of padding, expected 128 without any";
  return success();
}

LogicalResult AwaitOp::verify() {
  if (static_cast<int64_t>(getPending()) < 0) // (C1)
    return emitOpError("leaves ") << static_cast<int64_t>(getPending())
                                  << " batches, expected none or more";
  return success();
}

static LogicalResult verifySums(Operation *op, const SumsShape &shape, TypeRange vectors,
                                int64_t count) {
  if (!shape.isValid()) // (S1)
    return op->emitOpError("has a tile of ") << shape.rows << " rows and " << shape.columns
                                             << " columns in " << shape.slices << " slices";
  if (static_cast<int64_t>(vectors.size()) != count) // (S2)
    return op->emitOpError("has ") << vectors.size() << " vectors, expected " << count;
  for (Type type : vectors)
    if (cast<VectorType>(type).getNumElements() != kSumsPerVector) // (S2)
      return op->emitOpError("has ") << type << ", expected " << kSumsPerVector << " elements";
  return success();
}

/// Whether products of 8-bit floats know the type.
static bool isFloat8(Type type) { return isa<Float8E4M3FNType, Float8E5M2Type>(type); }

LogicalResult MultiplyOp::verify() {
  SumsShape shape = shapeOf(*this);
  if (failed(verifySums(*this, shape, getSums().getTypes(), shape.vectors())))
    return failure();
  if (getSums().getTypes() != getResults().getTypes()) // (S2)
    return emitOpError("gives sums of other types than it is given");
  if (getDepth() != 32 && getDepth() != 64 &&
      ((getBf16() && !getFloat8()) || getDepth() != 16)) // (C1)
    return emitOpError("has depth ") << getDepth() << ", expected 32 or 64, or 16 for bytes";
  if (getWide() && !getBf16()) // (C3)
    return emitOpError("has wide numbers that are not of bf16");
  if (getFloat8() && (getWide() || getIsSigned() || getDepth() == 16 || !isFloat8(*getFloat8())))
    return emitOpError("cannot multiply 8-bit floats of ") << *getFloat8(); // (C4)
  if (getAStride() % 16 != 0 || getBStride() % 16 != 0)                     // (C2)
    return emitOpError("has strides ")
           << getAStride() << " and " << getBStride() << ", expected multiples of 16";
  return success();
}

LogicalResult MultiplyWordsOp::verify() {
  if (getSums().getType() != getResult().getType()) // (C1)
    return emitOpError("gives sums of another type than it is given");
  bool isF32 = cast<VectorType>(getSums().getType()).getElementType().isF32();
  if (getFloat8() && (!isF32 || getWords().size() != 2 || !isFloat8(*getFloat8()))) // (C4)
    return emitOpError("cannot multiply 8-bit floats of ") << *getFloat8();
  if (getBf16() && !getFloat8())
    return emitOpError("has codes of 8-bit floats alone multiplied as bf16");
  bool reals = isF32 && !getFloat8();
  size_t words = getWords().size();
  if (words != (reals ? 2 : 1) && words != (reals ? 4 : 2)) // (C2)
    return emitOpError("has ") << words << " words, expected "
                               << (reals ? "2 or 4 of numbers" : "1 or 2 of codes");
  if (getAStride() % 16 != 0) // (C3)
    return emitOpError("has a stride of ") << getAStride() << ", expected a multiple of 16";
  return success();
}

LogicalResult ByColumnOp::verify() {
  SumsShape shape = shapeOf(*this);
  return verifySums(*this, shape, getResults().getTypes(), shape.columnVectors());
}

LogicalResult ByRowOp::verify() {
  SumsShape shape = shapeOf(*this);
  return verifySums(*this, shape, getResults().getTypes(), shape.rowVectors());
}

LogicalResult StoreSumsOp::verify() {
  SumsShape shape = shapeOf(*this);
  return verifySums(*this, shape, getSums().getTypes(), shape.vectors());
}

/// Sums of a warp or a warpgroup.
static LogicalResult verifyVectors(Operation *op, TypeRange vectors) {
  for (Type type : vectors)
    if (cast<VectorType>(type).getNumElements() != kSumsPerVector)
      return op->emitOpError("has ") << type << ", expected " << kSumsPerVector << " elements";
  return success();
}

//===-- Strips --------------------------------------------------------------------------------===//

template <typename Op> static LogicalResult verifySlices(Op op) {
  int64_t slices = op.getSlices();
  if (slices != 1 && slices != 2 && slices != 4) // (R1)
    return op.emitOpError("has ") << slices << " slices, expected 1, 2 or 4";
  return success();
}

/// Sums that pairs of vectors, or lines at multiples of 16 bytes, are added to.
template <typename Op> static LogicalResult verifyLines(Op op, ValueRange pairs) {
  if (failed(verifySlices(op)) || failed(verifyVectors(op, pairs.getTypes())))
    return failure();
  if (op.getSums().getTypes() != op.getResults().getTypes())
    return op.emitOpError("gives sums of other types than it is given");
  if (pairs.size() % 2) // (C1)
    return op.emitOpError("has ") << pairs.size() << " vectors, expected pairs";
  uint64_t unit = op.getSwizzled() ? 1024 : 16;
  if (op.getStride() % unit != 0) // (C2)
    return op.emitOpError("has stride ") << op.getStride() << ", expected a multiple of " << unit;
  if (op.getSwizzled() && (op.getSlices() != 1 || pairs.size() > 32)) // (C3)
    return op.emitOpError("has swizzled lines for ")
           << op.getSlices() << " slices and " << pairs.size() * 8
           << " columns, expected 1 and up to 256";
  return success();
}

LogicalResult PlacesOp::verify() { return verifySlices(*this); }
LogicalResult LoadRowsOp::verify() {
  if (getStride() % 16 != 0) // (C1)
    return emitOpError("has stride ") << getStride() << ", expected a multiple of 16";
  return failed(verifySlices(*this)) ? failure() : verifyVectors(*this, getResults().getTypes());
}
LogicalResult DotLinesOp::verify() { return verifyLines(*this, getSums()); }
LogicalResult WeighLinesOp::verify() {
  return failed(verifyLines(*this, getSums())) ? failure() : verifyLines(*this, getWeights());
}

LogicalResult StoreRowsOp::verify() {
  if (getStride() % 8 != 0) // (C1)
    return emitOpError("has stride ") << getStride() << ", expected a multiple of 8";
  return verifyVectors(*this, getSums().getTypes());
}

/// What lines of `numbers` begin at multiples of; 0 for types that they cannot have.
static uint64_t lineUnit(Type numbers) {
  if (numbers.isF32())
    return 16;
  if (isa<Float8E4M3FNType>(numbers))
    return 8;
  return numbers.isSignedInteger(8) || numbers.isUnsignedInteger(4) ? 4 : 0;
}
static uint64_t widthUnit(Type numbers) { return numbers.isUnsignedInteger(4) ? 16 : 8; }

LogicalResult NarrowLinesOp::verify() {
  uint64_t unit = lineUnit(getNumbers()), width = widthUnit(getNumbers());
  if (!unit) // (C1)
    return emitOpError("has numbers of ") << getNumbers() << ", expected f32, f8E4M3FN, si8 or ui4";
  if (getWidth() % width || getFromStride() % unit || getScales() % 4 || getToStride() % 16) // (C2)
    return emitOpError("has lines of ")
           << getWidth() << " numbers, " << getFromStride() << " and " << getToStride()
           << " bytes apart, expected multiples of " << width << ", of " << unit << " and of 16";
  return success();
}

LogicalResult FetchLinesOp::verify() {
  uint64_t width = widthUnit(getNumbers());
  if (!getNumbers().isSignlessInteger(16) && !lineUnit(getNumbers())) // (C1)
    return emitOpError("has numbers of ")
           << getNumbers() << ", expected i16, f32, f8E4M3FN, si8 or ui4";
  if (getWidth() % width || getMaxLines() * getWidth() % 1024 || getChunk() % 1024 ||
      getScales() % 4) // (C2)
    return emitOpError("has ") << getMaxLines() << " lines of " << getWidth()
                               << " numbers, chunks of them " << getChunk()
                               << " bytes apart, expected multiples of " << width << " and of 1024";
  return success();
}

LogicalResult GatherOp::verify() {
  if (cast<VectorType>(getResult().getType()).getShape() !=
      cast<VectorType>(getIndices().getType()).getShape()) // (C1)
    return emitOpError("gives ") << getResult().getType() << " for " << getIndices().getType();
  return success();
}

//===-- Blocks of warpgroups ------------------------------------------------------------------===//

LogicalResult RegistersOp::verify() {
  if (getCount() % 8 != 0 || getCount() < 24 || getCount() > 256) // (C1)
    return emitOpError("has ") << getCount()
                               << " registers, expected a multiple of 8 from 24 to 256";
  return success();
}

static LogicalResult verifyStages(Operation *op, uint64_t stages) {
  if (!llvm::isPowerOf2_64(stages) || stages > 16) // (C1)
    return op->emitOpError("has ") << stages << " stages, expected a power of two up to 16";
  return success();
}

LogicalResult RingBeginOp::verify() { return verifyStages(*this, getStages()); }
LogicalResult RingWaitOp::verify() { return verifyStages(*this, getStages()); }
LogicalResult RingPassOp::verify() { return verifyStages(*this, getStages()); }

LogicalResult CopyBulkOp::verify() {
  if (getWidth() % 16 != 0 || getLines() > 128) // (C2)
    return emitOpError("copies ") << getLines() << " lines of " << getWidth()
                                  << " bytes, expected up to 128 of a multiple of 16";
  return verifyStages(*this, getStages());
}

static LogicalResult verifyWarpgroupSums(Operation *op, uint64_t rows, TypeRange vectors) {
  if (rows == 0 || rows % 64 != 0 || rows > 256) // (W1)
    return op->emitOpError("has ") << rows << " rows, expected 64, 128, 192 or 256";
  if (vectors.size() != rows / kWarpgroupVectorRows) // (W2)
    return op->emitOpError("has ")
           << vectors.size() << " vectors, expected " << rows / kWarpgroupVectorRows;
  return verifyVectors(op, vectors); // (W2)
}

LogicalResult WarpgroupMultiplyOp::verify() {
  if (getSums().getTypes() != getResults().getTypes()) // (W2)
    return emitOpError("gives sums of other types than it is given");
  return verifyWarpgroupSums(*this, getRows(), getSums().getTypes());
}

LogicalResult WarpgroupMultiplyWordsOp::verify() {
  if (!getSums().empty() && getSums().getTypes() != getResults().getTypes()) // (W2)
    return emitOpError("gives sums of other types than it is given");
  size_t words = getWords().size();
  if (words == 0 || words % kProductWords != 0 || words > kWarpgroupDepth / 8) // (C1)
    return emitOpError("has ") << words << " words, expected 4, 8, 12 or 16";
  bool isF32 = cast<VectorType>(getResultTypes().front()).getElementType().isF32();
  if (getFloat8() && (!isF32 || !isFloat8(*getFloat8()))) // (C2)
    return emitOpError("cannot multiply 8-bit floats of ") << *getFloat8();
  return verifyWarpgroupSums(*this, getRows(), getResults().getTypes());
}

LogicalResult WarpgroupStoreOp::verify() {
  return verifyWarpgroupSums(*this, getRows(), getSums().getTypes());
}
