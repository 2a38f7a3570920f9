/* Operators that the application computes: the registry, and the calls of a session. */
#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- The registry ---------------------------------------------------------------------------- */

typedef struct host_op {
  char *domain, *op;
  qcc_host_op_fn function;
  void *context;
  struct host_op *next;
} host_op;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static host_op *registered;

/* "" and "ai.onnx" are one domain. */
static const char *plain_domain(const char *domain) {
  return domain && strcmp(domain, "ai.onnx") ? domain : "";
}

static char *copy_text(const char *text) {
  size_t bytes = strlen(text) + 1;
  char *copy = malloc(bytes);
  return copy ? memcpy(copy, text, bytes) : NULL;
}

/* The link that points at the entry, or at the end of the list. The lock is held. */
static host_op **find(const char *domain, const char *op) {
  host_op **at = &registered;
  while (*at && (strcmp((*at)->op, op) || strcmp((*at)->domain, domain)))
    at = &(*at)->next;
  return at;
}

static void free_op(host_op *op) {
  if (!op)
    return;
  free(op->domain);
  free(op->op);
  free(op);
}

qcc_status qcc_register_host_op(const char *domain, const char *op, qcc_host_op_fn function,
                                void *context, qcc_error *err) {
  host_op *fresh = NULL, *old, **at;
  domain = plain_domain(domain);
  if (!op || !*op)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "the operator has no name");
  if (function) {
    fresh = calloc(1, sizeof *fresh);
    if (fresh) {
      fresh->domain = copy_text(domain);
      fresh->op = copy_text(op);
      fresh->function = function;
      fresh->context = context;
    }
    if (!fresh || !fresh->domain || !fresh->op) {
      free_op(fresh);
      return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for the operator %s", op);
    }
  }
  pthread_mutex_lock(&lock);
  at = find(domain, op);
  old = *at;
  if (fresh) {
    fresh->next = old ? old->next : NULL;
    *at = fresh;
  } else if (old) {
    *at = old->next;
  }
  pthread_mutex_unlock(&lock);
  free_op(old);
  return qcc_succeed(err);
}

static bool look_up(const qcc_host_op_desc *desc, qcc_host_op_fn *function, void **context) {
  host_op *op;
  pthread_mutex_lock(&lock);
  op = *find(plain_domain(desc->domain), desc->op);
  if (op) {
    *function = op->function;
    *context = op->context;
  }
  pthread_mutex_unlock(&lock);
  return op != NULL;
}

/* ---- What a model asks for ------------------------------------------------------------------- */

uint32_t qcc_host_op_count(const qcc_entry_desc *entry) {
  size_t needed = offsetof(qcc_entry_desc, host_ops) + sizeof entry->host_ops;
  return entry->struct_size >= needed ? entry->n_host_ops : 0;
}

qcc_status qcc_validate_host_ops(const qcc_entry_desc *entry, qcc_error *err) {
  uint32_t count = qcc_host_op_count(entry);
  for (uint32_t i = 0; i < count; ++i) {
    const qcc_host_op_desc *desc = entry->host_ops ? &entry->host_ops[i] : NULL;
    uint64_t tensors = desc ? (uint64_t)desc->n_inputs + desc->n_outputs : 0;
    bool good = desc && desc->domain && desc->op && desc->node && desc->attributes &&
                tensors <= 4096 && (!tensors || (desc->dtypes && desc->ranks));
    for (uint64_t k = 0; good && k < tensors; ++k) {
      bool absent = k < desc->n_inputs && !desc->dtypes[k];
      good = desc->ranks[k] <= 64 && (absent || qcc_dtype_size((qcc_dtype)desc->dtypes[k]));
    }
    if (!good)
      return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "malformed model: entry \"%s\", host op %u",
                      entry->name, i);
  }
  return QCC_OK;
}

qcc_status qcc_model_host_op(const qcc_model *model, uint32_t entry, uint32_t index,
                             qcc_host_op_info *info, qcc_error *err) {
  qcc_host_op_info i = {sizeof i, NULL, NULL, NULL, NULL, 0, 0, 0, 0};
  const qcc_entry_desc *desc;
  const qcc_host_op_desc *op;
  qcc_host_op_fn function;
  void *context;
  qcc_status status = qcc_find_entry(model, entry, &desc, err);
  if (status)
    return status;
  if (index >= qcc_host_op_count(desc))
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "host op %u asked for, there are %u", index,
                    qcc_host_op_count(desc));
  op = &desc->host_ops[index];
  i.domain = op->domain;
  i.op = op->op;
  i.node = op->node;
  i.attributes = op->attributes;
  i.n_inputs = op->n_inputs;
  i.n_outputs = op->n_outputs;
  i.registered = look_up(op, &function, &context);
  return qcc_write_info(info, &i, sizeof i, err);
}

