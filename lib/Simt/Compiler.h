// From a kernel in the LLVM and NVVM dialects to a program of the machine.
#ifndef QCC_SIMT_COMPILER_H
#define QCC_SIMT_COMPILER_H

#include "LaneFunctions.h"
#include "Program.h"
#include "PtxAsm.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"
#include <unordered_map>

namespace qcc::simt {

/// One scalar of a type; pointers are integers of 64 bits.
struct Scalar {
  ScalarKind kind;
  unsigned bits;
};

/// The scalars of a type in order. Fails for types that the machine cannot hold.
mlir::FailureOr<llvm::SmallVector<Scalar>> scalarsOf(mlir::Type type);
/// How many registers a value takes; of a type that scalarsOf accepts.
unsigned registersOf(mlir::Type type);
/// Layout in memory as the data layout of NVPTX has it; fails for vectors of parts of bytes.
mlir::FailureOr<Layout> layoutOf(mlir::Type type);
/// Bytes from one element of an array of the type to the next.
mlir::FailureOr<uint64_t> strideOf(mlir::Type type);

/// Functions that a kernel calls are compiled into it, so that there is no stack and a program
/// counter alone says where a lane is.
class Compiler {
public:
  explicit Compiler(mlir::ModuleOp module) : module(module) {}

  /// An error was emitted on the op at fault if this fails.
  mlir::LogicalResult compile(mlir::LLVM::LLVMFuncOp kernel);

  Program program;
  std::vector<mlir::Location> locations; // of instructions

private:
  using Copies = llvm::SmallVector<std::tuple<uint32_t, uint32_t, uint32_t>>; // dst, src, count

  // Compiler.cpp: registers, labels, variables
  uint32_t reg(mlir::Value value) { return registers.lookup(value); }
  uint32_t newRegisters(unsigned count);
  uint32_t define(mlir::Value result);
  void alias(mlir::Value result, uint32_t first) { registers[result] = first; }
  uint32_t constant(uint64_t value);
  uint32_t constants(llvm::ArrayRef<uint64_t> values);
  Instruction &emit(Op op);
  uint32_t newLabel();
  void place(uint32_t label) { labels[label] = program.code.size(); }
  void emitJump(uint32_t label);
  void emitCopy(uint32_t dst, uint32_t src, unsigned count);
  void emitCopies(Copies copies);
  void resolveLabels();
  uint32_t addLayout(Layout layout);
  mlir::LogicalResult placeShared(mlir::LLVM::LLVMFuncOp kernel);
  mlir::FailureOr<uint32_t> addressOf(mlir::LLVM::GlobalOp global);
  mlir::LogicalResult addParameters(mlir::LLVM::LLVMFuncOp kernel);
  mlir::LogicalResult unsupported(mlir::Operation *op, const llvm::Twine &why);

  // CompileFunction.cpp: blocks, branches, calls
  mlir::LogicalResult compileBody(mlir::LLVM::LLVMFuncOp function, std::optional<uint32_t> result,
                                  uint32_t returnLabel);
  mlir::LogicalResult compileOp(mlir::Operation *op);
  mlir::LogicalResult compileTerminator(mlir::Operation *op);
  mlir::LogicalResult compileCall(mlir::LLVM::CallOp call);
  uint32_t edge(mlir::Block *target, mlir::ValueRange operands);
  void emitEdges();
  Copies branchCopies(mlir::Block *target, mlir::ValueRange operands);

  // CompileArithmetic.cpp: what only touches registers
  mlir::FailureOr<bool> compileArithmetic(mlir::Operation *op);
  bool compileElementwise(mlir::Operation *op, llvm::StringRef name);
  bool compileConversion(mlir::Operation *op, llvm::StringRef name);
  bool compilePtx(mlir::Operation *op, llvm::StringRef name, uint64_t imm = 0);
  bool compileConstant(mlir::Operation *op);
  bool compileAggregate(mlir::Operation *op);
  bool compileVector(mlir::Operation *op);
  void emitMap(LaneFunction fn, uint32_t dst, llvm::ArrayRef<uint32_t> operands, unsigned count,
               uint64_t imm);
  void insertInto(mlir::Operation *op, mlir::Value aggregate, mlir::Value part, unsigned offset);
  void bitcast(mlir::Operation *op);
  mlir::LogicalResult compileIntrinsic(mlir::LLVM::CallIntrinsicOp op);

