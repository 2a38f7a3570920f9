/* The services of a session on a GPU: launches are gathered, and made when something needs them. */
#include "gpu.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Gathered launches ----------------------------------------------------------------------- */

void qcc_gpu_forget_launches(struct qcc_gpu_session *g) {
  g->staged = g->pending = 0;
  g->n_steps = g->launched = g->next_lane = 0;
  g->fault = 0;
  g->failure.code = QCC_OK;
}

qcc_status qcc_gpu_flush(qcc_session *session, qcc_error *err) {
  struct qcc_gpu_session *g = session->gpu;
  void *executable = NULL;
  qcc_status status;
  if (!g->n_steps)
    return QCC_OK;
  /* In the order of the stream: launches before these have read their records. */
  status = qcc_gpu_session_check(
      session,
      qcc_cuda_of(session)->cuMemcpyHtoDAsync_v2(
          g->records.address, g->staging + g->staged - g->pending, g->pending, g->stream),
      "take launches", err);
  if (!status)
    status = qcc_gpu_find_graph(&g->graphs, g->code, session->entry, g->records.address, g->steps,
                                g->n_steps, &executable, err);
  if (!status)
    status = qcc_gpu_session_check(
        session, qcc_cuda_of(session)->cuGraphLaunch(executable, g->stream), "launch kernels", err);
  g->n_steps = g->next_lane = 0;
  g->pending = 0;
  return status;
}

/* The first launch that faulted is the one that a CPU would have stopped at. */
static void take_faults(struct qcc_gpu_session *g) {
  for (uint32_t i = 0; !g->fault && i < g->launched; ++i)
    if (g->found[i] != UINT64_MAX)
      g->fault = g->sites[i] << 8 | (int64_t)(g->found[i] & 0xff);
}

qcc_status qcc_gpu_settle(qcc_session *session, qcc_error *err) {
  struct qcc_gpu_session *g = session->gpu;
  const qcc_cuda *cuda = qcc_cuda_of(session);
  size_t bytes = g->launched * sizeof *g->found;
  cuda_result result = 0;
  qcc_status status = qcc_gpu_flush(session, err);
  if (status)
    return status;
  if (bytes != 0)
    result = cuda->cuMemcpyDtoHAsync_v2(g->found, g->faults.address, bytes, g->stream);
  if (!result)
    result = cuda->cuStreamSynchronize(g->stream);
  if (!result) {
    take_faults(g);
    if (g->fault)
      result = cuda->cuMemsetD8Async(g->faults.address, 0xff, g->faults.bytes, g->stream);
  }
  g->staged = 0;
  g->launched = 0;
  return qcc_gpu_session_check(session, result, "finish its launches", err);
}

/* ---- Grids ----------------------------------------------------------------------------------- */

/* A group's frame and scratch memory. */
static uint64_t stride_of(const qcc_gpu_kernel *kernel, int64_t scratch_bytes) {
  return (kernel->desc->frame_bytes + (uint64_t)scratch_bytes + 127) / 128 * 128;
}

/* As many blocks as there is work for, at most what runs at once and has scratch memory. Powers of
 * two, so that few graphs serve all sizes. 0: not even one has scratch memory. */
static uint32_t blocks_for(const struct qcc_gpu_session *g, const qcc_gpu_kernel *kernel,
                           int64_t tasks, uint64_t stride) {
  uint64_t workers = kernel->desc->block_workers, most = kernel->blocks;
  uint64_t wanted = ((uint64_t)tasks + workers - 1) / workers, blocks = 1;
  if (workers == 1) /* blocks whose threads work together do half of a task's columns at once */
    wanted *= 2;
  if (kernel->desc->shares_tasks)
    wanted = most;
  if (stride && g->lane_bytes / (stride * workers) < most)
    most = g->lane_bytes / (stride * workers);
  while (blocks < wanted && blocks < most)
    blocks *= 2;
  return (uint32_t)(blocks < most ? blocks : most);
}

/* ---- Services -------------------------------------------------------------------------------- */

