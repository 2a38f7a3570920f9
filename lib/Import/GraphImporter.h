// The import of one model: its values so far, its weights and its one function.
#ifndef QCC_LIB_IMPORT_GRAPHIMPORTER_H
#define QCC_LIB_IMPORT_GRAPHIMPORTER_H

#include "DimSpace.h"
#include "ShapeValue.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "qcc/Import/Import.h"
#include "qcc/Onnx/Model.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringSet.h"
#include <map>
#include <set>

namespace qcc::import {

inline constexpr const char *unknownOperator = "qcc has no such operator";
inline constexpr const char *unknownRemedy =
    "define it by a model function (--functions=FILE.onnx), or let the application compute it "
    "(--host-op)";

/// What an ONNX value name stands for. At least one of the first three is set unless `poisoned`.
struct Entry {
  mlir::Value value;
  std::optional<ShapeValue> known;
  const onnx::Tensor *tensor = nullptr; ///< a constant that no op reads yet
  bool poisoned = false;                ///< result of an unsupported node
};

class GraphImporter {
public:
  GraphImporter(onnx::Model &model, mlir::MLIRContext *context, const ImportOptions &options);

  /// Builds the module. Unsupported nodes are collected, other errors end the import.
  llvm::Error run();
  mlir::OwningOpRef<mlir::ModuleOp> takeModule() { return std::move(module); }
  std::vector<UnsupportedOp> unsupported() const;
  size_t neededNodes() const { return needed.size(); }

  /// Imports nodes in order; used for the graph and for branches that are taken for sure.
  llvm::Error importNodes(llvm::ArrayRef<const onnx::Node *> nodes);
  /// Imports a branch without inputs and returns what its outputs are. With a `guard`, a size that
  /// is 1 or 0, the branch only counts where that is 1.
  llvm::Expected<std::vector<Entry>> importBranch(const onnx::Graph &graph, DimExpr guard = {});

  /// Drops the values of a body that is imported again.
  void forget(const onnx::Graph &graph);
  /// A known condition.
  std::optional<bool> truth(Entry &entry);

  /// The element type, or null where qcc has none.
  mlir::Type elementType(int32_t dataType) const;
  Entry *find(llvm::StringRef name);
  void define(llvm::StringRef name, Entry entry);
  /// A value for the entry, made where it only was a shape value or an initializer.
  llvm::Expected<mlir::Value> materialise(Entry &entry, llvm::StringRef name);
  llvm::Expected<mlir::Value> materialiseTensor(const onnx::Tensor &tensor, llvm::StringRef name);
  mlir::Value materialiseKnown(const ShapeValue &known);
  /// The elements of a small numeric tensor.
  std::optional<ShapeValue> knownOf(const onnx::Tensor &tensor) const;
  llvm::Expected<mlir::RankedTensorType> tensorType(const onnx::Tensor &tensor,
                                                    llvm::StringRef name) const;

  /// Equality of two dimensions, by substitution or else by a check at run time; returns the form
  /// to go on with, or null where they can never be equal. `broadcast`: one of them might be 1
  /// instead.
  DimExpr requireEqual(DimExpr a, DimExpr b, bool broadcast = false);
  /// A check at run time that `dim` is 0, unless that can be told.
  void requireZero(DimExpr dim);
  /// Loops whose bodies are being imported, outermost first.
  struct OpenLoop {
    std::string symbol; ///< the number of the turn
    DimExpr turns;
  };
  llvm::SmallVector<OpenLoop> openLoops;
  /// Whether a and b, which broadcast, cannot be taken as equal: that would need an empty input, or
  /// an earlier attempt showed it. One of them is 1 at times, and the result the larger.
  bool mayStretch(DimExpr a, DimExpr b);
  bool stretches(DimExpr from, DimExpr to) const {
    return stretchedTo.contains({from.getAttr(), to.getAttr()});
  }
  DimExpr stretch(DimExpr a, DimExpr b);
  /// Pairs as text. An import that runs into a contradiction names the pair to try next.
  std::set<std::pair<std::string, std::string>> stretched;
  std::optional<std::pair<std::string, std::string>> retryWith;
  /// Rewrites all types after a symbol was replaced.
  void applySubstitutions();
  /// Whether `value` depends on constants alone.
  bool isConstant(mlir::Value value);
  /// Erases an op without users; nothing is remembered of its results.
  void erase(mlir::Operation *op);

