/* The binary interface between a compiled model and the qcc runtime.
 *
 * A compiled model is a shared object (or a relocatable object) that exports one
 * function, `qcc_model_<name>()`, which returns a pointer to an immutable
 * qcc_model_desc. Nothing else is exported and nothing is imported: whatever the
 * generated code needs from outside reaches it through qcc_call.services.
 *
 * Compatibility: a runtime loads descriptors with its own `abi_major` and any
 * `abi_minor` not newer than its own. Structs only ever grow at the end, and every struct
 * that may grow carries its size; readers must not touch fields beyond it.
 *
 * Applications include qcc/runtime.h; this header is for the runtime and the compiler.
 */
#ifndef QCC_MODEL_H
#define QCC_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QCC_MODEL_MAGIC UINT64_C(0x31304c444d434351) /* "QCCMDL01" little-endian */
#define QCC_ABI_MAJOR 1
#define QCC_ABI_MINOR 3
#define QCC_ABI_MINOR_HOST_OPS 1 /* the first with qcc_services.host_call */
#define QCC_ABI_MINOR_ASKED 2    /* the first with QCC_SYMBOL_ASKED */
#define QCC_ABI_MINOR_GPU 3      /* the first with code for GPUs */

/* Element types carry the numbers of onnx.TensorProto.DataType. */
typedef enum qcc_dtype {
  QCC_F32 = 1,
  QCC_U8 = 2,
  QCC_I8 = 3,
  QCC_U16 = 4,
  QCC_I16 = 5,
  QCC_I32 = 6,
  QCC_I64 = 7,
  QCC_BOOL = 9, /* one byte, 0 or 1 */
  QCC_F16 = 10,
  QCC_F64 = 11,
  QCC_U32 = 12,
  QCC_U64 = 13,
  QCC_BF16 = 16,
  QCC_F8E4M3FN = 17, /* one byte; see OCP 8-bit floating point */
  QCC_F8E4M3FNUZ = 18,
  QCC_F8E5M2 = 19,
  QCC_F8E5M2FNUZ = 20,
  QCC_F8E8M0 = 24 /* a power of two (OCP MX 1.0) */
} qcc_dtype;

/* CPU features a kernel table may require; bit numbers of qcc_level_desc.features. */
enum {
  QCC_FEATURE_AVX2 = 0,     /* with FMA, F16C, BMI1/2, LZCNT, MOVBE: x86-64-v3 */
  QCC_FEATURE_AVX512 = 1,   /* F, BW, CD, DQ, VL */
  QCC_FEATURE_VNNI = 2,     /* AVX512_VNNI */
  QCC_FEATURE_AMX_INT8 = 3, /* with AMX_TILE and the kernel's permission */
  QCC_FEATURE_AMX_BF16 = 4,
  QCC_FEATURE_AVX512_BF16 = 5,
  QCC_FEATURE_NEON = 16,
  QCC_FEATURE_DOTPROD = 17,
  QCC_FEATURE_I8MM = 18
};

typedef enum qcc_arch { QCC_ARCH_X86_64 = 1, QCC_ARCH_AARCH64 = 2 } qcc_arch;

/* Reads args[], does tasks [begin, end) of a launch and returns 0, or a qcc_fault.
 * args: 64-bit slots (addresses, dimensions, strides, f32 bit patterns), same for all tasks.
 * worker: 0 .. workers-1, no two concurrent calls share one.
 * scratch: scratch_bytes of the launch, 64-byte aligned, private to the worker, contents undefined.
 */
typedef int64_t (*qcc_kernel_fn)(const int64_t *args, int64_t begin, int64_t end, int64_t worker,
                                 void *scratch);

/* What generated code can find wrong with the values it is given. A launch that faults makes
 * run() return (site << 8 | fault); site indexes qcc_entry_desc.sites. */
typedef enum qcc_fault {
  QCC_FAULT_NONE = 0,
  QCC_FAULT_INDEX = 1,    /* gather/scatter index outside its axis */
  QCC_FAULT_SHAPE = 2,    /* value-dependent shape does not fit */
  QCC_FAULT_CAPACITY = 3, /* KV cache or arena too small */
  QCC_FAULT_DIVIDE = 4,   /* integer division by zero */
  QCC_FAULT_ABORTED = 5,  /* the service could not run the launch */
  QCC_FAULT_HOST = 6      /* the application's operator failed */
} qcc_fault;

struct qcc_call;

