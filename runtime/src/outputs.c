/* Where an entry writes: buffers of the session or of the caller, and what they are afterwards. */
#include "internal.h"

const uint8_t qcc_nothing[QCC_CACHE_LINE] __attribute__((aligned(QCC_CACHE_LINE))) = {0};

static const int64_t *dims_of_output(const qcc_session *session, uint32_t index) {
  return session->plan.output_dims + session->output_offset[index];
}

static qcc_status output_bytes(const qcc_session *session, uint32_t index, int64_t *bytes,
                               qcc_error *err) {
  const qcc_tensor_desc *desc = &session->entry->outputs[index];
  if (!qcc_dense_bytes(dims_of_output(session, index), desc->rank,
                       qcc_dtype_size((qcc_dtype)desc->dtype), bytes))
    return qcc_fail(err, QCC_ERR_INTERNAL, "output \"%s\" has no valid shape", desc->name);
  return QCC_OK;
}

qcc_status qcc_session_own_output(qcc_session *session, uint32_t index, qcc_error *err) {
  int64_t bytes;
  qcc_status status = output_bytes(session, index, &bytes, err);
  if (status)
    return status;
  if (!qcc_block_reserve(&session->owned[index], (size_t)bytes, 0))
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for output \"%s\" of %lld bytes",
                    session->entry->outputs[index].name, (long long)bytes);
  return session->gpu ? qcc_gpu_reserve_output(session, index, (size_t)bytes, err) : QCC_OK;
}

void qcc_session_view_output(const qcc_session *session, uint32_t index, qcc_tensor *tensor) {
  const qcc_tensor_desc *desc = &session->entry->outputs[index];
  int64_t bytes = 0;
  tensor->dtype = (qcc_dtype)desc->dtype;
  tensor->rank = desc->rank;
  tensor->dims = dims_of_output(session, index);
  if (!session->bound[index]) {
    tensor->data = session->outputs[index];
    qcc_dense_bytes(tensor->dims, tensor->rank, qcc_dtype_size(tensor->dtype), &bytes);
    tensor->bytes = (size_t)bytes;
  }
}

/* The caller's buffer for output `index` against the planned shape. */
static qcc_status bind_output(qcc_session *session, uint32_t index, const qcc_tensor *given,
                              int64_t bytes, qcc_error *err) {
  const qcc_tensor_desc *desc = &session->entry->outputs[index];
  if ((uint32_t)given->dtype != desc->dtype) {
    const char *name = qcc_dtype_name(given->dtype);
    return qcc_fail(err, QCC_ERR_DTYPE, "output \"%s\" is %s, the buffer given is %s", desc->name,
                    qcc_dtype_name((qcc_dtype)desc->dtype), name ? name : "of an unknown type");
  }
  if (given->bytes < (uint64_t)bytes)
    return qcc_fail(err, QCC_ERR_CAPACITY, "output \"%s\" needs %lld bytes, the buffer has %zu",
                    desc->name, (long long)bytes, given->bytes);
  if ((uintptr_t)given->data % qcc_dtype_size((qcc_dtype)desc->dtype))
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "output \"%s\": data is not aligned to its type",
                    desc->name);
  session->outputs[index] = given->data;
  session->bound[index] = true;
  return session->gpu ? qcc_gpu_reserve_output(session, index, (size_t)bytes, err) : QCC_OK;
}

/* Where a stateless run writes its presents: dense tensors, as views. */
static void view_presents(qcc_session *session) {
  for (uint32_t i = 0; i < session->entry->n_kv; ++i) {
    uint32_t output = session->entry->kv[i].output;
    const int64_t *dims = dims_of_output(session, output);
    qcc_kv_view *view = &session->kv[i];
    view->base = session->call.outputs[output];
    view->row_stride = dims[3];
    view->head_stride = dims[2] * dims[3];
    view->batch_stride = dims[1] * view->head_stride;
  }
}

qcc_status qcc_session_place_outputs(qcc_session *session, qcc_tensor *outputs, bool in_place,
                                     qcc_error *err) {
  qcc_status status = QCC_OK, first = QCC_OK;
  for (uint32_t i = 0; i < session->entry->n_outputs; ++i) {
    int64_t bytes;
    session->bound[i] = false;
    if (in_place && session->is_kv[i])
      continue; /* outputs[i] is the cache already */
    status = output_bytes(session, i, &bytes, err);
    if (status)
      return status;
    if (outputs && outputs[i].data) {
      status = bind_output(session, i, &outputs[i], bytes, first ? NULL : err);
      /* The caller learns all shapes at once, to come back with larger buffers. */
      session->bound[i] = true;
      if (status && !first)
        first = status;
      continue;
    }
    status = qcc_session_own_output(session, i, err);
    if (status)
      return status;
    session->outputs[i] = bytes ? session->owned[i].data : (void *)qcc_nothing;
  }
  if (first) {
    for (uint32_t i = 0; i < session->entry->n_outputs; ++i)
      if (session->bound[i])
        qcc_session_view_output(session, i, &outputs[i]);
    return first;
  }
  if (!in_place)
    view_presents(session);
  return QCC_OK;
}
