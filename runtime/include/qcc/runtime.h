/* The C library that runs models compiled by qcc.
 *
 * Typical use:
 *
 *   qcc_error err;
 *   qcc_model *model;
 *   qcc_session *session;
 *   qcc_model_open("./encoder.so", NULL, &model, &err);
 *   qcc_session_create(model, 0, NULL, NULL, &session, &err);
 *   int64_t dims[2] = {1, 5}, ids[5] = {101, 7592, 2088, 999, 102};
 *   qcc_tensor in = {ids, QCC_I64, 2, dims, 0}, out = {0};
 *   qcc_session_run(session, &in, 1, &out, 1, &err);    // out.data: session-owned
 *   qcc_session_destroy(session);
 *   qcc_model_close(model);
 *
 * Status. Every call that can fail returns a qcc_status; QCC_OK is 0. The last argument, a
 * caller-owned qcc_error or NULL, receives the status and one sentence that names the values
 * involved. Results are written only on success unless a function says otherwise. The library
 * never aborts, exits or throws.
 *
 * Ownership. Handles are reference-counted inside: a session keeps its model and its pool alive, so
 * the three may be released in any order. Strings and arrays that a query returns belong to the
 * model and live until it is gone. Tensor data passed in belongs to the caller and is only read
 * (or, for outputs, written) during the call.
 *
 * Threads. A model is immutable and may be used by any number of threads. A session or decoder is
 * used by one thread at a time; a second concurrent call gets QCC_ERR_BUSY. A pool may serve many
 * sessions: a session that finds it busy runs that launch on its own thread.
 *
 * Tensors are dense and row-major; dimensions count elements. Data must be aligned to its element
 * type. Floating-point control state (MXCSR, FPCR) is set to round-to-nearest with denormals while
 * a model runs and is restored before the call returns.
 *
 * After fork() a pool has no threads in the child: sessions there run on the calling thread. GPUs
 * cannot be used in the child if the parent has used one.
 */
#ifndef QCC_RUNTIME_H
#define QCC_RUNTIME_H

#include "qcc/model.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define QCC_API __attribute__((visibility("default")))
#else
#define QCC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status ---------------------------------------------------------------------------------- */

typedef enum qcc_status {
  QCC_OK = 0,
  QCC_ERR_IO = 1,          /* a file cannot be opened, read or mapped */
  QCC_ERR_NOT_A_MODEL = 2, /* not a shared object, no qcc_model symbol, bad magic or descriptor */
  QCC_ERR_ABI = 3,         /* other major, newer minor, or another architecture */
  QCC_ERR_CPU_FEATURE = 4, /* the machine lacks what every (or the forced) level needs */
  QCC_ERR_OUT_OF_MEMORY = 5,
  QCC_ERR_INVALID_ARGUMENT = 6, /* null, misaligned or contradictory arguments, unknown names */
  QCC_ERR_SHAPE = 7,            /* rank, a dimension, or a relation between dimensions */
  QCC_ERR_INDEX = 8,            /* a gather or scatter index in the data outside its axis */
  QCC_ERR_CAPACITY = 9,         /* a caller's buffer or the KV cache is too small */
  QCC_ERR_DTYPE = 10,           /* element type differs from the signature */
  QCC_ERR_BUSY = 11,            /* the session is running on another thread */
  QCC_ERR_UNSUPPORTED = 12,     /* the model has an input that this call cannot supply, … */
  QCC_ERR_DIVIDE = 13,          /* integer division by zero in the model */
  QCC_ERR_INTERNAL = 14,        /* a defect of the compiled model or of this library */
  QCC_ERR_HOST_OP = 15, /* an operator that the application computes failed, or is missing */
  QCC_ERR_DEVICE = 16   /* no GPU, no driver or too old a one, no code for the GPU, or it failed */
} qcc_status;

typedef struct qcc_error {
  qcc_status code;
  char message[512]; /* always terminated; long names are cut */
} qcc_error;

/* "ok", "io", "not_a_model", "abi", … ; "unknown" outside the enum. Never NULL. */
QCC_API const char *qcc_status_name(qcc_status status);

/* "f32", "i64", … and the size in bytes; NULL and 0 for an unknown type. */
QCC_API const char *qcc_dtype_name(qcc_dtype dtype);
QCC_API size_t qcc_dtype_size(qcc_dtype dtype);

