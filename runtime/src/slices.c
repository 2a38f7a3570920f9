/* Runs parts of a batch side by side, each from its first kernel to its last.
 *
 * Cut into kernels, a batch sends every tensor through memory once for each kernel. Cut along the
 * batch first, the tensors of a part stay in the cache of the core that works on it, and the
 * workers meet once a run instead of once a kernel. Results are the same in every bit: what lies in
 * one slice depends on nothing else (qcc_entry_desc.slice_symbol). */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* About what tensors of a part may take: a core's second-level cache, and as much of the shared
 * one. Where neither is known, caches of 1 MiB are assumed. */
int64_t qcc_part_bytes(void) {
  long second = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
  second = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
  return 2 * (second > 0 ? (int64_t)second : 1 << 20);
}

struct qcc_part {
  qcc_call call;
  qcc_plan plan;
  int64_t *symbols, *input_dims, *output_dims;
  void **inputs, **outputs;
  qcc_block arena, scratch;
  bool out_of_memory;
};

/* A launch inside a part: all of it, here. */
static int64_t launch_here(qcc_call *call, qcc_kernel_fn kernel, const int64_t *args, int64_t tasks,
                           int64_t grain, int64_t scratch_bytes) {
  const struct qcc_part *part = call->host;
  (void)grain;
  if (tasks <= 0)
    return 0;
  if (scratch_bytes > (int64_t)part->scratch.bytes)
    return QCC_FAULT_ABORTED;
  return kernel(args, 0, tasks, 0, part->scratch.data);
}

static const qcc_services part_services = {
    sizeof(qcc_services), launch_here, NULL, qcc_copy_service, qcc_copy_service, qcc_copy_service,
};

/* ---- How to cut ------------------------------------------------------------------------------ */

static int64_t batch_of(const qcc_session *session) {
  return session->symbols[session->entry->slice_symbol - 1];
}

/* The largest part whose tensors fit and with which all workers have about as much to do: who has
 * no part would rather have had a share of every kernel. */
int64_t qcc_session_part_size(const qcc_session *session) {
  const qcc_entry_desc *e = session->entry;
  const qcc_symbol_desc *symbol;
  int64_t batch, workers = session->inline_only ? 1 : session->workers, each;
  if (!e->slice_symbol || e->n_segments != 1 || e->n_kv || qcc_host_op_count(e) ||
      session->profile || session->gpu)
    return 0;
  symbol = &e->symbols[e->slice_symbol - 1];
  batch = batch_of(session);
  if (batch < 2 || symbol->min > 1 || symbol->divisor > 1)
    return 0;
  each = session->part_bytes / (session->plan.arena_bytes / batch + 1);
  if (each >= batch && workers == 1)
    return 0;
  if (each > (batch + workers - 1) / workers)
    each = (batch + workers - 1) / workers;
  for (each = each < 1 ? 1 : each; each > 0; --each) {
    int64_t parts = (batch + each - 1) / each;
    if ((parts + workers - 1) / workers * workers * each * 8 <= batch * 9)
      return each;
  }
  return 0;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void free_part(struct qcc_part *part) {
  qcc_block_free(&part->arena);
  qcc_block_free(&part->scratch);
  free(part->symbols);
  free(part->input_dims);
  free(part->output_dims);
  free(part->inputs);
  free(part->outputs);
}

void qcc_session_free_parts(qcc_session *session) {
  for (uint32_t i = 0; session->parts && i < session->workers; ++i)
    free_part(&session->parts[i]);
  free(session->parts);
  session->parts = NULL;
}

uint64_t qcc_session_part_arenas(const qcc_session *session) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; session->parts && i < session->workers; ++i)
    bytes += session->parts[i].arena.bytes + session->parts[i].scratch.bytes;
  return bytes;
}

static bool make_part(const qcc_session *session, struct qcc_part *part) {
  const qcc_entry_desc *e = session->entry;
  part->symbols = calloc(e->n_symbols + 1u, sizeof(int64_t));
  part->input_dims = calloc(session->n_input_dims + 1u, sizeof(int64_t));
  part->output_dims = calloc(session->n_output_dims + 1u, sizeof(int64_t));
  part->inputs = calloc(e->n_inputs + 1u, sizeof(void *));
  part->outputs = calloc(e->n_outputs + 1u, sizeof(void *));
  if (!part->symbols || !part->input_dims || !part->output_dims || !part->inputs || !part->outputs)
    return false;
  part->plan.struct_size = sizeof part->plan;
  part->plan.symbols = part->symbols;
  part->plan.output_dims = part->output_dims;
  part->call.struct_size = sizeof part->call;
  part->call.services = &part_services;
  part->call.kernels = session->call.kernels;
  part->call.weights = session->call.weights;
  part->call.symbols = part->symbols;
  part->call.inputs = part->inputs;
  part->call.outputs = part->outputs;
  part->call.host = part;
  return true;
}

