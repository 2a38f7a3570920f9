/* What the runtime's files on GPUs share: the driver's functions, code on a device, sessions. */
#ifndef QCC_RUNTIME_GPU_H
#define QCC_RUNTIME_GPU_H

#include "internal.h"

/* ---- The driver ------------------------------------------------------------------------------ */

/* NVIDIA's library libcuda.so.1, by the names that it exports ("CUDA Driver API", versions 12 and
 * 13). It is loaded when the first GPU is opened and never linked. */

typedef int cuda_result;
typedef uint64_t cuda_address;

typedef struct cuda_kernel_node {
  void *function;
  unsigned grid[3], block[3], shared_bytes;
  void **parameters, **extra;
  void *kernel, *context;
} cuda_kernel_node;

enum { CUDA_MEMORY_DEVICE = 2 };

typedef struct cuda_copy_2d {
  size_t from_x, from_y;
  int from_kind;
  const void *from_host;
  cuda_address from;
  void *from_array;
  size_t from_pitch;
  size_t to_x, to_y;
  int to_kind;
  void *to_host;
  cuda_address to;
  void *to_array;
  size_t to_pitch;
  size_t width, height;
} cuda_copy_2d;

#define QCC_CUDA_FUNCTIONS(F)                                                                      \
  F(cuInit, (unsigned flags))                                                                      \
  F(cuDriverGetVersion, (int *version))                                                            \
  F(cuGetErrorName, (cuda_result result, const char **name))                                       \
  F(cuGetErrorString, (cuda_result result, const char **text))                                     \
  F(cuDeviceGetCount, (int *count))                                                                \
  F(cuDeviceGet, (int *device, int index))                                                         \
  F(cuDeviceGetName, (char *name, int bytes, int device))                                          \
  F(cuDeviceGetAttribute, (int *value, int attribute, int device))                                 \
  F(cuDeviceTotalMem_v2, (size_t *bytes, int device))                                              \
  F(cuDevicePrimaryCtxRetain, (void **context, int device))                                        \
  F(cuDevicePrimaryCtxRelease_v2, (int device))                                                    \
  F(cuCtxPushCurrent_v2, (void *context))                                                          \
  F(cuCtxPopCurrent_v2, (void **context))                                                          \
  F(cuModuleLoadDataEx,                                                                            \
    (void **module, const void *image, unsigned count, int *options, void **values))               \
  F(cuModuleUnload, (void *module))                                                                \
  F(cuModuleGetFunction, (void **function, void *module, const char *name))                        \
  F(cuFuncSetAttribute, (void *function, int attribute, int value))                                \
  F(cuOccupancyMaxActiveBlocksPerMultiprocessor,                                                   \
    (int *blocks, void *function, int threads, size_t shared_bytes))                               \
  F(cuMemAlloc_v2, (cuda_address * address, size_t bytes))                                         \
  F(cuMemFree_v2, (cuda_address address))                                                          \
  F(cuMemGetInfo_v2, (size_t *free, size_t *total))                                                \
  F(cuMemHostAlloc, (void **data, size_t bytes, unsigned flags))                                   \
  F(cuMemFreeHost, (void *data))                                                                   \
  F(cuMemcpyHtoDAsync_v2, (cuda_address to, const void *from, size_t bytes, void *stream))         \
  F(cuMemcpyDtoHAsync_v2, (void *to, cuda_address from, size_t bytes, void *stream))               \
  F(cuMemcpyDtoDAsync_v2, (cuda_address to, cuda_address from, size_t bytes, void *stream))        \
  F(cuMemcpy2DAsync_v2, (const cuda_copy_2d *copy, void *stream))                                  \
  F(cuMemsetD8Async, (cuda_address to, unsigned char value, size_t bytes, void *stream))           \
  F(cuStreamCreate, (void **stream, unsigned flags))                                               \
  F(cuStreamDestroy_v2, (void *stream))                                                            \
  F(cuStreamSynchronize, (void *stream))                                                           \
  F(cuGraphCreate, (void **graph, unsigned flags))                                                 \
  F(cuGraphAddKernelNode_v2, (void **node, void *graph, void *const *after, size_t count,          \
                              const cuda_kernel_node *parameters))                                 \
  F(cuGraphInstantiateWithFlags, (void **executable, void *graph, uint64_t flags))                 \
  F(cuGraphLaunch, (void *executable, void *stream))                                               \
  F(cuGraphDestroy, (void *graph))                                                                 \
  F(cuGraphExecDestroy, (void *executable))

typedef struct qcc_cuda {
#define FIELD(name, arguments) cuda_result(*name) arguments;
  QCC_CUDA_FUNCTIONS(FIELD)
#undef FIELD
} qcc_cuda;

struct qcc_gpu {
  int64_t references;
  void *library; /* from dlopen */
  qcc_cuda cuda;
  uint32_t index;
  int device, driver_version, major, minor, multiprocessors;
  void *context; /* the device's primary one */
  uint64_t memory_bytes;
  char name[128];
};

void qcc_gpu_retain(qcc_gpu *gpu);
/* Makes the GPU's context the calling thread's, until qcc_gpu_leave. */
qcc_status qcc_gpu_enter(qcc_gpu *gpu, qcc_error *err);
void qcc_gpu_leave(qcc_gpu *gpu);
/* QCC_OK for 0; else what the driver says, with what it could not do. */
qcc_status qcc_gpu_check(const qcc_gpu *gpu, cuda_result result, const char *doing, qcc_error *err);

/* ---- Code on a device ------------------------------------------------------------------------ */

