// Comparing what the interpreter computes before and after each pass.
#include "qcc/Pipeline/ValidatePasses.h"
#include "mlir/Pass/Pass.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using llvm::Error;
using llvm::Expected;
using reference::RtValue;
using reference::Tensor;

/// What tipped codes of 8 bits may do to outputs, as a relative norm.
static constexpr double kTippedCodes = 0.05;

PassBudget qcc::passBudget(StringRef argument) {
#define QCC_PASS_BUDGET(name, budgetKind, limit)                                                   \
  if (argument == name)                                                                            \
    return {PassBudget::budgetKind, limit};
#include "qcc/Pipeline/PassBudgets.def"
  return {};
}

/// Index of the first argument with a role that starts so; -1: none.
static int argumentOfRole(func::FuncOp function, StringRef role) {
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (auto attr = function.getArgAttrOfType<StringAttr>(i, roleAttrName))
      if (attr.getValue().starts_with(role))
        return static_cast<int>(i);
  return -1;
}

/// Where an exporter gave the mask's length a symbol of its own, it is past and new positions.
static void fitMask(func::FuncOp function, llvm::StringMap<int64_t> &sizes) {
  auto sizeOf = [&](int argument, size_t axis) -> int64_t {
    if (argument < 0)
      return 0;
    SmallVector<DimExpr> dims = dimsOf(function.getArgument(argument).getType());
    return axis < dims.size() ? dims[axis].evaluate(sizes).value_or(0) : 0;
  };
  int mask = argumentOfRole(function, "mask");
  SmallVector<DimExpr> dims;
  if (mask >= 0)
    dims = dimsOf(function.getArgument(mask).getType());
  if (dims.size() == 2 && dims[1].kind() == DimKind::Symbol)
    sizes[dims[1].str()] =
        sizeOf(argumentOfRole(function, "ids"), 1) + sizeOf(argumentOfRole(function, "past"), 2);
}

/// Sizes 2, 3, 4, ... within each symbol's range and divisor; what an op produces comes by itself.
static llvm::StringMap<int64_t> smallSizes(func::FuncOp function) {
  llvm::StringMap<int64_t> sizes;
  int64_t next = 2;
  if (auto symbols = function->getAttrOfType<ArrayAttr>(symbolsAttrName))
    for (auto symbol : symbols.getAsRange<SymbolAttr>()) {
      int64_t divisor = std::max<int64_t>(1, symbol.getDivisor());
      int64_t size = std::max<int64_t>(next++, symbol.getMin());
      size = (size + divisor - 1) / divisor * divisor;
      sizes[symbol.getName()] = std::min(size, symbol.getMax());
    }
  fitMask(function, sizes);
  return sizes;
}

Expected<SmallVector<RtValue>> qcc::smallInputs(func::FuncOp function) {
  reference::Environment environment;
  environment.symbols = smallSizes(function);
  SmallVector<RtValue> inputs;
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
    auto dims = environment.sizes(type, function);
    if (!dims)
      return dims.takeError();
    int64_t count = 1;
    for (int64_t dim : *dims)
      count *= dim;
    auto role = function.getArgAttrOfType<StringAttr>(i, roleAttrName);
    StringRef what = role ? role.getValue() : "";
    Type element = elementTypeOf(type);
    std::vector<double> values(count);
    int64_t row = dims->empty() ? 1 : std::max<int64_t>(1, dims->back());
    for (int64_t k = 0; k < count; ++k) {
      if (what == "mask")
        values[k] = 1;
      else if (what == "types" || element.isInteger(1))
        values[k] = what == "types" ? 0 : 1;
      else if (what == "positions")
        values[k] = static_cast<double>(k % row);
      else if (isa<IntegerType>(element))
        values[k] = static_cast<double>((k * 7 + 3) % 17); // ids of any vocabulary
      else
        values[k] = std::sin(static_cast<double>(k + 1) * (1.7 + static_cast<double>(i)));
    }
    inputs.push_back(Tensor::of(element, *dims, values));
  }
  return inputs;
}

/// The model's function: a module has one until kernels are outlined.
static func::FuncOp modelFunction(ModuleOp module) {
  auto functions = module.getOps<func::FuncOp>();
  return functions.empty() ? func::FuncOp() : *functions.begin();
}

/// Whether the interpreter knows every op of the body.
static bool isInterpretable(func::FuncOp function) {
  return function && llvm::all_of(function.getBody().front(), [](Operation &op) {
           return isa<QntDialect>(op.getDialect()) || isa<func::ReturnOp>(op);
         });
}

