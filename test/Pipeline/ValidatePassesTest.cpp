// Translation validation names each of ten wrong passes, and no right one.
#include "qcc/Pipeline/ValidatePasses.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Support/Diagnostics.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

/// A norm, a layer, an activation and a residual, with constants small enough to print.
constexpr llvm::StringLiteral kModel = R"mlir(
#x = #qnt.dims<[s, 2]>
func.func @main(%x: tensor<?x2xf32, #x> {qnt.name = "x"}) -> tensor<?x2xf32, #x>
    attributes {qnt.symbols = [#qnt.symbol<"s", input = 0, axis = 0>]} {
  %gain = qnt.constant dense<[1.5, 0.5]> : tensor<2xf32>
  %w = qnt.constant dense<[[1.0, 2.0], [-1.0, 0.25]]> : tensor<2x2xf32>
  %b = qnt.constant dense<[0.5, -0.25]> : tensor<2xf32>
  %0 = qnt.rms_norm %x, %gain {epsilon = 1.0e-5 : f64} : (tensor<?x2xf32, #x>, tensor<2xf32>) -> tensor<?x2xf32, #x>
  %1 = qnt.linear %0, %w, %b : (tensor<?x2xf32, #x>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<?x2xf32, #x>
  %2 = qnt.sigmoid %1 : (tensor<?x2xf32, #x>) -> tensor<?x2xf32, #x>
  %3 = qnt.sub %2, %x : (tensor<?x2xf32, #x>, tensor<?x2xf32, #x>) -> tensor<?x2xf32, #x>
  return %3 : tensor<?x2xf32, #x>
}
)mlir";

using Rewrite = std::function<void(func::FuncOp)>;

/// A pass that does `rewrite`, under an argument of its own.
class PlantedPass : public PassWrapper<PlantedPass, OperationPass<func::FuncOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PlantedPass)
  PlantedPass(std::string argument, Rewrite rewrite)
      : argument(std::move(argument)), rewrite(std::move(rewrite)) {}
  PlantedPass(const PlantedPass &other)
      : PassWrapper(other), argument(other.argument), rewrite(other.rewrite) {}
  StringRef getArgument() const override { return argument; }
  void runOnOperation() override { rewrite(getOperation()); }

private:
  std::string argument;
  Rewrite rewrite;
};

template <typename Op> Op first(func::FuncOp function) {
  return *function.getBody().front().getOps<Op>().begin();
}

/// Replaces the n-th constant by one whose elements `change` maps.
void changeConstant(func::FuncOp function, int n, std::function<float(int, float)> change) {
  auto constants = llvm::to_vector(function.getBody().front().getOps<ConstantOp>());
  auto values = cast<DenseElementsAttr>(constants[n].getValue());
  std::vector<float> changed;
  for (auto [i, value] : llvm::enumerate(values.getValues<float>()))
    changed.push_back(change(static_cast<int>(i), value));
  constants[n].setValueAttr(
      DenseElementsAttr::get(cast<ShapedType>(values.getType()), ArrayRef<float>(changed)));
}

std::vector<std::pair<std::string, Rewrite>> wrongPasses() {
  auto erase = [](Operation *op) {
    op->getResult(0).replaceAllUsesWith(op->getOperand(0));
    op->erase();
  };
  return {
      {"drops-the-bias", [](auto f) { first<LinearOp>(f).getBiasMutable().clear(); }},
      {"drops-the-norm", [=](auto f) { erase(first<RmsNormOp>(f)); }},
      {"drops-the-activation", [=](auto f) { erase(first<SigmoidOp>(f)); }},
      {"swaps-operands",
       [](auto f) {
         auto sub = first<SubOp>(f);
         Value x = sub->getOperand(0);
         sub->setOperand(0, sub->getOperand(1));
         sub->setOperand(1, x);
       }},
      {"transposes-the-weight",
       [](auto f) {
         std::vector<float> t = {1.0, -1.0, 2.0, 0.25};
         changeConstant(f, 1, [=](int i, float) { return t[i]; });
       }},
      {"scales-one-row",
       [](auto f) { changeConstant(f, 1, [](int i, float v) { return i < 2 ? v : 2 * v; }); }},
      {"folds-the-gain-once-too-often",
       [](auto f) { changeConstant(f, 0, [](int, float v) { return v * v; }); }},
      {"loses-the-last-bit",
       [](auto f) { changeConstant(f, 2, [](int, float v) { return v * (1 + 1e-6f); }); }},
      {"changes-epsilon",
       [](auto f) {
         auto norm = first<RmsNormOp>(f);
         norm.setEpsilonAttr(Builder(norm.getContext()).getF64FloatAttr(1e-2));
       }},
      {"reads-another-value", [](auto f) { first<LinearOp>(f)->setOperand(0, f.getArgument(0)); }},
  };
}

class ValidatePasses : public testing::Test {
protected:
  void SetUp() override {
    context = makeContext(1);
    module = parseSourceString<ModuleOp>(kModel, context.get());
    ASSERT_TRUE(module);
  }
  /// Runs harmless passes around `name`; gives what the validator found.
  std::string run(StringRef name, const Rewrite &rewrite) {
    PassValidator validator("", "");
    if (llvm::Error failed = validator.start(*module))
      return llvm::toString(std::move(failed));
    PassManager pm(context.get());
    pm.addInstrumentation(validator.instrumentation());
    auto add = [&](StringRef argument, Rewrite what) {
      pm.addNestedPass<func::FuncOp>(std::make_unique<PlantedPass>(argument.str(), what));
    };
    add("before", [](func::FuncOp) {});
    add(name, rewrite);
    add("after", [](func::FuncOp) {});
    EXPECT_TRUE(succeeded(pm.run(*module)));
    compared = validator.passes();
    return llvm::toString(validator.result());
  }

  std::unique_ptr<MLIRContext> context;
  OwningOpRef<ModuleOp> module;
  unsigned compared = 0;
};

TEST_F(ValidatePasses, NamesEachWrongPass) {
  unsigned found = 0;
  for (auto &[name, rewrite] : wrongPasses()) {
    module = parseSourceString<ModuleOp>(kModel, context.get());
    std::string message = run(name, rewrite);
    EXPECT_NE(message.find("pass '" + name + "'"), std::string::npos) << name << ": " << message;
    found += !message.empty();
  }
  EXPECT_EQ(found, 10u);
}

TEST_F(ValidatePasses, HarmlessPassesPass) {
  EXPECT_EQ(run("adds-nothing", [](func::FuncOp) {}), "");
  EXPECT_EQ(compared, 3u);
}

TEST_F(ValidatePasses, BudgetsAreDeclared) {
  EXPECT_EQ(passBudget("qcc-fuse-linear").kind, PassBudget::Exact);
  EXPECT_EQ(passBudget("qcc-raise-gelu").kind, PassBudget::Rounding);
  EXPECT_EQ(passBudget("qcc-assign-schemes").kind, PassBudget::Lossy);
  // A rounding pass may lose the last bit, but not more.
  EXPECT_EQ(run("qcc-raise-gelu", wrongPasses()[7].second), "");
  EXPECT_NE(run("qcc-raise-gelu", wrongPasses()[5].second), "");
}

TEST_F(ValidatePasses, OnlyTheFirstOffenderIsNamed) {
  PassValidator validator("", "");
  ASSERT_FALSE(static_cast<bool>(validator.start(*module)));
  auto function = *module->getOps<func::FuncOp>().begin();
  wrongPasses()[5].second(function);
  validator.checkAfter("one", *module);
  wrongPasses()[0].second(function);
  validator.checkAfter("two", *module);
  std::string message = llvm::toString(
      llvm::handleErrors(validator.result(), [](std::unique_ptr<CodedError> error) -> llvm::Error {
        EXPECT_EQ(error->code, Diag::PassChangedOutputs);
        return llvm::Error(std::move(error));
      }));
  EXPECT_NE(message.find("pass 'one'"), std::string::npos);
}

TEST_F(ValidatePasses, SmallInputsKeepToSymbols) {
  auto parsed = parseSourceString<ModuleOp>(R"mlir(
func.func @main(%ids: tensor<?x?xi64, #qnt.dims<[b, s]>> {qnt.role = "ids"},
                %mask: tensor<?x?xi64, #qnt.dims<[b, t]>> {qnt.role = "mask"},
                %past: tensor<?x1x?x4xf32, #qnt.dims<[b, 1, p, 4]>> {qnt.role = "past.0.key"})
    -> tensor<?x?xi64, #qnt.dims<[b, s]>>
    attributes {qnt.symbols = [#qnt.symbol<"b", input = 0, axis = 0, max = 1>,
                               #qnt.symbol<"s", input = 0, axis = 1, divisor = 8>,
                               #qnt.symbol<"t", input = 1, axis = 1>, #qnt.symbol<"p", input = 2, axis = 2>]} {
  return %ids : tensor<?x?xi64, #qnt.dims<[b, s]>>
}
)mlir",
                                            context.get());
  auto inputs = smallInputs(*parsed->getOps<func::FuncOp>().begin());
  ASSERT_TRUE(static_cast<bool>(inputs));
  auto dims = [&](int i) { return std::get<reference::Tensor>((*inputs)[i]).dims().vec(); };
  EXPECT_EQ(dims(0), (std::vector<int64_t>{1, 8}));
  int64_t past = dims(2)[2];
  EXPECT_EQ(dims(1), (std::vector<int64_t>{1, 8 + past}));
}

} // namespace
