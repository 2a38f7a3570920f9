/* Autoregressive decoding: a session whose KV cache lives here and grows in place. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_MAX_STEP = 512 };

/* Rows of whole words, four together, are whole pieces of 16 bytes, in which GPUs copy heads. */
enum { PLACES = 4 };

typedef enum input_kind { KIND_IDS, KIND_MASK, KIND_POSITIONS, KIND_TYPES, KIND_PAST } input_kind;

typedef struct cache {
  qcc_block block;         /* [batch, heads, places, width] */
  qcc_device_block device; /* the same on a GPU */
  int64_t heads, width;
  size_t element;
} cache;

struct qcc_decoder {
  qcc_session *session;
  int64_t batch, capacity, length;
  int64_t places;         /* of a head: the capacity, in whole PLACES */
  cache *caches;          /* n_kv */
  input_kind *kinds;      /* n_inputs */
  qcc_block *buffers;     /* n_inputs; of the inputs that are not past */
  qcc_block rows;         /* one head of all rows, for reordering */
  qcc_device_block aside; /* all heads of all rows, for that on a GPU */
  uint32_t logits;
};

/* ---- Understanding the entry ----------------------------------------------------------------- */

static bool constant_dim(const char *text, int64_t *value) {
  char *end;
  *value = strtoll(text, &end, 10);
  return end != text && !*end && *value > 0;
}

static qcc_status take_cache(qcc_decoder *d, uint32_t index, qcc_error *err) {
  const qcc_entry_desc *e = d->session->entry;
  const qcc_tensor_desc *past = &e->inputs[e->kv[index].input];
  cache *c = &d->caches[index];
  int64_t row, bytes;
  void *base;
  c->element = qcc_dtype_size((qcc_dtype)past->dtype);
  if (!constant_dim(past->dims[1], &c->heads) || !constant_dim(past->dims[3], &c->width))
    return qcc_fail(err, QCC_ERR_UNSUPPORTED,
                    "input \"%s\" is [%s, %s, %s, %s]; a decoder needs constant axes 1 and 3",
                    past->name, past->dims[0], past->dims[1], past->dims[2], past->dims[3]);
  row = c->heads * c->width;
  if (!qcc_dense_bytes((const int64_t[]){d->batch, d->places, c->heads, c->width}, 4, c->element,
                       &bytes) ||
      (!d->session->gpu && !qcc_block_alloc(&c->block, (size_t)bytes)))
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY,
                    "no memory for a cache of %lld rows, %lld positions of %lld elements",
                    (long long)d->batch, (long long)d->capacity, (long long)row);
  if (d->session->gpu) {
    qcc_status status = qcc_gpu_alloc_cache(d->session, &c->device, (size_t)bytes, err);
    if (status)
      return status;
    qcc_gpu_bind_cache(d->session, e->kv[index].input, e->kv[index].output, c->device.address);
  }
  base = d->session->gpu ? (void *)(uintptr_t)c->device.address : c->block.data;
  d->session->kv_bytes += d->session->gpu ? c->device.bytes : c->block.bytes;
  d->session->kv[index] = (qcc_kv_view){base, d->places * row, d->places * c->width, c->width};
  d->session->inputs[e->kv[index].input] = base;
  d->session->outputs[e->kv[index].output] = base;
  return QCC_OK;
}

/* The element types that small integers can be written in. */
static bool writable_dtype(uint32_t dtype) {
  return dtype == QCC_I64 || dtype == QCC_I32 || dtype == QCC_BOOL || dtype == QCC_U8 ||
         dtype == QCC_I8 || dtype == QCC_F32;
}

