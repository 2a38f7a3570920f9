// Runs a compiled model once and writes its outputs: what tests run on another architecture.
//   run-model MODEL.so THREADS INPUTS OUTPUTS
// INPUTS holds, for each input in signature order, dtype and rank (u32), the dimensions (i64) and
// the data; OUTPUTS likewise. Numbers are little-endian. Prints the feature level in use.
#include "qcc/runtime.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 64, MAX_RANK = 8 };

static int fail(const char *what, const qcc_error *error) {
  fprintf(stderr, "%s: %s\n", what, error->message);
  return 1;
}

static int read_tensor(FILE *file, qcc_tensor *tensor, int64_t *dims) {
  uint32_t head[2];
  if (fread(head, 4, 2, file) != 2 || head[1] > MAX_RANK ||
      fread(dims, 8, head[1], file) != head[1])
    return 0;
  size_t bytes = qcc_dtype_size((qcc_dtype)head[0]);
  for (uint32_t i = 0; i < head[1]; ++i)
    bytes *= (size_t)dims[i];
  memset(tensor, 0, sizeof *tensor);
  tensor->dtype = (qcc_dtype)head[0];
  tensor->rank = head[1];
  tensor->dims = dims;
  tensor->bytes = bytes;
  tensor->data = malloc(bytes ? bytes : 1);
  return tensor->data && fread(tensor->data, 1, bytes, file) == bytes;
}

static void write_tensor(FILE *file, const qcc_tensor *tensor) {
  uint32_t head[2] = {(uint32_t)tensor->dtype, tensor->rank};
  fwrite(head, 4, 2, file);
  fwrite(tensor->dims, 8, tensor->rank, file);
  fwrite(tensor->data, 1, tensor->bytes, file);
}

int main(int argc, char **argv) {
  if (argc != 5)
    return 2;
  static qcc_tensor inputs[MAX_TENSORS], outputs[MAX_TENSORS];
  static int64_t dims[MAX_TENSORS][MAX_RANK];
  qcc_error error = {0};
  qcc_model *model;
  qcc_pool *pool;
  qcc_session *session;
  qcc_pool_options options = {sizeof options, (uint32_t)atoi(argv[2]), 0};
  qcc_entry_info entry = {sizeof entry};
  qcc_model_info info = {sizeof info};
  if (qcc_model_open(argv[1], NULL, &model, &error))
    return fail("open", &error);
  if (qcc_model_get_info(model, &info, &error))
    return fail("info", &error);
  puts(info.level);
  if (qcc_model_entry(model, 0, &entry, &error) || qcc_pool_create(&options, &pool, &error) ||
      qcc_session_create(model, 0, pool, NULL, &session, &error))
    return fail("session", &error);
  FILE *in = fopen(argv[3], "rb"), *out = fopen(argv[4], "wb");
  if (!in || !out || entry.n_inputs > MAX_TENSORS || entry.n_outputs > MAX_TENSORS)
    return 3;
  for (uint32_t i = 0; i < entry.n_inputs; ++i)
    if (!read_tensor(in, &inputs[i], dims[i]))
      return 4;
  if (qcc_session_run(session, inputs, entry.n_inputs, outputs, entry.n_outputs, &error))
    return fail("run", &error);
  for (uint32_t i = 0; i < entry.n_outputs; ++i)
    write_tensor(out, &outputs[i]);
  if (fclose(out))
    return 5;
  qcc_session_destroy(session);
  qcc_pool_destroy(pool);
  qcc_model_close(model);
  return 0;
}