/// Whether rounding can tip a code of an activation, after which outputs differ by its step.
static bool quantizesActivations(func::FuncOp function) {
  auto found = function.walk([](Operation *op) {
    for (Type type : op->getResultTypes())
      if (auto q = dyn_cast<QType>(type); q && q.getGranularity() == Granularity::token)
        return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return found.wasInterrupted();
}

/// The types of a model's inputs, which hardly any pass changes.
static SmallVector<Type> typesOf(ModuleOp module) {
  return llvm::to_vector(modelFunction(module).getArgumentTypes());
}

Expected<PassValidator::Values> PassValidator::run(ModuleOp module) {
  return reference::evaluateFunction(modelFunction(module), inputs, weights);
}

Error PassValidator::start(ModuleOp module, Values given) {
  inputs = std::move(given);
  types = typesOf(module);
  if (inputs.empty()) {
    auto small = smallInputs(modelFunction(module));
    if (!small)
      return small.takeError();
    inputs = std::move(*small);
  }
  auto outputs = run(module);
  if (!outputs)
    return outputs.takeError();
  expected = std::move(*outputs);
  return Error::success();
}

/// Error of one output under a kind of budget, and where it is largest.
static std::pair<double, int64_t> errorOf(const Tensor &want, const Tensor &got,
                                          PassBudget::Kind kind) {
  double largest = 0, worst = 0, norm = 0, distance = 0;
  int64_t at = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    double a = want.real(i), b = got.real(i);
    bool same = a == b || (std::isnan(a) && std::isnan(b));
    double error = same ? 0 : std::abs(a - b);
    if (std::isnan(error))
      error = INFINITY;
    if (error > worst) {
      worst = error;
      at = i;
    }
    if (std::isfinite(a)) {
      largest = std::max(largest, std::abs(a));
      norm += a * a;
    }
    distance += error * error;
  }
  if (kind == PassBudget::Lossy)
    return {distance == 0 ? 0 : std::sqrt(distance / std::max(norm, 1e-30)), at};
  return {worst == 0 ? 0 : worst / std::max(largest, 1e-30), at};
}

/// What is wrong with the outputs, or nothing.
std::string PassValidator::difference(const Values &now, PassBudget budget) const {
  if (now.size() != expected.size())
    return llvm::formatv("{0} outputs became {1}", expected.size(), now.size());
  for (size_t i = 0; i < now.size(); ++i) {
    const auto *want = std::get_if<Tensor>(&expected[i]), *got = std::get_if<Tensor>(&now[i]);
    if (!want || !got)
      continue;
    if (want->dims() != got->dims())
      return llvm::formatv("output {0} has other dimensions", i);
    auto [error, at] = errorOf(*want, *got, budget.kind);
    if (error <= budget.limit)
      continue;
    return llvm::formatv("output {0}, element {1}: {2} became {3}; the error is {4:e2}, the pass "
                         "may cause {5:e2}",
                         i, at, want->real(at), got->real(at), error, budget.limit);
  }
  return "";
}

void PassValidator::checkAfter(StringRef pass, ModuleOp module) {
  if (over || !offender.empty())
    return;
  if (!isInterpretable(modelFunction(module))) {
    over = true;
    return;
  }
  // Caches in another format are inputs and outputs of other types: nothing to compare with, and
  // the passes that follow start from there.
  if (typesOf(module) != types) {
    if (Error error = start(module))
      offender = pass.str(), what = llvm::toString(std::move(error));
    return;
  }
  auto outputs = run(module);
  ++compared;
  if (!outputs) {
    offender = pass.str();
    what = "the model cannot be evaluated any more: " + llvm::toString(outputs.takeError());
    return;
  }
  PassBudget budget = passBudget(pass);
  if (budget.kind == PassBudget::Rounding && quantizesActivations(modelFunction(module)))
    budget = {PassBudget::Lossy, kTippedCodes};
  what = difference(*outputs, budget);
  if (!what.empty())
    offender = pass.str();
  // Budgets do not add up: the next pass starts from what this one made.
  expected = std::move(*outputs);
}

Error PassValidator::result() {
  if (offender.empty())
    return Error::success();
  return makeError(Diag::PassChangedOutputs, "pass '" + offender + "'", what);
}

namespace {
class Instrumentation : public PassInstrumentation {
public:
  explicit Instrumentation(PassValidator &validator) : validator(validator) {}
  void runAfterPass(Pass *pass, Operation *op) override {
    StringRef name = pass->getArgument();
    // Adaptors that run nested passes have no name; what they ran was checked.
    if (name.empty())
      return;
    auto module = dyn_cast<ModuleOp>(op);
    validator.checkAfter(name, module ? module : op->getParentOfType<ModuleOp>());
  }

private:
  PassValidator &validator;
};
} // namespace

std::unique_ptr<PassInstrumentation> PassValidator::instrumentation() {
  return std::make_unique<Instrumentation>(*this);
}