static qcc_status classify_input(qcc_decoder *d, uint32_t index, qcc_error *err) {
  static const struct {
    const char *role;
    input_kind kind;
  } known[] = {
      {"ids", KIND_IDS}, {"mask", KIND_MASK}, {"positions", KIND_POSITIONS}, {"types", KIND_TYPES}};
  const qcc_entry_desc *e = d->session->entry;
  const qcc_tensor_desc *input = &e->inputs[index];
  for (uint32_t i = 0; i < e->n_kv; ++i)
    if (e->kv[i].input == index) {
      d->kinds[index] = KIND_PAST;
      return QCC_OK;
    }
  for (size_t i = 0; i < sizeof known / sizeof *known; ++i) {
    bool wide = known[i].kind == KIND_IDS || known[i].kind == KIND_POSITIONS;
    if (strcmp(input->role, known[i].role))
      continue;
    if (!writable_dtype(input->dtype) ||
        (wide && input->dtype != QCC_I64 && input->dtype != QCC_I32))
      return qcc_fail(err, QCC_ERR_UNSUPPORTED, "input \"%s\" (%s) has element type %s",
                      input->name, input->role, qcc_dtype_name((qcc_dtype)input->dtype));
    if (input->rank != 2 && !(known[i].kind == KIND_POSITIONS && input->rank == 1))
      return qcc_fail(err, QCC_ERR_UNSUPPORTED,
                      "input \"%s\" (%s) has %u axes, not [batch, tokens]", input->name,
                      input->role, input->rank);
    d->kinds[index] = known[i].kind;
    return QCC_OK;
  }
  return qcc_fail(
      err, QCC_ERR_UNSUPPORTED,
      "input \"%s\" has role \"%s\"; a decoder supplies ids, mask, positions, types and "
      "past",
      input->name, input->role);
}

static qcc_status understand(qcc_decoder *d, qcc_error *err) {
  const qcc_entry_desc *e = d->session->entry;
  bool has_ids = false;
  qcc_status status = QCC_OK;
  if (!e->n_kv || !e->n_outputs || e->n_segments != 1)
    return qcc_fail(err, QCC_ERR_UNSUPPORTED, "entry \"%s\" %s", e->name,
                    e->n_kv ? "has shapes that depend on values" : "has no KV cache");
  for (uint32_t i = 0; i < e->n_inputs && !status; ++i) {
    status = classify_input(d, i, err);
    has_ids |= !status && d->kinds[i] == KIND_IDS;
  }
  for (uint32_t i = 0; i < e->n_kv && !status; ++i)
    status = take_cache(d, i, err);
  if (!status && !has_ids)
    status =
        qcc_fail(err, QCC_ERR_UNSUPPORTED, "entry \"%s\" has no input with role \"ids\"", e->name);
  while (!status && d->logits < e->n_outputs && strcmp(e->outputs[d->logits].role, "logits"))
    ++d->logits;
  if (d->logits == e->n_outputs)
    d->logits = 0;
  if (!status && d->session->is_kv[d->logits])
    status = qcc_fail(err, QCC_ERR_UNSUPPORTED, "entry \"%s\" has no output for logits", e->name);
  return status;
}

/* ---- One step -------------------------------------------------------------------------------- */

static bool single_row(const qcc_tensor_desc *input) {
  return input->rank == 1 || !strcmp(input->dims[0], "1");
}

/* Input dimensions for n tokens after `length`. */
static void set_dims(qcc_decoder *d, int64_t length, int64_t n) {
  const qcc_entry_desc *e = d->session->entry;
  int64_t *dims = d->session->input_dims;
  for (uint32_t i = 0; i < e->n_inputs; dims += e->inputs[i++].rank) {
    if (d->kinds[i] == KIND_PAST) {
      uint32_t k = 0;
      while (e->kv[k].input != i)
        ++k;
      dims[0] = d->batch;
      dims[1] = d->caches[k].heads;
      dims[2] = length;
      dims[3] = d->caches[k].width;
      continue;
    }
    if (e->inputs[i].rank == 2)
      dims[0] = d->kinds[i] == KIND_POSITIONS && single_row(&e->inputs[i]) ? 1 : d->batch;
    dims[e->inputs[i].rank - 1] = d->kinds[i] == KIND_MASK ? length + n : n;
  }
}

static void write_value(void *buffer, uint32_t dtype, int64_t at, int64_t value) {
  switch (dtype) {
  case QCC_I64:
    ((int64_t *)buffer)[at] = value;
    break;
  case QCC_I32:
    ((int32_t *)buffer)[at] = (int32_t)value;
    break;
  case QCC_F32:
    ((float *)buffer)[at] = (float)value;
    break;
  default:
    ((uint8_t *)buffer)[at] = (uint8_t)value;
    break;
  }
}

