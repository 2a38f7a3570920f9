// Runs MLIR text through the reference interpreter. Shared by the tests of this room.
#ifndef QCC_TEST_REFERENCE_EVALUATE_H
#define QCC_TEST_REFERENCE_EVALUATE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "qcc/Reference/Interpreter.h"
#include "qcc/Support/Diagnostics.h"
#include <gtest/gtest.h>

namespace qcc::reference::test {

using Reals = std::vector<double>;
using Dims = llvm::SmallVector<int64_t>;

/// A module with the function @main, and the interpreter around it.
class Program {
public:
  Program() { context.loadDialect<qnt::QntDialect, mlir::func::FuncDialect>(); }

  /// Parses a whole module.
  Program &parse(const std::string &text) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    if (!module)
      ADD_FAILURE() << text;
    return *this;
  }
  /// Parses `func.func @main(ARGUMENTS) -> RESULTS { BODY }`.
  Program &body(const std::string &arguments, const std::string &results, const std::string &body,
                const std::string &symbols = "") {
    std::string attributes = symbols.empty() ? "" : " attributes {qnt.symbols = [" + symbols + "]}";
    return parse("func.func @main(" + arguments + ") -> (" + results + ")" + attributes + " {\n" +
                 body + "\n}");
  }
  /// An input of the type of argument `i`, or of `dims` where that has symbols.
  Program &input(const Reals &values, std::optional<Dims> dims = {}) {
    if (!module)
      return *this;
    mlir::Type type = main().getArgumentTypes()[inputs.size()];
    if (!dims) {
      dims.emplace();
      for (qnt::DimExpr dim : qnt::dimsOf(type))
        dims->push_back(dim.constantValue().value_or(-1));
    }
    inputs.push_back(Tensor::of(qnt::elementTypeOf(type), *dims, values));
    return *this;
  }
  llvm::Expected<llvm::SmallVector<RtValue>> evaluate() {
    if (!module)
      return makeError(Diag::Internal, "test", "does not parse");
    return evaluateFunction(main(), inputs, environment);
  }
  /// Elements of result `i`.
  Reals run(unsigned i = 0) {
    auto results = evaluate();
    if (!results) {
      ADD_FAILURE() << llvm::toString(results.takeError());
      return {};
    }
    const auto &tensor = std::get<Tensor>((*results)[i]);
    dims = Dims(tensor.dims());
    Reals values;
    for (int64_t j = 0; j < tensor.size(); ++j)
      values.push_back(tensor.real(j));
    return values;
  }
  /// The text of the error that the run ends in.
  std::string fault() {
    auto results = evaluate();
    if (results)
      return "no error";
    return llvm::toString(results.takeError());
  }

  mlir::func::FuncOp main() { return module->lookupSymbol<mlir::func::FuncOp>("main"); }
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  llvm::SmallVector<RtValue> inputs;
  Environment environment;
  Dims dims; ///< of the result that was read last
};

/// `out = OP x` on tensors of `in` and `out`.
inline Reals unary(const std::string &op, const std::string &in, const std::string &out,
                   const Reals &x) {
  Program program;
  program.body("%x: tensor<" + in + ">", "tensor<" + out + ">",
               "%0 = qnt." + op + " : (tensor<" + in + ">) -> tensor<" + out +
                   ">\n return %0 : tensor<" + out + ">");
  return program.input(x).run();
}
/// `out = OP %x, %y`.
inline Reals binary(const std::string &op, const std::string &x, const std::string &y,
                    const std::string &out, const Reals &xs, const Reals &ys) {
  Program program;
  program.body("%x: tensor<" + x + ">, %y: tensor<" + y + ">", "tensor<" + out + ">",
               "%0 = qnt." + op + " : (tensor<" + x + ">, tensor<" + y + ">) -> tensor<" + out +
                   ">\n return %0 : tensor<" + out + ">");
  return program.input(xs).input(ys).run();
}

inline void expectNear(const Reals &got, const Reals &want, double tolerance = 1e-6) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    if (std::isnan(want[i]))
      EXPECT_TRUE(std::isnan(got[i])) << "element " << i << " is " << got[i];
    else if (got[i] != want[i]) // also equal infinities
      EXPECT_NEAR(got[i], want[i], tolerance) << "element " << i;
}

} // namespace qcc::reference::test
#endif
