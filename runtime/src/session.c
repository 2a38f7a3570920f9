/* Running an entry: shapes, plan, memory, launches, faults. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Launching ------------------------------------------------------------------------------- */

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void report_launch(const qcc_session *session, qcc_kernel_fn kernel, int64_t tasks,
                          int64_t grain, uint32_t workers, uint64_t ns) {
  qcc_launch_info info = {sizeof info, "?", UINT32_MAX, workers, tasks, grain, ns};
  const qcc_level_desc *level = session->model->level;
  for (uint32_t i = 0; i < session->model->desc->n_kernels; ++i)
    if (level->kernels[i] == kernel) {
      info.kernel_index = i;
      if (level->kernel_names && level->kernel_names[i])
        info.kernel = level->kernel_names[i];
      break;
    }
  session->profile(session->profile_context, &info);
}

static int64_t launch(qcc_call *call, qcc_kernel_fn kernel, const int64_t *args, int64_t tasks,
                      int64_t grain, int64_t scratch_bytes) {
  qcc_session *session = call->host;
  qcc_job job = {kernel, args, tasks, 1, session->scratch.data, session->scratch_stride};
  int64_t result = 0;
  uint64_t start = 0;
  if (tasks <= 0)
    return 0;
  if (scratch_bytes > session->scratch_stride) {
    session->scratch_wanted = scratch_bytes;
    return QCC_FAULT_ABORTED;
  }
  if (grain < 1)
    grain = 1;
  if (tasks > grain && session->workers > 1 && !session->inline_only) {
    job.ranges = tasks / grain;
    if (job.ranges > session->workers)
      job.ranges = session->workers;
  }
  if (session->profile)
    start = now_ns();
  if (job.ranges <= 1 || !qcc_pool_run(session->pool, &job, &result)) {
    job.ranges = 1;
    result = kernel(args, 0, tasks, 0, job.scratch);
  }
  if (session->profile)
    report_launch(session, kernel, tasks, grain, (uint32_t)job.ranges, now_ns() - start);
  return result;
}

int64_t qcc_copy_service(qcc_call *call, void *to, const void *from, int64_t bytes) {
  (void)call;
  memcpy(to, from, (size_t)bytes);
  return 0;
}

static const qcc_services services = {
    sizeof(qcc_services), launch,           qcc_host_call_service,
    qcc_copy_service,     qcc_copy_service, qcc_copy_service,
};

/* ---- Creation -------------------------------------------------------------------------------- */

void qcc_session_free(qcc_session *session) {
  for (uint32_t i = 0; session->owned && i < session->entry->n_outputs; ++i)
    qcc_block_free(&session->owned[i]);
  qcc_block_free(&session->arena);
  qcc_block_free(&session->scratch);
  qcc_gpu_session_free(session);
  free(session->input_dims);
  free(session->output_dims);
  free(session->shape_dims);
  free(session->symbols);
  free(session->inputs);
  free(session->outputs);
  free(session->kv);
  free(session->owned);
  free(session->output_offset);
  free(session->is_kv);
  free(session->bound);
  qcc_session_free_hosts(session);
  qcc_session_free_parts(session);
  if (session->pool)
    qcc_pool_release(session->pool);
  qcc_model_close(session->model);
  free(session);
}

static uint32_t total_rank(const qcc_tensor_desc *tensors, uint32_t count) {
  uint32_t total = 0;
  for (uint32_t i = 0; i < count; ++i)
    total += tensors[i].rank;
  return total;
}

/* One spare element each, so that no count makes calloc return null. */
static bool allocate_tables(qcc_session *s) {
  const qcc_entry_desc *e = s->entry;
  s->n_input_dims = total_rank(e->inputs, e->n_inputs);
  s->n_output_dims = total_rank(e->outputs, e->n_outputs);
  s->input_dims = calloc(s->n_input_dims + 1u, sizeof(int64_t));
  s->output_dims = calloc(s->n_output_dims + 1u, sizeof(int64_t));
  s->shape_dims = calloc(s->n_output_dims + 1u, sizeof(int64_t));
  s->symbols = calloc(e->n_symbols + 1u, sizeof(int64_t));
  s->inputs = calloc(e->n_inputs + 1u, sizeof(void *));
  s->outputs = calloc(e->n_outputs + 1u, sizeof(void *));
  s->kv = calloc(e->n_kv + 1u, sizeof(qcc_kv_view));
  s->owned = calloc(e->n_outputs + 1u, sizeof(qcc_block));
  s->output_offset = calloc(e->n_outputs + 1u, sizeof(uint32_t));
  s->is_kv = calloc(e->n_outputs + 1u, sizeof(bool));
  s->bound = calloc(e->n_outputs + 1u, sizeof(bool));
  return s->input_dims && s->output_dims && s->shape_dims && s->symbols && s->inputs &&
         s->outputs && s->kv && s->owned && s->output_offset && s->is_kv && s->bound;
}

