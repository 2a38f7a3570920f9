/* Runs a compiled text encoder from C and prints what comes out.
 *
 *   embed MODEL.so [ID ...]
 *
 * IDs are token numbers; without any, a built-in sentence is used. The inputs are filled by their
 * roles: ids as given, mask ones, positions counting, token types zero. */
#include "qcc/runtime.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 512, MAX_INPUTS = 8, MAX_OUTPUTS = 16 };

static int fail(const qcc_error *err) {
  fprintf(stderr, "embed: %s: %s\n", qcc_status_name(err->code), err->message);
  return 1;
}

/* Value of a [batch, tokens] input at token i; -1 for a role that an encoder does not have. */
static int64_t value_for(const char *role, const int64_t *ids, int64_t i) {
  if (!strcmp(role, "ids"))
    return ids[i];
  if (!strcmp(role, "mask"))
    return 1;
  if (!strcmp(role, "positions"))
    return i;
  if (!strcmp(role, "types"))
    return 0;
  return -1;
}

/* Describes all inputs as [1, n] over `storage`. */
static int fill_inputs(const qcc_model *model, uint32_t count, const int64_t *ids, int64_t n,
                       const int64_t *dims, int64_t storage[][MAX_TOKENS], qcc_tensor *inputs,
                       qcc_error *err) {
  for (uint32_t i = 0; i < count; ++i) {
    qcc_tensor_info info;
    info.struct_size = sizeof info;
    if (qcc_model_input(model, 0, i, &info, err))
      return fail(err);
    if (info.dtype != QCC_I64 || info.rank != 2 || value_for(info.role, ids, 0) < 0) {
      fprintf(stderr, "embed: input \"%s\" (role \"%s\") is not one of a text encoder\n", info.name,
              info.role);
      return 1;
    }
    for (int64_t t = 0; t < n; ++t)
      storage[i][t] = value_for(info.role, ids, t);
    inputs[i] = (qcc_tensor){storage[i], QCC_I64, 2, dims, 0};
  }
  return 0;
}

static void print_output(const qcc_model *model, uint32_t index, const qcc_tensor *output) {
  qcc_tensor_info info;
  int64_t elements = 1;
  info.struct_size = sizeof info;
  if (qcc_model_output(model, 0, index, &info, NULL))
    return;
  printf("%s: %s[", info.name, qcc_dtype_name(output->dtype));
  for (uint32_t axis = 0; axis < output->rank; ++axis) {
    printf("%s%" PRId64, axis ? "x" : "", output->dims[axis]);
    elements *= output->dims[axis];
  }
  printf("]");
  for (int64_t i = 0; i < elements && i < 6 && output->dtype == QCC_F32; ++i)
    printf(" %.5f", ((const float *)output->data)[i]);
  printf("\n");
}

static int run(qcc_model *model, qcc_session *session, const int64_t *ids, int64_t n) {
  static int64_t storage[MAX_INPUTS][MAX_TOKENS];
  qcc_tensor inputs[MAX_INPUTS], outputs[MAX_OUTPUTS];
  int64_t dims[2] = {1, n};
  qcc_entry_info entry;
  qcc_error err;
  entry.struct_size = sizeof entry;
  if (qcc_model_entry(model, 0, &entry, &err))
    return fail(&err);
  if (entry.n_inputs > MAX_INPUTS || entry.n_outputs > MAX_OUTPUTS) {
    fprintf(stderr, "embed: %u inputs and %u outputs are too many for this example\n",
            entry.n_inputs, entry.n_outputs);
    return 1;
  }
  if (fill_inputs(model, entry.n_inputs, ids, n, dims, storage, inputs, &err))
    return 1;
  memset(outputs, 0, sizeof outputs); /* null data: the session lends its memory */
  if (qcc_session_run(session, inputs, entry.n_inputs, outputs, entry.n_outputs, &err))
    return fail(&err);
  for (uint32_t i = 0; i < entry.n_outputs; ++i)
    print_output(model, i, &outputs[i]);
  return 0;
}

int main(int argc, char **argv) {
  int64_t ids[MAX_TOKENS] = {101, 2023, 2003, 1037, 3231, 102};
  int64_t n = argc > 2 ? argc - 2 : 6;
  qcc_model *model;
  qcc_session *session;
  qcc_model_info info;
  qcc_error err;
  int status;
  if (argc < 2 || n > MAX_TOKENS) {
    fprintf(stderr, "usage: embed MODEL.so [ID ...]   (at most %d)\n", MAX_TOKENS);
    return 2;
  }
  for (int64_t i = 0; argc > 2 && i < n; ++i)
    ids[i] = strtoll(argv[i + 2], NULL, 10);

  if (qcc_model_open(argv[1], NULL, &model, &err))
    return fail(&err);
  info.struct_size = sizeof info;
  qcc_model_get_info(model, &info, NULL);
  printf("%s at level %s\n", info.name, info.level);
  status = qcc_session_create(model, 0, NULL, NULL, &session, &err) ? fail(&err) : 0;
  if (!status) {
    status = run(model, session, ids, n);
    qcc_session_destroy(session);
  }
  qcc_model_close(model);
  return status;
}
