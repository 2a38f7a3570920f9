// The frame of attention on tensor cores: rows, the softmax step and results of a block's strips.
// How keys and values come to shared memory is what StripAttention and WarpgroupAttention add.
#ifndef QCC_LIB_LOWER_TENSORATTENTION_H
#define QCC_LIB_LOWER_TENSORATTENTION_H

#include "AttentionEmitter.h"
#include "Tile/Tile.h"
#include <functional>

namespace qcc::lower {

constexpr int64_t stripRows = 16, vectorColumns = 8;
/// Shared memory of a block that is not for kernels.
constexpr int64_t systemShared = 1024;
/// Warpgroups of a block on levels where they multiply together; the last one copies.
constexpr int64_t attentionWarpgroups = 3;

/// How a kernel uses shared memory.
struct TensorPlan {
  int64_t width, outWidth;           ///< channels of keys and values
  Elem cache;                        ///< what keys and values are stored as; bytes of rows of codes
  std::optional<qnt::Storage> codes; ///< of their rows
  bool warpgroups;                   ///< tiles of many rows are multiplied by warpgroups
  int64_t tileKeys;                  ///< of a block of strips

  static std::optional<TensorPlan> of(const AttentionPlan &plan, const Target &target);

  bool half() const { return cache == Elem::F16; }
  /// Whether keys and values become bf16 on the way.
  bool converts() const { return elemBytes(cache) != 2; }
  /// What a line holds, as tile operations that convert lines have it, and where its scales are.
  mlir::Type numbers(mlir::MLIRContext *context) const;
  int64_t scalesAt(int64_t channels) const {
    return codes ? qnt::RowCodes{*codes, channels}.codeBytes() : 0;
  }
  /// Whether strips do, whose threads have less registers where warpgroups share them.
  bool holdsQueries() const;
  /// Slices of the keys where there are few rows, and how many are few.
  int64_t slices() const { return tileKeys / stripRows; }
  int64_t fewRows() const { return stripRows * tile::kBlockWarps / slices(); }

  // Bytes. Lines as they are stored, as they are copied, and as they are multiplied.
  int64_t stored(int64_t channels) const {
    return codes ? qnt::RowCodes{*codes, channels}.bytes() : channels * elemBytes(cache);
  }
  /// Those of codes are copied without gaps.
  int64_t copied(int64_t channels) const {
    int64_t bytes = stored(channels);
    return codes ? bytes : static_cast<int64_t>(llvm::PowerOf2Ceil(bytes));
  }
  int64_t line(int64_t channels) const;
  int64_t queryLine() const;
  int64_t stage() const {
    return tileKeys *
           (converts() ? copied(width) + copied(outWidth) : line(width) + line(outWidth));
  }
  /// Where the second part of the memory is: the other stage, or converted lines.
  int64_t second() const { return stage(); }
  int64_t secondBytes() const {
    return converts() ? tileKeys * (line(width) + line(outWidth)) : stage();
  }
  /// Queries that go to registers are gone when the second part is needed.
  int64_t queryAt() const { return holdsQueries() ? second() : second() + secondBytes(); }
  /// A line of results, with the largest score and the sum of weights.
  int64_t resultLine(int64_t columns) const;
  int64_t bytes() const;
};

class TensorAttention : public AttentionOperands {
public:
  TensorAttention(KernelFrame &frame, const AttentionPlan &plan, const TensorPlan &t)
      : AttentionOperands(frame, plan), t(t) {}

protected:
  /// What a strip carries from tile to tile.
  struct State {
    Values sums;
    Value largest, total;
    Values all() const {
      Values v = sums;
      v.push_back(largest), v.push_back(total);
      return v;
    }
    static State of(mlir::ValueRange v) {
      return {Values(v.drop_back(2)), v[v.size() - 2], v.back()};
    }
  };
  struct Task {
    Value batch, group, first, count;
    Value from, to;                 ///< keys
    std::pair<Value, Value> places; ///< positionRange()
  };
  /// Keys and values in shared memory.
  struct Lines {
    Value keys, values;
    int64_t keyStride, valueStride; ///< bytes; of swizzled ones from 64 channels to the next
    int64_t count;
    bool swizzled = false;
  };
  /// A row's sums, relative to its largest score, and vectors of columns of them.
  struct Row {
    Value largest, total;
    std::function<Values(Value column, int64_t vectors)> sums;
  };

  /// Row block `number` of blocks of `size` rows.
  Task taskOf(Value number, int64_t size);
  void packQueries(const Task &task, int64_t count, Value to);
  void rowsOf(const Task &task, int64_t columns, int64_t slices);
  Values loadQueries(Value lines, int64_t first, int64_t channels, int64_t slices);
  State start();
  /// What the keys from `first` on add to a strip, with queries that are held or lie at `queries`.
  State step(const Task &task, Value first, const Lines &lines, mlir::ValueRange held,
             Value queryLines, State state, int64_t slices);
  /// Sums of `columns` from `first` on to lines at `to`.
  void storeRows(const State &state, int64_t first, int64_t columns, Value to);
  /// What slices left in lines at `from`.
  Row rowOfSlices(Value from, Value row, int64_t columns, int64_t slices);
  /// Results of `columns` from `first` on.
  void finishRow(const Task &task, Value row, const Row &sums, int64_t first, int64_t columns);

  Value all(Value scalar) { return k.broadcast(scalar, tile::kSumsPerVector); }
  Value minusInfinity() { return k.cf32(-std::numeric_limits<float>::infinity()); }
  void barrier() { tile::BarrierOp::create(k.builder(), k.loc()); }
  /// The largest score, or 0 where there is none: -inf - -inf would be NaN.
  Value baseOf(Value largest) {
    return k.select(k.eq(largest, minusInfinity()), k.cf32(0), largest);
  }
  Value powerOf(Value score);
  /// Whether lines of keys and values begin at multiples of 16 bytes; of codes whether each sixteen
  /// of them do, without gaps.
  Value areAligned();
  /// Where line `first` of a head of keys or values begins, and bytes from it to the next.
  std::pair<Value, Value> linesOf(const Operand &operand, const Task &task, Value first);

  const TensorPlan t;
  Value group, groupsHere;

private:
  std::pair<Value, Value> headAndPosition(const Task &task, Value row);
  Values scoresOf(const Lines &lines, mlir::ValueRange held, Value queryLines, int64_t slices);
  Values admit(const Task &task, Values scores, Value first, int64_t count);
  Value maskOf(Value columns);
  Value alignment(const Operand &operand);
  Value isDense(const Operand &operand, int64_t channels);
  /// What scores are in units of.
  float unit();

  // In the places of a strip's sums: columns of its first vector, positions and where the mask of a
  // row begins.
  Value columns, positions, maskRows;
};

/// All tasks by blocks of warpgroups, of two with 64 rows each.
void emitWarpgroupAttention(KernelFrame &frame, const AttentionPlan &plan, const TensorPlan &t);

} // namespace qcc::lower
#endif