typedef struct qcc_services {
  uint64_t struct_size;
  /* Runs kernel on tasks [0, tasks), split among the workers in contiguous ranges of at least
   * `grain` tasks; returns after all have finished: 0, or the fault of the lowest faulting range.
   */
  int64_t (*launch)(struct qcc_call *call, qcc_kernel_fn kernel, const int64_t *args, int64_t tasks,
                    int64_t grain, int64_t scratch_bytes);
  /* Has the application compute host op `index` of the entry. slots: addresses of the inputs that
   * are present and of the outputs, in order, then all their dimensions likewise. 0 or a fault.
   * Since 1.1. */
  int64_t (*host_call)(struct qcc_call *call, int64_t index, const int64_t *slots);
  /* What models with code for GPUs do to the memory of tensors, which may be that of a GPU; all
   * addresses but `host` are as the slots of launches have them. In the order of the calls, and of
   * the launches among them. 0 or a fault. Since 1.3. */
  int64_t (*copy)(struct qcc_call *call, void *to, const void *from, int64_t bytes);
  int64_t (*read)(struct qcc_call *call, void *host, const void *from, int64_t bytes);
  int64_t (*write)(struct qcc_call *call, void *to, const void *host, int64_t bytes);
} qcc_services;

/* A cache tensor [batch, heads, capacity, width], rows dense; strides in elements. */
typedef struct qcc_kv_view {
  void *base;
  int64_t batch_stride;
  int64_t head_stride;
  int64_t row_stride;
} qcc_kv_view;

enum {
  /* Past rows already lie in the KV views; the past inputs are not read. */
  QCC_CALL_KV_IN_PLACE = 1
};

/* One execution of an entry point. Filled by the runtime, read by generated code. */
typedef struct qcc_call {
  uint64_t struct_size;
  const qcc_services *services;
  const qcc_kernel_fn *kernels; /* table of the feature level in use */
  const uint8_t *weights;
  uint8_t *arena;        /* 64-byte aligned, plan.arena_bytes of them */
  int64_t *symbols;      /* n_symbols values, as plan() wrote them; produced ones are
                            written by run() */
  void *const *inputs;   /* n_inputs dense row-major tensors */
  void *const *outputs;  /* n_outputs; an output that has a KV view is reached through it */
  const qcc_kv_view *kv; /* n_kv */
  uint64_t flags;
  void *host;   /* the runtime's own */
  int64_t site; /* of the launch; written before each one by models with code for GPUs, whose faults
                   are found later. Since 1.3 */
} qcc_call;

/* Result of plan(). Arrays are owned by the caller and sized by the entry's counts. */
typedef struct qcc_plan {
  uint64_t struct_size;
  int64_t *symbols;     /* n_symbols */
  int64_t *output_dims; /* all output dimensions, concatenated in order */
  int64_t arena_bytes;
  int64_t scratch_bytes; /* per worker: the largest of any launch */
  int64_t lhs, rhs;      /* the two unequal values when a check fails */
} qcc_plan;

typedef struct qcc_tensor_desc {
  const char *name;
  uint32_t dtype; /* qcc_dtype */
  uint32_t rank;
  const char *const *dims; /* one text per axis: "batch", "s + p", "64" */
  const char *role; /* "ids", "mask", "positions", "types", "past.3.key", "logits", … or "" */
} qcc_tensor_desc;

enum {
  QCC_SYMBOL_PRODUCED = -1, /* produced by segment `axis` */
  /* What the caller asks for: plan() finds it in plan->symbols and leaves it there if it is 1 to
   * the value of symbol `axis`, which it becomes otherwise. Since 1.2. */
  QCC_SYMBOL_ASKED = -2
};

typedef struct qcc_symbol_desc {
  const char *name;
  int64_t min, max, divisor;
  int32_t input; /* bound to this input's axis, or one of QCC_SYMBOL_* */
  int32_t axis;
} qcc_symbol_desc;

/* One cache tensor: `input` is its past, `output` its present. */
typedef struct qcc_kv_desc {
  uint32_t input, output;
  uint32_t layer;
  uint32_t is_value;   /* 0 key, 1 value */
  int32_t past_symbol; /* symbol that is the past length */
} qcc_kv_desc;

/* A check that plan() makes; texts for the message. Check k fails as plan() == k + 1. */
typedef struct qcc_check_desc {
  const char *lhs, *rhs; /* e.g. "attention_mask axis 1", "p + s" */
  const char *site;      /* ONNX node that needs it */
} qcc_check_desc;

/* A node that the application computes. */
typedef struct qcc_host_op_desc {
  const char *domain, *op; /* domain "" is ai.onnx */
  const char *node;        /* the ONNX node, for messages */
  const char *attributes;  /* the node's, a JSON object */
  uint32_t n_inputs, n_outputs;
  const uint32_t *dtypes; /* of the inputs, then of the outputs; 0: an optional input is absent */
  const uint32_t *ranks;
} qcc_host_op_desc;