static void connect_call(qcc_session *s) {
  const qcc_entry_desc *e = s->entry;
  uint32_t offset = 0;
  for (uint32_t i = 0; i < e->n_outputs; ++i) {
    s->output_offset[i] = offset;
    offset += e->outputs[i].rank;
  }
  for (uint32_t i = 0; i < e->n_kv; ++i)
    s->is_kv[e->kv[i].output] = true;
  s->plan.struct_size = sizeof s->plan;
  s->plan.symbols = s->symbols;
  s->plan.output_dims = s->output_dims;
  s->call.struct_size = sizeof s->call;
  s->call.services = &services;
  s->call.kernels = s->model->level ? s->model->level->kernels : NULL;
  s->call.weights = s->model->weights;
  s->call.symbols = s->symbols;
  s->call.inputs = s->inputs;
  s->call.outputs = s->outputs;
  s->call.kv = s->kv;
  s->call.host = s;
}

static qcc_status size_for(qcc_session *session, const qcc_session_options *o, qcc_error *err) {
  qcc_status status;
  if (o->n_max_dims != session->n_input_dims)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT,
                    "%u maximum dimensions given, the inputs of \"%s\" have %u", o->n_max_dims,
                    session->entry->name, session->n_input_dims);
  if (o->n_max_dims != 0)
    memcpy(session->input_dims, o->max_dims, o->n_max_dims * sizeof(int64_t));
  status = qcc_session_plan(session, 0, err);
  /* Memory that no run touches stays unmapped, so both ways to run are provided for. */
  if (!status)
    status = qcc_session_reserve(session, false, err);
  if (!status && qcc_session_part_size(session) && !qcc_session_reserve_parts(session))
    status = qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for the parts of a batch");
  for (uint32_t i = 0; !status && session->entry->n_segments == 1 && i < session->entry->n_outputs;
       ++i)
    status = qcc_session_own_output(session, i, err);
  return status;
}

/* A model without code for CPUs runs on the first GPU where none is named. */
static qcc_status use_gpu(qcc_session *session, qcc_gpu *gpu, qcc_error *err) {
  qcc_gpu *first = NULL;
  qcc_status status = QCC_OK;
  if (!gpu && session->model->level)
    return QCC_OK;
  if (!gpu)
    status = qcc_gpu_open(0, &first, err);
  if (!status)
    status = qcc_gpu_session_create(session, gpu ? gpu : first, err);
  qcc_gpu_close(first); /* what was loaded keeps it */
  return status;
}

/* What may fail of a session whose handle is made. */
static qcc_status set_up(qcc_session *session, const qcc_session_options *o, qcc_error *err) {
  qcc_status status;
  if (!allocate_tables(session))
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a session");
  connect_call(session);
  session->part_bytes = qcc_part_bytes();
  status = qcc_session_find_hosts(session, err);
  if (!status)
    status = use_gpu(session, o->gpu, err);
  if (status || !o->max_dims)
    return status;
  status = qcc_gpu_session_enter(session, err);
  if (status)
    return status;
  status = size_for(session, o, err);
  qcc_gpu_session_leave(session);
  return status;
}