/* Room for one more launch: in the records, among the steps, among the faults. */
static qcc_status make_room(qcc_session *session, size_t bytes, qcc_error *err) {
  struct qcc_gpu_session *g = session->gpu;
  if (g->launched == QCC_GPU_FAULTS || g->staged + bytes > QCC_GPU_RECORD_BYTES)
    return qcc_gpu_settle(session, err);
  if (g->n_steps == QCC_GPU_STEPS)
    return qcc_gpu_flush(session, err);
  return QCC_OK;
}

static void add_launch(struct qcc_gpu_session *g, uint32_t number, uint32_t blocks, int64_t tasks,
                       uint64_t stride, const int64_t *args, int64_t site) {
  const qcc_gpu_kernel *kernel = &g->code->kernels[number];
  uint8_t *at = g->staging + g->staged;
  qcc_gpu_launch record;
  memset(&record, 0, sizeof record);
  record.tasks = tasks;
  record.grain = 1; /* what keeps a core from being woken for little: groups are there anyway */
  record.workers = g->scratch.address + g->next_lane * g->lane_bytes;
  record.stride = (int64_t)stride;
  record.fault = g->faults.address + g->launched * sizeof(uint64_t);
  record.counters = g->counters.address + g->next_lane * QCC_GPU_COUNTERS_BYTES;
  memcpy(at, &record, sizeof record);
  memcpy(at + sizeof record, args, kernel->desc->slots * sizeof *args);
  g->staged += kernel->record_bytes;
  g->pending += kernel->record_bytes;
  g->steps[g->n_steps++] =
      (qcc_gpu_step){number, blocks, (uint32_t)site, stride ? g->next_lane + 1 : 0};
  g->next_lane = stride ? (g->next_lane + 1) % g->lanes : g->next_lane;
  g->sites[g->launched++] = site;
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Waits for what came before, then for this launch alone. */
static qcc_status profile(qcc_session *session, uint32_t number, uint32_t blocks, int64_t tasks,
                          int64_t grain, uint64_t start) {
  struct qcc_gpu_session *g = session->gpu;
  const qcc_gpu_kernel_desc *kernel = g->code->kernels[number].desc;
  qcc_launch_info info = {sizeof info, kernel->name, number, blocks * kernel->block_workers,
                          tasks,       grain,        0};
  qcc_status status = qcc_gpu_settle(session, &g->failure);
  info.ns = now_ns() - start;
  if (!status)
    session->profile(session->profile_context, &info);
  return status;
}

static int64_t launch(qcc_call *call, qcc_kernel_fn kernel, const int64_t *args, int64_t tasks,
                      int64_t grain, int64_t scratch_bytes) {
  qcc_session *session = call->host;
  struct qcc_gpu_session *g = session->gpu;
  uint32_t number = (uint32_t)(uintptr_t)kernel, blocks;
  uint64_t stride = stride_of(&g->code->kernels[number], scratch_bytes), start = 0;
  qcc_status status;
  if (tasks <= 0)
    return 0;
  blocks = blocks_for(g, &g->code->kernels[number], tasks, stride);
  if (!blocks) {
    session->scratch_wanted = scratch_bytes;
    return QCC_FAULT_ABORTED;
  }
  status = make_room(session, g->code->kernels[number].record_bytes, &g->failure);
  if (status)
    return QCC_FAULT_ABORTED;
  if (g->fault)
    return g->fault & 0xff;
  if (session->profile) {
    status = qcc_gpu_settle(session, &g->failure);
    start = now_ns();
  }
  add_launch(g, number, blocks, tasks, stride, args, call->site);
  if (session->profile && !status)
    status = profile(session, number, blocks, tasks, grain, start);
  if (status)
    return QCC_FAULT_ABORTED;
  return g->fault & 0xff;
}

static int64_t copy(qcc_call *call, void *to, const void *from, int64_t bytes) {
  qcc_session *session = call->host;
  struct qcc_gpu_session *g = session->gpu;
  qcc_status status;
  if (bytes <= 0)
    return 0;
  status = qcc_gpu_flush(session, &g->failure);
  if (!status)
    status = qcc_gpu_session_check(session,
                                   qcc_cuda_of(session)->cuMemcpyDtoDAsync_v2(
                                       (uintptr_t)to, (uintptr_t)from, (size_t)bytes, g->stream),
                                   "copy a tensor", &g->failure);
  return status ? QCC_FAULT_ABORTED : 0;
}

static int64_t read_tensor(qcc_call *call, void *host, const void *from, int64_t bytes) {
  qcc_session *session = call->host;
  struct qcc_gpu_session *g = session->gpu;
  qcc_status status = qcc_gpu_flush(session, &g->failure);
  if (!status && bytes > 0)
    status = qcc_gpu_session_check(
        session,
        qcc_cuda_of(session)->cuMemcpyDtoHAsync_v2(host, (uintptr_t)from, (size_t)bytes, g->stream),
        "give back a tensor", &g->failure);
  if (!status)
    status = qcc_gpu_settle(session, &g->failure);
  if (status)
    return QCC_FAULT_ABORTED;
  return g->fault & 0xff;
}

static int64_t write_tensor(qcc_call *call, void *to, const void *host, int64_t bytes) {
  qcc_session *session = call->host;
  struct qcc_gpu_session *g = session->gpu;
  size_t room = ((size_t)bytes + QCC_GPU_ALIGNMENT - 1) / QCC_GPU_ALIGNMENT * QCC_GPU_ALIGNMENT;
  qcc_status status = qcc_gpu_flush(session, &g->failure);
  const void *from = host;
  if (bytes <= 0)
    return 0;
  if (!status && g->staged + room > QCC_GPU_RECORD_BYTES)
    status = qcc_gpu_settle(session, &g->failure);
  /* From pinned memory the copy goes on while the caller does. */
  if (!status && room <= QCC_GPU_RECORD_BYTES) {
    from = memcpy(g->staging + g->staged, host, (size_t)bytes);
    g->staged += room;
  }
  if (!status)
    status = qcc_gpu_session_check(
        session,
        qcc_cuda_of(session)->cuMemcpyHtoDAsync_v2((uintptr_t)to, from, (size_t)bytes, g->stream),
        "take a tensor", &g->failure);
  return status ? QCC_FAULT_ABORTED : 0;
}

/* ---- Operators of the application ------------------------------------------------------------ */

static bool hold_tensors(struct qcc_gpu_session *g, uint32_t count) {
  qcc_block *more;
  if (count <= g->n_host_tensors)
    return true;
  more = realloc(g->host_tensors, count * sizeof *more);
  if (!more)
    return false;
  memset(more + g->n_host_tensors, 0, (count - g->n_host_tensors) * sizeof *more);
  g->host_tensors = more;
  g->n_host_tensors = count;
  return true;
}

int64_t qcc_gpu_fetch_tensors(qcc_session *session, qcc_tensor *tensors, uint32_t n_inputs,
                              uint32_t n_outputs) {
  struct qcc_gpu_session *g = session->gpu;
  int64_t fault = 0;
  bool held = hold_tensors(g, n_inputs + n_outputs);
  for (uint32_t i = 0; held && !fault && i < n_inputs + n_outputs; ++i) {
    const void *there = tensors[i].data;
    if (!tensors[i].dtype)
      continue; /* an optional input that is absent */
    held = qcc_block_reserve(&g->host_tensors[i], tensors[i].bytes, 0);
    tensors[i].data = g->host_tensors[i].data;
    if (held && i < n_inputs)
      fault = read_tensor(&session->call, tensors[i].data, there, (int64_t)tensors[i].bytes);
  }
  if (!held)
    qcc_fail(&g->failure, QCC_ERR_OUT_OF_MEMORY, "no memory for an operator's tensors");
  return held ? fault : QCC_FAULT_ABORTED;
}

int64_t qcc_gpu_return_tensors(qcc_session *session, const qcc_tensor *outputs, uint32_t count,
                               const int64_t *addresses) {
  int64_t fault = 0;
  for (uint32_t i = 0; !fault && i < count; ++i)
    fault = write_tensor(&session->call, (void *)(uintptr_t)addresses[i], outputs[i].data,
                         (int64_t)outputs[i].bytes);
  return fault;
}

const qcc_services qcc_gpu_services = {
    sizeof(qcc_services), launch, qcc_host_call_service, copy, read_tensor, write_tensor};
