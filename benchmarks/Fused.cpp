// Kernels of whole groups, as the compiler makes them from the ops of a group: attention against
// the peak of the multiply-add instruction, kernels of rows against copying as many bytes.
//   fused/KERNEL/DIMENSIONS/THREADS; operands stay in the cache
#include "Qnt/Qnt.h"
#include "Timing.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "qcc/Algorithms/Pack.h"
#include "qcc/Lower/Families.h"
#include "qcc/Lower/Passes.h"
#include <cstdlib>

using namespace qcc;
using namespace qcc::bench;
using Value = mlir::Value;
using Text = std::string;

namespace {

struct Case {
  Text name, text;
  std::vector<int64_t> dims;  ///< d0, d1, …
  std::vector<int64_t> bytes; ///< of the operands, then of the results
  double ops = 0;             ///< of multiplications and additions; 0: bytes count
};

//===-- Cases ---------------------------------------------------------------------------------===//

Text tensor(const Text &shape, const Text &dims) {
  return "tensor<" + shape + "xf32, #qnt.dims<[" + dims + "]>>";
}

/// Queries [batch, rows, heads, width] and keys [batch, groups, rows + past, width], as projections
/// and caches leave them.
Case attention(int64_t rows, int64_t past, int64_t heads, int64_t groups, int64_t width) {
  Text h = std::to_string(heads), g = std::to_string(groups), w = std::to_string(width);
  Text split = tensor("?x?x" + h + "x" + w, "d0, d1, " + h + ", " + w);
  Text query = tensor("?x" + h + "x?x" + w, "d0, " + h + ", d1, " + w);
  Text keys = tensor("?x" + g + "x?x" + w, "d0, " + g + ", d1 + d2, " + w);
  Text turn = " {permutation = array<i64: 0, 2, 1, 3>} : (";
  Text text = "qnt.kernel @k \"attention\" dims 3 { ^bb0(%x: " + split + ", %k: " + keys +
              ", %v: " + keys + "): %q = qnt.transpose %x" + turn + split + ") -> " + query +
              " %a = qnt.attention %q, %k, %v {scale = 0.125 : f64, causal = true} : (" + query +
              ", " + keys + ", " + keys + ") -> " + query + " %r = qnt.transpose %a" + turn +
              query + ") -> " + split + " qnt.yield %r : " + split + " }";
  int64_t own = 4 * rows * heads * width, cached = 4 * (rows + past) * groups * width;
  // Of the rows' own keys a causal mask leaves half.
  double pairs = rows * (past + (rows + 1) / 2.0);
  return {"attention/" + std::to_string(rows) + "+" + std::to_string(past) + "x" + h + ":" + g +
              "x" + w,
          text,
          {1, rows, past},
          {own, cached, cached, own},
          4 * pairs * heads * width};
}

/// `body` computes %y of type `result` from rows %x, a gain %g and a bias %b.
Case rows(const Text &name, const Text &body, const Text &result, int64_t resultBytes) {
  constexpr int64_t rows = 128, width = 768;
  Text x = tensor("?x?", "d0, d1"), g = tensor("?", "d1");
  Text text = "!x = " + x + "\n!g = " + g + "\n!y = " + result +
              "\nqnt.kernel @k \"row\" dims 2 { ^bb0(%x: !x, %g: !g, %b: !g): " + body +
              " qnt.yield %y : !y }";
  int64_t vector = 4 * width;
  return {name + "/128x768",
          text,
          {rows, width},
          {rows * vector, vector, vector, rows * width * resultBytes}};
}

std::vector<Case> allCases() {
  Text x = tensor("?x?", "d0, d1");
  Text codes = "!qnt.q<[d0, d1], i8, token, scale f32, zero i8, layout token_u8>";
  Text norm = "qnt.layer_norm %x gain %g bias %b {epsilon = 1.0e-5} : (!x, !g, !g) -> !x";
  return {
      attention(128, 0, 12, 12, 32),
      attention(512, 0, 12, 12, 64),
      attention(1, 512, 32, 4, 64),
      rows("layer_norm", "%y = " + norm, x, 4),
      rows("layer_norm+quantize", "%n = " + norm + " %y = qnt.quantize %n : (!x) -> !y", codes, 1),
      rows("rms_norm", "%y = qnt.rms_norm %x, %g {epsilon = 1.0e-5} : (!x, !g) -> !x", x, 4),
      rows("softmax", "%y = qnt.softmax %x : (!x) -> !x", x, 4),
      rows("gelu", "%y = qnt.gelu %x : (!x) -> !x", x, 4)};
}

//===-- Kernels -------------------------------------------------------------------------------===//

[[noreturn]] void fail(const Text &text) {
  std::fprintf(stderr, "no kernel for:\n%s\n", text.c_str());
  std::exit(1);
}

/// Of so many billions of operations or bytes, for a turn of a few hundred microseconds at least.
int64_t repetitions(double amount, int threads) { return std::max(1.0, 5e-2 * threads / amount); }

/// One group: its kernel, its buffers, its launch.
class Group {
public:
  Group(const Target &target, Case which)
      : which(std::move(which)), kernel(target, [this](KernelBuilder &k) { emit(k); }) {}
  Work work(int threads);
  double amount() const;

