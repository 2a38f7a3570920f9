/* What the runtime's files share. Nothing here is exported. */
#ifndef QCC_RUNTIME_INTERNAL_H
#define QCC_RUNTIME_INTERNAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "qcc/runtime.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QCC_CACHE_LINE 64

/* ---- error.c --------------------------------------------------------------------------------- */

/* Fills *err when there is one, and returns `code`. */
qcc_status qcc_fail(qcc_error *err, qcc_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets *err to ok. */
qcc_status qcc_succeed(qcc_error *err);
/* Copies the caller's options of `size` bytes over `known`, whose struct_size is the first field.
 * Fields the caller does not know keep their value; fields this library does not know must be 0. */
qcc_status qcc_read_options(void *known, size_t known_size, const void *given, const char *what,
                            qcc_error *err);
/* Copies as much of `info` as the caller's struct_size allows. */
qcc_status qcc_write_info(void *to, const void *info, size_t size, qcc_error *err);

/* ---- memory.c -------------------------------------------------------------------------------- */

/* A zeroed block at 64-byte alignment; large ones are mapped on their own. */
typedef struct qcc_block {
  uint8_t *data;
  size_t bytes;
} qcc_block;

bool qcc_block_alloc(qcc_block *block, size_t bytes);
void qcc_block_free(qcc_block *block);
/* Makes the block at least `bytes` long. Keeps the first `keep` bytes. */
bool qcc_block_reserve(qcc_block *block, size_t bytes, size_t keep);
/* Product of non-negative dimensions and an element size; false when it leaves int64_t. */
bool qcc_dense_bytes(const int64_t *dims, uint32_t rank, size_t element, int64_t *bytes);

/* ---- dims.c ---------------------------------------------------------------------------------- */

/* Whether an expression such as "s + p" mentions a symbol. */
bool qcc_dim_mentions(const char *text, const char *symbol);

/* ---- cpu.c ----------------------------------------------------------------------------------- */

typedef uint64_t qcc_fp_state;
/* Switches to round-to-nearest, denormals on, exceptions masked; returns what was. */
qcc_fp_state qcc_fp_enter(void);
void qcc_fp_leave(qcc_fp_state state);
uint32_t qcc_this_arch(void);

/* ---- sha256.c -------------------------------------------------------------------------------- */

void qcc_sha256(const uint8_t *data, uint64_t bytes, uint8_t digest[32]);

/* ---- model.c --------------------------------------------------------------------------------- */

struct qcc_model {
  int64_t references;
  const qcc_model_desc *desc;
  const qcc_level_desc *level; /* null where there is code for GPUs alone */
  uint32_t level_index;
  const uint8_t *weights;
  void *library; /* from dlopen, or null */
  void *mapped;  /* sidecar, or null */
  size_t mapped_bytes;
  pthread_mutex_t gpu_lock;       /* over the list */
  struct qcc_gpu_code *gpu_codes; /* loaded ones, one for each GPU */
};

void qcc_model_retain(qcc_model *model);
/* Entry `index`, by the stride its first element states; null beyond the last. */
const qcc_entry_desc *qcc_entry_at(const qcc_model_desc *desc, uint32_t index);
/* Structure of a descriptor: everything that later code indexes with or calls. */
qcc_status qcc_validate_desc(const qcc_model_desc *desc, qcc_error *err);

/* ---- gpu_code.c ------------------------------------------------------------------------------ */

/* Models before 1.3 have none. */
bool qcc_gpu_valid_accesses(const qcc_entry_desc *entry);
uint32_t qcc_gpu_code_count(const qcc_model_desc *desc);
const qcc_gpu_code_desc *qcc_gpu_code_at(const qcc_model_desc *desc, uint32_t index);
const qcc_gpu_kernel_desc *qcc_gpu_kernel_at(const qcc_gpu_code_desc *code, uint32_t index);
qcc_status qcc_validate_gpu_codes(const qcc_model_desc *desc, qcc_error *err);
void qcc_model_free_gpu_codes(qcc_model *model);

/* ---- threads.c ------------------------------------------------------------------------------- */

/* CPUs that the process may use at once: scheduling affinity, bounded by the cgroup quota. */
uint32_t qcc_available_cpus(void);
/* The quota of the cgroup named in `membership` (/proc/self/cgroup) and its ancestors under `root`
 * (/sys/fs/cgroup), version 1 or 2, rounded up to whole CPUs; 0 when there is none. */
uint32_t qcc_cgroup_cpus(const char *membership, const char *root);

/* ---- pool.c ---------------------------------------------------------------------------------- */

typedef struct qcc_job {
  qcc_kernel_fn kernel;
  const int64_t *args;
  int64_t tasks;
  int64_t ranges; /* 1 .. workers */
  uint8_t *scratch;
  int64_t scratch_stride;
} qcc_job;

void qcc_pool_retain(qcc_pool *pool);
void qcc_pool_release(qcc_pool *pool);
/* False in a child process, where the threads do not exist. */
bool qcc_pool_usable(const qcc_pool *pool);
/* Runs the job unless the pool is busy with another; false then and nothing has run. */
bool qcc_pool_run(qcc_pool *pool, const qcc_job *job, int64_t *result);

/* ---- host.c ---------------------------------------------------------------------------------- */

/* An operator that the application computes, as one session calls it. */
typedef struct qcc_host_site {
  qcc_host_op_fn function;
  void *context;
  qcc_tensor *tensors; /* inputs, then outputs; filled for each call */
} qcc_host_site;

/* Models of 1.0 have none. */
uint32_t qcc_host_op_count(const qcc_entry_desc *entry);
/* The entry of a model; QCC_ERR_INVALID_ARGUMENT where the model is null or has no such entry. */
qcc_status qcc_find_entry(const qcc_model *model, uint32_t entry, const qcc_entry_desc **desc,
                          qcc_error *err);
qcc_status qcc_validate_host_ops(const qcc_entry_desc *entry, qcc_error *err);
/* Finds all of a session's in the registry. */
qcc_status qcc_session_find_hosts(qcc_session *session, qcc_error *err);
void qcc_session_free_hosts(qcc_session *session);
int64_t qcc_host_call_service(qcc_call *call, int64_t index, const int64_t *slots);

/* ---- session.c ------------------------------------------------------------------------------- */

struct qcc_session {
  qcc_model *model;
  const qcc_entry_desc *entry;
  qcc_pool *pool;
  uint32_t workers;
  uint32_t busy;
  bool of_decoder;
  int64_t asked;    /* value of QCC_SYMBOL_ASKED symbols, 0: the most there is */
  bool ran;         /* outputs of the last run are valid */
  bool inline_only; /* the pool's threads are gone */

  qcc_call call;
  qcc_plan plan;
  uint32_t n_input_dims, n_output_dims;
  int64_t *input_dims, *output_dims;
  int64_t *shape_dims; /* output_dims of qcc_session_infer_shapes */
  int64_t *symbols;
  void **inputs, **outputs;
  qcc_kv_view *kv;
  qcc_block *owned;        /* per output */
  uint32_t *output_offset; /* of an output in output_dims */
  bool *is_kv;             /* per output: reached through a view */
  bool *bound;             /* per output: the caller's memory */

  qcc_block arena, scratch;
  int64_t scratch_stride;
  struct qcc_part *parts; /* one per worker, or null; see slices.c */
  int64_t part_bytes;     /* about what tensors of one may take */
  int64_t scratch_wanted; /* a launch asked for more than was planned */

  qcc_host_site *hosts;  /* per host op, or null */
  qcc_fp_state outer_fp; /* the caller's, for host ops */
  qcc_error host_error;  /* of the one that failed */

  qcc_profile_fn profile;
  void *profile_context;
  uint64_t kv_bytes; /* of the decoder around it */

  struct qcc_gpu_session *gpu; /* or null: all memory is the host's */
};

/* Frees the session inside a decoder. */
void qcc_session_free(qcc_session *session);

bool qcc_session_enter(qcc_session *session);
void qcc_session_leave(qcc_session *session);
/* Segment 0 of plan() for session->input_dims; maps a failed check to a status. */
qcc_status qcc_session_plan(qcc_session *session, int64_t segment, qcc_error *err);
/* Arena and scratch for the last plan; keeps the arena's contents when `keep`. */
qcc_status qcc_session_reserve(qcc_session *session, bool keep, qcc_error *err);
/* qcc_services.copy, read and write where all memory is the host's. */
int64_t qcc_copy_service(qcc_call *call, void *to, const void *from, int64_t bytes);
/* Session-owned memory for output `index` with the planned shape. */
qcc_status qcc_session_own_output(qcc_session *session, uint32_t index, qcc_error *err);
/* Buffers for all outputs as planned: those of `outputs` (may be null) that have data, else the
 * session's own; with in_place the cache outputs stay where they are. */
qcc_status qcc_session_place_outputs(qcc_session *session, qcc_tensor *outputs, bool in_place,
                                     qcc_error *err);
/* Where tensors without elements point. */
extern const uint8_t qcc_nothing[];
/* From planned segment 0 to the end. Inputs are set; `outputs` (may be null) carries the caller's
 * buffers. With in_place the KV views are set too and the cache outputs are not allocated. */
qcc_status qcc_session_execute(qcc_session *session, qcc_tensor *outputs, bool in_place,
                               qcc_error *err);

/* ---- slices.c -------------------------------------------------------------------------------- */

/* About what tensors of a part may take on this machine. */
int64_t qcc_part_bytes(void);
/* How many slices of the planned batch to give a part, or 0 to run it whole. */
int64_t qcc_session_part_size(const qcc_session *session);
/* Runs the planned batch in parts of `each` slices; *result as from run(). Inputs and outputs are
 * placed. */
qcc_status qcc_session_run_parts(qcc_session *session, int64_t each, int64_t *result,
                                 qcc_error *err);
/* Memory for the parts of any batch up to the planned one; false without. */
bool qcc_session_reserve_parts(qcc_session *session);
void qcc_session_free_parts(qcc_session *session);
/* Bytes that the parts have for their tensors. */
uint64_t qcc_session_part_arenas(const qcc_session *session);

/* A view of output `index` as planned. */
void qcc_session_view_output(const qcc_session *session, uint32_t index, qcc_tensor *tensor);

/* ---- gpu_session.c, gpu_launch.c: a session whose tensors lie on a GPU ----------------------- */

/* Memory of a GPU. */
typedef struct qcc_device_block {
  uint64_t address;
  size_t bytes;
} qcc_device_block;

/* Makes session->gpu. */
qcc_status qcc_gpu_session_create(qcc_session *session, qcc_gpu *gpu, qcc_error *err);
void qcc_gpu_session_free(qcc_session *session);
void qcc_gpu_session_memory(const qcc_session *session, qcc_memory_info *info);
/* What follows is called between these two, which do nothing for a session on the CPU. */
qcc_status qcc_gpu_session_enter(qcc_session *session, qcc_error *err);
void qcc_gpu_session_leave(qcc_session *session);

/* `what` is for messages. Contents up to `keep` bytes stay. */
qcc_status qcc_gpu_reserve(qcc_session *session, qcc_device_block *block, size_t bytes, size_t keep,
                           const char *what, qcc_error *err);
/* Zeroed. */
qcc_status qcc_gpu_alloc_cache(qcc_session *session, qcc_device_block *block, size_t bytes,
                               qcc_error *err);
void qcc_gpu_free_block(qcc_session *session, qcc_device_block *block);
/* Rows of `bytes` bytes, of each batch of `heads` at `head` bytes from each other, go from where
 * `source` says by way of `aside`. */
qcc_status qcc_gpu_reorder(qcc_session *session, const qcc_device_block *cache,
                           const qcc_device_block *aside, const int64_t *source, int64_t batch,
                           size_t heads, size_t head, size_t bytes, qcc_error *err);
/* Where a cache begins that is input `input` and output `output` of a decoder. */
void qcc_gpu_bind_cache(qcc_session *session, uint32_t input, uint32_t output, uint64_t address);

/* Arena, scratch memory and inputs, as planned. */
qcc_status qcc_gpu_session_reserve(qcc_session *session, bool keep, qcc_error *err);
qcc_status qcc_gpu_reserve_output(qcc_session *session, uint32_t index, size_t bytes,
                                  qcc_error *err);
/* Before the first segment: the inputs go to the GPU. */
qcc_status qcc_gpu_session_begin(qcc_session *session, bool in_place, qcc_error *err);
/* After a segment, the last one's outputs come back: *result as from run() on a CPU. */
qcc_status qcc_gpu_session_end(qcc_session *session, bool last, bool in_place, int64_t *result,
                               qcc_error *err);
extern const qcc_services qcc_gpu_services;
/* Tensors of an operator that the application computes: copies in the host's memory take their
 * place; outputs go back to the addresses that they had. 0 or a fault. */
int64_t qcc_gpu_fetch_tensors(qcc_session *session, qcc_tensor *tensors, uint32_t n_inputs,
                              uint32_t n_outputs);
int64_t qcc_gpu_return_tensors(qcc_session *session, const qcc_tensor *outputs, uint32_t count,
                               const int64_t *addresses);

#endif