  /// What QuantizeLinear made of activations, in the dialect's codes, by the codes of plain
  /// arithmetic.
  struct Tokens {
    mlir::Value codes, scale, zero;
  };
  llvm::DenseMap<mlir::Value, Tokens> tokens;
  /// scale * (codes - zero), by the real numbers that these are.
  struct ScaledCodes {
    mlir::Value codes, scale, zero;
  };
  llvm::DenseMap<mlir::Value, ScaledCodes> dequantized;
  /// Real numbers that i32 sums were made of, which a cast to f32 gives back.
  llvm::DenseMap<mlir::Value, mlir::Value> realSums;
  /// Whether nodes of the graph alone read `name`, each of which casts it to f32.
  bool isOnlyCastToFloat(llvm::StringRef name);
  /// The node of the graph that computes a value, or null.
  const onnx::Node *producerOf(llvm::StringRef name);
  /// Whether the codes that `quantize` makes are dequantized for the left side of products alone.
  bool feedsOnlyProducts(const onnx::Node &quantize);

  void addUnsupported(const onnx::Node &node, int64_t opset, std::string reason,
                      std::string remedy);
  /// With `findAll`, notes a node that breaks its operator's rules and returns success.
  llvm::Error noteProblem(const onnx::Node &node, int64_t opset, llvm::Error error);
  std::string where(const onnx::Node &node) const;

  onnx::Model &model;
  mlir::MLIRContext *context;
  const ImportOptions &options;
  mlir::OpBuilder builder;
  DimSpace space;
  mlir::func::FuncOp func;

  /// The dimensions that the model declares of a value. A name that no input has is a new symbol
  /// with `invent`, else nothing is returned.
  std::optional<llvm::SmallVector<DimExpr>> declaredDims(const onnx::ValueInfo &info, bool invent);
  const onnx::ValueInfo *declaration(llvm::StringRef name) const { return declared.lookup(name); }

private:
  /// 1 where the branch that is being imported is taken; null outside of branches.
  DimExpr guard;

  /// A broadcast of two sizes that were taken as equal by replacing a symbol.
  struct Assumption {
    DimExpr a, b;
  };
  bool contradicts(DimExpr a, DimExpr b);
  void equateOutputs();
  std::vector<Assumption> assumptions;
  llvm::DenseSet<std::pair<mlir::Attribute, mlir::Attribute>> stretchedTo;

  llvm::Error declareInputs();
  llvm::Error findNeededNodes();
  bool resolveConstantSizes();
  llvm::Error finish();
  llvm::Error importNode(const onnx::Node &node);
  void defineUnknown(const std::string &name);
  void declareTypes(const onnx::Graph &graph);
  llvm::Error readHostOps();
  const HostOp *hostOpFor(const onnx::Node &node) const;
  void checkBodies(const onnx::Node &node);
  UnsupportedOp &refusal(const std::string &key);
  llvm::Error noteProblem(llvm::StringRef what, llvm::Error error);
  llvm::Expected<mlir::RankedTensorType> inputType(const onnx::ValueInfo &info, int64_t input);
  DimExpr inputDim(const onnx::ValueInfo &info, int64_t input, int64_t axis);
  llvm::Error applyShapeOptions();
  llvm::Error fixDim(const ShapeOption &option, size_t axis, mlir::RankedTensorType type);
  llvm::Expected<mlir::Value> weight(const onnx::Tensor &tensor, mlir::RankedTensorType type,
                                     llvm::StringRef name);
  mlir::Location location(const onnx::Node &node);
  std::vector<onnx::ValueInfo> signatureInputs() const;
  std::vector<std::string> outputNames() const;

  mlir::OwningOpRef<mlir::ModuleOp> module;
  llvm::StringMap<Entry> values;
  /// Of the graph's values, once needed.
  llvm::StringMap<std::vector<const onnx::Node *>> readers;
  void findReaders();
  llvm::StringMap<const onnx::Node *> producers;
  std::vector<const onnx::Node *> needed;
  std::vector<onnx::ValueInfo> inputs;
  std::map<std::string, UnsupportedOp> refusals;
  std::vector<std::string> refusalOrder;
  std::map<std::string, std::string> weightBySource;
  llvm::StringSet<> weightNames, bareSymbols;
  llvm::DenseSet<std::pair<mlir::Attribute, mlir::Attribute>> checked;
  llvm::DenseMap<mlir::Value, bool> constantValues;
  llvm::DenseMap<const onnx::Node *, int64_t> ordinals;
  std::set<std::pair<std::string, const onnx::Node *>> refused;
  llvm::DenseSet<const onnx::Node *> visited;
  llvm::StringMap<const onnx::ValueInfo *> declared;
  std::vector<HostOp> hostOps;
  llvm::StringMap<int64_t> unnamed;
};

// Later steps over the finished function, each in a file of its name.
llvm::Error foldConstants(mlir::ModuleOp module);
void assignRoles(mlir::func::FuncOp func,
                 llvm::ArrayRef<std::pair<std::string, std::string>> bindings);

} // namespace qcc::import
#endif