  const Case which;

private:
  void parse();
  void emit(KernelBuilder &k);
  int64_t evaluate(qnt::DimExpr expr) const;

  mlir::OwningOpRef<mlir::ModuleOp> module;
  qnt::KernelOp op;
  LazyKernel kernel;
};

void Group::parse() {
  testContext().loadDialect<qnt::QntDialect>();
  module = mlir::parseSourceString<mlir::ModuleOp>(which.text, &testContext());
  if (!module)
    fail(which.text);
  op = *module->getOps<qnt::KernelOp>().begin();
  mlir::PassManager passes(&testContext(), qnt::KernelOp::getOperationName());
  passes.addPass(lower::createExpandRows());
  if (failed(passes.run(op)))
    fail(which.text);
}

void Group::emit(KernelBuilder &k) {
  lower::KernelFrame frame(k, op);
  if (failed(lower::findFamily(op.getKind())->emit(frame)))
    fail(which.text);
}

int64_t Group::evaluate(qnt::DimExpr expr) const {
  llvm::StringMap<int64_t> values;
  for (size_t i = 0; i < which.dims.size(); ++i)
    values["d" + std::to_string(i)] = which.dims[i];
  return *expr.evaluate(values);
}

/// Billions of operations, or of bytes read and written.
double Group::amount() const {
  double bytes = 0;
  for (int64_t part : which.bytes)
    bytes += part;
  return 1e-9 * (which.ops ? which.ops : bytes);
}

Work Group::work(int threads) {
  if (!module)
    parse();
  auto shape = lower::findFamily(op.getKind())->shape(op);
  if (failed(shape))
    fail(which.text);
  auto buffers = std::make_shared<std::vector<NumberBuffer>>();
  Args args;
  for (int64_t bytes : which.bytes) // quantized rows have scales and padding
    args << buffers->emplace_back(2 * bytes).data();
  for (int64_t dim : which.dims)
    args << dim;
  for (int i = 0; i < threads; ++i)
    buffers->emplace_back(evaluate(shape->scratchBytes));
  size_t operands = which.bytes.size();
  int64_t tasks = evaluate(shape->tasks), times = repetitions(amount(), threads);
  return {amount() * times, [=, function = kernel.function()](int thread, int64_t) {
            auto [begin, end] = part(tasks, thread, threads);
            void *scratch = (*buffers)[operands + thread].data();
            for (int64_t i = 0; i < times; ++i)
              function(args.data(), begin, end, thread, scratch);
          }};
}

/// Copies bytes that stay in the cache.
class CopyProbe {
public:
  explicit CopyProbe(const Target &target) : kernel(target, emit) {}
  /// Reads and writes `amount` billions of bytes in all, again and again.
  Work work(double amount, int threads) {
    int64_t lines = 1e9 * amount / 128, times = repetitions(amount, threads);
    auto from = std::make_shared<NumberBuffer>(64 * lines),
         to = std::make_shared<NumberBuffer>(64 * lines);
    return {128e-9 * lines * times, [=, function = kernel.function()](int thread, int64_t) {
              Args args;
              args << from->data() << to->data();
              auto [begin, end] = part(lines, thread, threads);
              for (int64_t i = 0; i < times; ++i)
                function(args.data(), begin, end, thread, nullptr);
            }};
  }

private:
  static void emit(KernelBuilder &k) {
    k.forTasks([&](Value line) {
      Value at = k.mul(line, k.ci64(kLanes));
      k.vstore(Elem::F32, k.vload(Elem::F32, k.argPtr(0), at), k.argPtr(1), at);
    });
  }
  LazyKernel kernel;
};

} // namespace

void bench::registerFused(const Settings &settings) {
  auto peak = std::make_shared<PeakProbe>(*settings.target, Numbers::Floats);
  auto copy = std::make_shared<CopyProbe>(*settings.target);
  for (const Case &which : allCases()) {
    auto group = std::make_shared<Group>(*settings.target, which);
    for (int threads : {1, 2}) {
      std::string name = "fused/" + which.name + "/threads:" + std::to_string(threads);
      benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State &state) {
        Work kernel = group->work(threads);
        if (group->which.ops)
          measure(state, "GOPS", threads, kernel, peak->work(kernel.amount, threads));
        else
          measure(state, "GB/s", threads, kernel, copy->work(group->amount(), threads));
      })->UseManualTime();
    }
  }
}