/* "0.1.0" of this library; QCC_ABI_MAJOR and QCC_ABI_MINOR say what models it loads. */
QCC_API const char *qcc_runtime_version(void);

/* ---- Models ---------------------------------------------------------------------------------- */

typedef struct qcc_model qcc_model;

/* Zero-initialise, set struct_size = sizeof(qcc_model_options), then the fields wanted. */
typedef struct qcc_model_options {
  uint64_t struct_size;
  const char *force_level;  /* a level's name, e.g. "x86-avx512-vnni"; NULL picks the best usable */
  const char *weights_path; /* sidecar file; NULL: the name in the model, beside the model */
  uint32_t verify_weights;  /* non-zero: check SHA-256 of all weight bytes (reads them once) */
  uint32_t reserved;
} qcc_model_options;

/* Loads a compiled .so. The file is checked to be an ELF object of this machine before any of its
 * code can run; it is native code all the same and must come from a trusted source. A path without
 * '/' means the current directory, never the library search path. */
QCC_API qcc_status qcc_model_open(const char *path, const qcc_model_options *options,
                                  qcc_model **model, qcc_error *err);

/* The same for a model linked into the program: pass the function its header declares. A sidecar is
 * looked for in the current directory unless options->weights_path is set. */
QCC_API qcc_status qcc_model_link(qcc_model_fn function, const qcc_model_options *options,
                                  qcc_model **model, qcc_error *err);

/* Gives up the caller's reference; NULL is ignored. Sessions keep the model alive. */
QCC_API void qcc_model_close(qcc_model *model);

/* Set struct_size before the call in every *_info below; fields beyond it are left alone. */
typedef struct qcc_model_info {
  uint64_t struct_size;
  const char *name;
  uint32_t arch; /* qcc_arch */
  uint32_t abi_major, abi_minor;
  uint32_t n_entries, n_levels, n_kernels;
  const char *level; /* the level in use; the best code for GPUs where there is no other */
  uint32_t level_index;
  uint32_t reserved;
  const char *manifest; /* JSON, not necessarily terminated */
  uint64_t manifest_bytes;
  uint64_t weights_bytes;
  const uint8_t *weights_sha256; /* 32 bytes */
  uint32_t n_gpu_codes;          /* qcc_model_gpu_code */
  uint32_t reserved_gpu;
} qcc_model_info;

typedef struct qcc_entry_info {
  uint64_t struct_size;
  const char *name;
  uint32_t n_inputs, n_outputs, n_symbols;
  uint32_t n_kv;       /* cache tensors; non-zero: qcc_decoder_create works on it */
  uint32_t n_segments; /* more than 1: output shapes depend on values */
  uint32_t reserved;
  uint32_t n_host_ops; /* nodes that the application computes: qcc_model_host_op */
  uint32_t reserved_host;
} qcc_entry_info;

typedef struct qcc_tensor_info {
  uint64_t struct_size;
  const char *name;
  qcc_dtype dtype;
  uint32_t rank;
  const char *const *dims; /* one text per axis: "batch", "s + p", "64" */
  const char *role;        /* "ids", "mask", "past.3.key", "logits", … or "" */
} qcc_tensor_info;

typedef struct qcc_symbol_info {
  uint64_t struct_size;
  const char *name;
  int64_t min, max, divisor; /* max 0: unbounded */
  int32_t input, axis;       /* where it is bound; input -1: produced while running */
} qcc_symbol_info;

typedef struct qcc_level_info {
  uint64_t struct_size;
  const char *name;
  uint64_t features; /* bits QCC_FEATURE_* */
  uint32_t usable;   /* 1 when this machine has them all */
  uint32_t reserved;
} qcc_level_info;

QCC_API qcc_status qcc_model_get_info(const qcc_model *model, qcc_model_info *info, qcc_error *err);
QCC_API qcc_status qcc_model_entry(const qcc_model *model, uint32_t entry, qcc_entry_info *info,
                                   qcc_error *err);
QCC_API qcc_status qcc_model_input(const qcc_model *model, uint32_t entry, uint32_t index,
                                   qcc_tensor_info *info, qcc_error *err);
QCC_API qcc_status qcc_model_output(const qcc_model *model, uint32_t entry, uint32_t index,
                                    qcc_tensor_info *info, qcc_error *err);
QCC_API qcc_status qcc_model_symbol(const qcc_model *model, uint32_t entry, uint32_t index,
                                    qcc_symbol_info *info, qcc_error *err);
