// Evaluation of weights, and the writers of their layouts.
#include "qcc/Pack/WeightStore.h"
#include "CodeRows.h"
#include "WeightFiles.h"
#include "qcc/Algorithms/Pack.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "qcc/Support/Diagnostics.h"
#include <atomic>
#include <thread>
#include <variant>

using namespace mlir;
using namespace qcc;
using namespace qcc::pack;
using namespace qcc::qnt;
using reference::QTensor;
using reference::Tensor;

namespace {

/// What a step of a recipe stands for: a tensor, or codes.
struct Codes {
  QType type;                            ///< with its layout
  std::shared_ptr<const CodeRows> rows;  ///< read, put together or chosen row by row, or
  std::shared_ptr<const QTensor> tensor; ///< as the interpreter made them
};
using Value_ = std::variant<StridedView, Codes>;

/// Calls f(i) for 0 .. count - 1 on several threads.
template <typename F> void parallelFor(int64_t count, unsigned threads, F f) {
  std::atomic<int64_t> next{0};
  auto work = [&] {
    for (int64_t i = next++; i < count; i = next++)
      f(i);
  };
  std::vector<std::thread> others;
  for (int64_t i = 1; i < std::min<int64_t>(threads, count); ++i)
    others.emplace_back(work);
  work();
  for (std::thread &thread : others)
    thread.join();
}

/// Pieces of output that are made in parallel and handed on in order.
constexpr int64_t kChunkBytes = 8 << 20;

} // namespace

struct WeightStore::Impl {
  Impl(ModuleOp module, std::string modelDir, std::string blobDir, unsigned threads)
      : symbols(module), files(std::move(modelDir), std::move(blobDir)),
        threads(threads ? threads : std::max(1u, std::thread::hardware_concurrency())) {}

  llvm::Expected<Value_> evaluate(WeightOp weight, int depth);
  llvm::Expected<Value_> evaluateOp(Operation *op, DenseMap<Value, Value_> &values, int depth);
  std::optional<Value_> view(Operation *op, const StridedView &x);
  llvm::Expected<Value_> storedCodes(WeightOp weight, QType type);
  std::optional<Value_> rowWise(Operation *op, ArrayRef<Value_ *> operands);
  StridedView dequantized(const CodeRows &rows);

  llvm::Error write(WeightOp weight, BytesSink sink);
  llvm::Error writeDense(const StridedView &view, BytesSink sink);
  llvm::Error writePanelsFloat(const StridedView &view, QType type, BytesSink sink);
  llvm::Error writePanelsW8(const CodeRows &rows, BytesSink sink);
  llvm::Error writePanelsBlock(const CodeRows &rows, QType type, BytesSink sink);
  llvm::Error writeLogical(const CodeRows &rows, QType type, BytesSink sink);
  template <typename F>
  llvm::Error inChunks(int64_t count, int64_t itemBytes, BytesSink sink, F fill);

  SymbolTable symbols;
  WeightFiles files;
  unsigned threads;
};

//===-- Evaluation -------------------------------------------------------------------------------//

static std::string nameOf(WeightOp weight) { return "weight '" + weight.getSymName().str() + "'"; }

/// Ops that only change how bytes are read.
std::optional<Value_> WeightStore::Impl::view(Operation *op, const StridedView &x) {
  StridedView out = x;
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    for (auto [i, axis] : llvm::enumerate(transpose.getPermutation())) {
      out.dims[i] = x.dims[axis];
      out.strides[i] = x.strides[axis];
    }
    return out;
  }
  if (auto reshape = dyn_cast<ReshapeOp>(op); reshape && x.isDense()) {
    out.dims.clear();
    for (DimExpr dim : dimsOf(reshape.getType()))
      out.dims.push_back(*dim.constantValue());
    out.strides.assign(out.dims.size(), 1);
    for (size_t i = out.dims.size(); i > 1; --i)
      out.strides[i - 2] = out.strides[i - 1] * out.dims[i - 1];
    return out;
  }
  if (auto cast = dyn_cast<CastOp>(op);
      cast && elementTypeOf(cast.getType()).isF32() && x.isFloat() && x.stored == x.element) {
    out.element = elementTypeOf(cast.getType());
    return out;
  }
  if (auto slice = dyn_cast<SliceOp>(op)) {
    int64_t offset = 0;
    for (auto [i, start] : llvm::enumerate(dimsOf(slice.getStarts()))) {
      offset += *start.constantValue() * x.strides[i];
      out.strides[i] = x.strides[i] * slice.getSteps()[i];
      out.dims[i] = *dimsOf(slice.getType())[i].constantValue();
    }
    out.data += offset * x.storedBytes();
    return out;
  }
  return std::nullopt;
}

