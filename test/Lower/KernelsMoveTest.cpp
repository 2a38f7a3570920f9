// Kernels that move, make, gather and scatter elements, against the interpreter.
#include "KernelHarness.h"
#include "qcc/Kernels/QuantizedLayout.h"

using namespace qcc;
using namespace qcc::lower::test;

namespace {

Tensor ints(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<double> values, int bits = 64) {
  return Tensor::of(mlir::IntegerType::get(&testContext(), bits), dims, values);
}

TEST(KernelsMove, ConcatenatesAlongAnyAxis) {
  KernelHarness inner(R"(qnt.kernel @k "concat" dims 2 {
    ^bb0(%a: tensor<2x?x5xf32, #qnt.dims<[2, d0, 5]>>, %b: tensor<2x?x5xf32, #qnt.dims<[2, d1, 5]>>):
      %0 = qnt.concat %a, %b, %a {axis = 1 : i64} : (tensor<2x?x5xf32, #qnt.dims<[2, d0, 5]>>,
        tensor<2x?x5xf32, #qnt.dims<[2, d1, 5]>>, tensor<2x?x5xf32, #qnt.dims<[2, d0, 5]>>)
        -> tensor<2x?x5xf32, #qnt.dims<[2, d0 * 2 + d1, 5]>>
      qnt.yield %0 : tensor<2x?x5xf32, #qnt.dims<[2, d0 * 2 + d1, 5]>>
  })");
  for (auto dims : {Dims{3, 4}, Dims{0, 7}, Dims{5, 0}, Dims{1, 9000}})
    inner.check(dims, inner.randomInputs(dims));
  KernelHarness last(R"(qnt.kernel @k "concat" dims 1 {
    ^bb0(%a: tensor<?x3xi8, #qnt.dims<[d0, 3]>>, %b: tensor<?x17xi8, #qnt.dims<[d0, 17]>>):
      %0 = qnt.concat %a, %b {axis = 1 : i64} : (tensor<?x3xi8, #qnt.dims<[d0, 3]>>,
        tensor<?x17xi8, #qnt.dims<[d0, 17]>>) -> tensor<?x20xi8, #qnt.dims<[d0, 20]>>
      qnt.yield %0 : tensor<?x20xi8, #qnt.dims<[d0, 20]>>
  })");
  last.check({11}, last.randomInputs({11}));
}

std::string padText(const std::string &mode, const std::string &type) {
  return R"(qnt.kernel @k "pad" dims 2 {
    ^bb0(%x: tensor<?x4x?x)" +
         type + R"(, #qnt.dims<[d0, 4, d1]>>, %v: tensor<)" + type + R"(>):
      %0 = qnt.pad %x, %v {low = #qnt.dims<[1, 0, 2]>, high = #qnt.dims<[0, 3, d1]>,
                           mode = #qnt<pad_mode )" +
         mode + R"(>}
        : (tensor<?x4x?x)" +
         type + R"(, #qnt.dims<[d0, 4, d1]>>, tensor<)" + type + R"(>)
        -> tensor<?x7x?x)" +
         type + R"(, #qnt.dims<[d0 + 1, 7, d1 * 2 + 2]>>
      qnt.yield %0 : tensor<?x7x?x)" +
         type + R"(, #qnt.dims<[d0 + 1, 7, d1 * 2 + 2]>>
  })";
}

TEST(KernelsMove, PadsInEveryMode) {
  for (std::string mode : {"constant", "reflect", "edge", "wrap"})
    for (std::string type : {"f32", "i64", "f16", "i1"}) {
      KernelHarness pad(padText(mode, type));
      for (auto dims : {Dims{2, 5}, Dims{1, 1}, Dims{3, 40}})
        pad.check(dims, pad.randomInputs(dims));
    }
  KernelHarness reflect(padText("reflect", "f32"));
  reflect.checkFault({0, 3}, reflect.randomInputs({0, 3}), QCC_FAULT_SHAPE);
}

TEST(KernelsMove, CountsAlongAnyAxis) {
  for (std::string axis : {"0", "1", "2"})
    for (std::string type : {"i64", "i32", "f32", "i8"}) {
      std::string out = "tensor<3x?x?x" + type + ", #qnt.dims<[3, d0, d1 + 2]>>";
      KernelHarness iota("qnt.kernel @k \"iota\" dims 2 { %0 = qnt.iota {axis = " + axis +
                         " : i64, start = #qnt.dims<[d0]>, step = -2 : i64} : " + out +
                         " qnt.yield %0 : " + out + " }");
      iota.check({5, 19}, {});
    }
}