/* Position of each new token: given, or the number of unmasked positions before it in its row. */
static void write_positions(const qcc_decoder *d, uint32_t dtype, int64_t rows, int64_t n,
                            const int64_t *mask, const int64_t *positions, void *buffer) {
  for (int64_t b = 0; b < rows; ++b) {
    int64_t seen = d->length;
    if (mask && !positions) {
      seen = 0;
      for (int64_t j = 0; j < d->length; ++j)
        seen += mask[b * (d->length + n) + j] != 0;
    }
    for (int64_t j = 0; j < n; ++j) {
      int64_t value = positions ? positions[b * n + j] : seen;
      write_value(buffer, dtype, b * n + j, value);
      seen += !mask || mask[b * (d->length + n) + d->length + j] != 0;
    }
  }
}

static qcc_status reserve_inputs(qcc_decoder *d, int64_t total, int64_t n, qcc_error *err) {
  const qcc_entry_desc *e = d->session->entry;
  for (uint32_t i = 0; i < e->n_inputs; ++i) {
    int64_t count = d->kinds[i] == KIND_MASK ? total : n, bytes;
    if (d->kinds[i] == KIND_PAST)
      continue;
    if (!qcc_dense_bytes((const int64_t[]){d->batch, count}, 2, 8, &bytes) ||
        !qcc_block_reserve(&d->buffers[i], (size_t)bytes, 0))
      return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for input \"%s\" of %lld x %lld",
                      e->inputs[i].name, (long long)d->batch, (long long)count);
    d->session->inputs[i] = d->buffers[i].data;
  }
  return QCC_OK;
}

static qcc_status write_inputs(qcc_decoder *d, const int64_t *tokens, int64_t n,
                               const int64_t *mask, const int64_t *positions, qcc_error *err) {
  const qcc_entry_desc *e = d->session->entry;
  for (uint32_t i = 0; i < e->n_inputs; ++i) {
    uint32_t dtype = e->inputs[i].dtype;
    void *buffer = d->session->inputs[i];
    int64_t rows = d->batch;
    switch (d->kinds[i]) {
    case KIND_IDS:
      for (int64_t j = 0; j < rows * n; ++j) {
        if (dtype == QCC_I32 && tokens[j] != (int32_t)tokens[j])
          return qcc_fail(err, QCC_ERR_INDEX, "token %lld is %lld", (long long)j,
                          (long long)tokens[j]);
        write_value(buffer, dtype, j, tokens[j]);
      }
      break;
    case KIND_MASK:
      for (int64_t j = 0; j < rows * (d->length + n); ++j)
        write_value(buffer, dtype, j, mask ? mask[j] != 0 : 1);
      break;
    case KIND_POSITIONS:
      if (single_row(&e->inputs[i])) {
        rows = 1;
        if (d->batch > 1 && (mask || positions))
          return qcc_fail(err, QCC_ERR_UNSUPPORTED,
                          "input \"%s\" has one row of positions for all %lld rows; a mask or "
                          "positions per row cannot be given",
                          e->inputs[i].name, (long long)d->batch);
      }
      write_positions(d, dtype, rows, n, mask, positions, buffer);
      break;
    case KIND_TYPES:
      memset(buffer, 0, (size_t)(rows * n) * qcc_dtype_size((qcc_dtype)dtype));
      break;
    case KIND_PAST:
      break;
    }
  }
  return QCC_OK;
}

/* Presents that do not have the shape of the cache would be written outside it. */
static qcc_status check_presents(const qcc_decoder *d, int64_t total, qcc_error *err) {
  const qcc_session *s = d->session;
  for (uint32_t i = 0; i < s->entry->n_kv; ++i) {
    uint32_t output = s->entry->kv[i].output;
    const int64_t *dims = s->output_dims + s->output_offset[output];
    const cache *c = &d->caches[i];
    if (dims[0] != d->batch || dims[1] != c->heads || dims[2] != total || dims[3] != c->width)
      return qcc_fail(err, QCC_ERR_UNSUPPORTED,
                      "output \"%s\" is [%lld, %lld, %lld, %lld]; the cache has [%lld, %lld, %lld, "
                      "%lld]",
                      s->entry->outputs[output].name, (long long)dims[0], (long long)dims[1],
                      (long long)dims[2], (long long)dims[3], (long long)d->batch,
                      (long long)c->heads, (long long)total, (long long)c->width);
  }
  return QCC_OK;
}

