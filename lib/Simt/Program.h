// What a kernel is compiled to before it runs: flat code over numbered registers.
#ifndef QCC_SIMT_PROGRAM_H
#define QCC_SIMT_PROGRAM_H

#include <cstdint>
#include <string>
#include <vector>

namespace qcc::simt {

constexpr unsigned warpSize = 32;
constexpr uint32_t allLanes = ~0u;
constexpr uint32_t noRegister = ~0u;

/// One register of a warp: a value of 64 bits for each lane. Integers are zero-extended, floats are
/// their bits; vectors, structs and arrays take one register for each of their scalars.
struct alignas(64) Lanes {
  uint64_t v[warpSize];
};

/// A pure function of lanes: dst = f(a, b, c) in the lanes of the mask.
using LaneFunction = void (*)(Lanes &dst, const Lanes &a, const Lanes &b, const Lanes &c,
                              uint32_t mask, uint64_t imm);

/// Address spaces of NVPTX.
enum class Space : uint8_t {
  Generic = 0,
  Global = 1,
  Shared = 3,
  Constant = 4,
  Local = 5,
  Cluster = 7
};

/// Generic addresses of what is not global.
constexpr uint64_t sharedWindow = 0x7100'0000'0000;
constexpr uint64_t localWindow = 0x7200'0000'0000;
constexpr uint64_t paramWindow = 0x7300'0000'0000;
constexpr uint64_t windowMask = 0xffff'0000'0000 | 0xffff'0000'0000'0000;
/// Shared memory begins here, so that null lies outside of it.
constexpr uint32_t sharedBase = 1024;

enum class Op : uint8_t {
  Map, // fn, over `count` elements
  Copy,
  Jump,
  Branch,
  Switch,
  Exit,
  Trap,
  Address, // dst = a + imm + sum of scaled indices
  Element, // dynamic extractelement
  SetElement,
  Bitcast, // count registers to listCount, widths in imm
  Special,
  Load,
  Store,
  AtomicRmw,
  CompareExchange,
  Fence,
  MemorySet,
  MemoryCopy,
  // All lanes of a member mask take part
  WarpSync,
  Shuffle,
  Vote,
  Reduce,
  Match,
  Elect,
  LoadMatrix,
  StoreMatrix,
  Multiply,
  MultiplyAsync,
  WgmmaFence,
  WgmmaCommit,
  WgmmaWait,
  // Asynchronous copies and what they complete on
  CopyAsync,
  CommitCopies,
  WaitForCopies,
  ArriveAfterCopies,
  BulkLoad,
  BulkStore,
  TensorCopy,
  ProxyFence,
  MBarrierInit,
  MBarrierInval,
  MBarrierArrive,
  MBarrierWait,
  // Threads of a block
  BlockSync,
  BlockArrive,
};

enum class Special : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  WarpCount,
  SmId,
  SmCount,
  MaskEq,
  MaskLe,
  MaskLt,
  MaskGe,
  MaskGt,
  DynamicShared,
  TotalShared,
  Clock,
  Zero,
  One
};

enum class Shuffle : uint8_t { Bfly, Up, Down, Idx };
enum class Vote : uint8_t { Any, All, Uni, Ballot };
enum class Combine : uint8_t {
  Xchg,
  Add,
  Sub,
  And,
  Nand,
  Or,
  Xor,
  Max,
  Min,
  UMax,
  UMin,
  FAdd,
  FSub,
  FMax,
  FMin,
  UIncWrap,
  UDecWrap
};
enum class ScalarKind : uint8_t { Int, F16, BF16, F32, F64 };

/// Elements of matrix products.
enum class MatrixElement : uint8_t { S4, U4, S8, U8, F16, BF16, TF32, E4M3, E5M2 };

/// A matrix product D = A B + C of a warp, or the warp's quarter of one of a warpgroup.
struct Product {
  unsigned m, n, k;
  MatrixElement a, b;
  bool saturates = false;                        // integers, instead of wrapping
  bool transposedA = false, transposedB = false; // wgmma: stored with M or N contiguous
  bool negatedA = false, negatedB = false;
  bool clears = false;          // wgmma: C is zero whatever it holds
  uint32_t scaleD = noRegister; // wgmma: C counts where this is not zero
  uint32_t descriptorA = noRegister, descriptorB = noRegister; // wgmma: operands in shared memory
  std::vector<uint32_t> registersA, registersB;                // packed words
  uint32_t c = 0, d = 0;                                       // first registers
};

/// Flags of memory accesses and fences.
enum : uint8_t {
  volatileAccess = 1,
  atomicAccess = 2,
  acquireOrder = 4,
  releaseOrder = 8,
};

struct Instruction {
  Op op;
  uint8_t kind = 0; // Shuffle, Vote, Combine, Special or Space
  uint8_t flags = 0;
  uint8_t bits = 64; // of integers
  ScalarKind scalar = ScalarKind::Int;
  bool broadcastA = false; // Map: a is one register for all elements
  uint16_t count = 1;      // elements, or registers to copy
  uint32_t dst = noRegister, a = noRegister, b = noRegister, c = noRegister;
  uint32_t list = 0, listCount = 0; // into Program::wideList
  uint32_t layout = 0;              // into Program::layouts or products
  uint32_t target = 0, otherwise = 0;
  uint64_t imm = 0;
  LaneFunction fn = nullptr;
};

/// Where the scalars of a type lie in memory.
struct Layout {
  struct Leaf {
    uint32_t offset;
    uint16_t bytes;
    uint16_t bits;
  };
  uint32_t size = 0;
  uint32_t alignment = 1;
  std::vector<Leaf> leaves;
};

struct Constant {
  uint32_t reg;
  uint64_t value;
};

/// A variable of the module in global or constant memory.
struct GlobalVariable {
  std::string name;
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> registers; // that hold its address
};

struct Parameter {
  uint32_t reg;
  Layout layout; // of the value, or of what a byval pointer points to
  bool byValue = false;
};

struct Program {
  std::vector<Instruction> code;
  std::vector<uint64_t> wideList; // strides, switch cases, coordinates
  std::vector<Layout> layouts;
  std::vector<Product> products;
  std::vector<Constant> constants;
  std::vector<GlobalVariable> globals;
  std::vector<Parameter> parameters;
  uint32_t registers = 0;
  uint32_t localBytes = 0;
  uint32_t staticSharedEnd = sharedBase; // where dynamic shared memory begins
};

} // namespace qcc::simt

#endif
