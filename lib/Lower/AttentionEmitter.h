// The frame of attention kernels: tasks, softmax, what is admitted. How products are computed is
// what FloatAttention and CodeAttention add.
#ifndef QCC_LIB_LOWER_ATTENTIONEMITTER_H
#define QCC_LIB_LOWER_ATTENTIONEMITTER_H

#include "FamilySupport.h"
#include "Qnt/AttentionCodes.h"

namespace qcc::lower {

/// Keys whose scores exist at a time, and query rows of a task.
constexpr int64_t keyBlock = qnt::attentionKeyBlock, queryBlock = 64,
                  keyVectors = keyBlock / kLanes;
/// Query rows whose scores are in registers at a time, and groups of them whose sums are: with 16
/// sums or more, multiplications do not wait for each other.
constexpr int64_t rowGroup = 4, groupsTogether = 2;
/// Lanes that hold a row's maximum and sum, so that those of a group are one vector.
constexpr int64_t stateLanes = kLanes / rowGroup;

struct AttentionPlan {
  using DimExpr = qnt::DimExpr;
  qnt::AttentionOp op;
  DimExpr batch, heads, groups, perGroup, queries, keys, width, outWidth;
  DimExpr rows, rowBlocks; ///< query rows of a group, and blocks of them

  static mlir::FailureOr<AttentionPlan> build(qnt::KernelOp kernel);

  bool onCodes() const { return qnt::AttentionOp(op).getProducts() == qnt::Storage::i16; }
  DimExpr paddedWidth() const { return inVectors(width); }
  DimExpr paddedOutWidth() const { return inVectors(outWidth); }

  // Scratch of a worker, bytes: keys, of codes also sixteen on their way there; queries, sums of
  // values; of codes also values.
  DimExpr keyBytes() const;
  DimExpr transposedBytes() const { return width * (onCodes() ? kLanes * 4 : 0); }
  DimExpr queryBytes() const { return paddedWidth() * queryBlock * (onCodes() ? 2 : 4); }
  DimExpr sumBytes() const { return paddedOutWidth() * queryBlock * 4; }
  DimExpr valueBytes() const { return paddedOutWidth() * (onCodes() ? keyBlock * 2 : 0); }
  DimExpr scratchBytes() const;
  /// What blocks on a GPU leave of ranges of keys, each of its rows and all its warpgroups.
  DimExpr rangeBytes() const;

private:
  static DimExpr inVectors(DimExpr n) {
    return n.ceilDiv(DimExpr::constant(n.getContext(), kLanes)) * kLanes;
  }
};

/// What kernels of attention are given, and where its parts lie.
class AttentionOperands {
public:
  using Value = mlir::Value;
  using Values = KernelBuilder::Values;
  AttentionOperands(KernelFrame &frame, const AttentionPlan &plan)
      : frame(frame), k(frame.k), plan(plan), op(plan.op) {}

protected:
  /// Finds them; at the top level, before loops.
  llvm::LogicalResult findOperands();
  /// Of numbers of rows, tasks and blocks: below 2^31, where division is several times as fast.
  Value quotient(Value x, Value y) { return k.toI64(k.divU(k.toI32(x), k.toI32(y))); }
  Value remainder(Value x, Value y) { return k.toI64(k.remU(k.toI32(x), k.toI32(y))); }
  bool hasPositions() { return op.getCausal() || op.getWindow() > 0; }
  /// Of query rows first .. first + count of a group: the smallest and the largest number of a key
  /// at the row's own position.
  std::pair<Value, Value> positionRange(Value first, Value count);
  /// The keys that a position in `positions` can admit, from a block's start.
  std::pair<Value, Value> keyRange(std::pair<Value, Value> positions);

  KernelFrame &frame;
  KernelBuilder &k;
  const AttentionPlan &plan;
  qnt::AttentionOp op;
  Operand query, key, value, mask, sink;
  llvm::SmallVector<Value> outStrides;
  Value keys, queries, width, outWidth, perGroup, rows, rowBlocks, groups;
};

class AttentionEmitter : public AttentionOperands {
public:
  using AttentionOperands::AttentionOperands;
  virtual ~AttentionEmitter() = default;
  llvm::LogicalResult emit();

protected:
  // What products add.