static qcc_status step(qcc_decoder *d, const int64_t *tokens, int64_t n, const int64_t *mask,
                       const int64_t *positions, qcc_tensor *logits, qcc_error *err) {
  qcc_status status;
  if (!tokens || n < 1)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%lld tokens at %s", (long long)n,
                    tokens ? "an address" : "null");
  if (n > d->capacity - d->length)
    return qcc_fail(err, QCC_ERR_CAPACITY, "%lld tokens after %lld do not fit a capacity of %lld",
                    (long long)n, (long long)d->length, (long long)d->capacity);
  set_dims(d, d->length, n);
  status = qcc_session_plan(d->session, 0, err);
  if (!status)
    status = check_presents(d, d->length + n, err);
  if (!status)
    status = reserve_inputs(d, d->length + n, n, err);
  if (!status)
    status = write_inputs(d, tokens, n, mask, positions, err);
  if (!status)
    status = qcc_session_execute(d->session, NULL, true, err);
  if (status)
    return status;
  d->length += n;
  if (logits) {
    logits->data = NULL;
    qcc_session_view_output(d->session, d->logits, logits);
  }
  return qcc_succeed(err);
}

/* Null decoders and concurrent calls; QCC_OK means that qcc_session_leave is due. */
static qcc_status enter(qcc_decoder *d, qcc_error *err) {
  if (!d)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "decoder is null");
  if (!qcc_session_enter(d->session))
    return qcc_fail(err, QCC_ERR_BUSY, "the decoder is running on another thread");
  return QCC_OK;
}

qcc_status qcc_decoder_step_masked(qcc_decoder *decoder, const int64_t *tokens, int64_t n,
                                   const int64_t *mask, const int64_t *positions,
                                   qcc_tensor *logits, qcc_error *err) {
  qcc_status status = enter(decoder, err);
  if (status)
    return status;
  status = step(decoder, tokens, n, mask, positions, logits, err);
  qcc_session_leave(decoder->session);
  return status;
}

