// com.microsoft operators over weights of 2, 4 or 8 bits in blocks: the packed carriers become
// qnt.assemble, and its value is dequantized where it is used.
#include "FewBits.h"
#include "CodeForms.h"
#include "OpTable.h"
#include "qcc/Algorithms/WeightCodec.h"
#include "llvm/Support/Endian.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

Type unsignedType(NodeBuilder &n, int64_t bits) {
  return n.builder.getIntegerType(static_cast<unsigned>(bits), /*isSigned=*/false);
}

} // namespace

bool qcc::import::checkBits(NodeBuilder &n, int64_t bits) {
  if (bits != 2 && bits != 4 && bits != 8)
    n.unsupported("stores " + Twine(bits) + " bits", "quantize to 2, 4 or 8 bits");
  return !n.failed();
}

Value qcc::import::unpack(NodeBuilder &n, Value bytes, int64_t bits, bool highFirst) {
  if (!bytes || bits == 8)
    return bytes;
  Dims all = n.dims(bytes);
  auto last = static_cast<int64_t>(all.size());
  SmallVector<Value> parts;
  for (int64_t shift = 0; shift < 8; shift += bits) {
    int64_t by = highFirst ? 8 - bits - shift : shift;
    Value part = by ? n.binary<qnt::ShrOp>(bytes, n.scalarInteger(n.element(bytes), by)) : bytes;
    part = n.binary<qnt::AndOp>(part, n.scalarInteger(n.element(bytes), (1 << bits) - 1));
    parts.push_back(n.unsqueeze(part, {last}));
  }
  Dims to = all;
  to.back() = all.back() * (8 / bits);
  return n.reshape(n.concat(parts, last), to);
}

namespace {

/// Zero points [N, blocks] of packed rows, which end in padding; float ones are not packed.
Value zeroPoints(NodeBuilder &n, Value zero, DimExpr rows, DimExpr blocks, int64_t bits) {
  if (!zero)
    return n.broadcast(n.scalarInteger(unsignedType(n, 8), int64_t(1) << (bits - 1)),
                       {rows, blocks});
  if (n.isFloat(zero))
    return n.reshape(zero, {rows, blocks});
  if (bits == 8)
    return n.reshape(zero, {rows, blocks});
  DimExpr width = (blocks * bits).ceilDiv(n.dim(8));
  return n.slice(unpack(n, n.reshape(zero, {rows, width}), bits), 1, n.dim(0), blocks);
}

} // namespace

/// Codes that count from the middle one: the highest bit of each turned over.
static Value signedCodes(NodeBuilder &n, const BlockMatrix &m) {
  int64_t highest = int64_t(1) << (m.bits - 1), each = m.unpacked ? 8 : m.bits;
  for (int64_t at = each; at < 8; at += each)
    highest |= int64_t(1) << (at + m.bits - 1);
  return n.binary<qnt::XorOp>(m.codes, n.scalarInteger(n.element(m.codes), highest));
}

Value qcc::import::dequantized(NodeBuilder &n, const BlockMatrix &m) {
  using qnt::Storage;
  int64_t blocks = llvm::divideCeil(m.columns, static_cast<uint64_t>(m.block));
  int64_t padded = blocks * m.block;
  DimExpr rows = n.dim(m.rows), columns = n.dim(m.columns), count = n.dim(blocks);
  Value scale = n.reshape(m.scale, {rows, count});
  Value zero = m.zero ? zeroPoints(n, m.zero, rows, count, m.bits) : Value();
  if (!scale || (m.zero && !zero) || !m.codes || !n.isFloat(scale) || n.element(scale).isF64()) {
    n.fail(Diag::TypeMismatch, "scales are no f32, f16 or bf16");
    return {};
  }
  Value codes = zero ? m.codes : signedCodes(n, m);
  if (m.columns != padded) // the last block of a row ends with the row
    codes = n.slice(unpack(n, n.reshape(codes, {rows, n.dim(padded * m.bits / 8)}), m.bits), 1,
                    n.dim(0), columns);
  Type zeroType = !zero ? Type() : n.isFloat(zero) ? n.element(zero) : unsignedType(n, m.bits);
  auto storage = m.bits == 8   ? (zero ? Storage::u8 : Storage::i8)
                 : m.bits == 4 ? (zero ? Storage::u4 : Storage::i4)
                               : (zero ? Storage::u2 : Storage::i2);
  auto type = qnt::QType::get(n.context(), qnt::makeDims(n.context(), {rows, columns}), storage,
                              qnt::Granularity::block, 1, m.block, n.element(scale), zeroType,
                              qnt::Layout::logical);
  Value whole = n.make<qnt::AssembleOp>(type, codes, scale, zero);
  return n.make<qnt::DequantizeOp>(n.type({rows, columns}, n.f32()), whole);
}

