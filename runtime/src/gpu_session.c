/* The memory of a session on a GPU, and what goes there and back. */
#include "gpu.h"

#include <stdlib.h>
#include <string.h>

enum { STREAM_NON_BLOCKING = 1 };

/* Frames and scratch memory of all groups at once take at most so much, but for one block's; in as
 * many lanes as fit, since launches at the same time need memory of their own. */
#define SCRATCH_BYTES ((uint64_t)256 << 20)

/* ---- Blocks ---------------------------------------------------------------------------------- */

void qcc_gpu_free_block(qcc_session *session, qcc_device_block *block) {
  if (!block->address)
    return;
  qcc_cuda_of(session)->cuMemFree_v2(block->address);
  session->gpu->device_bytes -= block->bytes;
  block->address = 0;
  block->bytes = 0;
}

qcc_status qcc_gpu_reserve(qcc_session *session, qcc_device_block *block, size_t bytes, size_t keep,
                           const char *what, qcc_error *err) {
  struct qcc_gpu_session *g = session->gpu;
  qcc_device_block larger = {0, bytes ? bytes : QCC_GPU_ALIGNMENT};
  cuda_result result;
  if (block->address && bytes <= block->bytes)
    return QCC_OK;
  if (!keep)
    qcc_gpu_free_block(session, block);
  result = qcc_cuda_of(session)->cuMemAlloc_v2(&larger.address, larger.bytes);
  if (result)
    return qcc_gpu_session_check(session, result, what, err);
  g->device_bytes += larger.bytes;
  if (keep && block->address) {
    result = qcc_cuda_of(session)->cuMemcpyDtoDAsync_v2(
        larger.address, block->address, keep < block->bytes ? keep : block->bytes, g->stream);
    if (!result)
      result = qcc_cuda_of(session)->cuStreamSynchronize(g->stream);
    qcc_gpu_free_block(session, block);
  }
  *block = larger;
  return qcc_gpu_session_check(session, result, what, err);
}

qcc_status qcc_gpu_alloc_cache(qcc_session *session, qcc_device_block *block, size_t bytes,
                               qcc_error *err) {
  const char *what = "hold a decoder's cache";
  qcc_status status = qcc_gpu_reserve(session, block, bytes, 0, what, err);
  if (status)
    return status;
  return qcc_gpu_session_check(
      session,
      qcc_cuda_of(session)->cuMemsetD8Async(block->address, 0, bytes, session->gpu->stream), what,
      err);
}

/* ---- Caches ---------------------------------------------------------------------------------- */

void qcc_gpu_bind_cache(qcc_session *session, uint32_t input, uint32_t output, uint64_t address) {
  session->gpu->input_addresses[input] = (void *)(uintptr_t)address;
  session->gpu->output_addresses[output] = (void *)(uintptr_t)address;
}

/* All heads of a row. */
static cuda_result copy_row(qcc_session *session, cuda_address to, size_t to_pitch,
                            cuda_address from, size_t from_pitch, size_t bytes, size_t heads) {
  cuda_copy_2d copy;
  memset(&copy, 0, sizeof copy);
  copy.from_kind = copy.to_kind = CUDA_MEMORY_DEVICE;
  copy.from = from;
  copy.from_pitch = from_pitch;
  copy.to = to;
  copy.to_pitch = to_pitch;
  copy.width = bytes;
  copy.height = heads;
  return qcc_cuda_of(session)->cuMemcpy2DAsync_v2(&copy, session->gpu->stream);
}

qcc_status qcc_gpu_reorder(qcc_session *session, const qcc_device_block *cache,
                           const qcc_device_block *aside, const int64_t *source, int64_t batch,
                           size_t heads, size_t head, size_t bytes, qcc_error *err) {
  size_t row = heads * head, packed = heads * bytes;
  cuda_result result = 0;
  if (!bytes)
    return QCC_OK;
  for (int64_t b = 0; !result && b < batch; ++b)
    result = copy_row(session, aside->address + (size_t)b * packed, bytes,
                      cache->address + (size_t)b * row, head, bytes, heads);
  for (int64_t b = 0; !result && b < batch; ++b)
    if (source[b] != b)
      result = copy_row(session, cache->address + (size_t)b * row, head,
                        aside->address + (size_t)source[b] * packed, bytes, bytes, heads);
  if (!result)
    result = qcc_cuda_of(session)->cuStreamSynchronize(session->gpu->stream);
  return qcc_gpu_session_check(session, result, "reorder a decoder's cache", err);
}