QCC_API qcc_status qcc_model_level(const qcc_model *model, uint32_t index, qcc_level_info *info,
                                   qcc_error *err);
typedef struct qcc_gpu_code_info {
  uint64_t struct_size;
  const char *name;      /* "nvptx-sm_90a" */
  uint32_t major, minor; /* compute capability that a GPU must have */
  uint32_t exact;        /* 1: exactly; 0: at least */
  uint32_t reserved;
  const char *ptx; /* terminated */
  uint64_t ptx_bytes;
} qcc_gpu_code_info;

/* Code `index` (< qcc_model_info.n_gpu_codes) for GPUs; a session takes the first that its GPU can
 * run. */
QCC_API qcc_status qcc_model_gpu_code(const qcc_model *model, uint32_t index,
                                      qcc_gpu_code_info *info, qcc_error *err);
typedef struct qcc_gpu_kernel_info {
  uint64_t struct_size;
  const char *name; /* of the entry point in the PTX */
  uint32_t block_threads;
  uint32_t shared_bytes; /* of a block */
} qcc_gpu_kernel_info;

/* Kernel `index` (< n_kernels) of code `code` for GPUs. */
QCC_API qcc_status qcc_model_gpu_kernel(const qcc_model *model, uint32_t code, uint32_t index,
                                        qcc_gpu_kernel_info *info, qcc_error *err);
/* Name of kernel `index` (< n_kernels) at the level in use. */
QCC_API qcc_status qcc_model_kernel_name(const qcc_model *model, uint32_t index, const char **name,
                                         qcc_error *err);

/* Look-ups by exact name; the *_role ones by role. QCC_ERR_INVALID_ARGUMENT when there is none. */
QCC_API qcc_status qcc_model_find_entry(const qcc_model *model, const char *name, uint32_t *index,
                                        qcc_error *err);
QCC_API qcc_status qcc_model_find_input(const qcc_model *model, uint32_t entry, const char *name,
                                        uint32_t *index, qcc_error *err);
QCC_API qcc_status qcc_model_find_output(const qcc_model *model, uint32_t entry, const char *name,
                                         uint32_t *index, qcc_error *err);
QCC_API qcc_status qcc_model_find_input_role(const qcc_model *model, uint32_t entry,
                                             const char *role, uint32_t *index, qcc_error *err);
QCC_API qcc_status qcc_model_find_output_role(const qcc_model *model, uint32_t entry,
                                              const char *role, uint32_t *index, qcc_error *err);

/* Bits QCC_FEATURE_* that this machine and its operating system offer. With request_amx the process
 * asks for the AMX registers, which Linux grants for its lifetime; opening a model whose level uses
 * AMX does so by itself. */
QCC_API uint64_t qcc_cpu_features(int request_amx);
/* "AVX2", "AVX-512 VNNI", … for a bit number; NULL when unknown. */
QCC_API const char *qcc_feature_name(uint32_t bit);

/* ---- Pools ----------------------------------------------------------------------------------- */

typedef struct qcc_pool qcc_pool;

typedef struct qcc_pool_options {
  uint64_t struct_size;
  uint32_t threads; /* workers including the thread that calls run; 0: qcc_default_threads() */
  uint32_t spin_us; /* how long an idle worker spins before it sleeps; 0: 50 µs, UINT32_MAX: never
                       spins. Ignored when there are more workers than CPUs to run on: then
                       workers yield a few times and sleep. */
} qcc_pool_options;

/* Makes a pool of its own threads. `options` may be NULL. One thread means everything runs on the
 * caller. At most 1023 threads. */
QCC_API qcc_status qcc_pool_create(const qcc_pool_options *options, qcc_pool **pool,
                                   qcc_error *err);

/* The host's parallel loop: must call task(arg, i) exactly once for every i in [0, n), on any
 * threads, and return when all have returned. n is at most the `workers` given. It is never called
 * by two threads at once for one pool. */
typedef void (*qcc_parallel_for_fn)(void *context, size_t n, void (*task)(void *arg, size_t i),
                                    void *arg);
QCC_API qcc_status qcc_pool_from_parallel_for(qcc_parallel_for_fn parallel_for, void *context,
                                              uint32_t workers, qcc_pool **pool, qcc_error *err);