namespace {

/// With g_idx, column k belongs to group g_idx[k]: no blocks in a row, so spelled out. Packed zero
/// points then do not count: onnxruntime, which such models are made and checked with, takes the
/// implied one (measured).
Value dequantizedByGroup(NodeBuilder &n, const BlockMatrix &m, Value group) {
  int64_t blocks = llvm::divideCeil(m.columns, static_cast<uint64_t>(m.block));
  DimExpr rows = n.dim(m.rows), count = n.dim(blocks);
  Value bytes = n.reshape(m.codes, {rows, n.dim(blocks * m.block * m.bits / 8)});
  Value codes = n.slice(unpack(n, bytes, m.bits), 1, n.dim(0), n.dim(m.columns));
  Value scale = n.cast(n.reshape(m.scale, {rows, count}), n.f32());
  Value given = m.zero && n.isFloat(m.zero) ? m.zero : Value();
  Value zero = n.cast(zeroPoints(n, given, rows, count, m.bits), n.f32());
  Value centred = n.sub(n.cast(codes, n.f32()), n.gather(zero, group, 1));
  return n.mul(centred, n.gather(scale, group, 1));
}

} // namespace

bool qcc::import::checkBlocks(NodeBuilder &n, const BlockMatrix &m) {
  bool sane = m.rows > 0 && m.columns > 0 && m.block >= 2 && m.rows < (1 << 30) &&
              m.columns < (1 << 30) && m.block < (1 << 20);
  if (!sane) {
    n.fail(Diag::BadNode, "N, K or block_size are out of range");
    return false;
  }
  int64_t blocks = llvm::divideCeil(m.columns, static_cast<uint64_t>(m.block));
  auto count = [&](Value v) { return qnt::elementCount(n.context(), n.dims(v)); };
  if (!count(m.codes).isConstant(m.rows * blocks * m.block * m.bits / 8) ||
      !count(m.scale).isConstant(m.rows * blocks)) {
    n.fail(Diag::ShapeMismatch, "codes " + text(n.dims(m.codes)) + " or scales " +
                                    text(n.dims(m.scale)) + " do not fit a matrix of " +
                                    Twine(m.rows) + " x " + Twine(m.columns));
    return false;
  }
  int64_t width = llvm::divideCeil(blocks * m.bits, 8u);
  bool fits = !m.zero || count(m.zero).isConstant(m.rows * (n.isFloat(m.zero) ? blocks : width));
  if (!fits)
    n.fail(Diag::ShapeMismatch, "zero points " + text(n.dims(m.zero)) + " do not fit " +
                                    Twine(m.rows) + " x " + Twine(blocks) + " blocks");
  return fits;
}

