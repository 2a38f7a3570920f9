/* A model written by hand against qcc/model.h, so that the Python package can be tested without the
 * compiler. Entry "main": y[b, n] = x[b, n] + bias[n]. Entry "decode": caches the token ids as
 * floats; the logits' largest element is at (sum of the ids so far) mod 8. */
#include "qcc/model.h"

#include <stddef.h>

static int64_t addKernel(const int64_t *args, int64_t begin, int64_t end, int64_t worker,
                         void *scratch) {
  (void)worker, (void)scratch;
  const float *x = (const float *)args[0], *bias = (const float *)args[1];
  float *y = (float *)args[2];
  int64_t n = args[3];
  for (int64_t b = begin; b < end; ++b)
    for (int64_t i = 0; i < n; ++i)
      y[b * n + i] = x[b * n + i] + bias[i];
  return QCC_FAULT_NONE;
}

static int64_t planMain(const int64_t *dims, int64_t segment, qcc_plan *plan) {
  (void)segment;
  plan->symbols[0] = dims[0];
  plan->symbols[1] = dims[1];
  plan->output_dims[0] = dims[0];
  plan->output_dims[1] = dims[1];
  plan->arena_bytes = plan->scratch_bytes = 0;
  plan->lhs = dims[2];
  plan->rhs = dims[1];
  return dims[2] == dims[1] ? 0 : 1;
}

static int64_t runMain(qcc_call *call, int64_t segment) {
  (void)segment;
  int64_t args[4] = {(int64_t)call->inputs[0], (int64_t)call->inputs[1], (int64_t)call->outputs[0],
                     call->symbols[1]};
  return call->services->launch(call, call->kernels[0], args, call->symbols[0], 1, 0);
}

/* Symbols: batch, step, past. Inputs: ids [b, s], mask [b, p + s], past [b, 1, p, 1]. */
static int64_t planDecode(const int64_t *dims, int64_t segment, qcc_plan *plan) {
  (void)segment;
  int64_t b = dims[0], s = dims[1], p = dims[6], out[7] = {b, s, 8, b, 1, p + s, 1};
  plan->symbols[0] = b;
  plan->symbols[1] = s;
  plan->symbols[2] = p;
  for (int i = 0; i < 7; ++i)
    plan->output_dims[i] = out[i];
  plan->arena_bytes = plan->scratch_bytes = 0;
  plan->lhs = dims[3];
  plan->rhs = p + s;
  return dims[3] == p + s ? 0 : 1;
}

static int64_t runDecode(qcc_call *call, int64_t segment) {
  (void)segment;
  int64_t batch = call->symbols[0], step = call->symbols[1], past = call->symbols[2];
  const int64_t *ids = call->inputs[0];
  float *logits = call->outputs[0];
  for (int64_t b = 0; b < batch; ++b) {
    float *cache = (float *)call->kv[0].base + b * call->kv[0].batch_stride;
    int64_t row = call->kv[0].row_stride, sum = 0;
    if (!(call->flags & QCC_CALL_KV_IN_PLACE))
      for (int64_t i = 0; i < past; ++i)
        cache[i * row] = ((const float *)call->inputs[2])[b * past + i];
    for (int64_t i = 0; i < past; ++i)
      sum += (int64_t)cache[i * row];
    for (int64_t i = 0; i < step; ++i) {
      int64_t id = ids[b * step + i];
      if (id < 0)
        return 0 << 8 | QCC_FAULT_INDEX;
      cache[(past + i) * row] = (float)id;
      sum += id;
      for (int64_t v = 0; v < 8; ++v)
        logits[(b * step + i) * 8 + v] = v == sum % 8 ? 1.0f : 0.0f;
    }
  }
  return 0;
}

static const char *const kBN[] = {"batch", "n"}, *const kN[] = {"n"};
static const char *const kBS[] = {"batch", "step"}, *const kBT[] = {"batch", "past + step"};
static const char *const kPast[] = {"batch", "1", "past", "1"};
static const char *const kPresent[] = {"batch", "1", "past + step", "1"};
static const char *const kLogits[] = {"batch", "step", "8"};
static const char *const kSites[] = {"/embed/Gather"};