/* The process-wide pool, made at the first call with default options and never destroyed. Do not
 * destroy it; doing so is ignored. */
QCC_API qcc_status qcc_pool_default(qcc_pool **pool, qcc_error *err);

/* QCC_NUM_THREADS when it is a positive number, else CPUs within the scheduling affinity and the
 * cgroup quota (rounded up). At least 1. */
QCC_API uint32_t qcc_default_threads(void);

QCC_API uint32_t qcc_pool_workers(const qcc_pool *pool);

/* Gives up the caller's reference; threads end when the last session that uses it is gone. */
QCC_API void qcc_pool_destroy(qcc_pool *pool);

/* ---- GPUs ------------------------------------------------------------------------------------ */

/* NVIDIA GPUs of compute capability 8.0 or later, with a driver of CUDA 12.7 or later. The driver's
 * libcuda.so.1 is loaded by the first call; programs link nothing. */
typedef struct qcc_gpu qcc_gpu;

/* GPU `index` of those that the driver shows (CUDA_VISIBLE_DEVICES applies), with its primary
 * context, which other libraries of the process share. QCC_ERR_DEVICE says what is missing. A
 * handle may be used by any number of threads. */
QCC_API qcc_status qcc_gpu_open(uint32_t index, qcc_gpu **gpu, qcc_error *err);
/* Gives up the caller's reference; NULL is ignored. Models that were loaded on it keep the GPU. */
QCC_API void qcc_gpu_close(qcc_gpu *gpu);

typedef struct qcc_gpu_info {
  uint64_t struct_size;
  const char *name; /* lives as long as the handle */
  uint32_t index;
  uint32_t major, minor; /* compute capability */
  uint32_t multiprocessors;
  uint32_t driver_version; /* 12080 is CUDA 12.8 */
  uint32_t reserved;
  uint64_t memory_bytes;
} qcc_gpu_info;
QCC_API qcc_status qcc_gpu_get_info(const qcc_gpu *gpu, qcc_gpu_info *info, qcc_error *err);

/* ---- Sessions -------------------------------------------------------------------------------- */

typedef struct qcc_session qcc_session;

/* A dense row-major tensor. `bytes` is the size of the buffer at `data`: required for an output
 * that the caller provides; for inputs 0 means "as the dimensions say". */
typedef struct qcc_tensor {
  void *data;
  qcc_dtype dtype;
  uint32_t rank;
  const int64_t *dims;
  size_t bytes;
} qcc_tensor;

typedef struct qcc_session_options {
  uint64_t struct_size;
  /* The largest dimensions that run() will see: those of all inputs, concatenated in order, or
   * NULL. When given, memory is sized now and run() allocates nothing for inputs of at most these
   * dimensions (unless output shapes depend on values). Larger ones still work and allocate. */
  const int64_t *max_dims;
  uint32_t n_max_dims;
  uint32_t reserved;
  /* Runs on this GPU. NULL: on the CPU, or on GPU 0 if the model has no code for CPUs. */
  qcc_gpu *gpu;
} qcc_session_options;

/* `pool` NULL: qcc_pool_default(). `options` may be NULL.
 *
 * The first session of a model on a GPU loads code and weights there, which stay until the model is
 * gone; the driver compiles the code, and keeps what it has compiled for the next process. Inputs
 * and outputs lie in the host's memory all the same. QCC_ERR_DEVICE: the GPU failed; where the
 * message says that it cannot be used any more, only a new process can. */
QCC_API qcc_status qcc_session_create(qcc_model *model, uint32_t entry, qcc_pool *pool,
                                      const qcc_session_options *options, qcc_session **session,
                                      qcc_error *err);
QCC_API void qcc_session_destroy(qcc_session *session);

/* Runs the entry once. `inputs` in signature order, all of them; each must have the signature's
 * dtype and rank and dimensions that fit together.
 *
 * `outputs` in signature order, all of them, or NULL with n_outputs 0 (then see
 * qcc_session_output). An output whose data is NULL is given session-owned memory, valid until the
 * next run or the end of the session. One whose data is set is written there: its dtype must be the
 * signature's and its `bytes` at least what the shape needs, else QCC_ERR_CAPACITY with dtype, rank
 * and dims filled in and nothing written. In both cases dtype, rank, dims (session-owned, valid
 * until the next run) and, for session-owned memory, bytes are filled in.
 * Inputs and outputs must not overlap. On a fault in the middle of a run outputs are undefined. */