/* ---- What a plan asks for -------------------------------------------------------------------- */

static bool is_cache(const qcc_session *session, uint32_t input) {
  for (uint32_t i = 0; i < session->entry->n_kv; ++i)
    if (session->entry->kv[i].input == input)
      return true;
  return false;
}

/* Bytes of each input in turn; `dims` goes on to the next. */
static size_t input_bytes(const qcc_session *session, uint32_t input, const int64_t **dims) {
  const qcc_tensor_desc *desc = &session->entry->inputs[input];
  int64_t bytes = 0;
  qcc_dense_bytes(*dims, desc->rank, qcc_dtype_size((qcc_dtype)desc->dtype), &bytes);
  *dims += desc->rank;
  return (size_t)bytes;
}

static qcc_status reserve_inputs(qcc_session *session, qcc_error *err) {
  struct qcc_gpu_session *g = session->gpu;
  const int64_t *dims = session->input_dims;
  for (uint32_t i = 0; i < session->entry->n_inputs; ++i) {
    size_t bytes = input_bytes(session, i, &dims);
    qcc_status status;
    if (session->of_decoder && is_cache(session, i))
      continue;
    status = qcc_gpu_reserve(session, &g->inputs[i], bytes, 0, "hold an input", err);
    if (status)
      return status;
    g->input_addresses[i] = (void *)(uintptr_t)g->inputs[i].address;
  }
  return QCC_OK;
}

qcc_status qcc_gpu_session_reserve(qcc_session *session, bool keep, qcc_error *err) {
  struct qcc_gpu_session *g = session->gpu;
  uint64_t each = (g->code->frame_bytes + (uint64_t)session->plan.scratch_bytes + 127) / 128 * 128;
  uint64_t workers = each ? SCRATCH_BYTES / each : 0, lanes;
  qcc_status status = qcc_gpu_reserve(session, &g->arena, (size_t)session->plan.arena_bytes,
                                      keep ? g->arena.bytes : 0, "hold the tensors of a run", err);
  if (workers > g->code->workers)
    workers = g->code->workers;
  if (workers < g->code->block_workers)
    workers = g->code->block_workers;
  lanes = each ? SCRATCH_BYTES / (workers * each) : 1;
  g->lanes = lanes > QCC_GPU_LANES ? QCC_GPU_LANES : lanes ? (uint32_t)lanes : 1;
  g->lane_bytes = workers * each;
  if (!status)
    status = qcc_gpu_reserve(session, &g->scratch, (size_t)(g->lanes * g->lane_bytes), 0,
                             "hold the scratch memory of kernels", err);
  /* Inputs that a run reads stay where they are between its segments. */
  if (!status && !keep)
    status = reserve_inputs(session, err);
  session->call.arena = (uint8_t *)(uintptr_t)g->arena.address;
  return status;
}

qcc_status qcc_gpu_reserve_output(qcc_session *session, uint32_t index, size_t bytes,
                                  qcc_error *err) {
  struct qcc_gpu_session *g = session->gpu;
  qcc_status status = qcc_gpu_reserve(session, &g->outputs[index], bytes, 0, "hold an output", err);
  g->output_addresses[index] = (void *)(uintptr_t)g->outputs[index].address;
  return status;
}

/* ---- A run ----------------------------------------------------------------------------------- */