static float zeroValue(const WeightFormat &format, int8_t zero) {
  return format.isUnsigned ? float(static_cast<uint8_t>(zero)) : float(zero);
}

/// Real numbers of codes: `scale * (value(code) - zero)`, as the interpreter computes them.
StridedView WeightStore::Impl::dequantized(const CodeRows &rows) {
  int64_t k = rows.columns;
  int64_t block = rows.type.getGranularity() == Granularity::block ? rows.type.getBlock() : k;
  WeightFormat format = *weightFormatOf(rows.type);
  if (format.learned)
    format.table = rows.table;
  Coder coder(format);
  Tensor out(Float32Type::get(rows.type.getContext()), {rows.rows, k});
  auto *data = reinterpret_cast<float *>(out.mutableData());
  parallelFor(rows.rows, threads, [&](int64_t row) {
    RowRun run(rows, row, row + 1);
    for (int64_t i = 0; i < k; ++i) {
      Grid grid{run.scales[i / block], 0};
      if (!run.zeros.empty())
        grid.zero = zeroValue(format, run.zeros[i / block]);
      if (!run.realZeros.empty())
        grid.zero = run.realZeros[i / block];
      data[row * k + i] = coder.decode(run.codes[i], grid);
    }
  });
  return StridedView::of(out);
}

/// Ops on codes that need no whole tensor in the interpreter's form.
std::optional<Value_> WeightStore::Impl::rowWise(Operation *op, ArrayRef<Value_ *> operands) {
  auto view = [&](unsigned i) { return std::get_if<StridedView>(operands[i]); };
  if (auto quantize = dyn_cast<QuantizeOp>(op)) {
    QType type = quantize.getOut().getType();
    if (auto *x = view(0); x && x->dims.size() == 2)
      if (std::shared_ptr<const CodeRows> rows = quantizedRows(type, *x))
        return Codes{type, rows, nullptr};
  } else if (auto assemble = dyn_cast<AssembleOp>(op)) {
    QType type = assemble.getOut().getType();
    if (auto rows =
            assembledRows(type, *view(0), *view(1), operands.size() > 2 ? view(2) : nullptr))
      return Codes{type, rows, nullptr};
  } else if (auto dequantize = dyn_cast<DequantizeOp>(op)) {
    auto *codes = std::get_if<Codes>(operands[0]);
    if (codes && codes->rows && weightFormatOf(codes->rows->type) &&
        elementTypeOf(dequantize.getOut().getType()).isF32())
      return dequantized(*codes->rows);
  } else if (auto pack = dyn_cast<PackOp>(op)) {
    auto *codes = std::get_if<Codes>(operands[0]);
    if (codes)
      return Codes{pack.getOut().getType(), codes->rows, codes->tensor};
    return *operands[0]; // packed when it is written
  }
  return std::nullopt;
}

llvm::Expected<Value_> WeightStore::Impl::evaluateOp(Operation *op, DenseMap<Value, Value_> &values,
                                                     int depth) {
  if (auto use = dyn_cast<UseOp>(op)) {
    auto inner = symbols.lookup<WeightOp>(use.getWeight());
    if (!inner)
      return makeError(Diag::WeightBytesMissing, use.getWeight().str(), "no weight has this name");
    return evaluate(inner, depth + 1);
  }
  SmallVector<Value_ *> known;
  for (Value operand : op->getOperands())
    known.push_back(&values.find(operand)->second);
  if (auto result = rowWise(op, known))
    return *result;
  if (known.size() == 1)
    if (auto *x = std::get_if<StridedView>(known[0]))
      if (auto result = view(op, *x))
        return *result;
  SmallVector<reference::RtValue> operands;
  for (Value_ *operand : known) {
    if (auto *x = std::get_if<StridedView>(operand)) {
      operands.push_back(x->toTensor());
      continue;
    }
    auto &codes = std::get<Codes>(*operand);
    if (!codes.tensor)
      codes.tensor = toQTensor(*codes.rows);
    operands.push_back(codes.tensor);
  }
  reference::Environment environment;
  environment.weights = &files;
  auto results = reference::evaluateOp(op, operands, environment);
  if (!results)
    return results.takeError();
  if (auto *tensor = std::get_if<Tensor>(&(*results)[0]))
    return StridedView::of(*tensor);
  auto tensor = std::get<std::shared_ptr<const QTensor>>((*results)[0]);
  return Codes{tensor->type, nullptr, tensor};
}