TEST(KernelsMove, GathersRows) {
  for (std::string type : {"f32", "f16", "i1", "f64"}) {
    std::string x = "tensor<6x?x21x" + type + ", #qnt.dims<[6, d0, 21]>>";
    std::string out = "tensor<6x?x2x21x" + type + ", #qnt.dims<[6, d1, 2, 21]>>";
    KernelHarness gather("qnt.kernel @k \"gather\" dims 2 { ^bb0(%x: " + x +
                         ", %i: tensor<?x2xi64, #qnt.dims<[d1, 2]>>):" +
                         "%0 = qnt.gather %x, %i {axis = 1 : i64} : (" + x +
                         ", tensor<?x2xi64, #qnt.dims<[d1, 2]>>) -> " + out +
                         " qnt.yield %0 : " + out + " }");
    Dims dims = {4, 3};
    gather.check(dims, gather.randomInputs(dims, {{1, ints({3, 2}, {0, 3, -1, -4, 2, 2})}}));
    for (double bad : {4, -5, 1000000})
      gather.checkFault(dims, gather.randomInputs(dims, {{1, ints({3, 2}, {0, bad, 1, 1, 2, 2})}}),
                        QCC_FAULT_INDEX);
    gather.checkFault({0, 1}, gather.randomInputs({0, 1}, {{1, ints({1, 2}, {0, 0})}}),
                      QCC_FAULT_INDEX);
  }
  // One element each, and an index that is a constant of the group.
  KernelHarness token(R"(qnt.kernel @k "gather" dims 1 {
    ^bb0(%x: tensor<?x7xf32, #qnt.dims<[d0, 7]>>):
      %c = qnt.constant dense<-2> : tensor<i64>
      %0 = qnt.gather %x, %c {axis = 1 : i64}
        : (tensor<?x7xf32, #qnt.dims<[d0, 7]>>, tensor<i64>) -> tensor<?xf32, #qnt.dims<[d0]>>
      qnt.yield %0 : tensor<?xf32, #qnt.dims<[d0]>>
  })");
  token.check({5}, token.randomInputs({5}));
}

TEST(KernelsMove, GathersElementsAndTuples) {
  for (std::string axis : {"0", "1"}) {
    KernelHarness elements(R"(qnt.kernel @k "gather_elements" dims 2 {
      ^bb0(%x: tensor<?x5xf32, #qnt.dims<[d0, 5]>>, %i: tensor<?x3xi32, #qnt.dims<[d1, 3]>>):
        %0 = qnt.gather_elements %x, %i {axis = )" +
                           axis + R"( : i64}
          : (tensor<?x5xf32, #qnt.dims<[d0, 5]>>, tensor<?x3xi32, #qnt.dims<[d1, 3]>>)
          -> tensor<?x3xf32, #qnt.dims<[d1, 3]>>
        qnt.yield %0 : tensor<?x3xf32, #qnt.dims<[d1, 3]>> })");
    Tensor indices = ints({4, 3}, {0, 1, 2, -1, -2, 3, 4, 0, 1, 2, 3, 4}, 32);
    elements.check({5, 4}, elements.randomInputs({5, 4}, {{1, indices}}));
    if (axis == "1")
      elements.checkFault({3, 4}, elements.randomInputs({3, 4}, {{1, indices}}), QCC_FAULT_SHAPE);
  }
  KernelHarness tuples(R"(qnt.kernel @k "gather_nd" dims 1 {
    ^bb0(%x: tensor<2x3x?x18xf32, #qnt.dims<[2, 3, d0, 18]>>, %i: tensor<2x2x2xi64>):
      %0 = qnt.gather_nd %x, %i {batchDims = 1 : i64}
        : (tensor<2x3x?x18xf32, #qnt.dims<[2, 3, d0, 18]>>, tensor<2x2x2xi64>) -> tensor<2x2x18xf32>
      qnt.yield %0 : tensor<2x2x18xf32> })");
  Tensor at = ints({2, 2, 2}, {0, 1, 2, -1, 1, 1, -3, 0});
  tuples.check({4}, tuples.randomInputs({4}, {{1, at}}));
  tuples.checkFault({1}, tuples.randomInputs({1}, {{1, at}}), QCC_FAULT_INDEX);
}

TEST(KernelsMove, ScattersInOrder) {
  for (std::string kind : {"set", "add", "mul", "max", "min"})
    for (std::string type : {"f32", "i64", "ui8"}) {
      std::string x = "tensor<?x5x" + type + ", #qnt.dims<[d0, 5]>>",
                  u = "tensor<4x5x" + type + ">";
      KernelHarness nd("qnt.kernel @k \"scatter_nd\" dims 1 { ^bb0(%x: " + x +
                       ", %i: tensor<4x1xi64>, %u: " + u + "): %0 = qnt.scatter_nd %x, %i, %u " +
                       "{kind = #qnt<scatter_kind " + kind + ">} : (" + x + ", tensor<4x1xi64>, " +
                       u + ") -> " + x + " qnt.yield %0 : " + x + " }");
      Tensor rows = ints({4, 1}, {1, -1, 1, 0});
      nd.check({3}, nd.randomInputs({3}, {{1, rows}}), 1e-6);
      nd.checkFault({1}, nd.randomInputs({1}, {{1, rows}}), QCC_FAULT_INDEX);
      std::string e = "tensor<2x3x" + type + ">";
      KernelHarness elements("qnt.kernel @k \"scatter_elements\" dims 1 { ^bb0(%x: " + x +
                             ", %i: tensor<2x3xi64>, %u: " + e +
                             "): %0 = qnt.scatter_elements %x, %i, %u {axis = 0 : i64, kind = " +
                             "#qnt<scatter_kind " + kind + ">} : (" + x + ", tensor<2x3xi64>, " +
                             e + ") -> " + x + " qnt.yield %0 : " + x + " }");
      Tensor at = ints({2, 3}, {1, 0, -1, 1, 2, 2});
      elements.check({3}, elements.randomInputs({3}, {{1, at}}), 1e-6);
      elements.checkFault({2}, elements.randomInputs({2}, {{1, at}}), QCC_FAULT_INDEX);
    }
  // Indices that are longer than the tensor on another axis than the one they index.
  std::string x = "tensor<4x?xf32, #qnt.dims<[4, d0]>>", e = "tensor<2x3xf32>";
  KernelHarness longer("qnt.kernel @k \"scatter_elements\" dims 1 { ^bb0(%x: " + x +
                       ", %i: tensor<2x3xi64>, %u: " + e +
                       "): %0 = qnt.scatter_elements %x, %i, %u {axis = 0 : i64} : (" + x +
                       ", tensor<2x3xi64>, " + e + ") -> " + x + " qnt.yield %0 : " + x + " }");
  Tensor at = ints({2, 3}, {1, 0, 3, 1, 2, 2});
  longer.check({3}, longer.randomInputs({3}, {{1, at}}));
  longer.checkFault({2}, longer.randomInputs({2}, {{1, at}}), QCC_FAULT_SHAPE);
}

/// Rows of a table in panels, as an output head shares it.
void checkPanelTable() {
  constexpr int64_t n = 21, columns = 45, count = 4;
  std::string type = "!qnt.q<[21, 45], i8, axis 0, scale f32, layout panel16_k4>";
  KernelHarness gather("qnt.kernel @k \"qgather\" dims 0 { ^bb0(%t: " + type +
                       ", %i: tensor<4xi64>): %0 = qnt.qgather %t, %i : (" + type +
                       ", tensor<4xi64>) -> tensor<4x45xf32> qnt.yield %0 : tensor<4x45xf32> }");
  auto q = mlir::cast<qnt::QType>(gather.kernel().getBody().getArgument(0).getType());
  QuantizedLayout layout = layoutOf(q);
  GuardedBuffer table(evaluate(layout.bytes, {}), 0);
  std::mt19937 random(5);
  std::vector<int8_t> codes(n * columns);
  for (int8_t &code : codes)
    code = static_cast<int8_t>(random());
  packW8({codes.data(), n, columns, columns, 1}, 0, panels(n), 128,
         reinterpret_cast<int8_t *>(table.data()),
         reinterpret_cast<int32_t *>(table.data() + evaluate(layout.extra, {})));
  auto *scales = reinterpret_cast<float *>(table.data() + evaluate(layout.scales, {}));
  for (int64_t i = 0; i < n; ++i)
    scales[i] = 0.25f * float(i + 1);
  std::vector<int64_t> indices = {3, -1, 0, 17};
  for (const Target *target : hostLevels()) {
    GuardedBuffer out(count * columns * 4);
    Args args;
    args << table.data() << indices.data() << out.data();
    EXPECT_EQ(launchTasks(gather.function(*target), args, evaluate(gather.shape().tasks, {}), 0),
              0);
    for (int64_t i = 0; i < count * columns; ++i) {
      int64_t row = (indices[i / columns] + n) % n;
      float want = scales[row] * float(codes[row * columns + i % columns]);
      EXPECT_EQ(reinterpret_cast<float *>(out.data())[i], want) << target->name << " element " << i;
    }
  }
}

/// A table in its logical layout, and what its rows mean.
void checkTable(const std::string &storage, int bits, const std::string &granularity, int64_t block,
                const std::string &scale, bool zero) {
  int64_t n = 9, columns = 45, count = 4;
  std::string type = "!qnt.q<[9, 45], " + storage + ", " + granularity + ", scale " + scale +
                     (zero ? ", zero ui" + std::to_string(bits) : "") + ">";
  KernelHarness gather("qnt.kernel @k \"qgather\" dims 0 { ^bb0(%t: " + type +
                       ", %i: tensor<4xi64>): %0 = qnt.qgather %t, %i : (" + type +
                       ", tensor<4xi64>) -> tensor<4x45xf32> qnt.yield %0 : tensor<4x45xf32> }");
  auto q = mlir::cast<qnt::QType>(gather.kernel().getBody().getArgument(0).getType());
  QuantizedLayout layout = layoutOf(q);
  int64_t rowBytes = evaluate(layout.rowBytes, {}), groups = evaluate(layout.blocks, {});
  GuardedBuffer table(evaluate(layout.bytes, {}), 0);
  bool isSigned = storage[0] != 'u';
  std::mt19937 random(bits);
  std::vector<int32_t> codes(n * columns), zeros(n * groups);
  std::vector<float> scales(n * groups);
  for (int64_t r = 0; r < n; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      uint32_t raw = random() & ((1u << bits) - 1);
      codes[r * columns + c] = isSigned ? int32_t(raw << (32 - bits)) >> (32 - bits) : int32_t(raw);
      if (bits == 16)
        reinterpret_cast<uint16_t *>(table.data() + r * rowBytes)[c] = uint16_t(raw);
      else
        table.data()[r * rowBytes + c * bits / 8] |= char(raw << (c * bits % 8));
    }
  for (int64_t g = 0; g < n * groups; ++g) {
    scales[g] = 0.25f * float(1 + random() % 8); // exact in all types
    if (scale == "f16")
      reinterpret_cast<_Float16 *>(table.data() + evaluate(layout.scales, {}))[g] =
          _Float16(scales[g]);
    else
      reinterpret_cast<float *>(table.data() + evaluate(layout.scales, {}))[g] = scales[g];
    zeros[g] = zero ? int32_t(random() % 8) : 0;
    if (zero)
      table.data()[evaluate(layout.extra, {}) + g] = char(zeros[g]);
  }
  std::vector<int64_t> indices = {3, -1, 0, 8};
  for (const Target *target : hostLevels()) {
    GuardedBuffer out(count * columns * 4);
    Args args;
    args << table.data() << indices.data() << out.data();
    EXPECT_EQ(launchTasks(gather.function(*target), args, evaluate(gather.shape().tasks, {}), 0),
              0);
    for (int64_t i = 0; i < count * columns; ++i) {
      int64_t row = (indices[i / columns] + n) % n, c = i % columns;
      int64_t g = block ? row * groups + c / block : row;
      float want = scales[g] * float(codes[row * columns + c] - zeros[g]);
      ASSERT_EQ(reinterpret_cast<float *>(out.data())[i], want) << type << " " << i;
    }
  }
}

TEST(KernelsMove, DividesIntegersByNoZero) {
  for (std::string op : {"div", "mod"})
    for (unsigned bits : {32, 64}) {
      std::string x = "tensor<?xi" + std::to_string(bits) + ", #qnt.dims<[d0]>>";
      KernelHarness divide("qnt.kernel @k \"map\" dims 1 { ^bb0(%x: " + x + ", %y: " + x +
                           "): %0 = qnt." + op + " %x, %y : (" + x + ", " + x + ") -> " + x +
                           " qnt.yield %0 : " + x + " }");
      Tensor all = ints({19}, std::vector<double>(19, 3), bits);
      divide.check({19}, divide.randomInputs({19}, {{1, all}}));
      std::vector<double> some(19, 3);
      some[17] = 0;
      divide.checkFault({19}, divide.randomInputs({19}, {{1, ints({19}, some, bits)}}),
                        QCC_FAULT_DIVIDE);
    }
}

TEST(KernelsMove, GathersQuantizedRows) {
  checkTable("i8", 8, "axis 0", 0, "f32", false);
  checkTable("u8", 8, "axis 0", 0, "f16", true);
  checkTable("u4", 4, "block 1 x 32", 32, "f16", true);
  checkTable("i4", 4, "block 1 x 16", 16, "f32", false);
  checkTable("u2", 2, "block 1 x 16", 16, "f32", true);
  checkPanelTable();
}

} // namespace