qcc_status qcc_session_create(qcc_model *model, uint32_t entry, qcc_pool *pool,
                              const qcc_session_options *options, qcc_session **session,
                              qcc_error *err) {
  qcc_session_options o = {sizeof o, NULL, 0, 0, NULL};
  qcc_session *made;
  qcc_status status = qcc_read_options(&o, sizeof o, options, "qcc_session_options", err);
  if (status)
    return status;
  if (!model || !session)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%s is null", model ? "session" : "model");
  if (entry >= model->desc->n_entries)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "entry %u asked for, the model has %u", entry,
                    model->desc->n_entries);
  if (!pool && (status = qcc_pool_default(&pool, err)))
    return status;
  made = calloc(1, sizeof *made);
  if (!made)
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a session");
  qcc_model_retain(model);
  qcc_pool_retain(pool);
  made->model = model;
  made->entry = qcc_entry_at(model->desc, entry);
  made->pool = pool;
  made->workers = qcc_pool_workers(pool);
  status = set_up(made, &o, err);
  if (status) {
    qcc_session_free(made);
    return status;
  }
  *session = made;
  return qcc_succeed(err);
}

void qcc_session_destroy(qcc_session *session) {
  /* That of a decoder goes with the decoder. */
  if (session && !session->of_decoder)
    qcc_session_free(session);
}

bool qcc_session_enter(qcc_session *session) {
  return !__atomic_exchange_n(&session->busy, 1, __ATOMIC_ACQUIRE);
}

void qcc_session_leave(qcc_session *session) {
  __atomic_store_n(&session->busy, 0, __ATOMIC_RELEASE);
}

/* ---- Shapes ---------------------------------------------------------------------------------- */

/* Inputs against the signature; their dimensions go to session->input_dims. */
static qcc_status take_inputs(qcc_session *session, const qcc_tensor *inputs, uint32_t count,
                              bool with_data, qcc_error *err) {
  const qcc_entry_desc *e = session->entry;
  int64_t *dims = session->input_dims;
  if (count != e->n_inputs || (count && !inputs))
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%u inputs given, entry \"%s\" has %u", count,
                    e->name, e->n_inputs);
  for (uint32_t i = 0; i < count; ++i) {
    const qcc_tensor_desc *want = &e->inputs[i];
    const qcc_tensor *got = &inputs[i];
    size_t element = qcc_dtype_size((qcc_dtype)want->dtype);
    int64_t bytes;
    if ((uint32_t)got->dtype != want->dtype) {
      const char *name = qcc_dtype_name(got->dtype);
      return qcc_fail(err, QCC_ERR_DTYPE, "input \"%s\" is %s, the model takes %s", want->name,
                      name ? name : "of an unknown type", qcc_dtype_name((qcc_dtype)want->dtype));
    }
    if (got->rank != want->rank)
      return qcc_fail(err, QCC_ERR_SHAPE, "input \"%s\" has %u axes, the model takes %u",
                      want->name, got->rank, want->rank);
    if (want->rank && !got->dims)
      return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "input \"%s\": dims is null", want->name);
    for (uint32_t axis = 0; axis < want->rank; ++axis)
      if (got->dims[axis] < 0)
        return qcc_fail(err, QCC_ERR_SHAPE, "input \"%s\" axis %u (%s) is %lld", want->name, axis,
                        want->dims[axis], (long long)got->dims[axis]);
    if (!qcc_dense_bytes(got->dims, got->rank, element, &bytes))
      return qcc_fail(err, QCC_ERR_SHAPE, "input \"%s\" has more elements than can be addressed",
                      want->name);
    if (want->rank != 0) /* a scalar may have no sizes at all */
      memcpy(dims, got->dims, want->rank * sizeof(int64_t));
    dims += want->rank;
    if (!with_data)
      continue;
    if (got->bytes && got->bytes < (uint64_t)bytes)
      return qcc_fail(err, QCC_ERR_CAPACITY, "input \"%s\" has %zu bytes, its shape needs %lld",
                      want->name, got->bytes, (long long)bytes);
    if (bytes && (!got->data || (uintptr_t)got->data % element))
      return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "input \"%s\": data is %s", want->name,
                      got->data ? "not aligned to its type" : "null");
    session->inputs[i] = bytes ? got->data : (void *)qcc_nothing;
  }
  return QCC_OK;
}