qcc_status qcc_gpu_session_begin(qcc_session *session, bool in_place, qcc_error *err) {
  struct qcc_gpu_session *g = session->gpu;
  const int64_t *dims = session->input_dims;
  cuda_result result = 0;
  qcc_gpu_forget_launches(g);
  for (uint32_t i = 0; !result && i < session->entry->n_inputs; ++i) {
    size_t bytes = input_bytes(session, i, &dims);
    if (bytes && !(in_place && is_cache(session, i)))
      result = qcc_cuda_of(session)->cuMemcpyHtoDAsync_v2(g->inputs[i].address, session->inputs[i],
                                                          bytes, g->stream);
  }
  return qcc_gpu_session_check(session, result, "take the inputs", err);
}

static qcc_status fetch_outputs(qcc_session *session, bool in_place, qcc_error *err) {
  struct qcc_gpu_session *g = session->gpu;
  cuda_result result = 0;
  for (uint32_t i = 0; !result && i < session->entry->n_outputs; ++i) {
    const qcc_tensor_desc *desc = &session->entry->outputs[i];
    const int64_t *dims = session->output_dims + session->output_offset[i];
    int64_t bytes = 0;
    if (in_place && session->is_kv[i])
      continue;
    qcc_dense_bytes(dims, desc->rank, qcc_dtype_size((qcc_dtype)desc->dtype), &bytes);
    if (bytes != 0)
      result = qcc_cuda_of(session)->cuMemcpyDtoHAsync_v2(
          session->outputs[i], g->outputs[i].address, (size_t)bytes, g->stream);
  }
  return qcc_gpu_session_check(session, result, "give back the outputs", err);
}

