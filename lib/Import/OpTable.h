// Which ONNX operators there are, and the functions that import them.
#ifndef QCC_LIB_IMPORT_OPTABLE_H
#define QCC_LIB_IMPORT_OPTABLE_H

#include "NodeBuilder.h"

namespace qcc::import {

using BuildFunction = void (*)(NodeBuilder &);

/// Fills the node's outputs, or fails. Opset differences are looked up in NodeBuilder::opset.
struct OpEntry {
  const char *domain, *name;
  int64_t since; ///< first opset with the operator (7 for all older ones)
  BuildFunction build;
};

const OpEntry *findOp(llvm::StringRef domain, llvm::StringRef name);

// One list per family, each in a file of its name.
llvm::ArrayRef<OpEntry> elementwiseOps();
llvm::ArrayRef<OpEntry> activationOps();
llvm::ArrayRef<OpEntry> shapeOps();
llvm::ArrayRef<OpEntry> slicingOps();
llvm::ArrayRef<OpEntry> resizeOps();
llvm::ArrayRef<OpEntry> indexingOps();
llvm::ArrayRef<OpEntry> reductionOps();
llvm::ArrayRef<OpEntry> contractionOps();
llvm::ArrayRef<OpEntry> convolutionOps();
llvm::ArrayRef<OpEntry> normalisationOps();
llvm::ArrayRef<OpEntry> attentionOps();
llvm::ArrayRef<OpEntry> groupedAttentionOps();
llvm::ArrayRef<OpEntry> quantizeOps();
llvm::ArrayRef<OpEntry> fewBitsOps();
llvm::ArrayRef<OpEntry> expertOps();
llvm::ArrayRef<OpEntry> codeOps();
llvm::ArrayRef<OpEntry> controlOps();
llvm::ArrayRef<OpEntry> loopOps();
llvm::ArrayRef<OpEntry> recurrentOps();
llvm::ArrayRef<OpEntry> lossOps();
llvm::ArrayRef<OpEntry> samplingOps();
llvm::ArrayRef<OpEntry> signalOps();
llvm::ArrayRef<OpEntry> unfoldingOps();
llvm::ArrayRef<OpEntry> linearAttentionOps();
llvm::ArrayRef<OpEntry> hyperConnectionOps();
llvm::ArrayRef<OpEntry> causalConvolutionOps();
llvm::ArrayRef<OpEntry> rotaryOps();
llvm::ArrayRef<OpEntry> positionBiasOps();
llvm::ArrayRef<OpEntry> fusedConvolutionOps();

using Activation = std::function<Value(Value)>;
/// An activation by its name, of any case, with its alpha and beta; null where there is none of
/// that name.
Activation activationNamed(NodeBuilder &n, StringRef name, std::optional<double> alpha,
                           std::optional<double> beta);
/// qnt.host_call for a node that the application computes.
void importHostCall(NodeBuilder &n, const HostOp &host);
/// com.microsoft.Attention from the product of the input with all three weights, bias added.
void attentionOfProduct(NodeBuilder &n, mlir::Value product, size_t maskAt, size_t pastAt,
                        size_t biasAt);
/// qnt.conv of x, channels first, as the node's attributes say; null after a failure.
mlir::Value convolved(NodeBuilder &n, mlir::Value x, mlir::Value weight, mlir::Value bias);
/// The largest of windows of x, likewise.
mlir::Value maxPooled(NodeBuilder &n, mlir::Value x);
/// Averages of windows of x, channels first, as the node's attributes say; null after a failure.
mlir::Value averagePooled(NodeBuilder &n, mlir::Value x);
/// com.microsoft.EmbedLayerNormalization over tables and parameters that are real already.
struct EmbedParts {
  mlir::Value ids, segments, words, positionTable, segmentTable, gain, bias, mask, positions;
};
void embedAndNormalise(NodeBuilder &n, const EmbedParts &parts);

} // namespace qcc::import
#endif