/// Codes that a .qnt file holds in their logical layout.
llvm::Expected<Value_> WeightStore::Impl::storedCodes(WeightOp weight, QType type) {
  auto bytes = files.read(*weight.getSource());
  if (!bytes)
    return bytes.takeError();
  auto want = static_cast<size_t>(*quantizedBytes(type).constantValue());
  std::shared_ptr<const CodeRows> rows;
  if (bytes->size == want)
    rows = logicalRows(type, bytes->data, bytes->owner);
  if (!rows)
    return makeError(Diag::QuantizedPartsUnfit, nameOf(weight),
                     std::to_string(bytes->size) + " bytes do not hold " + std::to_string(want) +
                         " bytes of codes by rows");
  return Codes{type, rows, nullptr};
}

llvm::Expected<Value_> WeightStore::Impl::evaluate(WeightOp weight, int depth) {
  if (depth > 64)
    return makeError(Diag::WeightBytesMissing, nameOf(weight), "recipes nest more than 64 deep");
  if (auto type = dyn_cast<QType>(weight.getType()); type && weight.getSource())
    return storedCodes(weight, type);
  if (weight.getRecipe().empty()) {
    reference::Environment environment;
    environment.weights = &files;
    auto value = reference::evaluateWeight(weight, environment);
    if (!value)
      return value.takeError();
    return StridedView::of(std::get<Tensor>(*value));
  }
  DenseMap<Value, Value_> values;
  Block &body = weight.getRecipe().front();
  // Values lose their bytes after the last use.
  DenseMap<Value, Operation *> last;
  for (Operation &op : body)
    for (Value operand : op.getOperands())
      last[operand] = &op;
  for (Operation &op : body.without_terminator()) {
    auto value = evaluateOp(&op, values, depth);
    if (!value)
      return value.takeError();
    for (Value operand : op.getOperands())
      if (last.lookup(operand) == &op)
        values.erase(operand);
    values[op.getResult(0)] = std::move(*value);
  }
  return std::move(values[body.getTerminator()->getOperand(0)]);
}

//===-- Writers ----------------------------------------------------------------------------------//