qcc_status qcc_gpu_session_end(qcc_session *session, bool last, bool in_place, int64_t *result,
                               qcc_error *err) {
  struct qcc_gpu_session *g = session->gpu;
  qcc_status status = QCC_OK;
  if (g->failure.code) {
    /* What was under way ends, and leaves no fault to the next run. */
    qcc_cuda_of(session)->cuStreamSynchronize(g->stream);
    qcc_cuda_of(session)->cuMemsetD8Async(g->faults.address, 0xff, g->faults.bytes, g->stream);
    return qcc_fail(err, g->failure.code, "%s", g->failure.message);
  }
  status = qcc_gpu_flush(session, err);
  if (!status && last && !*result)
    status = fetch_outputs(session, in_place, err);
  if (!status)
    status = qcc_gpu_settle(session, err);
  if (g->fault)
    *result = g->fault;
  return status;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static bool allocate(qcc_session *session) {
  const qcc_entry_desc *e = session->entry;
  struct qcc_gpu_session *g = session->gpu;
  g->inputs = calloc(e->n_inputs + 1u, sizeof *g->inputs);
  g->outputs = calloc(e->n_outputs + 1u, sizeof *g->outputs);
  g->input_addresses = calloc(e->n_inputs + 1u, sizeof *g->input_addresses);
  g->output_addresses = calloc(e->n_outputs + 1u, sizeof *g->output_addresses);
  return g->inputs && g->outputs && g->input_addresses && g->output_addresses;
}

/* What every session has, whatever its shapes: a stream, records, faults and counters. */
static qcc_status make_fixed(qcc_session *session, qcc_error *err) {
  const char *doing = "make a session";
  const qcc_cuda *cuda = qcc_cuda_of(session);
  struct qcc_gpu_session *g = session->gpu;
  size_t faults = QCC_GPU_FAULTS * sizeof(uint64_t);
  size_t counters = QCC_GPU_LANES * (size_t)QCC_GPU_COUNTERS_BYTES;
  void *pinned = NULL;
  qcc_status status = qcc_gpu_session_check(
      session, cuda->cuStreamCreate(&g->stream, STREAM_NON_BLOCKING), doing, err);
  if (!status)
    status = qcc_gpu_session_check(
        session, cuda->cuMemHostAlloc(&pinned, QCC_GPU_RECORD_BYTES + faults, 0), doing, err);
  if (status)
    return status;
  g->staging = pinned;
  g->found = (uint64_t *)(void *)(g->staging + QCC_GPU_RECORD_BYTES);
  status = qcc_gpu_reserve(session, &g->records, QCC_GPU_RECORD_BYTES, 0, doing, err);
  if (!status)
    status = qcc_gpu_reserve(session, &g->faults, faults, 0, doing, err);
  if (!status)
    status = qcc_gpu_session_check(
        session, cuda->cuMemsetD8Async(g->faults.address, 0xff, faults, g->stream), doing, err);
  if (!status)
    status = qcc_gpu_reserve(session, &g->counters, counters, 0, doing, err);
  if (!status)
    status = qcc_gpu_session_check(
        session, cuda->cuMemsetD8Async(g->counters.address, 0, counters, g->stream), doing, err);
  return status;
}

static qcc_status create(qcc_session *session, qcc_gpu *gpu, qcc_error *err) {
  qcc_gpu_code *code;
  qcc_status status = qcc_model_on_gpu(session->model, gpu, &code, err);
  if (status)
    return status;
  session->gpu = calloc(1, sizeof *session->gpu);
  if (!session->gpu)
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a session on a GPU");
  session->gpu->code = code;
  if (!allocate(session))
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a session on a GPU");
  session->call.services = &qcc_gpu_services;
  session->call.kernels = code->numbers;
  session->call.weights = (const uint8_t *)(uintptr_t)code->weights;
  session->call.inputs = session->gpu->input_addresses;
  session->call.outputs = session->gpu->output_addresses;
  return make_fixed(session, err);
}

qcc_status qcc_gpu_session_create(qcc_session *session, qcc_gpu *gpu, qcc_error *err) {
  qcc_status status = qcc_gpu_enter(gpu, err);
  if (status)
    return status;
  status = create(session, gpu, err);
  qcc_gpu_leave(gpu);
  return status;
}

qcc_status qcc_gpu_session_enter(qcc_session *session, qcc_error *err) {
  return session->gpu ? qcc_gpu_enter(session->gpu->code->gpu, err) : QCC_OK;
}

void qcc_gpu_session_leave(qcc_session *session) {
  if (session->gpu)
    qcc_gpu_leave(session->gpu->code->gpu);
}

static void free_on_gpu(qcc_session *session) {
  struct qcc_gpu_session *g = session->gpu;
  qcc_device_block *fixed[] = {&g->arena, &g->scratch, &g->records, &g->faults, &g->counters};
  if (g->stream)
    qcc_cuda_of(session)->cuStreamSynchronize(g->stream);
  qcc_gpu_free_graphs(&g->graphs, g->code->gpu);
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; ++i)
    qcc_gpu_free_block(session, fixed[i]);
  for (uint32_t i = 0; g->inputs && i < session->entry->n_inputs; ++i)
    qcc_gpu_free_block(session, &g->inputs[i]);
  for (uint32_t i = 0; g->outputs && i < session->entry->n_outputs; ++i)
    qcc_gpu_free_block(session, &g->outputs[i]);
  if (g->staging)
    qcc_cuda_of(session)->cuMemFreeHost(g->staging);
  if (g->stream)
    qcc_cuda_of(session)->cuStreamDestroy_v2(g->stream);
}

void qcc_gpu_session_free(qcc_session *session) {
  struct qcc_gpu_session *g = session->gpu;
  if (!g)
    return;
  /* A context that cannot be entered is lost, and with it what is in it. */
  if (!qcc_gpu_session_enter(session, NULL)) {
    free_on_gpu(session);
    qcc_gpu_session_leave(session);
  }
  for (uint32_t i = 0; i < g->n_host_tensors; ++i)
    qcc_block_free(&g->host_tensors[i]);
  free(g->host_tensors);
  free(g->inputs);
  free(g->outputs);
  free(g->input_addresses);
  free(g->output_addresses);
  free(g);
  session->gpu = NULL;
}

void qcc_gpu_session_memory(const qcc_session *session, qcc_memory_info *info) {
  info->arena_bytes = session->gpu->arena.bytes;
  info->scratch_bytes = session->gpu->scratch.bytes;
  info->device_bytes = session->gpu->device_bytes;
}
