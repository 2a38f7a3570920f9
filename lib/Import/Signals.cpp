// Signals: discrete Fourier transforms as products with a matrix of cosines, and mel filters.
#include "OpTable.h"
#include "RunTimeSizes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;
using qnt::Predicate;

namespace {

/// Elements of a constant matrix, which is what a transform of fixed length takes.
constexpr int64_t maxMatrix = int64_t(1) << 26;

/// A transform along one axis: `rows` elements of `in` parts (1 real, 2 complex) each become
/// `columns` elements of `out` parts.
struct Transform {
  DimExpr length, rows, columns;
  int64_t in = 1, out = 2;
  bool inverse = false;
  bool folded = false; ///< a row stands for its mirror image too

  bool isTooLarge() const {
    double elements = static_cast<double>(in * out);
    for (DimExpr size : {rows, columns})
      elements *= static_cast<double>(size.constantValue().value_or(1));
    return elements > static_cast<double>(maxMatrix);
  }
};

/// [rows * in, columns * out]: part q of the result takes part p of row j by cos(angle - s (q - p)
/// pi/2) with angle = 2 pi j k / length, and s = 1 for the inverse, -1 forwards. The product of
/// indices is reduced first, so that large ones lose nothing.
Value matrixOf(NodeBuilder &n, const Transform &t, Type element) {
  Type f64 = n.builder.getF64Type();
  DimExpr one = n.dim(1), in = n.dim(t.in), out = n.dim(t.out);
  Value length = n.dimTensor(t.length, n.i64());
  Value j = n.iota({t.rows, one, one, one}, 0, n.dim(0), 1, n.i64());
  Value k = n.iota({one, one, t.columns, one}, 2, n.dim(0), 1, n.i64());
  Value p = n.iota({one, in, one, one}, 1, n.dim(0), 1, n.i64());
  Value q = n.iota({one, one, one, out}, 3, n.dim(0), 1, n.i64());
  Value product = n.mul(j, k);
  if (!product || !length)
    return {};
  Value turns = n.make<qnt::ModOp>(product.getType(), product, length, false);
  Value size = n.cast(length, f64);
  Value angle = n.div(n.mul(n.cast(turns, f64), 2 * M_PI), size);
  Value quarter = n.mul(n.cast(n.sub(q, p), f64), t.inverse ? M_PI / 2 : -M_PI / 2);
  Value m = n.unary<qnt::CosOp>(n.sub(angle, quarter));
  if (t.folded) {
    Value alone = n.binary<qnt::OrOp>(n.compare(Predicate::eq, j, 0),
                                      n.compare(Predicate::eq, n.mul(j, 2), length));
    m = n.mul(m, n.select(alone, n.like(m, 1), n.like(m, 2)));
  }
  if (t.inverse)
    m = n.div(m, size);
  return n.cast(n.reshape(m, {t.rows * t.in, t.columns * t.out}), element);
}

/// x [.., size, parts] with `size` cut to that many elements, or zeros behind its own.
Value cutOrFilled(NodeBuilder &n, Value x, DimExpr size) {
  size_t axis = n.rank(x) - 2;
  DimExpr own = n.at(x, axis), kept = own.min(size);
  if (kept != own)
    x = n.slice(x, static_cast<int64_t>(axis), n.dim(0), kept);
  if (kept == size)
    return x;
  Dims low(n.rank(x), n.dim(0)), high = low;
  high[axis] = size - kept;
  x = n.pad(x, n.like(x, 0), low, high, qnt::PadMode::constant);
  if (!x)
    return {};
  Dims to = n.dims(x);
  to[axis] = size;
  return n.conformExactly(x, to);
}

/// x [.., rows, in] times the matrix: [.., columns, out].
Value transformed(NodeBuilder &n, Value x, Value matrix, const Transform &t) {
  if (!x || !matrix)
    return {};
  Dims flat = n.dims(x);
  flat.pop_back();
  flat.back() = t.rows * t.in;
  Value y = n.matmul(n.reshape(x, flat), matrix);
  flat.back() = t.columns;
  flat.push_back(n.dim(t.out));
  return n.reshape(y, flat);
}

/// Parts of the numbers along the last axis, 1 or 2; 0 after a failure.
int64_t partsOf(NodeBuilder &n, Value x) {
  auto parts = n.last(x).constantValue();
  if (!parts)
    n.unsupported("whether the input is real or complex depends on its shape",
                  "fix its last dimension, which is 1 or 2, with --shape");
  else if (*parts != 1 && *parts != 2)
    n.fail(Diag::ShapeMismatch,
           "the last dimension is " + Twine(*parts) + " instead of 1 (real) or 2 (complex)");
  return n.failed() ? 0 : *parts;
}

/// f64 where x has it, else f32.
Type sumsOf(NodeBuilder &n, Value x) { return n.element(x).isF64() ? n.element(x) : n.f32(); }

/// Input i, a number of elements.
DimExpr lengthInput(NodeBuilder &n, size_t i, const char *what) {
  auto sizes = sizesOf(n, i, what);
  if (sizes && sizes->size() == 1 && sizes->front().constantValue().value_or(1) > 0)
    return sizes->front();
  n.fail(Diag::BadNode, Twine(what) + " is not one positive number");
  return n.dim(1);
}

bool isTooLarge(NodeBuilder &n, const Transform &t) {
  if (t.isTooLarge())
    n.unsupported("a transform of " + t.length.str() + " elements takes a matrix of " +
                      t.rows.str() + " x " + t.columns.str(),
                  "transform frames of fewer elements (STFT), or let the application compute it "
                  "(--host-op)");
  return n.failed();
}

/// What a DFT node does to the axis of that many elements; nothing after a failure.
std::optional<Transform> transformOf(NodeBuilder &n, DimExpr own, int64_t parts) {
  Transform t;
  t.inverse = n.intAttr("inverse", 0) != 0;
  t.in = parts;
  bool onesided = n.intAttr("onesided", 0) != 0;
  t.folded = t.inverse && onesided;
  t.length = n.has(1) ? lengthInput(n, 1, "the length") : t.folded ? (own - 1) * 2 : own;
  if (onesided && t.in != (t.inverse ? 2 : 1))
    n.fail(Diag::BadNode, t.inverse ? "gives real values of a real input"
                                    : "gives half of the spectrum of a complex input");
  DimExpr half = t.length.floorDiv(n.dim(2)) + 1;
  t.rows = t.folded ? half : t.length;
  t.columns = onesided && !t.inverse ? half : t.length;
  t.out = t.folded ? 1 : 2;
  return n.failed() || isTooLarge(n, t) ? std::nullopt : std::optional(t);
}

/// x transformed along `axis`, which is before the last.
Value transformedAlong(NodeBuilder &n, Value x, size_t axis, const Transform &t) {
  Type sums = sumsOf(n, x);
  size_t before = n.rank(x) - 2;
  Value moved = cutOrFilled(n, n.swapAxes(n.cast(x, sums), axis, before), t.rows);
  Value y = transformed(n, moved, matrixOf(n, t, sums), t);
  return n.cast(n.swapAxes(y, axis, before), n.element(x));
}

/// The axis is data: the axes before and behind it are taken as one each.
void dftAlongData(NodeBuilder &n, Value x, int64_t parts) {
  Value axis = n.in(2);
  if (!axis || !n.isInteger(axis))
    return n.fail(Diag::BadNode, "the axis is no integer");
  Dims from = n.dims(x), to;
  size_t last = from.size() - 1;
  axis = n.reshape(n.cast(axis, n.i64()), {});
  axis =
      n.select(n.compare(Predicate::lt, axis, 0), n.add(axis, static_cast<double>(last + 1)), axis);
  Value real = n.slice(x, static_cast<int64_t>(last), n.dim(0), n.dim(1));
  Dims around = n.dims(aroundAxis(n, n.reshape(real, ArrayRef(from).drop_back()), axis));
  auto t = around.size() == 3 ? transformOf(n, around[1], parts) : std::nullopt;
  if (!t)
    return;
  Value y = n.reshape(x, {around[0], around[1], around[2], n.dim(parts)});
  y = transformedAlong(n, y, 1, *t);
  for (size_t i = 0; i < last; ++i) {
    Value own = n.select(n.compare(Predicate::eq, axis, static_cast<double>(i)),
                         n.dimTensor(t->columns, n.i64()), n.dimTensor(from[i], n.i64()));
    to.push_back(t->columns == around[1] ? from[i] : bindSize(n, own, "size"));
  }
  to.push_back(n.dim(t->out));
  n.out(0, n.reshape(y, to));
}

void dft(NodeBuilder &n) {
  Value x = n.in(0);
  if (!n.atLeast(x, 2) || !n.isFloat(x))
    return n.fail(Diag::TypeMismatch, "transforms no floats");
  std::optional<double> named;
  if (n.opset < 20)
    named = static_cast<double>(n.intAttr("axis", 1));
  else
    named = n.has(2) ? n.number(2) : std::optional<double>(-2);
  int64_t parts = partsOf(n, x);
  if (n.failed())
    return;
  if (!named)
    return dftAlongData(n, x, parts);
  auto axis = static_cast<size_t>(n.axis(saturated(*named), n.rank(x)));
  if (axis + 1 >= n.rank(x))
    return n.fail(Diag::BadNode, "transforms the axis of real and imaginary parts");
  if (auto t = n.failed() ? std::nullopt : transformOf(n, n.at(x, axis), parts))
    n.out(0, transformedAlong(n, x, axis, *t));
}

/// Frames of [batch, time, parts], a step apart: [batch, frames, length, parts].
Value framed(NodeBuilder &n, Value x, DimExpr length, DimExpr step) {
  DimExpr own = n.at(x, 1), frames = (own - length).floorDiv(step) + 1;
  if (auto count = frames.constantValue(); count && *count < 0)
    n.fail(Diag::ShapeMismatch,
           "frames of " + length.str() + " elements do not fit a signal of " + own.str());
  Value start =
      n.mul(n.iota({frames, n.dim(1)}, 0, n.dim(0), 1, n.i64()), n.dimTensor(step, n.i64()));
  Value offset = n.iota({n.dim(1), length}, 1, n.dim(0), 1, n.i64());
  return n.gather(x, n.add(start, offset), 1);
}

void stft(NodeBuilder &n) {
  Value x = n.in(0), window = n.optional(2);
  if (!n.atLeast(x, 2) || !n.isFloat(x))
    return n.fail(Diag::TypeMismatch, "transforms no floats");
  if (n.rank(x) == 2)
    x = n.unsqueeze(x, {2});
  Transform t;
  t.in = partsOf(n, x);
  DimExpr step = lengthInput(n, 1, "the step");
  if (n.failed())
    return;
  if (n.rank(x) != 3 || (window && n.rank(window) != 1) || (!window && !n.has(3)))
    return n.fail(Diag::ShapeMismatch, "the signal has no batch, or the frames no length");
  t.length = n.has(3) ? lengthInput(n, 3, "the length") : n.at(window, 0);
  if (window && n.has(3))
    t.length = n.equal(t.length, n.at(window, 0), "lengths of frame and window");
  bool onesided = n.intAttr("onesided", 1) != 0;
  if (onesided && t.in == 2)
    return n.fail(Diag::BadNode, "gives half of the spectrum of a complex input");
  t.rows = t.length;
  t.columns = onesided ? t.length.floorDiv(n.dim(2)) + 1 : t.length;
  if (n.failed() || isTooLarge(n, t))
    return;
  Type sums = sumsOf(n, x);
  Value frames = framed(n, n.cast(x, sums), t.length, step), matrix = matrixOf(n, t, sums);
  if (window) {
    window = n.cast(window, sums);
    // A constant window is part of the matrix.
    if (window && t.in == 1 && n.importer.isConstant(window))
      matrix = n.mul(matrix, n.unsqueeze(window, {1}));
    else
      frames = n.mul(frames, n.unsqueeze(window, {1}));
  }
  n.out(0, n.cast(transformed(n, frames, matrix, t), n.element(x)));
}

/// The bins of a spectrum at which triangular filters, equally spaced in mel, begin and end: i64
/// [filters + 2].
Value melEdges(NodeBuilder &n, DimExpr filters, DimExpr length) {
  Type f64 = n.builder.getF64Type();
  auto number = [&](size_t i) { return n.reshape(n.cast(n.in(i), f64), {}); };
  auto mel = [&](Value hertz) {
    return n.mul(n.unary<qnt::LogOp>(n.add(n.div(hertz, 700), 1)), 2595 / M_LN10);
  };
  Value low = mel(number(3)), high = mel(number(4));
  Value step = n.div(n.sub(high, low), n.cast(n.dimTensor(filters + 2, n.i64()), f64));
  Value i = n.cast(n.iota({filters + 2}, 0, n.dim(0), 1, n.i64()), f64);
  Value at = n.add(n.mul(i, step), low);
  Value hertz = n.mul(n.sub(n.unary<qnt::ExpOp>(n.div(at, 2595 / M_LN10)), 1), 700);
  Value bins = n.div(n.mul(hertz, n.cast(n.dimTensor(length + 1, n.i64()), f64)), number(2));
  return n.cast(n.unary<qnt::FloorOp>(bins), n.i64());
}

/// [bins, filters]: each filter rises from its lower edge to 1 at its centre and falls to its upper
/// edge.
void melWeightMatrix(NodeBuilder &n) {
  DimExpr filters = lengthInput(n, 0, "the number of filters");
  DimExpr length = lengthInput(n, 1, "the length");
  Type element = n.importer.elementType(static_cast<int32_t>(n.intAttr("output_datatype", 1)));
  if (!element)
    return n.unsupported("gives a type that qcc does not take", "ask for floats");
  Value edges = n.failed() ? Value() : melEdges(n, filters, length);
  if (!edges)
    return;
  auto edge = [&](int64_t from) {
    return n.unsqueeze(n.slice(edges, 0, n.dim(from), filters), {0});
  };
  Value lower = edge(0), centre = edge(1), upper = edge(2);
  DimExpr bins = length.floorDiv(n.dim(2)) + 1;
  Value bin = n.iota({bins, n.dim(1)}, 0, n.dim(0), 1, n.i64());
  Type f64 = n.builder.getF64Type();
  auto ratio = [&](Value part, Value whole) {
    return n.div(n.cast(part, f64), n.cast(n.maximum(whole, 1), f64));
  };
  Value rising = ratio(n.sub(bin, lower), n.sub(centre, lower)), zero = n.scalar(f64, 0);
  rising = n.select(n.compare(Predicate::eq, bin, centre), n.scalar(f64, 1), rising);
  rising = n.select(n.compare(Predicate::ge, bin, lower), rising, zero);
  Value falling = ratio(n.sub(upper, bin), n.sub(upper, centre));
  falling = n.select(n.compare(Predicate::lt, bin, upper), falling, zero);
  n.out(0, n.cast(n.select(n.compare(Predicate::le, bin, centre), rising, falling), element));
}

constexpr OpEntry table[] = {
    {"", "DFT", 17, dft},
    {"", "STFT", 17, stft},
    {"", "MelWeightMatrix", 17, melWeightMatrix},
};

} // namespace

ArrayRef<OpEntry> qcc::import::signalOps() { return table; }