/* Bounds of the symbols that inputs bind. */
static qcc_status check_symbols(const qcc_session *session, qcc_error *err) {
  const qcc_entry_desc *e = session->entry;
  for (uint32_t i = 0; i < e->n_symbols; ++i) {
    const qcc_symbol_desc *s = &e->symbols[i];
    int64_t value;
    if (s->input < 0)
      continue;
    value = session->input_dims[total_rank(e->inputs, (uint32_t)s->input) + (uint32_t)s->axis];
    if (value < s->min || (s->max > 0 && value > s->max))
      return qcc_fail(err, QCC_ERR_SHAPE,
                      "input \"%s\" axis %d (%s) is %lld, the model was compiled for %lld to %lld",
                      e->inputs[s->input].name, s->axis, s->name, (long long)value,
                      (long long)s->min, (long long)(s->max > 0 ? s->max : INT64_MAX));
    if (s->divisor > 1 && value % s->divisor)
      return qcc_fail(err, QCC_ERR_SHAPE,
                      "input \"%s\" axis %d (%s) is %lld, the model takes multiples of %lld",
                      e->inputs[s->input].name, s->axis, s->name, (long long)value,
                      (long long)s->divisor);
  }
  return QCC_OK;
}

qcc_status qcc_session_plan(qcc_session *session, int64_t segment, qcc_error *err) {
  const qcc_entry_desc *e = session->entry;
  qcc_plan *plan = &session->plan;
  int64_t failed;
  if (!segment) {
    qcc_status status = check_symbols(session, err);
    if (status)
      return status;
    for (uint32_t i = 0; i < e->n_symbols; ++i)
      session->symbols[i] = e->symbols[i].input == QCC_SYMBOL_ASKED ? session->asked : 0;
  }
  plan->arena_bytes = plan->scratch_bytes = plan->lhs = plan->rhs = 0;
  failed = e->plan(session->input_dims, segment, plan);
  if (failed > 0 && failed <= e->n_checks) {
    const qcc_check_desc *check = &e->checks[failed - 1];
    int named = check->site[0] != 0; /* a check on an input belongs to no node */
    return qcc_fail(err, QCC_ERR_SHAPE, "%s is %lld, but %s is %lld%s%s%s", check->lhs,
                    (long long)plan->lhs, check->rhs, (long long)plan->rhs,
                    named ? " (needed by " : "", named ? check->site : "", named ? ")" : "");
  }
  if (failed || plan->arena_bytes < 0 || plan->scratch_bytes < 0 ||
      plan->scratch_bytes > INT64_MAX / 4096)
    return qcc_fail(err, QCC_ERR_INTERNAL,
                    "plan of \"%s\" segment %lld: result %lld, arena %lld, scratch %lld bytes",
                    e->name, (long long)segment, (long long)failed, (long long)plan->arena_bytes,
                    (long long)plan->scratch_bytes);
  return QCC_OK;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

qcc_status qcc_session_reserve(qcc_session *session, bool keep, qcc_error *err) {
  /* Two lines per worker border: the hardware fetches lines in pairs. */
  int64_t stride = (session->plan.scratch_bytes + 127) / 128 * 128;
  if (session->gpu)
    return qcc_gpu_session_reserve(session, keep, err);
  if (!qcc_block_reserve(&session->arena, (size_t)session->plan.arena_bytes,
                         keep ? session->arena.bytes : 0))
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for an arena of %lld bytes",
                    (long long)session->plan.arena_bytes);
  if (!qcc_block_reserve(&session->scratch, (size_t)stride * session->workers, 0))
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for %u × %lld bytes of scratch",
                    session->workers, (long long)stride);
  session->scratch_stride = stride;
  session->call.arena = session->arena.data;
  return QCC_OK;
}

/* ---- Running --------------------------------------------------------------------------------- */