typedef struct qcc_gpu_kernel {
  const qcc_gpu_kernel_desc *desc;
  void *function;
  uint32_t blocks;       /* that run at once on the whole device */
  uint32_t record_bytes; /* of a launch */
} qcc_gpu_kernel;

/* A model's code and weights in the memory of one GPU, until the model is gone. */
typedef struct qcc_gpu_code {
  struct qcc_gpu_code *next;
  qcc_gpu *gpu;
  const qcc_gpu_code_desc *desc;
  void *module;
  cuda_address weights;
  uint64_t workers;       /* the most that any kernel has at once */
  uint64_t frame_bytes;   /* the largest of a worker's */
  uint32_t block_workers; /* the most of a block */
  qcc_gpu_kernel *kernels;
  qcc_kernel_fn *numbers; /* qcc_call.kernels: what a launch gets back is a kernel's number */
} qcc_gpu_code;

/* The model's code on this GPU; loaded by the first who asks. */
qcc_status qcc_model_on_gpu(qcc_model *model, qcc_gpu *gpu, qcc_gpu_code **code, qcc_error *err);

/* ---- Graphs ---------------------------------------------------------------------------------- */

/* A launch as graphs record it. All else of it lies in the memory of its record. */
typedef struct qcc_gpu_step {
  uint32_t kernel, blocks;
  uint32_t site; /* that made it */
  uint32_t lane; /* of the memory for frames and scratch, counted from 1; 0: needs none */
} qcc_gpu_step;

/* ---- gpu_order.c */

/* Launch i waits for the launches before[starts[i]] to before[starts[i + 1] - 1]. */
typedef struct qcc_gpu_order {
  uint32_t *starts, *before;
} qcc_gpu_order;

/* False: no memory. */
bool qcc_gpu_order_launches(const qcc_entry_desc *entry, const qcc_gpu_step *steps, uint32_t count,
                            qcc_gpu_order *order);
void qcc_gpu_free_order(qcc_gpu_order *order);

/* ---- gpu_graphs.c */

enum { QCC_GPU_GRAPHS = 64 };

typedef struct qcc_gpu_graph {
  qcc_gpu_step *steps;
  uint32_t count;
  uint64_t hash, used; /* when, in launches of graphs */
  void *executable;
} qcc_gpu_graph;

/* Graphs of a session by the launches they make, the last used. */
typedef struct qcc_gpu_graphs {
  qcc_gpu_graph graphs[QCC_GPU_GRAPHS];
  uint32_t count;
  uint64_t clock;
} qcc_gpu_graphs;

/* The graph of these launches, whose records lie one behind the other from `records` on. */
qcc_status qcc_gpu_find_graph(qcc_gpu_graphs *graphs, const qcc_gpu_code *code,
                              const qcc_entry_desc *entry, cuda_address records,
                              const qcc_gpu_step *steps, uint32_t count, void **executable,
                              qcc_error *err);
void qcc_gpu_free_graphs(qcc_gpu_graphs *graphs, const qcc_gpu *gpu);

/* ---- Sessions -------------------------------------------------------------------------------- */

enum {
  QCC_GPU_RECORD_BYTES = 1 << 20, /* of launches that one graph makes, at most */
  QCC_GPU_STEPS = 4096,           /* launches of a graph, at most */
  QCC_GPU_FAULTS = 4096,          /* launches between two looks at their faults, at most */
  QCC_GPU_LANES = 4,              /* of scratch memory, at most */
  QCC_GPU_ALIGNMENT = 64,         /* of records, frames */
  QCC_GPU_COUNTERS_BYTES = QCC_GPU_COUNTERS * 4 /* of the launches of a lane */
};

struct qcc_gpu_session {
  qcc_gpu_code *code;
  void *stream;
  qcc_device_block arena, scratch, records, faults, counters;
  qcc_device_block *inputs, *outputs; /* per input and output */
  uint64_t lane_bytes;                /* of scratch, in each of its lanes */
  uint32_t lanes, next_lane;
  void **input_addresses, **output_addresses;
  qcc_block *host_tensors; /* copies for an operator of the application */
  uint32_t n_host_tensors;
  uint64_t device_bytes;

  uint8_t *staging;                  /* pinned: records on their way */
  uint64_t *found;                   /* pinned: faults on theirs */
  size_t staged, pending;            /* bytes of staging in use; of them, not yet sent */
  qcc_gpu_step steps[QCC_GPU_STEPS]; /* whose records are pending */
  uint32_t n_steps;
  int64_t sites[QCC_GPU_FAULTS]; /* of the launches since faults were looked at */
  uint32_t launched;
  int64_t fault;     /* site << 8 | fault of the run's first launch that faulted, or 0 */
  qcc_error failure; /* of the driver, if a service failed */
  qcc_gpu_graphs graphs;
};

static inline const qcc_cuda *qcc_cuda_of(const qcc_session *session) {
  return &session->gpu->code->gpu->cuda;
}
static inline qcc_status qcc_gpu_session_check(const qcc_session *session, cuda_result result,
                                               const char *doing, qcc_error *err) {
  return qcc_gpu_check(session->gpu->code->gpu, result, doing, err);
}

/* ---- gpu_launch.c ---------------------------------------------------------------------------- */

/* Before a run. */
void qcc_gpu_forget_launches(struct qcc_gpu_session *g);
/* Hands the gathered launches over. */
qcc_status qcc_gpu_flush(qcc_session *session, qcc_error *err);
/* The same, then waits for all that the session has begun and looks for faults. */
qcc_status qcc_gpu_settle(qcc_session *session, qcc_error *err);

#endif