QCC_API qcc_status qcc_session_run(qcc_session *session, const qcc_tensor *inputs,
                                   uint32_t n_inputs, qcc_tensor *outputs, uint32_t n_outputs,
                                   qcc_error *err);

/* Output `index` of the last successful run. */
QCC_API qcc_status qcc_session_output(qcc_session *session, uint32_t index, qcc_tensor *output,
                                      qcc_error *err);

/* Output shapes for inputs of these shapes (data is not read). Fills dtype, rank, dims
 * (session-owned, valid until the next call) and bytes; a dimension that depends on values is -1,
 * and bytes is then 0. */
QCC_API qcc_status qcc_session_infer_shapes(qcc_session *session, const qcc_tensor *inputs,
                                            uint32_t n_inputs, qcc_tensor *outputs,
                                            uint32_t n_outputs, qcc_error *err);

typedef struct qcc_memory_info {
  uint64_t struct_size;
  uint64_t arena_bytes;   /* activations */
  uint64_t scratch_bytes; /* all workers */
  uint64_t output_bytes;  /* session-owned outputs */
  uint64_t kv_bytes;      /* decoder cache */
  uint64_t device_bytes;  /* of all that the session has on its GPU, without the model's weights */
} qcc_memory_info;
QCC_API qcc_status qcc_session_memory(const qcc_session *session, qcc_memory_info *info,
                                      qcc_error *err);

/* One kernel launch, as reported to a profile callback. */
typedef struct qcc_launch_info {
  uint64_t struct_size;
  const char *kernel;    /* name, or "?" when the model does not list it */
  uint32_t kernel_index; /* UINT32_MAX when not listed */
  uint32_t workers;      /* that took part */
  int64_t tasks, grain;
  uint64_t ns; /* wall time; on a GPU with the time to launch and to wait */
} qcc_launch_info;

/* Calls `callback` on the running thread after every launch; NULL switches it off. While it is set,
 * a batch is launched whole instead of in parts that stay in the cache, and a GPU launches one
 * kernel at a time. */
typedef void (*qcc_profile_fn)(void *context, const qcc_launch_info *launch);
QCC_API qcc_status qcc_session_set_profile(qcc_session *session, qcc_profile_fn callback,
                                           void *context, qcc_error *err);

/* ---- Host ops -------------------------------------------------------------------------------- */

/* A model that was compiled with --host-op=DOMAIN::OP leaves nodes of that operator to the
 * application, which registers a function for it before it makes a session. */

/* One call. Everything belongs to the library and lives until the function returns. */
typedef struct qcc_host_call {
  uint64_t struct_size;
  const char *domain, *op; /* domain "" is ai.onnx */
  const char *node;        /* the ONNX node */
  const char *attributes;  /* the node's, a JSON object: {"axis": -1, "mode": "fast"} */
  /* As the node lists them; of an optional input that is absent all fields are 0. Inputs are only
   * read. Outputs have their dimensions already, and are to be written whole. */
  const qcc_tensor *inputs;
  const qcc_tensor *outputs;
  uint32_t n_inputs, n_outputs;
} qcc_host_call;

/* Computes the outputs and returns QCC_OK; or returns another status, and may write a sentence to
 * err->message, which qcc_session_run then fails with (QCC_ERR_HOST_OP).
 *
 * It must be a function of inputs and attributes alone: a call whose results nobody needs may be
 * left out. It is called on the thread that runs the session, once per node and run, and by as many
 * threads at once as run sessions. It must not use the session that calls it, nor throw; other
 * sessions it may run. Floating-point control state is that of the session's caller. */
typedef qcc_status (*qcc_host_op_fn)(void *context, const qcc_host_call *call, qcc_error *err);

/* Registers the function for the whole process, in place of one registered before; NULL takes it
 * away. domain NULL or "ai.onnx" is "". Sessions keep the function that they were made with, so
 * `context` must outlive them. May be called by any thread at any time. */
QCC_API qcc_status qcc_register_host_op(const char *domain, const char *op, qcc_host_op_fn function,
                                        void *context, qcc_error *err);

/* What a library exports as `qcc_host_library` for `qcc run MODEL --host-lib=FILE.so`: it hands its
 * functions to `add`, which is the tool's qcc_register_host_op. So it need not link this one. */