static bool make_parts(qcc_session *session) {
  if (session->parts)
    return true;
  session->parts = calloc(session->workers, sizeof *session->parts);
  for (uint32_t i = 0; session->parts && i < session->workers; ++i)
    if (!make_part(session, &session->parts[i])) {
      qcc_session_free_parts(session);
      return false;
    }
  return session->parts != NULL;
}

bool qcc_session_reserve_parts(qcc_session *session) {
  /* Tensors are rounded up to cache lines. */
  int64_t one = session->plan.arena_bytes / batch_of(session), rounding = 1 << 16;
  size_t bytes = (size_t)((one > session->part_bytes ? one : session->part_bytes) + rounding);
  bool made = make_parts(session);
  for (uint32_t i = 0; made && i < session->workers; ++i)
    made = qcc_block_reserve(&session->parts[i].arena, bytes, 0) &&
           qcc_block_reserve(&session->parts[i].scratch, (size_t)session->plan.scratch_bytes, 0);
  return made;
}

/* ---- Running --------------------------------------------------------------------------------- */

/* Where slice `first` of a tensor begins. */
static void *slice_of(void *data, const int64_t *dims, const qcc_tensor_desc *desc, int64_t batch,
                      int64_t first) {
  int64_t bytes = 0;
  qcc_dense_bytes(dims, desc->rank, qcc_dtype_size((qcc_dtype)desc->dtype), &bytes);
  return (uint8_t *)data + bytes / batch * first;
}

/* Slices [first, first + count) of the session's tensors. */
static int64_t run_part(const qcc_session *session, struct qcc_part *part, int64_t first,
                        int64_t count) {
  const qcc_entry_desc *e = session->entry;
  const char *symbol = e->symbols[e->slice_symbol - 1].name;
  int64_t batch = batch_of(session), at = 0;
  for (uint32_t i = 0; i < e->n_inputs; at += e->inputs[i++].rank) {
    const qcc_tensor_desc *desc = &e->inputs[i];
    const int64_t *dims = session->input_dims + at;
    bool cut = desc->rank && qcc_dim_mentions(desc->dims[0], symbol);
    for (uint32_t axis = 0; axis < desc->rank; ++axis)
      part->input_dims[at + axis] = dims[axis];
    part->inputs[i] = session->inputs[i];
    if (cut) {
      part->input_dims[at] = dims[0] / batch * count;
      part->inputs[i] = slice_of(session->inputs[i], dims, desc, batch, first);
    }
  }
  for (uint32_t i = 0; i < e->n_outputs; ++i)
    part->outputs[i] =
        slice_of(session->outputs[i], session->output_dims + session->output_offset[i],
                 &e->outputs[i], batch, first);
  memset(part->symbols, 0, e->n_symbols * sizeof(int64_t));
  part->plan.arena_bytes = part->plan.scratch_bytes = 0;
  if (e->plan(part->input_dims, 0, &part->plan))
    return QCC_FAULT_ABORTED;
  if (!qcc_block_reserve(&part->arena, (size_t)part->plan.arena_bytes, 0) ||
      !qcc_block_reserve(&part->scratch, (size_t)part->plan.scratch_bytes, 0)) {
    part->out_of_memory = true;
    return QCC_FAULT_ABORTED;
  }
  part->call.arena = part->arena.data;
  return e->run(&part->call, 0);
}

/* A kernel whose tasks are parts. */
typedef struct parts_job {
  qcc_session *session;
  int64_t each;
} parts_job;

static int64_t run_parts(const int64_t *args, int64_t begin, int64_t end, int64_t worker,
                         void *scratch) {
  const parts_job *job = (const parts_job *)(const void *)args;
  int64_t batch = batch_of(job->session), fault = 0;
  (void)scratch;
  for (int64_t i = begin; i < end && !fault; ++i) {
    int64_t first = i * job->each, left = batch - first;
    fault = run_part(job->session, &job->session->parts[worker], first,
                     left < job->each ? left : job->each);
  }
  return fault;
}

qcc_status qcc_session_run_parts(qcc_session *session, int64_t each, int64_t *result,
                                 qcc_error *err) {
  parts_job own = {session, each};
  qcc_job job = {run_parts, (const int64_t *)(const void *)&own, 0, 1, NULL, 0};
  if (!make_parts(session))
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for the parts of a batch");
  job.tasks = (batch_of(session) + each - 1) / each;
  if (!session->inline_only && session->workers > 1)
    job.ranges = job.tasks < (int64_t)session->workers ? job.tasks : (int64_t)session->workers;
  if (job.ranges <= 1 || !qcc_pool_run(session->pool, &job, result))
    *result = run_parts(job.args, 0, job.tasks, 0, NULL);
  for (uint32_t i = 0; i < session->workers; ++i) {
    if (session->parts[i].out_of_memory) {
      session->parts[i].out_of_memory = false;
      return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a part of a batch");
    }
  }
  return QCC_OK;
}