  /// Stack buffers; before loops.
  virtual void allocate() {}
  /// Query row `row` of the task, at element `from`, into scratch.
  virtual void packQuery(Value from, Value row) = 0;
  /// Keys and values of the current block into scratch, from elements `keyBase` and `valueBase` of
  /// their first rows on.
  virtual void packBlock(Value keyBase, Value valueBase) = 0;
  /// Scores, scaled, of `count` query rows from `row` on with key vectors `vector` .. `vector +
  /// vectors`: [row][vector].
  virtual Values scoreVectors(Value row, int64_t count, int64_t vector, int64_t vectors) = 0;
  /// Weights are exp(score - base). `running` is the largest score so far; both -inf become 0.
  struct Base {
    Value base;
    Value rescale; ///< what makes weights relative to `running`, null where they are
  };
  virtual Base weightBase(Value blockMax, Value running) = 0;
  /// Keeps the weights [row][keyVectors] of `count` rows as rows `slot` .. of weightsAt.
  virtual void keepWeights(llvm::ArrayRef<Value> weights, int64_t count, int64_t slot,
                           Value rescale) = 0;
  /// Adds the weighted values of the block to columns `column` .. of `count` rows' sums.
  virtual void accumulateColumns(Value row, int64_t count, Value valueBase, Value column,
                                 int64_t vectors, Value lanes) = 0;

  // What they build on.

  Value floats(Value base, Value index) { return k.elemPtr(Elem::F32, base, index); }
  Value minusInfinity() { return k.cf32(-std::numeric_limits<float>::infinity()); }
  /// Element index of row blockKey + `row` of the keys or values, the last row where there is none.
  Value blockRow(const Operand &operand, Value base, Value row);
  /// One number for each of `count` rows, 1 or rowGroup, in lanes 4 r .. 4 r + 3 (all lanes where
  /// count is 1). The tree is the one of reduce().
  using Combine = llvm::function_ref<Value(Value, Value)>;
  Value reduceRows(llvm::ArrayRef<Value> v, Combine combine);
  /// reduceRows() of what `start` and each row's vectors [row][keyVectors] combine to, in order.
  Value reduceBlock(llvm::ArrayRef<Value> vectors, Value start, Combine combine);
  /// Number r of `v`, as reduceRows() left it, in all lanes.
  Value ofRow(Value v, int64_t r) { return k.broadcast(k.extract(v, r * stateLanes)); }
  /// Sums of `count` rows at `column`, times what new maxima ask for: [row][vector].
  llvm::SmallVector<Value> rescaledSums(Value row, int64_t count, Value column, int64_t vectors);
  void storeSums(llvm::ArrayRef<Value> sums, Value row, int64_t count, Value column,
                 int64_t vectors);

  Value queryStride, sumStride; ///< elements of padded rows
  Value keysAt, queriesAt, sumsAt, valuesAt;
  /// Weights of row groups, the first of which is at slot 0: [row][keyBlock].
  Value weightsAt;
  // Of the current key block.
  Value blockKey, blockKeys;

private:
  llvm::LogicalResult prepare();
  void emitTask(Value task);
  void startRows(Value batch, Value group, Value first, Value count);
  Values scores(Value row, int64_t count);
  Value admit(Value score, Value first, Value row);
  void weights(Value row, int64_t count, int64_t slot);
  void rowsTogether(Value row, int64_t count, Value valueBase);
  void accumulate(Value row, int64_t count, Value valueBase);
  void finishRow(Value row);
  llvm::SmallVector<int64_t> rowSteps();
  int64_t vectorsFor(int64_t count);

  // Per row the maximum, the sum, what the sums so far are scaled by, and the offsets that the row
  // needs again.
  Value maxima, totals, corrections;
  Value maskOffsets, positions, outOffsets;
};

std::unique_ptr<AttentionEmitter> makeFloatAttention(KernelFrame &frame, const AttentionPlan &plan);
std::unique_ptr<AttentionEmitter> makeCodeAttention(KernelFrame &frame, const AttentionPlan &plan);

/// Whether emitTensorAttention() computes it on `target`: products of bf16 are allowed, and
/// channels are as tensor cores take them.
bool fitsTensorAttention(const AttentionPlan &plan, const Target &target);
llvm::LogicalResult emitTensorAttention(KernelFrame &frame, const AttentionPlan &plan);

} // namespace qcc::lower
#endif