/* ---- Sessions -------------------------------------------------------------------------------- */

void qcc_session_free_hosts(qcc_session *session) {
  uint32_t count = session->hosts ? qcc_host_op_count(session->entry) : 0;
  for (uint32_t i = 0; i < count; ++i)
    free(session->hosts[i].tensors);
  free(session->hosts);
}

qcc_status qcc_session_find_hosts(qcc_session *session, qcc_error *err) {
  uint32_t count = qcc_host_op_count(session->entry);
  if (!count)
    return QCC_OK;
  session->hosts = calloc(count, sizeof *session->hosts);
  if (!session->hosts)
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for %u host ops", count);
  for (uint32_t i = 0; i < count; ++i) {
    const qcc_host_op_desc *desc = &session->entry->host_ops[i];
    qcc_host_site *site = &session->hosts[i];
    if (!look_up(desc, &site->function, &site->context))
      return qcc_fail(err, QCC_ERR_HOST_OP,
                      "%s: the application computes %s%s%s, but has not registered it "
                      "(qcc_register_host_op)",
                      desc->node[0] ? desc->node : "an unnamed node", desc->domain,
                      desc->domain[0] ? "::" : "", desc->op);
    site->tensors = calloc((size_t)desc->n_inputs + desc->n_outputs + 1, sizeof(qcc_tensor));
    if (!site->tensors)
      return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for the tensors of %s", desc->op);
  }
  return QCC_OK;
}

static uint32_t present_inputs(const qcc_host_op_desc *desc) {
  uint32_t present = 0;
  for (uint32_t i = 0; i < desc->n_inputs; ++i)
    present += desc->dtypes[i] != 0;
  return present;
}

/* Tensors over the slots: addresses, then dimensions. */
static void fill_tensors(const qcc_host_op_desc *desc, qcc_tensor *tensors, const int64_t *slots) {
  uint32_t count = desc->n_inputs + desc->n_outputs;
  const int64_t *dims = slots + present_inputs(desc) + desc->n_outputs;
  for (uint32_t i = 0; i < count; ++i) {
    int64_t bytes = 0;
    if (!desc->dtypes[i])
      continue; /* stays zero */
    tensors[i].data = (void *)(intptr_t)*slots++;
    tensors[i].dtype = (qcc_dtype)desc->dtypes[i];
    tensors[i].rank = desc->ranks[i];
    tensors[i].dims = dims;
    qcc_dense_bytes(dims, desc->ranks[i], qcc_dtype_size(tensors[i].dtype), &bytes);
    tensors[i].bytes = (size_t)bytes;
    dims += desc->ranks[i];
  }
}

int64_t qcc_host_call_service(qcc_call *call, int64_t index, const int64_t *slots) {
  qcc_session *session = call->host;
  const qcc_host_op_desc *desc = &session->entry->host_ops[index];
  qcc_host_site *site = &session->hosts[index];
  qcc_host_call info = {sizeof info,
                        desc->domain,
                        desc->op,
                        desc->node,
                        desc->attributes,
                        site->tensors,
                        site->tensors + desc->n_inputs,
                        desc->n_inputs,
                        desc->n_outputs};
  qcc_error failure = {QCC_OK, {0}};
  qcc_fp_state state;
  qcc_status status;
  fill_tensors(desc, site->tensors, slots);
  if (session->gpu) {
    int64_t fault = qcc_gpu_fetch_tensors(session, site->tensors, desc->n_inputs, desc->n_outputs);
    if (fault)
      return fault;
  }
  qcc_fp_leave(session->outer_fp);
  status = site->function(site->context, &info, &failure);
  state = qcc_fp_enter();
  (void)state; /* what the application left; the session restores its own at the end */
  if (status == QCC_OK)
    return session->gpu ? qcc_gpu_return_tensors(session, info.outputs, desc->n_outputs,
                                                 slots + present_inputs(desc))
                        : QCC_FAULT_NONE;
  failure.message[sizeof failure.message - 1] = '\0';
  qcc_fail(&session->host_error, QCC_ERR_HOST_OP, "%s: %s%s%s failed: %.400s",
           desc->node[0] ? desc->node : "an unnamed node", desc->domain,
           desc->domain[0] ? "::" : "", desc->op,
           failure.message[0] ? failure.message : qcc_status_name(status));
  return QCC_FAULT_HOST;
}