namespace {

/// accuracy_level 4: inputs are rounded to 8 bits, symmetric, with a scale for each run of as many
/// as a block of the weight has.
Value roundedInputs(NodeBuilder &n, Value x, int64_t block) {
  if (n.intAttr("accuracy_level", 0) != 4 || n.rank(x) == 0)
    return x;
  Value wide = n.cast(x, n.f32());
  auto type = qnt::QType::get(n.context(), qnt::makeDims(n.context(), n.dims(wide)),
                              qnt::Storage::i8, qnt::Granularity::token, -1, 0, n.f32(), Type(),
                              Type(), qnt::CodebookAttr(), block, qnt::Layout::logical);
  return n.make<qnt::DequantizeOp>(wide.getType(), n.make<qnt::QuantizeOp>(type, wide));
}

/// Columns in the order of their groups, where each group has a block of them (GPTQ with
/// act-order); null where not.
Value orderByGroup(NodeBuilder &n, const BlockMatrix &m) {
  Entry *entry = n.importer.find(n.node.input(4));
  const onnx::Tensor *groups = entry ? entry->tensor : nullptr;
  if (!groups || groups->dataType != onnx::Int32 || groups->count() != m.columns ||
      m.columns % m.block != 0 || groups->bytes(n.importer.model).empty())
    return {};
  ArrayRef<uint8_t> bytes = groups->bytes(n.importer.model);
  std::vector<SmallVector<int32_t>> members(m.columns / m.block);
  for (int32_t column = 0; column < m.columns; ++column) {
    auto group = llvm::support::endian::read32le(bytes.data() + 4 * size_t(column));
    if (group >= members.size() || static_cast<int64_t>(members[group].size()) == m.block)
      return {};
    members[group].push_back(column);
  }
  onnx::Tensor order;
  order.dataType = onnx::Int32;
  order.dims = {m.columns};
  for (const auto &group : members) // full, as none has more than a block
    for (int32_t column : group)
      for (int shift = 0; shift < 32; shift += 8)
        order.data.inlineBytes.push_back(static_cast<uint8_t>(column >> shift));
  order.data.file = onnx::TensorData::inlineFile;
  order.data.length = order.data.inlineBytes.size();
  auto value = n.importer.materialiseTensor(order, n.node.input(4).str() + ".order");
  if (value)
    return *value;
  llvm::consumeError(value.takeError());
  return {};
}

/// The matrix with its columns in `order`.
Value dequantizedInOrder(NodeBuilder &n, BlockMatrix m, Value order) {
  Value bytes = n.reshape(m.codes, {n.dim(m.rows), n.dim(m.columns * m.bits / 8)});
  m.codes = n.gather(unpack(n, bytes, m.bits), order, 1);
  m.zero = m.zero && n.isFloat(m.zero) ? m.zero : Value();
  m.unpacked = true;
  return dequantized(n, m);
}

void matmulNBits(NodeBuilder &n) {
  Value x = n.in(0);
  BlockMatrix m{
      n.in(1),           storedScale(n, 2),          n.optional(3),       n.intAttr("N", 0),
      n.intAttr("K", 0), n.intAttr("block_size", 0), n.intAttr("bits", 4)};
  Value group = n.optional(4), bias = n.optional(5);
  if (!x || !m.codes || !m.scale || n.failed() || !checkBits(n, m.bits) || !checkBlocks(n, m))
    return;
  Value order = group ? orderByGroup(n, m) : Value(), weight;
  if (order) {
    x = n.gather(x, order, static_cast<int64_t>(n.rank(x)) - 1);
    weight = dequantizedInOrder(n, m, order);
  } else if (group) {
    weight = dequantizedByGroup(n, m, group);
  } else {
    x = n.cast(roundedInputs(n, x, m.block), n.element(x));
    weight = dequantized(n, m);
  }
  n.out(0, n.linear(x, n.cast(weight, n.element(x)), bias));
}

/// The input of MatMulNBitsMlp and MatMulNBitsQkv: a sum with input 1, which output `sumAt` gives,
/// and its RMS norm by input 2, each where it is there.
Value normalisedInput(NodeBuilder &n, size_t sumAt) {
  Value x = n.in(0), gain = n.optional(2);
  if (n.has(1))
    x = n.add(x, n.in(1));
  if (n.has(1) && !gain) {
    n.fail(Diag::BadNode, "has a skip, but no norm_scale");
    return {};
  }
  if (n.wants(sumAt))
    n.out(sumAt, x);
  return gain ? n.rmsNorm(x, n.cast(gain, n.element(x)), n.floatAttr("epsilon", 1e-5f)) : x;
}

/// x times the matrix whose codes, scales and bias are the inputs from `at` on.
Value blockProduct(NodeBuilder &n, Value x, size_t at, StringRef rows) {
  BlockMatrix m{n.in(at),
                storedScale(n, at + 1),
                Value(),
                n.intAttr(rows, 0),
                n.intAttr("K", 0),
                n.intAttr("block_size", 0),
                n.intAttr("bits", 4)};
  if (!x || !m.codes || !m.scale || n.failed() || !checkBits(n, m.bits) || !checkBlocks(n, m))
    return {};
  x = n.cast(roundedInputs(n, x, m.block), n.element(x));
  return n.linear(x, n.cast(dequantized(n, m), n.element(x)), n.optional(at + 2));
}

/// activation(gate) * up, both products of one input.
void matmulNBitsMlp(NodeBuilder &n) {
  Value x = normalisedInput(n, /*sumAt=*/1);
  Value gate = blockProduct(n, x, 3, "N"), up = blockProduct(n, x, 6, "N");
  std::string kind = n.stringAttr("activation", "");
  if (!gate || !up)
    return;
  if (kind == "silu" || kind == "swish")
    gate = n.unary<qnt::SiluOp>(gate);
  else if (kind == "gelu")
    gate = n.gelu(gate, qnt::GeluKind::erf);
  else if (kind == "relu")
    gate = n.unary<qnt::ReluOp>(gate);
  else
    return n.unsupported("applies '" + kind + "' to the gate", "use silu, gelu or relu");
  n.out(0, n.mul(gate, up));
}

void matmulNBitsQkv(NodeBuilder &n) {
  Value x = normalisedInput(n, /*sumAt=*/3);
  n.out(0, blockProduct(n, x, 3, "Nq"));
  n.out(1, blockProduct(n, x, 6, "Nkv"));
  n.out(2, blockProduct(n, x, 9, "Nkv"));
}

/// Values of the 4-bit floats of bitsandbytes; its NF4 is normalFloat4().
constexpr float fp4Values[16] = {
    0.0f,  5.208333333e-03f,  0.66666667f,  1.0f,  0.33333333f,  0.5f,  0.16666667f,  0.25f,
    -0.0f, -5.208333333e-03f, -0.66666667f, -1.0f, -0.33333333f, -0.5f, -0.16666667f, -0.25f};

/// The real matrix of MatMulBnb4 whose blocks lie within rows.
Value tableMatrix(NodeBuilder &n, ArrayRef<float> values, int64_t rows, int64_t columns,
                  int64_t block) {
  // A codebook ascends, and has 0 once.
  SmallVector<float> table(values);
  llvm::sort(table);
  table.erase(llvm::unique(table), table.end());
  SmallVector<uint8_t> place;
  for (float value : values)
    place.push_back(static_cast<uint8_t>(llvm::lower_bound(table, value) - table.begin()));
  auto placeType = RankedTensorType::get({16}, n.builder.getIntegerType(8, /*isSigned=*/false));
  Value places = n.make<qnt::ConstantOp>(
      placeType, DenseElementsAttr::get(placeType, ArrayRef<uint8_t>(place)));
  Value codes = unpack(n, n.reshape(n.in(1), {n.dim(rows), n.dim(columns / 2)}), 4, true);
  codes = n.gather(places, n.cast(codes, n.builder.getI32Type()), 0);
  Dims dims = {n.dim(rows), n.dim(columns)};
  Value scale = n.reshape(n.in(2), {n.dim(rows), n.dim(columns / block)});
  auto type =
      qnt::QType::get(n.context(), qnt::makeDims(n.context(), dims), qnt::Storage::u4,
                      qnt::Granularity::block, 1, block, n.element(scale), Type(), Type(),
                      qnt::CodebookAttr::fixed(n.context(), table), 0, qnt::Layout::logical);
  Value whole = n.make<qnt::AssembleOp>(type, codes, scale, Value());
  return n.make<qnt::DequantizeOp>(n.type(dims, n.f32()), whole);
}

void matmulBnb4(NodeBuilder &n) {
  Value x = n.in(0), bytes = n.in(1), scale = n.in(2);
  int64_t rows = n.intAttr("N", 0), columns = n.intAttr("K", 0), block = n.intAttr("block_size", 0);
  if (!x || !bytes || !scale || n.failed())
    return;
  if (rows < 1 || columns < 1 || block < 1 || rows > (1 << 30) || columns > (1 << 30) ||
      (rows * columns) % block != 0 || (rows * columns) % 2 != 0 ||
      !qnt::elementCount(n.context(), n.dims(bytes)).isConstant(rows * columns / 2) ||
      !qnt::elementCount(n.context(), n.dims(scale)).isConstant(rows * columns / block))
    return n.fail(Diag::ShapeMismatch, "codes " + text(n.dims(bytes)) + " do not fit " +
                                           Twine(rows) + " x " + Twine(columns) + " in blocks");
  ArrayRef<float> values =
      n.intAttr("quant_type", 1) == 1 ? ArrayRef(normalFloat4()) : ArrayRef(fp4Values);
  if (columns % block == 0 && columns % 2 == 0)
    return n.out(0,
                 n.linear(x, n.cast(tableMatrix(n, values, rows, columns, block), n.element(x))));
  auto tableType = RankedTensorType::get({16}, n.f32());
  Value table = n.make<qnt::ConstantOp>(tableType, DenseElementsAttr::get(tableType, values));
  Value codes = unpack(n, n.reshape(bytes, {n.dim(rows * columns / 2)}), 4, /*highFirst=*/true);
  Value real = n.gather(table, n.cast(codes, n.builder.getI32Type()), 0);
  real = n.reshape(real, {n.dim(rows * columns / block), n.dim(block)});
  real = n.mul(real, n.reshape(n.cast(scale, n.f32()), {n.dim(rows * columns / block), n.dim(1)}));
  n.out(0, n.linear(x, n.cast(n.reshape(real, {n.dim(rows), n.dim(columns)}), n.element(x))));
}

/// Rows of a table in blocks: dequantize, then gather.
void gatherBlockQuantized(NodeBuilder &n) {
  Value data = n.in(0), indices = n.in(1), scale = n.in(2), zero = n.optional(3);
  if (!data || !indices || !scale)
    return;
  bool packed = n.element(data).isInteger(8);
  int64_t bits = packed ? n.intAttr("bits", 4) : n.element(data).getIntOrFloatBitWidth();
  auto rank = static_cast<int64_t>(n.rank(data));
  int64_t axis = n.axis(n.intAttr("gather_axis", 0), n.rank(data));
  int64_t along = n.axis(n.intAttr("quantize_axis", 1), n.rank(data));
  if (n.failed() || !checkBits(n, bits))
    return;
  Dims all = n.dims(data);
  if (rank != 2 || along != 1 || axis != 0 || !all[0].constantValue() || !all[1].constantValue())
    return n.unsupported("gathers from something other than a matrix in blocks along its rows",
                         "store the table as [rows, columns] with quantize_axis 1");
  int64_t columns = *all[1].constantValue() * (packed ? 8 / bits : 1);
  BlockMatrix m{data, scale, zero, *all[0].constantValue(), columns, n.intAttr("block_size", 128),
                bits};
  Value table;
  if (packed) {
    if (!checkBlocks(n, m))
      return;
    table = dequantized(n, m);
  } else {
    // Codes of 4-bit types, one per element; zero points default to 0.
    auto blocks = n.at(scale, 1).constantValue();
    if (n.rank(scale) != 2 || !blocks || *blocks * m.block < columns || m.block < 1)
      return n.fail(Diag::ShapeMismatch, "scales " + text(n.dims(scale)) + " do not fit");
    auto repeated = [&](Value v) {
      Dims wide = {n.at(v, 0), n.at(v, 1), n.dim(m.block)};
      Value flat =
          n.reshape(n.broadcast(n.unsqueeze(v, {2}), wide), {n.at(v, 0), n.at(v, 1) * m.block});
      return n.slice(flat, 1, n.dim(0), all[1]);
    };
    Value codes = n.cast(data, n.f32());
    if (zero)
      codes = n.sub(codes, repeated(n.cast(zero, n.f32())));
    table = n.mul(codes, repeated(n.cast(scale, n.f32())));
  }
  n.out(0, n.gather(n.cast(table, n.element(scale)), indices, axis));
}

constexpr OpEntry table[] = {
    {"com.microsoft", "MatMulNBits", 1, matmulNBits},
    {"com.microsoft", "MatMulNBitsMlp", 1, matmulNBitsMlp},
    {"com.microsoft", "MatMulNBitsQkv", 1, matmulNBitsQkv},
    {"com.microsoft", "MatMulBnb4", 1, matmulBnb4},
    {"com.microsoft", "GatherBlockQuantized", 1, gatherBlockQuantized},
};

} // namespace

ArrayRef<OpEntry> qcc::import::fewBitsOps() { return table; }