static qcc_status explain_fault(const qcc_session *session, int64_t result, qcc_error *err) {
  const qcc_entry_desc *e = session->entry;
  int64_t site = result >> 8;
  const char *node =
      site >= 0 && site < e->n_sites && e->sites[site] ? e->sites[site] : "an unnamed node";
  switch (result & 0xff) {
  case QCC_FAULT_INDEX:
    return qcc_fail(err, QCC_ERR_INDEX, "%s: an index lies outside its axis", node);
  case QCC_FAULT_SHAPE:
    return qcc_fail(err, QCC_ERR_SHAPE, "%s: a shape that depends on values does not fit", node);
  case QCC_FAULT_CAPACITY:
    return qcc_fail(err, QCC_ERR_CAPACITY, "%s: the cache or a buffer is too small", node);
  case QCC_FAULT_DIVIDE:
    return qcc_fail(err, QCC_ERR_DIVIDE, "%s: integer division by zero", node);
  case QCC_FAULT_HOST:
    return qcc_fail(err, session->host_error.code, "%s", session->host_error.message);
  case QCC_FAULT_ABORTED:
    if (session->scratch_wanted)
      return qcc_fail(err, QCC_ERR_INTERNAL, "%s: wants %lld bytes of scratch, planned were %lld",
                      node, (long long)session->scratch_wanted,
                      (long long)session->plan.scratch_bytes);
    return qcc_fail(err, QCC_ERR_INTERNAL,
                    "%s: the host's parallel_for did not call every task exactly once", node);
  default:
    return qcc_fail(err, QCC_ERR_INTERNAL, "%s: unknown fault %lld", node,
                    (long long)(result & 0xff));
  }
}

static qcc_status execute(qcc_session *session, qcc_tensor *outputs, bool in_place,
                          qcc_error *err) {
  const qcc_entry_desc *e = session->entry;
  for (uint32_t segment = 0; segment < e->n_segments; ++segment) {
    bool last = segment + 1 == e->n_segments;
    qcc_fp_state before;
    int64_t result, each = segment ? 0 : qcc_session_part_size(session);
    qcc_status status = segment ? qcc_session_plan(session, segment, err) : QCC_OK;
    if (!status && !each)
      status = qcc_session_reserve(session, segment != 0, err);
    if (!status && session->gpu && !segment)
      status = qcc_gpu_session_begin(session, in_place, err);
    /* Only the last segment writes outputs, and only its plan knows all their shapes. */
    if (!status && last)
      status = qcc_session_place_outputs(session, outputs, in_place, err);
    if (status)
      return status;
    before = qcc_fp_enter();
    session->outer_fp = before;
    if (each)
      status = qcc_session_run_parts(session, each, &result, err);
    else
      result = e->run(&session->call, segment);
    qcc_fp_leave(before);
    if (!status && session->gpu)
      status = qcc_gpu_session_end(session, last, in_place, &result, err);
    if (status)
      return status;
    if (result)
      return explain_fault(session, result, err);
  }
  session->ran = true;
  return QCC_OK;
}

qcc_status qcc_session_execute(qcc_session *session, qcc_tensor *outputs, bool in_place,
                               qcc_error *err) {
  qcc_status status = qcc_gpu_session_enter(session, err);
  session->ran = false;
  session->scratch_wanted = 0;
  session->inline_only = !qcc_pool_usable(session->pool);
  session->call.flags = in_place ? QCC_CALL_KV_IN_PLACE : 0;
  if (status)
    return status;
  status = execute(session, outputs, in_place, err);
  qcc_gpu_session_leave(session);
  return status;
}

static qcc_status refuse_decoder(const qcc_session *session, qcc_error *err) {
  if (!session)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "session is null");
  if (session->of_decoder)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "the session belongs to a decoder");
  return QCC_OK;
}

static qcc_status busy(qcc_error *err) {
  return qcc_fail(err, QCC_ERR_BUSY, "the session is running on another thread");
}

static qcc_status count_outputs(const qcc_session *session, const qcc_tensor *outputs,
                                uint32_t count, qcc_error *err) {
  if (count == session->entry->n_outputs ? outputs || !count : !count && !outputs)
    return QCC_OK;
  return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%u outputs given, entry \"%s\" has %u", count,
                  session->entry->name, session->entry->n_outputs);
}

qcc_status qcc_session_run(qcc_session *session, const qcc_tensor *inputs, uint32_t n_inputs,
                           qcc_tensor *outputs, uint32_t n_outputs, qcc_error *err) {
  qcc_status status = refuse_decoder(session, err);
  if (status)
    return status;
  if (!qcc_session_enter(session))
    return busy(err);
  status = count_outputs(session, outputs, n_outputs, err);
  if (!status)
    status = take_inputs(session, inputs, n_inputs, true, err);
  if (!status)
    status = qcc_session_plan(session, 0, err);
  if (!status)
    status = qcc_session_execute(session, n_outputs ? outputs : NULL, false, err);
  if (!status) {
    for (uint32_t i = 0; i < n_outputs; ++i)
      qcc_session_view_output(session, i, &outputs[i]);
    status = qcc_succeed(err);
  }
  qcc_session_leave(session);
  return status;
}