  // CompileMemory.cpp
  mlir::FailureOr<bool> compileMemory(mlir::Operation *op);
  mlir::LogicalResult compileAddress(mlir::LLVM::GEPOp op);
  mlir::LogicalResult compileAlloca(mlir::LLVM::AllocaOp op);
  mlir::LogicalResult compileAccess(mlir::Operation *op, mlir::Value address, mlir::Type type,
                                    uint64_t alignment, bool isVolatile,
                                    mlir::LLVM::AtomicOrdering ordering);
  mlir::LogicalResult compileAtomic(mlir::LLVM::AtomicRMWOp op);

  // CompileWarp.cpp: ops of NVVM that threads, warps and blocks execute synchronously
  mlir::FailureOr<bool> compileWarp(mlir::Operation *op);
  bool compileSpecial(mlir::Operation *op, llvm::StringRef name);

  // CompileAsync.cpp: copies, mbarriers, matrices
  mlir::FailureOr<bool> compileAsync(mlir::Operation *op);
  mlir::FailureOr<bool> compileBulk(mlir::Operation *op);
  bool compileMBarrier(mlir::Operation *op);
  mlir::LogicalResult compileMma(mlir::NVVM::MmaOp op);
  bool compileMatrixIntrinsic(mlir::LLVM::CallIntrinsicOp op, llvm::StringRef name);
  mlir::LogicalResult compileWgmma(mlir::NVVM::WgmmaMmaAsyncOp op);
  Instruction &emit(Op op, uint32_t a, uint32_t b = noRegister, uint32_t c = noRegister,
                    uint64_t imm = 0);
  void emitPredicated(uint32_t predicate, bool negated, llvm::function_ref<void()> body);
  void emitTensorCopy(bool stores, uint32_t shared, uint32_t map, uint32_t barrier,
                      llvm::ArrayRef<uint32_t> coordinates);
  void emitProduct(Op op, Product product);
  uint32_t packed(mlir::Value value);
  uint32_t gathered(llvm::ArrayRef<uint32_t> registers);

  // CompileAsm.cpp: inline assembly
  mlir::LogicalResult compileAsm(mlir::LLVM::InlineAsmOp op);
  bool compileStatement(const PtxStatement &statement);
  bool compileRegisterPtx(const PtxStatement &statement);
  bool compileMemoryPtx(const PtxStatement &statement);
  bool compileSyncPtx(const PtxStatement &statement);
  bool compileBulkPtx(const PtxStatement &statement);
  bool compileMatrixPtx(const PtxStatement &statement);
  uint32_t asmRegister(llvm::StringRef name);
  uint32_t asmAddress(const PtxOperand &operand);

  mlir::ModuleOp module;
  mlir::Location location = mlir::UnknownLoc::get(module.getContext());
  llvm::DenseMap<mlir::Value, uint32_t> registers;
  llvm::DenseSet<mlir::Value> owned;            // results that have registers of their own
  std::unordered_map<uint64_t, uint32_t> known; // constants; any number may be one
  llvm::DenseMap<mlir::Block *, uint32_t> blockLabels;
  llvm::DenseMap<mlir::Operation *, uint32_t> sharedVariables;
  llvm::DenseMap<mlir::Operation *, size_t> globalVariables;
  std::vector<uint32_t> labels;
  std::vector<size_t> targetsInList; // labels among Program::wideList
  struct Edge {
    uint32_t label;
    mlir::Block *target;
    Copies copies;
  };
  std::vector<Edge> edges; // of the branch being compiled
  struct Frame {
    mlir::LLVM::LLVMFuncOp function;
    std::optional<uint32_t> result;
    uint32_t returnLabel;
  };
  std::vector<Frame> frames;
  llvm::StringMap<uint32_t> asmNames, asmLabels; // of the assembly being compiled
};

/// What PTX calls an element of a matrix.
std::optional<MatrixElement> matrixElement(llvm::StringRef name);

} // namespace qcc::simt

#endif