qcc_status qcc_decoder_step(qcc_decoder *decoder, const int64_t *tokens, int64_t n,
                            qcc_tensor *logits, qcc_error *err) {
  return qcc_decoder_step_masked(decoder, tokens, n, NULL, NULL, logits, err);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void free_on_gpu(qcc_decoder *d) {
  if (qcc_gpu_session_enter(d->session, NULL))
    return; /* the context is lost, and with it what is in it */
  for (uint32_t i = 0; d->caches && i < d->session->entry->n_kv; ++i)
    qcc_gpu_free_block(d->session, &d->caches[i].device);
  qcc_gpu_free_block(d->session, &d->aside);
  qcc_gpu_session_leave(d->session);
}

void qcc_decoder_destroy(qcc_decoder *decoder) {
  const qcc_entry_desc *e;
  if (!decoder)
    return;
  e = decoder->session->entry;
  if (decoder->session->gpu)
    free_on_gpu(decoder);
  for (uint32_t i = 0; decoder->caches && i < e->n_kv; ++i)
    qcc_block_free(&decoder->caches[i].block);
  for (uint32_t i = 0; decoder->buffers && i < e->n_inputs; ++i)
    qcc_block_free(&decoder->buffers[i]);
  qcc_block_free(&decoder->rows);
  qcc_session_free(decoder->session);
  free(decoder->caches);
  free(decoder->kinds);
  free(decoder->buffers);
  free(decoder);
}

/* Memory for n tokens after `length`. */
static qcc_status size_for(qcc_decoder *d, int64_t length, int64_t n, qcc_error *err) {
  qcc_status status;
  set_dims(d, length, n);
  status = qcc_session_plan(d->session, 0, err);
  if (!status)
    status = check_presents(d, length + n, err);
  if (!status)
    status = qcc_session_reserve(d->session, false, err);
  if (!status)
    status = reserve_inputs(d, d->capacity, n, err);
  for (uint32_t i = 0; !status && i < d->session->entry->n_outputs; ++i)
    if (!d->session->is_kv[i])
      status = qcc_session_own_output(d->session, i, err);
  return status;
}

/* The most tokens that the model takes at once: the bound of the symbol on the last axis of ids. */
static int64_t step_bound(const qcc_decoder *d) {
  const qcc_entry_desc *e = d->session->entry;
  for (uint32_t i = 0; i < e->n_symbols; ++i) {
    const qcc_symbol_desc *s = &e->symbols[i];
    if (s->input >= 0 && d->kinds[s->input] == KIND_IDS && s->axis == 1 && s->max > 0)
      return s->max;
  }
  return INT64_MAX;
}

/* Room for reordering. */
static qcc_status size_rows(qcc_decoder *d, qcc_error *err) {
  size_t head = 0, row = 0;
  if (d->batch < 2)
    return QCC_OK;
  for (uint32_t i = 0; i < d->session->entry->n_kv; ++i) {
    const cache *c = &d->caches[i];
    size_t bytes = (size_t)c->width * c->element;
    head = bytes > head ? bytes : head;
    bytes *= (size_t)c->heads;
    row = bytes > row ? bytes : row;
  }
  head *= (size_t)(d->batch * d->capacity);
  row *= (size_t)(d->batch * d->capacity);
  if (d->session->gpu)
    return qcc_gpu_reserve(d->session, &d->aside, row, 0, "reorder a decoder's cache", err);
  if (!qcc_block_alloc(&d->rows, head))
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for reordering");
  return QCC_OK;
}

/* The first step, the last long one and the last single one span the model's needs. */
static qcc_status size_all(qcc_decoder *d, int64_t max_step, qcc_error *err) {
  qcc_status status;
  if (!max_step)
    max_step = DEFAULT_MAX_STEP;
  if (max_step > d->capacity)
    max_step = d->capacity;
  if (max_step > step_bound(d))
    max_step = step_bound(d);
  status = size_rows(d, err);
  if (status)
    return status;
  status = size_for(d, 0, max_step, err);
  if (status)
    return status;
  /* Models may bound the past more tightly than the capacity; steps will then say so. */
  status = size_for(d, d->capacity - max_step, max_step, err);
  if (!status || status == QCC_ERR_SHAPE)
    status = size_for(d, d->capacity - 1, 1, err);
  return status == QCC_ERR_SHAPE ? QCC_OK : status;
}

static bool allocate(qcc_decoder *d) {
  const qcc_entry_desc *e = d->session->entry;
  d->caches = calloc(e->n_kv + 1u, sizeof(cache));
  d->kinds = calloc(e->n_inputs + 1u, sizeof(input_kind));
  d->buffers = calloc(e->n_inputs + 1u, sizeof(qcc_block));
  return d->caches && d->kinds && d->buffers;
}

static qcc_status set_up(qcc_decoder *d, int64_t max_step, qcc_error *err) {
  qcc_status status;
  if (!allocate(d))
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a decoder");
  status = qcc_gpu_session_enter(d->session, err);
  if (status)
    return status;
  status = understand(d, err);
  if (!status)
    status = size_all(d, max_step, err);
  qcc_gpu_session_leave(d->session);
  return status;
}

qcc_status qcc_decoder_create(qcc_model *model, uint32_t entry, qcc_pool *pool, int64_t batch,
                              int64_t capacity, const qcc_decoder_options *options,
                              qcc_decoder **decoder, qcc_error *err) {
  qcc_decoder_options o = {sizeof o, 0, 0, NULL};
  qcc_session_options of_session = {sizeof of_session, NULL, 0, 0, NULL};
  qcc_decoder *made;
  qcc_status status = qcc_read_options(&o, sizeof o, options, "qcc_decoder_options", err);
  if (status)
    return status;
  if (!decoder || batch < 1 || capacity < 1 || o.max_step < 0 || o.logits_rows < 0 ||
      batch > INT32_MAX || capacity > INT32_MAX)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT,
                    "batch %lld, capacity %lld, max_step %lld, logits_rows %lld%s",
                    (long long)batch, (long long)capacity, (long long)o.max_step,
                    (long long)o.logits_rows, decoder ? "" : ", decoder is null");
  made = calloc(1, sizeof *made);
  if (!made)
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a decoder");
  of_session.gpu = o.gpu;
  status = qcc_session_create(model, entry, pool, &of_session, &made->session, err);
  if (status) {
    free(made);
    return status;
  }
  made->session->of_decoder = true;
  made->session->asked = o.logits_rows;
  made->batch = batch;
  made->capacity = capacity;
  made->places = (capacity + PLACES - 1) / PLACES * PLACES;
  status = set_up(made, o.max_step, err);
  if (status) {
    qcc_decoder_destroy(made);
    return status;
  }
  *decoder = made;
  return qcc_succeed(err);
}

