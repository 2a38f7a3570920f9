// Small models over weights drawn at random, run by the reference before and after passes.
#ifndef QCC_TEST_TRANSFORM_MODEL_H
#define QCC_TEST_TRANSFORM_MODEL_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "qcc/Reference/Interpreter.h"
#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <random>

namespace qcc::test {

using Reals = std::vector<double>;

/// Normal numbers, a function of where a weight lies; some are scaled.
class RandomWeights : public reference::WeightSource {
public:
  llvm::Expected<Bytes> read(mlir::Attribute source) override {
    auto file = llvm::cast<qnt::FileAttr>(source);
    auto data = std::make_shared<std::vector<float>>(file.getLength() / 4);
    std::mt19937 random(static_cast<unsigned>(file.getOffset() + 1));
    std::normal_distribution<float> normal(0, deviation);
    for (float &value : *data)
      value = normal(random);
    if (auto edit = edits.find(file.getOffset()); edit != edits.end())
      edit->second(*data);
    return Bytes{reinterpret_cast<const char *>(data->data()), file.getLength(), data};
  }
  float deviation = 0.2f;
  std::map<uint64_t, std::function<void(std::vector<float> &)>> edits; ///< by offset
};

class Model {
public:
  /// `ids` are the input where it is of integers, else numbers are drawn.
  explicit Model(const std::string &text) : context(mlir::MLIRContext::Threading::DISABLED) {
    context.loadDialect<qnt::QntDialect, mlir::func::FuncDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    if (!module)
      ADD_FAILURE() << text;
  }
  mlir::func::FuncOp main() { return *module->getOps<mlir::func::FuncOp>().begin(); }

  /// All results, one after another.
  Reals
  run(std::function<void(mlir::Operation *, llvm::ArrayRef<reference::RtValue>)> observe = {}) {
    reference::Environment environment;
    environment.weights = &weights;
    environment.observe = observe;
    llvm::SmallVector<reference::RtValue> inputs;
    std::mt19937 random(5);
    for (mlir::Type type : main().getArgumentTypes()) {
      auto tensor = llvm::cast<mlir::RankedTensorType>(type);
      Reals values(tensor.getNumElements());
      for (double &value : values)
        value = tensor.getElementType().isInteger() ? random() % 20
                                                    : std::normal_distribution<double>()(random);
      inputs.push_back(reference::Tensor::of(tensor.getElementType(), tensor.getShape(), values));
    }
    auto results = reference::evaluateFunction(main(), inputs, environment);
    if (!results) {
      ADD_FAILURE() << llvm::toString(results.takeError());
      return {};
    }
    Reals all;
    for (auto &result : *results) {
      auto &tensor = std::get<reference::Tensor>(result);
      for (int64_t i = 0; i < tensor.size(); ++i)
        all.push_back(tensor.real(i));
    }
    return all;
  }
  /// `add` adds passes on functions.
  template <typename F> void apply(F add) {
    mlir::PassManager manager(&context);
    add(manager.nest<mlir::func::FuncOp>());
    ASSERT_TRUE(mlir::succeeded(manager.run(*module)));
  }
  template <typename Op> int count() {
    int found = 0;
    main().walk([&](Op) { ++found; });
    return found;
  }
  /// Ops of this kind on values that are not made of weights alone.
  template <typename Op> int countAtRunTime() {
    int found = 0;
    main().walk([&](Op op) { found += !isConstant(op->getResult(0)); });
    return found;
  }
  static bool isConstant(mlir::Value value) {
    mlir::Operation *def = value.getDefiningOp();
    return def && llvm::all_of(def->getOperands(), isConstant);
  }

  mlir::MLIRContext context;
  RandomWeights weights;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Norm of the difference relative to the norm of `a`.
inline double difference(const Reals &a, const Reals &b) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    error += (a[i] - b[i]) * (a[i] - b[i]);
    norm += a[i] * a[i];
  }
  return a.size() == b.size() && norm > 0 ? std::sqrt(error / norm) : 1;
}

/// A text of weights and a body, put together piece by piece.
class Text {
public:
  /// `%name`, a use of a new weight of these dimensions.
  std::string weight(const std::string &name, std::vector<int64_t> dims) {
    int64_t bytes = 4;
    for (int64_t dim : dims)
      bytes *= dim;
    offsets[name] = offset;
    weights += "qnt.weight @" + name + " : " + type(dims) + " = #qnt.file<\"w\", " +
               std::to_string(offset) + ", " + std::to_string(bytes) + ">\n";
    offset += static_cast<uint64_t>(bytes);
    body += "  %" + name + " = qnt.use @" + name + " : " + type(dims) + "\n";
    types["%" + name] = type(dims);
    return "%" + name;
  }
  /// The result of `op` ("add", "reshape") with a result of `dims`.
  std::string op(const std::string &op, std::vector<std::string> operands,
                 std::vector<int64_t> dims, const std::string &attributes = "") {
    std::string name = "%v" + std::to_string(count++), list, from;
    for (const std::string &operand : operands) {
      bool gain = op == "layer_norm" && !list.empty();
      const char *word = gain ? (operand == operands[1] ? " gain " : " bias ") : ", ";
      list += (list.empty() ? "" : word) + operand;
      from += (from.empty() ? "" : ", ") + types[operand];
    }
    body += "  " + name + " = qnt." + op + " " + list +
            (attributes.empty() ? "" : " {" + attributes + "}") + " : (" + from + ") -> " +
            type(dims) + " loc(\"" + name.substr(1) + "\")\n";
    types[name] = type(dims);
    return name;
  }
  std::string input(const std::string &name, const std::string &type) {
    arguments += (arguments.empty() ? "%" : ", %") + name + ": " + type;
    types["%" + name] = type;
    return "%" + name;
  }
  std::string module(std::vector<std::string> results) {
    std::string names, list;
    for (const std::string &result : results) {
      names += (names.empty() ? "" : ", ") + result;
      list += (list.empty() ? "" : ", ") + types[result];
    }
    return weights + "func.func @main(" + arguments + ") -> (" + list + ") {\n" + body +
           "  return " + names + " : " + list + "\n}\n";
  }
  static std::string type(const std::vector<int64_t> &dims) {
    std::string text = "tensor<";
    for (int64_t dim : dims)
      text += std::to_string(dim) + "x";
    return text + "f32>";
  }
  std::map<std::string, uint64_t> offsets; ///< of weights, by name

private:
  std::string weights, body, arguments;
  std::map<std::string, std::string> types;
  uint64_t offset = 0;
  int count = 0;
};

} // namespace qcc::test
#endif