typedef struct qcc_entry_desc {
  uint64_t struct_size;
  const char *name; /* "main" for the only entry */
  uint32_t n_inputs, n_outputs, n_symbols, n_kv, n_checks, n_sites, n_segments;
  /* 1 + the symbol along which a run may be cut, or 0: it is the first axis, or a factor of it, of
   * every output and of every input that has it, and what lies in one slice of an output depends on
   * the same slices of the inputs only. A runtime may ignore it. */
  uint32_t slice_symbol;
  const qcc_tensor_desc *inputs, *outputs;
  const qcc_symbol_desc *symbols;
  const qcc_kv_desc *kv;
  const qcc_check_desc *checks;
  const char *const *sites;
  /* Binds symbols to input_dims (all input dimensions, concatenated in order), makes the checks
   * and sizes segment `segment` (0 unless shapes depend on values). Returns 0, or 1 + the index of
   * the check that failed. Produced symbols are read from plan->symbols in later segments. */
  int64_t (*plan)(const int64_t *input_dims, int64_t segment, qcc_plan *plan);
  /* Executes one segment. Returns 0 or (site << 8 | qcc_fault). Arena contents and address-
   * independent offsets persist from segment to segment; the arena may move in between. */
  int64_t (*run)(qcc_call *call, int64_t segment);
  /* Since 1.1. */
  uint32_t n_host_ops, reserved_host;
  const qcc_host_op_desc *host_ops;
  /* What launches touch; models without code for GPUs need not say it. Site i, of n_sites, reads
   * place accesses[k] >> 1, and where accesses[k] & 1 writes it, for k from access_starts[i] to
   * below access_starts[i + 1]. Launches may run at the same time unless there is a place in both
   * that one writes. Since 1.3. */
  uint32_t n_places, reserved_places;
  const uint32_t *access_starts, *accesses;
} qcc_entry_desc;

/* A launch of a kernel on a GPU, in its memory; the 64-bit slots of the launch follow. Entry points
 * of kernels take the address of one, and nothing else. */
typedef struct qcc_gpu_launch {
  int64_t tasks, grain;
  uint64_t workers; /* address of each group's frame and scratch memory, `stride` bytes apart */
  int64_t stride;
  uint64_t fault;    /* address of the least (begin << 8 | fault) of a faulting range, at first all
                        ones */
  uint64_t counters; /* address of QCC_GPU_COUNTERS numbers of 32 bits, 0 between launches */
  int64_t reserved[2];
} qcc_gpu_launch;

#define QCC_GPU_COUNTERS 4096

typedef struct qcc_gpu_kernel_desc {
  const char *name; /* of the entry point */
  uint32_t slots;   /* that it reads */
  uint32_t block_threads;
  uint32_t block_workers; /* of them, each with its frame and scratch memory, has a block */
  uint32_t static_shared_bytes, dynamic_shared_bytes; /* of a block */
  uint32_t shares_tasks; /* 1: blocks share tasks, so that a launch has all of them */
  uint64_t frame_bytes;  /* of each worker, in front of its scratch memory; 16 divides it */
} qcc_gpu_kernel_desc;

/* Code for one kind of GPU. Kernels are those of the levels, in their order. */
typedef struct qcc_gpu_code_desc {
  uint64_t struct_size;
  const char *name;      /* "nvptx-sm_90a" */
  uint32_t major, minor; /* compute capability */
  uint32_t exact;        /* 1: for this compute capability alone; 0: for later ones too */
  uint32_t kernel_size;  /* of a qcc_gpu_kernel_desc */
  const char *ptx;       /* a zero follows */
  uint64_t ptx_bytes;
  const qcc_gpu_kernel_desc *kernels;
} qcc_gpu_code_desc;

/* Code for one feature level. All tables of a model have the same length and order. */
typedef struct qcc_level_desc {
  const char *name;  /* "x86-avx512-vnni" */
  uint64_t features; /* bits QCC_FEATURE_* that must all be present */
  const qcc_kernel_fn *kernels;
  const char *const *kernel_names;
} qcc_level_desc;

typedef struct qcc_model_desc {
  uint64_t magic;
  uint32_t abi_major, abi_minor;
  uint64_t struct_size;
  const char *name;
  uint32_t arch; /* qcc_arch */
  uint32_t n_entries, n_levels, n_kernels;
  const qcc_entry_desc *entries;
  const qcc_level_desc *levels; /* best first */
  const uint8_t *weights;       /* null when they are in a sidecar file */
  uint64_t weights_bytes;
  const char *sidecar;        /* file name beside the model, or null */
  uint8_t weights_sha256[32]; /* of the weight bytes */
  const char *manifest;       /* JSON */
  uint64_t manifest_bytes;
  /* Since 1.3. n_levels may be 0 where there is code for GPUs. */
  uint32_t n_gpu_codes, reserved_gpu;
  const qcc_gpu_code_desc *gpu_codes; /* best first */
} qcc_model_desc;

typedef const qcc_model_desc *(*qcc_model_fn)(void);

#ifdef __cplusplus
}
#endif
#endif