/// Calls fill(i, address) for items 0 .. count - 1 of `itemBytes` each and hands them on in order.
template <typename F>
llvm::Error WeightStore::Impl::inChunks(int64_t count, int64_t itemBytes, BytesSink sink, F fill) {
  if (itemBytes == 0)
    return llvm::Error::success();
  int64_t perChunk =
      std::clamp<int64_t>(kChunkBytes / itemBytes, threads, std::max<int64_t>(threads, count));
  std::vector<uint8_t> chunk(std::min(perChunk, count) * itemBytes);
  for (int64_t from = 0; from < count; from += perChunk) {
    int64_t items = std::min(perChunk, count - from);
    parallelFor(items, threads, [&](int64_t i) { fill(from + i, chunk.data() + i * itemBytes); });
    if (auto error = sink(ArrayRef(chunk.data(), items * itemBytes)))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error WeightStore::Impl::writeDense(const StridedView &view, BytesSink sink) {
  int64_t bytes = view.stored == view.element ? view.storedBytes() : 4, size = view.size();
  if (view.stored == view.element && view.isDense())
    return sink(ArrayRef(reinterpret_cast<const uint8_t *>(view.data), size * bytes));
  // Rows of a transposed matrix are read side by side, so that each cache line is loaded once.
  int64_t run = std::min<int64_t>(size, 1 << 16), tail = size % run;
  auto error = inChunks(size / run, run * bytes, sink, [&](int64_t i, uint8_t *out) {
    view.copyTo(i * run, (i + 1) * run, reinterpret_cast<char *>(out));
  });
  if (error || !tail)
    return error;
  std::vector<uint8_t> rest(tail * bytes);
  view.copyTo(size - tail, size, reinterpret_cast<char *>(rest.data()));
  return sink(rest);
}

/// Up to `count` rows of 16-bit floats, dense: the source need not be aligned.
static std::vector<uint16_t> bitsOfRows(const StridedView &view, int64_t first, int64_t count) {
  int64_t k = view.dims[1], rows = std::min(count, view.dims[0] - first);
  std::vector<uint16_t> bits(rows * k);
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < rows; ++j)
      std::memcpy(&bits[j * k + i],
                  view.data + ((first + j) * view.strides[0] + i * view.strides[1]) * 2, 2);
  return bits;
}

llvm::Error WeightStore::Impl::writePanelsFloat(const StridedView &view, QType type,
                                                BytesSink sink) {
  FloatRows rows(view);
  int64_t n = rows.rows(), k = rows.columns(), width = type.getBits() / 8;
  bool pairs = type.getLayout() == Layout::panel16_k2;
  if (width == 2)
    return inChunks(
        panels(n), roundUp(k, pairs ? 2 : 1) * kPanel * 2, sink, [&](int64_t p, uint8_t *out) {
          std::vector<uint16_t> dense = bitsOfRows(view, p * kPanel, kPanel);
          StridedMatrix<uint16_t> rows{dense.data(), std::min(kPanel, n - p * kPanel), k, k, 1};
          auto *panel = reinterpret_cast<uint16_t *>(out);
          pairs ? packPairs(rows, 0, 1, panel) : packBits16(rows, 0, 1, panel);
        });
  bool aligned = reinterpret_cast<uintptr_t>(view.data) % 4 == 0 && view.stored.isF32();
  return inChunks(panels(n), k * kPanel * 4, sink, [&](int64_t p, uint8_t *out) {
    int64_t first = p * kPanel, count = std::min(kPanel, n - first);
    auto *panel = reinterpret_cast<float *>(out);
    if (aligned) {
      const auto *data = reinterpret_cast<const float *>(view.data) + first * view.strides[0];
      return packF32({data, count, k, view.strides[0], view.strides[1]}, 0, 1, panel);
    }
    std::vector<float> dense(count * k);
    rows.read(first, first + count, dense.data());
    packF32({dense.data(), count, k, k, 1}, 0, 1, panel);
  });
}

/// Zeros up to the next multiple of 64.
static llvm::Error padTo64(int64_t written, BytesSink sink) {
  static const uint8_t zeros[64] = {};
  return written % 64 ? sink(ArrayRef(zeros, 64 - written % 64)) : llvm::Error::success();
}

template <typename T> static ArrayRef<uint8_t> bytesOf(const std::vector<T> &values) {
  return {reinterpret_cast<const uint8_t *>(values.data()), values.size() * sizeof(T)};
}

llvm::Error WeightStore::Impl::writePanelsW8(const CodeRows &rows, BytesSink sink) {
  int64_t n = rows.rows, k = rows.columns, panelBytes = roundUp(k, 4) * kPanel;
  std::vector<float> scales(panels(n) * kPanel);
  std::vector<int32_t> corrections(panels(n) * kPanel);
  auto error = inChunks(panels(n), panelBytes, sink, [&](int64_t p, uint8_t *out) {
    int64_t first = p * kPanel, count = std::min(kPanel, n - first);
    std::vector<uint8_t> codes(count * k);
    RowBuffers parts;
    parts.codes = codes.data();
    parts.scales = &scales[first];
    rows.read(first, first + count, parts);
    packW8({reinterpret_cast<const int8_t *>(codes.data()), count, k, k, 1}, 0, 1, 128,
           reinterpret_cast<int8_t *>(out), &corrections[first]);
  });
  if (error)
    return error;
  if (auto error = padTo64(panels(n) * panelBytes, sink))
    return error;
  if (auto error = sink(bytesOf(scales)))
    return error;
  return sink(bytesOf(corrections));
}

/// Scales as stored, of one level or two.
static std::vector<uint8_t> storedScales(QType type, const RowRun &run) {
  if (type.getSuper())
    return run.scaleCodes;
  std::vector<uint8_t> bytes;
  appendScales(scaleFormat(type.getScale()), run.scales, bytes);
  return bytes;
}

llvm::Error WeightStore::Impl::writePanelsBlock(const CodeRows &rows, QType type, BytesSink sink) {
  BlockLayout layout = blockLayoutOf(type);
  int64_t n = rows.rows, k = rows.columns;
  if (layout.tableBytes()) {
    if (auto error = sink(bytesOf(rows.table)))
      return error;
    if (auto error = padTo64(static_cast<int64_t>(rows.table.size() * 4), sink))
      return error;
  }
  // Signed codes are stored from 0 on.
  unsigned bits = type.getBits();
  auto bias = static_cast<uint8_t>(isUnsignedStorage(type.getStorage()) ? 0 : 1u << (bits - 1));
  auto mask = static_cast<uint8_t>((1u << bits) - 1);
  return inChunks(panels(n), layout.panelBytes(k), sink, [&](int64_t p, uint8_t *out) {
    int64_t first = p * kPanel, count = std::min(kPanel, n - first);
    RowRun run(rows, first, first + count);
    for (uint8_t &code : run.codes)
      code = (code + bias) & mask;
    for (int8_t &zero : run.zeros)
      zero = static_cast<int8_t>((zero + bias) & mask);
    std::vector<uint8_t> scales = storedScales(type, run);
    BlockSource source{{run.codes.data(), count, k, k, 1}, scales.data()};
    source.zeros = reinterpret_cast<const uint8_t *>(run.zeros.data());
    source.floatZeros = run.realZeros.data();
    source.super = run.supers.data();
    packBlocks(source, layout, 0, 1, out);
  });
}

llvm::Error WeightStore::Impl::writeLogical(const CodeRows &rows, QType type, BytesSink sink) {
  int64_t n = rows.rows, k = rows.columns;
  int64_t rowBytes = *layoutOf(type).rowBytes.constantValue();
  RowRun groups(rows, 0, 0);
  groups.scales.resize(n * rows.blocks);
  groups.zeros.resize(type.getZero() && !rows.hasRealZeros() ? n * rows.blocks : 0);
  groups.realZeros.resize(rows.hasRealZeros() ? n * rows.blocks : 0);
  groups.scaleCodes.resize(type.getSuper() ? n * rows.blocks : 0);
  groups.supers.resize(type.getSuper() ? n : 0);
  auto error = inChunks(n, rowBytes, sink, [&](int64_t row, uint8_t *out) {
    std::vector<uint8_t> codes(k);
    RowBuffers parts;
    parts.codes = codes.data();
    int64_t at = row * rows.blocks;
    parts.scales = &groups.scales[at];
    parts.zeros = groups.zeros.empty() ? nullptr : &groups.zeros[at];
    parts.realZeros = groups.realZeros.empty() ? nullptr : &groups.realZeros[at];
    parts.scaleCodes = groups.scaleCodes.empty() ? nullptr : &groups.scaleCodes[at];
    parts.supers = groups.supers.empty() ? nullptr : &groups.supers[row];
    rows.read(row, row + 1, parts);
    packCodes(codes.data(), k, type.getBits(), out);
  });
  if (error)
    return error;
  if (type.getGranularity() == Granularity::tensor) { // every row has told the same
    groups.scales.resize(1);
    groups.zeros.resize(std::min<size_t>(1, groups.zeros.size()));
    groups.realZeros.resize(std::min<size_t>(1, groups.realZeros.size()));
  }
  std::vector<uint8_t> realZeros;
  if (rows.hasRealZeros())
    appendScales(scaleFormat(type.getZero()), groups.realZeros, realZeros);
  std::vector<uint8_t> scales = storedScales(type, groups);
  if (auto error = padTo64(n * rowBytes, sink))
    return error;
  for (ArrayRef<uint8_t> part :
       {ArrayRef<uint8_t>(scales), bytesOf(groups.zeros), ArrayRef<uint8_t>(realZeros),
        bytesOf(groups.supers), bytesOf(rows.table)}) {
    if (part.empty())
      continue;
    if (auto error = sink(part))
      return error;
    if (auto error = padTo64(static_cast<int64_t>(part.size()), sink))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error WeightStore::Impl::write(WeightOp weight, BytesSink sink) {
  auto value = evaluate(weight, 0);
  if (!value)
    return value.takeError();
  auto type = dyn_cast<QType>(weight.getType());
  if (auto *view = std::get_if<StridedView>(&*value)) {
    if (!type)
      return writeDense(*view, sink);
    return writePanelsFloat(*view, type, sink);
  }
  auto &codes = std::get<Codes>(*value);
  auto rows = codes.rows ? codes.rows : std::shared_ptr<const CodeRows>(tensorRows(codes.tensor));
  if (!rows) {
    std::string text;
    llvm::raw_string_ostream(text) << "codes of " << type << " are not stored by rows";
    return makeError(Diag::QuantizedPartsUnfit, nameOf(weight), text);
  }
  switch (type.getLayout()) {
  case Layout::panel16_k4:
    return writePanelsW8(*rows, sink);
  case Layout::panel16_block:
    return writePanelsBlock(*rows, type, sink);
  case Layout::logical:
    return writeLogical(*rows, type, sink);
  default:
    return makeError(Diag::NotPackable, nameOf(weight),
                     "layout " + stringifyLayout(type.getLayout()).str() +
                         " is not one of weights");
  }
}

//===-- Interface --------------------------------------------------------------------------------//

WeightStore::WeightStore(ModuleOp module, std::string modelDir, std::string blobDir,
                         unsigned threads)
    : impl(std::make_unique<Impl>(module, std::move(modelDir), std::move(blobDir), threads)) {}
WeightStore::~WeightStore() = default;

/// Bytes that the buffer of `type` must have.
static int64_t bufferBytes(Type type) {
  if (auto quantized = dyn_cast<QType>(type))
    return *quantizedBytes(quantized).constantValue();
  auto tensor = cast<RankedTensorType>(type);
  Type element = tensor.getElementType();
  int64_t bytes = element.isIntOrFloat() ? (element.getIntOrFloatBitWidth() + 7) / 8 : 8;
  return tensor.getNumElements() * bytes;
}

llvm::Error WeightStore::write(WeightOp weight, BytesSink sink) {
  int64_t written = 0;
  auto error = impl->write(weight, [&](ArrayRef<uint8_t> bytes) {
    written += static_cast<int64_t>(bytes.size());
    return sink(bytes);
  });
  impl->files.release();
  if (error)
    return error;
  if (int64_t want = bufferBytes(weight.getType()); written != want)
    return makeError(Diag::Internal, nameOf(weight),
                     "wrote " + std::to_string(written) + " bytes instead of " +
                         std::to_string(want));
  return llvm::Error::success();
}

llvm::Expected<OwnedBytes> WeightStore::evaluate(WeightOp weight) {
  OwnedBytes bytes;
  bytes.reserve(bufferBytes(weight.getType()));
  auto error = write(weight, [&](ArrayRef<uint8_t> piece) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    return llvm::Error::success();
  });
  if (error)
    return std::move(error);
  return bytes;
}

llvm::Error WeightStore::writeSection(SectionOp section, BytesSink sink) {
  uint64_t at = 0;
  std::vector<uint8_t> zeros;
  auto padTo = [&](uint64_t offset) -> llvm::Error {
    zeros.assign(offset - at, 0);
    at = offset;
    return zeros.empty() ? llvm::Error::success() : sink(zeros);
  };
  for (auto [reference, offset] : llvm::zip_equal(
           section.getWeights().getAsRange<FlatSymbolRefAttr>(), section.getOffsets())) {
    auto weight = impl->symbols.lookup<WeightOp>(reference.getValue());
    if (!weight)
      return makeError(Diag::Internal, reference.getValue().str(), "the section names no weight");
    if (at > static_cast<uint64_t>(offset))
      return makeError(Diag::Internal, nameOf(weight), "overlaps the weight before it");
    if (auto error = padTo(offset))
      return error;
    if (auto error = write(weight, sink))
      return error;
    at += bufferBytes(weight.getType());
  }
  if (at > section.getBytes())
    return makeError(Diag::Internal, "weight section", "is longer than planned");
  return padTo(section.getBytes());
}
