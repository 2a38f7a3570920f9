// Compiling and running one kernel; see KernelHarness.h.
#include "KernelHarness.h"
#include "AmxEmulator.h"
#include "mlir/Parser/Parser.h"
#include <cmath>
#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::lower::test;
using namespace qcc::qnt;

GuardedBuffer::GuardedBuffer(int64_t size, uint8_t poison) : bytes(size) {
  int64_t page = sysconf(_SC_PAGESIZE), body = (size + page - 1) / page * page;
  mapped = body + 2 * page;
  base = static_cast<char *>(mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(base + page, body, PROT_READ | PROT_WRITE);
  std::memset(base + page, poison, body);
  start = base + page + body - size;
}
GuardedBuffer::~GuardedBuffer() {
  if (base)
    munmap(base, mapped);
}

int64_t test::evaluate(DimExpr expr, ArrayRef<int64_t> dims) {
  llvm::StringMap<int64_t> values;
  for (auto [i, dim] : llvm::enumerate(dims))
    values["d" + std::to_string(i)] = dim;
  auto value = expr.evaluate(values);
  EXPECT_TRUE(value.has_value()) << expr.str();
  return value.value_or(0);
}

int64_t test::launchTasks(qcc_kernel_fn kernel, const Args &args, int64_t tasks,
                          int64_t scratchBytes) {
  // Odd cuts, last range first: the order of ranges must not matter.
  int64_t cuts[] = {0, tasks / 3, tasks / 3 + (tasks > 1), tasks}, fault = 0;
  for (int i = 2; i >= 0; --i) {
    if (cuts[i] >= cuts[i + 1])
      continue;
    GuardedBuffer scratch((scratchBytes + 63) / 64 * 64, 0xff);
    int64_t status = kernel(args.data(), cuts[i], cuts[i + 1], i, scratch.data());
    fault = fault ? fault : status;
  }
  return fault;
}

KernelHarness::KernelHarness(const std::string &text) {
  testContext().loadDialect<QntDialect>();
  module = parseSourceString<ModuleOp>(text, &testContext());
  if (!module) {
    std::fprintf(stderr, "does not parse:\n%s\n", text.c_str());
    std::abort();
  }
  op = *module->getOps<KernelOp>().begin();
}

Dims KernelHarness::sizesOf(Type type, ArrayRef<int64_t> dims) const {
  Dims sizes;
  for (DimExpr dim : dimsOf(type))
    sizes.push_back(evaluate(dim, dims));
  return sizes;
}

LaunchShape KernelHarness::shape() const {
  const KernelFamily *family = findFamily(op.getKind());
  if (!family) {
    std::fprintf(stderr, "no family for %s\n", op.getKind().str().c_str());
    std::abort();
  }
  auto shape = family->shape(op);
  EXPECT_TRUE(succeeded(shape));
  return *shape;
}

qcc_kernel_fn KernelHarness::function(const Target &target) {
  std::unique_ptr<Jit> &jit = compiled[&target];
  if (!jit)
    jit = Jit::build(target, [&](ModuleOp into) { emitInto(into, target); });
  return jit->kernel("kernel");
}

void KernelHarness::emitInto(ModuleOp into, const Target &target) {
  KernelBuilder k(into, "kernel", target);
  KernelFrame frame(k, op);
  bool emitted = succeeded(findFamily(op.getKind())->emit(frame));
  EXPECT_TRUE(emitted) << op.getKind().str();
  k.finish();
}

std::vector<Tensor> KernelHarness::randomInputs(ArrayRef<int64_t> dims,
                                                std::map<int, Tensor> override,
                                                unsigned seed) const {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<Tensor> inputs;
  for (BlockArgument argument : op.getBody().getArguments()) {
    if (auto it = override.find(argument.getArgNumber()); it != override.end()) {
      inputs.push_back(it->second);
      continue;
    }
    Type element = elementTypeOf(argument.getType());
    Dims sizes = sizesOf(argument.getType(), dims);
    Tensor shaped(element, sizes);
    std::vector<double> values(shaped.size());
    for (double &value : values)
      value = isa<FloatType>(element)       ? normal(generator)
              : element.isInteger(1)        ? double(generator() % 2)
              : element.isUnsignedInteger() ? double(generator() % 100)
                                            : double(generator() % 100) - 50;
    inputs.push_back(Tensor::of(element, sizes, values));
  }
  return inputs;
}

namespace {

/// A cache as sessions store it: spare rows after every head, and gaps of 20 bytes between batches.
struct CacheStorage {
  Dims dims; ///< of the longest content
  int64_t width, headStride, batchStride;
  GuardedBuffer buffer;

  CacheStorage(ArrayRef<int64_t> sizes, int64_t elementBytes)
      : dims(sizes), width(sizes[3] * elementBytes), headStride((sizes[2] + 3) * sizes[3]),
        batchStride(sizes[1] * headStride + 20 / elementBytes),
        buffer((sizes[0] - 1) * batchStride * elementBytes +
               (sizes[1] - 1) * headStride * elementBytes + sizes[2] * width) {}

  void copy(Tensor &tensor, bool in) {
    int64_t bytes = tensor.bytesPerElement(), rows = tensor.dims()[2];
    char *dense = tensor.mutableData();
    for (int64_t b = 0; b < dims[0]; ++b)
      for (int64_t h = 0; h < dims[1]; ++h, dense += rows * width) {
        char *stored = buffer.data() + (b * batchStride + h * headStride) * bytes;
        std::memcpy(in ? stored : dense, in ? dense : stored, rows * width);
      }
  }
  void pass(Args &args) { args << buffer.data() << batchStride << headStride; }
};

} // namespace

Outcome KernelHarness::run(const Target &target, ArrayRef<int64_t> dims, ArrayRef<Tensor> inputs) {
  std::vector<GuardedBuffer> buffers;
  std::vector<std::unique_ptr<CacheStorage>> caches;
  Args args;
  Outcome outcome;
  Block &body = op.getBody().front();
  ValueRange yielded = body.getTerminator()->getOperands();
  for (auto [argument, input] : llvm::zip(body.getArguments(), inputs)) {
    if (isa<KvType>(argument.getType())) {
      // Appending goes on in the same storage, which must have room for the result.
      bool appends = op.getKind() == "kv_append";
      Type longest = appends ? yielded[0].getType() : argument.getType();
      caches.push_back(
          std::make_unique<CacheStorage>(sizesOf(longest, dims), input.bytesPerElement()));
      Tensor copy = Tensor(input.elementType(), input.dims());
      std::memcpy(copy.mutableData(), input.data(), input.byteSize());
      caches.back()->copy(copy, true);
      caches.back()->pass(args);
      continue;
    }
    buffers.emplace_back(input.byteSize());
    std::memcpy(buffers.back().data(), input.data(), input.byteSize());
    args << buffers.back().data();
  }
  size_t firstResult = buffers.size();
  for (Value value : yielded) {
    Type type = value.getType();
    outcome.results.emplace_back(elementTypeOf(type), sizesOf(type, dims));
    if (isa<KvType>(type)) {
      if (caches.empty())
        caches.push_back(std::make_unique<CacheStorage>(sizesOf(type, dims),
                                                        outcome.results.back().bytesPerElement()));
      caches[0]->pass(args);
      continue;
    }
    buffers.emplace_back(outcome.results.back().byteSize());
    args << buffers.back().data();
  }
  for (int64_t dim : dims)
    args << dim;
  LaunchShape launch = shape();
  int64_t tasks = evaluate(launch.tasks, dims), scratch = evaluate(launch.scratchBytes, dims);
  int64_t grain = evaluate(launch.grain, dims);
  EXPECT_GE(grain, 1);
  if (target.isGpu()) {
    if (!onThreads)
      onThreads =
          std::make_unique<GpuKernels>(target, [&](ModuleOp into) { emitInto(into, target); });
    std::vector<HostBytes> memory;
    for (GuardedBuffer &buffer : buffers)
      memory.push_back({buffer.data(), buffer.size()});
    for (auto &cache : caches)
      memory.push_back({cache->buffer.data(), cache->buffer.size()});
    outcome.fault = onThreads->launch(args.slots, memory, tasks, grain, scratch, blocks, seed);
  } else {
    outcome.fault = launchTasks(function(target), args, tasks, scratch);
  }
  for (auto [i, result] : llvm::enumerate(outcome.results))
    if (isa<KvType>(yielded[i].getType()))
      caches[0]->copy(result, false);
    else
      std::memcpy(result.mutableData(), buffers[firstResult + i].data(), result.byteSize());
  return outcome;
}

std::vector<Tensor> KernelHarness::expected(ArrayRef<int64_t> dims, ArrayRef<Tensor> inputs) const {
  reference::Environment environment;
  for (auto [i, dim] : llvm::enumerate(dims))
    environment.symbols["d" + std::to_string(i)] = dim;
  llvm::DenseMap<Value, reference::RtValue> values;
  for (auto [argument, input] : llvm::zip(op.getBody().getArguments(), inputs))
    values[argument] = input;
  Block &body = op.getBody().front();
  for (Operation &inner : body.without_terminator()) {
    SmallVector<reference::RtValue> operands;
    for (Value operand : inner.getOperands())
      operands.push_back(values[operand]);
    auto results = reference::evaluateOp(&inner, operands, environment);
    if (!results) {
      ADD_FAILURE() << llvm::toString(results.takeError());
      return {};
    }
    for (auto [value, result] : llvm::zip(inner.getResults(), *results))
      values[value] = result;
  }
  std::vector<Tensor> out;
  for (Value value : body.getTerminator()->getOperands())
    out.push_back(std::get<Tensor>(values[value]));
  return out;
}

static void compare(const Tensor &got, const Tensor &want, double tolerance, const char *level) {
  ASSERT_EQ(got.dims(), want.dims());
  if (tolerance == 0 && std::memcmp(got.data(), want.data(), got.byteSize()) == 0)
    return;
  for (int64_t i = 0; i < got.size(); ++i) {
    double a = got.real(i), b = want.real(i);
    if (std::isnan(a) && std::isnan(b))
      continue;
    if (a == b)
      continue;
    ASSERT_LE(std::fabs(a - b), tolerance * (1 + std::fabs(b)))
        << level << ": element " << i << ": " << a << " instead of " << b;
  }
}

void KernelHarness::check(ArrayRef<int64_t> dims, ArrayRef<Tensor> inputs, double tolerance) {
  std::vector<Tensor> want = expected(dims, inputs);
  std::optional<Outcome> first;
  std::vector<const Target *> levels = levelsWithAmx();
  levels.push_back(findTarget("nvptx-sm_80"));
  for (const Target *target : levels) {
    Outcome outcome = run(*target, dims, inputs);
    EXPECT_EQ(outcome.fault, 0) << target->name;
    ASSERT_EQ(outcome.results.size(), want.size());
    for (auto [got, wanted] : llvm::zip(outcome.results, want))
      compare(got, wanted, tolerance, target->name);
    if (first)
      for (auto [got, same] : llvm::zip(outcome.results, first->results))
        EXPECT_EQ(std::memcmp(got.data(), same.data(), got.byteSize()), 0)
            << target->name << " differs from " << levelsWithAmx()[0]->name;
    else
      first = std::move(outcome);
  }
}

void KernelHarness::checkFault(ArrayRef<int64_t> dims, ArrayRef<Tensor> inputs, int64_t fault) {
  std::vector<const Target *> levels = levelsWithAmx();
  levels.push_back(findTarget("nvptx-sm_80"));
  for (const Target *target : levels)
    EXPECT_EQ(run(*target, dims, inputs).fault, fault) << target->name;
}