typedef qcc_status (*qcc_add_host_op_fn)(const char *domain, const char *op,
                                         qcc_host_op_fn function, void *context, qcc_error *err);
typedef qcc_status (*qcc_host_library_fn)(qcc_add_host_op_fn add, qcc_error *err);

typedef struct qcc_host_op_info {
  uint64_t struct_size;
  const char *domain, *op, *node, *attributes;
  uint32_t n_inputs, n_outputs;
  uint32_t registered; /* 1 when a session made now would find it */
  uint32_t reserved;
} qcc_host_op_info;

/* Node `index` (< qcc_entry_info.n_host_ops) of an entry that the application computes. */
QCC_API qcc_status qcc_model_host_op(const qcc_model *model, uint32_t entry, uint32_t index,
                                     qcc_host_op_info *info, qcc_error *err);

/* ---- Decoders -------------------------------------------------------------------------------- */

/* A session over an entry with a KV cache, which the decoder owns and which grows in place. */
typedef struct qcc_decoder qcc_decoder;

typedef struct qcc_decoder_options {
  uint64_t struct_size;
  int64_t max_step;    /* most tokens per step that memory is sized for; 0: the smaller of capacity
                          and 512. Longer steps still work and allocate. */
  int64_t logits_rows; /* logits of at most so many last positions of a step are computed; 0: of
                          all. Generating needs 1. */
  qcc_gpu *gpu;        /* as for sessions; the cache lies there too */
} qcc_decoder_options;

/* `batch` rows, up to `capacity` positions each; memory is sized now, so steps of at most
 * max_step tokens allocate nothing.
 * `pool` and `options` as for sessions. QCC_ERR_UNSUPPORTED when the entry has no cache or an input
 * other than ids, mask, positions, types and past. */
QCC_API qcc_status qcc_decoder_create(qcc_model *model, uint32_t entry, qcc_pool *pool,
                                      int64_t batch, int64_t capacity,
                                      const qcc_decoder_options *options, qcc_decoder **decoder,
                                      qcc_error *err);
QCC_API void qcc_decoder_destroy(qcc_decoder *decoder);

/* Feeds n tokens per row, tokens[batch * n] row-major, and advances the length by n. `logits`
 * receives a view of the output with role "logits" (else output 0), as the model shapes it (usually
 * [batch, n, vocabulary], where n is at most logits_rows), valid until the next step; it may be
 * NULL. Models whose logits are not computed position by position ignore logits_rows: dims[1]
 * tells. Over capacity: QCC_ERR_CAPACITY, and nothing is written. After any failure the length is
 * as before. */
QCC_API qcc_status qcc_decoder_step(qcc_decoder *decoder, const int64_t *tokens, int64_t n,
                                    qcc_tensor *logits, qcc_error *err);

/* The same with an attention mask [batch, length + n] of 0 and 1 over all positions so far and the
 * new ones (NULL: ones), and position ids [batch, n] (NULL: each row counts its unmasked positions,
 * from 0; with a mask of ones that is length, length + 1, …). */
QCC_API qcc_status qcc_decoder_step_masked(qcc_decoder *decoder, const int64_t *tokens, int64_t n,
                                           const int64_t *mask, const int64_t *positions,
                                           qcc_tensor *logits, qcc_error *err);

/* Positions in the cache, per row. */
QCC_API int64_t qcc_decoder_length(const qcc_decoder *decoder);
QCC_API int64_t qcc_decoder_capacity(const qcc_decoder *decoder);
QCC_API int64_t qcc_decoder_batch(const qcc_decoder *decoder);

/* Forgets all positions from `length` on; 0 <= length <= the current one. */
QCC_API qcc_status qcc_decoder_truncate(qcc_decoder *decoder, int64_t length, qcc_error *err);
/* Row b continues what row source[b] was (beam search); repeats are allowed. */
QCC_API qcc_status qcc_decoder_reorder(qcc_decoder *decoder, const int64_t *source, qcc_error *err);
/* Forgets everything: truncate to 0. */
QCC_API qcc_status qcc_decoder_reset(qcc_decoder *decoder, qcc_error *err);

/* The session inside, for qcc_session_output, _memory and _set_profile; qcc_session_run and
 * _infer_shapes on it are refused. Belongs to the decoder. */
QCC_API qcc_session *qcc_decoder_session(qcc_decoder *decoder);

#ifdef __cplusplus
}
#endif
#endif