int64_t qcc_decoder_length(const qcc_decoder *decoder) { return decoder ? decoder->length : 0; }
int64_t qcc_decoder_capacity(const qcc_decoder *decoder) { return decoder ? decoder->capacity : 0; }
int64_t qcc_decoder_batch(const qcc_decoder *decoder) { return decoder ? decoder->batch : 0; }
qcc_session *qcc_decoder_session(qcc_decoder *decoder) { return decoder ? decoder->session : NULL; }

/* ---- The cache ------------------------------------------------------------------------------- */

qcc_status qcc_decoder_truncate(qcc_decoder *decoder, int64_t length, qcc_error *err) {
  qcc_status status = enter(decoder, err);
  if (status)
    return status;
  if (length < 0 || length > decoder->length) {
    status = qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "cannot truncate %lld positions to %lld",
                      (long long)decoder->length, (long long)length);
  } else {
    decoder->length = length;
    status = qcc_succeed(err);
  }
  qcc_session_leave(decoder->session);
  return status;
}

qcc_status qcc_decoder_reset(qcc_decoder *decoder, qcc_error *err) {
  return qcc_decoder_truncate(decoder, 0, err);
}

static qcc_status reorder_on_gpu(qcc_decoder *d, const int64_t *source, qcc_error *err) {
  qcc_status status = qcc_gpu_session_enter(d->session, err);
  if (status)
    return status;
  for (uint32_t i = 0; !status && i < d->session->entry->n_kv; ++i) {
    const cache *c = &d->caches[i];
    size_t position = (size_t)c->width * c->element;
    status = qcc_gpu_reorder(d->session, &c->device, &d->aside, source, d->batch, (size_t)c->heads,
                             (size_t)d->places * position, (size_t)d->length * position, err);
  }
  qcc_gpu_session_leave(d->session);
  return status;
}

/* Rows of one cache: all of a head go aside, then come back in their new places. */
static void reorder_cache(qcc_decoder *d, const cache *c, const int64_t *source) {
  size_t used = (size_t)(d->length * c->width) * c->element;
  size_t head = (size_t)(d->places * c->width) * c->element, row = head * (size_t)c->heads;
  for (int64_t h = 0; h < c->heads; ++h) {
    uint8_t *base = c->block.data + (size_t)h * head;
    for (int64_t b = 0; b < d->batch; ++b)
      memcpy(d->rows.data + (size_t)b * used, base + (size_t)b * row, used);
    for (int64_t b = 0; b < d->batch; ++b)
      if (source[b] != b)
        memcpy(base + (size_t)b * row, d->rows.data + (size_t)source[b] * used, used);
  }
}

qcc_status qcc_decoder_reorder(qcc_decoder *decoder, const int64_t *source, qcc_error *err) {
  bool moves = false;
  qcc_status status = enter(decoder, err);
  if (status)
    return status;
  if (!source)
    status = qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "source is null");
  for (int64_t b = 0; !status && b < decoder->batch; ++b) {
    if (source[b] < 0 || source[b] >= decoder->batch)
      status = qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "source[%lld] is %lld, the batch is %lld",
                        (long long)b, (long long)source[b], (long long)decoder->batch);
    else
      moves |= source[b] != b;
  }
  if (!status && moves && decoder->session->gpu)
    status = reorder_on_gpu(decoder, source, err);
  else if (!status && moves)
    for (uint32_t i = 0; i < decoder->session->entry->n_kv; ++i)
      reorder_cache(decoder, &decoder->caches[i], source);
  if (!status)
    status = qcc_succeed(err);
  qcc_session_leave(decoder->session);
  return status;
}