qcc_status qcc_session_output(qcc_session *session, uint32_t index, qcc_tensor *output,
                              qcc_error *err) {
  int64_t bytes;
  if (!session || !output)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%s is null", session ? "output" : "session");
  if (index >= session->entry->n_outputs)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "output %u asked for, there are %u", index,
                    session->entry->n_outputs);
  if (!session->ran)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "the session has not run, or its run failed");
  if (session->of_decoder && session->is_kv[index])
    return qcc_fail(err, QCC_ERR_UNSUPPORTED, "output \"%s\" lies in the decoder's cache",
                    session->entry->outputs[index].name);
  output->data = session->outputs[index];
  qcc_session_view_output(session, index, output);
  qcc_dense_bytes(output->dims, output->rank, qcc_dtype_size(output->dtype), &bytes);
  output->bytes = (size_t)bytes;
  return qcc_succeed(err);
}

static bool depends_on_values(const qcc_entry_desc *e, const char *dim) {
  for (uint32_t i = 0; i < e->n_symbols; ++i)
    if (e->symbols[i].input == QCC_SYMBOL_PRODUCED && qcc_dim_mentions(dim, e->symbols[i].name))
      return true;
  return false;
}

static void describe_shapes(qcc_session *session, qcc_tensor *outputs) {
  const qcc_entry_desc *e = session->entry;
  for (uint32_t i = 0; i < e->n_outputs; ++i) {
    int64_t *dims = session->shape_dims + session->output_offset[i], bytes = 0;
    for (uint32_t axis = 0; axis < e->outputs[i].rank; ++axis)
      if (depends_on_values(e, e->outputs[i].dims[axis]))
        dims[axis] = -1;
    outputs[i].dtype = (qcc_dtype)e->outputs[i].dtype;
    outputs[i].rank = e->outputs[i].rank;
    outputs[i].dims = dims;
    if (!qcc_dense_bytes(dims, e->outputs[i].rank, qcc_dtype_size(outputs[i].dtype), &bytes))
      bytes = 0;
    outputs[i].bytes = (size_t)bytes;
  }
}

qcc_status qcc_session_infer_shapes(qcc_session *session, const qcc_tensor *inputs,
                                    uint32_t n_inputs, qcc_tensor *outputs, uint32_t n_outputs,
                                    qcc_error *err) {
  qcc_status status = refuse_decoder(session, err);
  if (status)
    return status;
  if (!qcc_session_enter(session))
    return busy(err);
  status = count_outputs(session, outputs, n_outputs, err);
  if (!status)
    status = take_inputs(session, inputs, n_inputs, false, err);
  if (!status) {
    /* The outputs of the last run keep their dimensions. */
    session->plan.output_dims = session->shape_dims;
    status = qcc_session_plan(session, 0, err);
    session->plan.output_dims = session->output_dims;
  }
  if (!status) {
    if (n_outputs)
      describe_shapes(session, outputs);
    status = qcc_succeed(err);
  }
  qcc_session_leave(session);
  return status;
}

qcc_status qcc_session_set_profile(qcc_session *session, qcc_profile_fn callback, void *context,
                                   qcc_error *err) {
  if (!session)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "session is null");
  if (!qcc_session_enter(session))
    return busy(err);
  session->profile = callback;
  session->profile_context = context;
  qcc_session_leave(session);
  return qcc_succeed(err);
}

qcc_status qcc_session_memory(const qcc_session *session, qcc_memory_info *info, qcc_error *err) {
  qcc_memory_info i = {sizeof i, 0, 0, 0, 0, 0};
  if (!session)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "session is null");
  i.arena_bytes = session->arena.bytes + qcc_session_part_arenas(session);
  i.scratch_bytes = session->scratch.bytes;
  for (uint32_t k = 0; k < session->entry->n_outputs; ++k)
    i.output_bytes += session->owned[k].bytes;
  i.kv_bytes = session->kv_bytes;
  if (session->gpu)
    qcc_gpu_session_memory(session, &i);
  return qcc_write_info(info, &i, sizeof i, err);
}
