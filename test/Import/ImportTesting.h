// Small models in memory, imported and run by the reference interpreter.
#ifndef QCC_TEST_IMPORT_IMPORTTESTING_H
#define QCC_TEST_IMPORT_IMPORTTESTING_H

#include "Onnx/OnnxTesting.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "qcc/Import/Import.h"
#include "qcc/Reference/Interpreter.h"

namespace qcc::test {

enum : int { F32 = 1, U8 = 2, I8 = 3, I32 = 6, I64 = 7, Bool = 9 };

/// A ValueInfoProto whose dimensions are numbers or names; "?" has neither.
inline WireWriter named(const std::string &name, int type, const Names &dims) {
  WireWriter shape;
  for (const std::string &dim : dims) {
    bool number = !dim.empty() && dim.find_first_not_of("0123456789") == std::string::npos;
    shape.message(1, dim == "?" ? WireWriter()
                     : number   ? WireWriter().varint(1, std::stoll(dim))
                                : WireWriter().bytes(2, dim));
  }
  WireWriter tensorType = WireWriter().varint(1, type).message(2, shape);
  return WireWriter().bytes(1, name).message(2, WireWriter().message(1, tensorType));
}

inline WireWriter intsAttribute(const std::string &name, const std::vector<int64_t> &values) {
  WireWriter w;
  w.bytes(1, name);
  for (int64_t value : values)
    w.varint(8, value);
  return w.varint(20, 7);
}
inline WireWriter floatAttribute(const std::string &name, float value) {
  return WireWriter().bytes(1, name).fixed32(2, value).varint(20, 1);
}
inline WireWriter stringAttribute(const std::string &name, const std::string &value) {
  return WireWriter().bytes(1, name).bytes(4, value).varint(20, 3);
}
inline WireWriter stringsAttribute(const std::string &name, const Names &values) {
  WireWriter w;
  w.bytes(1, name);
  for (const std::string &value : values)
    w.bytes(9, value);
  return w.varint(20, 8);
}
/// `inner` with attributes.
inline WireWriter with(WireWriter inner, const std::vector<WireWriter> &attributes) {
  for (const WireWriter &attribute : attributes)
    inner.message(5, attribute);
  return inner;
}
inline WireWriter ints(const std::string &name, const std::vector<int64_t> &values) {
  return rawTensor(name, I64, {static_cast<int64_t>(values.size())}, WireWriter::pods(values));
}
inline WireWriter floats(const std::string &name, const std::vector<int64_t> &dims,
                         const std::vector<float> &values) {
  return rawTensor(name, F32, dims, WireWriter::pods(values));
}

/// A model under construction, and what became of it.
struct Graph {
  std::vector<WireWriter> nodes, inputs, outputs, constants, functions;
  int64_t version = 17;

  Graph &input(const std::string &name, const Names &dims, int type = F32) {
    inputs.push_back(named(name, type, dims));
    return *this;
  }
  Graph &constant(const WireWriter &tensor) {
    constants.push_back(tensor);
    return *this;
  }
  Graph &add(const WireWriter &node) {
    nodes.push_back(node);
    return *this;
  }
  Graph &output(const std::string &name, const Names &dims = {}, int type = F32) {
    outputs.push_back(named(name, type, dims));
    return *this;
  }
  std::string bytes() const {
    WireWriter g;
    for (const WireWriter &n : nodes)
      g.message(1, n);
    g.bytes(2, "g");
    for (const WireWriter &t : constants)
      g.message(5, t);
    for (const WireWriter &i : inputs)
      g.message(11, i);
    for (const WireWriter &o : outputs)
      g.message(12, o);
    WireWriter m;
    m.varint(1, 8)
        .message(7, g)
        .message(8, opset("", version))
        .message(8, opset("com.microsoft", 1));
    for (const WireWriter &f : functions)
      m.message(25, f);
    return m.str();
  }
};

class Imported {
public:
  explicit Imported(const Graph &graph, ImportOptions options = {}) {
    std::string path = folder.write("m.onnx", graph.bytes());
    auto result = importOnnx(path, context, options);
    if (result)
      module = std::move(*result);
    else
      error = result.takeError();
  }
  ~Imported() {
    if (error)
      ADD_FAILURE() << llvm::toString(std::move(error));
  }
  llvm::Error takeError() { return std::move(error); }
  bool ok() {
    if (error)
      ADD_FAILURE() << llvm::toString(std::move(error));
    return static_cast<bool>(module);
  }
  mlir::func::FuncOp main() { return *module->getOps<mlir::func::FuncOp>().begin(); }
  template <typename Op> size_t count() {
    size_t n = 0;
    if (ok())
      main().walk([&](Op) { ++n; });
    return n;
  }
  size_t opCount() { return ok() ? main().getBody().front().getOperations().size() - 1 : 0; }
  std::string argument(unsigned i) { return ok() ? dims(main().getArgumentTypes()[i]) : ""; }
  std::string result(unsigned i = 0) { return ok() ? dims(main().getResultTypes()[i]) : ""; }
  std::string text() {
    std::string s;
    llvm::raw_string_ostream os(s);
    if (ok())
      module->print(os);
    return s;
  }
  /// Elements of result i for f32 (or other) inputs given as numbers with their dimensions.
  struct Input {
    std::vector<double> values;
    std::vector<int64_t> dims;
  };
  std::vector<double> run(const std::vector<Input> &inputs, unsigned i = 0) {
    if (!ok())
      return {};
    llvm::SmallVector<reference::RtValue> values;
    for (auto [n, input] : llvm::enumerate(inputs))
      values.push_back(reference::Tensor::of(qnt::elementTypeOf(main().getArgumentTypes()[n]),
                                             input.dims, input.values));
    reference::FolderWeights weights(folder.path.string(), folder.path.string());
    auto results = reference::evaluateFunction(main(), values, weights);
    if (!results) {
      ADD_FAILURE() << llvm::toString(results.takeError());
      return {};
    }
    const auto &tensor = std::get<reference::Tensor>((*results)[i]);
    std::vector<double> out;
    for (int64_t e = 0; e < tensor.size(); ++e)
      out.push_back(tensor.real(e));
    return out;
  }

  TempFolder folder;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  llvm::Error error = llvm::Error::success();

private:
  static std::string dims(mlir::Type type) {
    std::string s;
    for (qnt::DimExpr dim : qnt::dimsOf(type))
      s += (s.empty() ? "" : ", ") + dim.str();
    return s;
  }
};

/// Imports and expects an error of that code; returns its text.
inline std::string refused(const Graph &graph, Diag code, ImportOptions options = {}) {
  Imported imported(graph, options);
  return expectCode(imported.takeError(), code);
}

} // namespace qcc::test
#endif