static const qcc_tensor_desc mainIn[] = {{"x", QCC_F32, 2, kBN, ""}, {"bias", QCC_F32, 1, kN, ""}};
static const qcc_tensor_desc mainOut[] = {{"y", QCC_F32, 2, kBN, ""}};
static const qcc_symbol_desc mainSymbols[] = {{"batch", 0, 0, 1, 0, 0}, {"n", 0, 0, 1, 0, 1}};
static const qcc_check_desc mainChecks[] = {{"bias axis 0", "n", "/Add"}};

static const qcc_tensor_desc decodeIn[] = {{"input_ids", QCC_I64, 2, kBS, "ids"},
                                           {"attention_mask", QCC_I64, 2, kBT, "mask"},
                                           {"past.0", QCC_F32, 4, kPast, "past.0.key"}};
static const qcc_tensor_desc decodeOut[] = {{"logits", QCC_F32, 3, kLogits, "logits"},
                                            {"present.0", QCC_F32, 4, kPresent, "present.0.key"}};
static const qcc_symbol_desc decodeSymbols[] = {
    {"batch", 0, 0, 1, 0, 0}, {"step", 0, 0, 1, 0, 1}, {"past", 0, 0, 1, 2, 2}};
static const qcc_check_desc decodeChecks[] = {{"attention_mask axis 1", "past + step", "/Mask"}};
static const qcc_kv_desc decodeKv[] = {{2, 1, 0, 0, 2}};

static const qcc_entry_desc entries[] = {{.struct_size = sizeof(qcc_entry_desc),
                                          .name = "main",
                                          .n_inputs = 2,
                                          .n_outputs = 1,
                                          .n_symbols = 2,
                                          .n_checks = 1,
                                          .n_sites = 1,
                                          .n_segments = 1,
                                          .inputs = mainIn,
                                          .outputs = mainOut,
                                          .symbols = mainSymbols,
                                          .checks = mainChecks,
                                          .sites = kSites,
                                          .plan = planMain,
                                          .run = runMain},
                                         {.struct_size = sizeof(qcc_entry_desc),
                                          .name = "decode",
                                          .n_inputs = 3,
                                          .n_outputs = 2,
                                          .n_symbols = 3,
                                          .n_kv = 1,
                                          .n_checks = 1,
                                          .n_sites = 1,
                                          .n_segments = 1,
                                          .inputs = decodeIn,
                                          .outputs = decodeOut,
                                          .symbols = decodeSymbols,
                                          .kv = decodeKv,
                                          .checks = decodeChecks,
                                          .sites = kSites,
                                          .plan = planDecode,
                                          .run = runDecode}};

static const qcc_kernel_fn kernels[] = {addKernel};
static const char *const kernelNames[] = {"add"};
static const qcc_level_desc levels[] = {{"plain", 0, kernels, kernelNames}};
static const uint8_t weights[64] __attribute__((aligned(4096))) = {0};
static const char manifest[] = "{\"schema\": \"toy/1\"}";

static const qcc_model_desc model = {.magic = QCC_MODEL_MAGIC,
                                     .abi_major = QCC_ABI_MAJOR,
                                     .abi_minor = QCC_ABI_MINOR,
                                     .struct_size = sizeof(qcc_model_desc),
                                     .name = "toy",
#if defined(__x86_64__)
                                     .arch = QCC_ARCH_X86_64,
#else
                                     .arch = QCC_ARCH_AARCH64,
#endif
                                     .n_entries = 2,
                                     .n_levels = 1,
                                     .n_kernels = 1,
                                     .entries = entries,
                                     .levels = levels,
                                     .weights = weights,
                                     .weights_bytes = 0,
                                     .manifest = manifest,
                                     .manifest_bytes = sizeof(manifest) - 1};

const qcc_model_desc *qcc_model(void) { return &model; }
