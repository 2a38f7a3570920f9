/* A decoder small enough to check by hand, as the compiler would emit it. Built by the tests:
 *   cc -shared -fPIC -nostdlib -I runtime/include toy.c -o toy.so
 *
 *   input_ids i64[b, s], attention_mask i64[b, p + s], past_k and past_v f32[b, 1, p, 1]
 *   logits f32[b, s, 8], present_k and present_v f32[b, 1, p + s, 1]
 *
 * The cache holds the ids. With c = the sum of the unmasked ids up to and including position i,
 *   logits[b, i, v] = TOY_SCALE * ((5 * id + 3 * v + c) mod 11).
 * An id outside 0..7 is a fault of "/embed/Gather". */
#include "qcc/model.h"

#include <stddef.h>

#ifndef TOY_SCALE
#define TOY_SCALE 0.5f
#endif
#ifndef TOY_FEATURES
#define TOY_FEATURES 0
#endif
enum { vocabulary = 8 };

/* args: ids, mask, logits, key base, value base, batch stride, row stride, s, p, past k, past v */
static int64_t toy(const int64_t *args, int64_t begin, int64_t end, int64_t worker, void *scratch) {
  const int64_t *ids = (const int64_t *)args[0], *mask = (const int64_t *)args[1];
  float *logits = (float *)args[2];
  int64_t s = args[7], p = args[8];
  (void)worker, (void)scratch;
  for (int64_t b = begin; b < end; ++b) {
    float *cache[2] = {(float *)args[3] + b * args[5], (float *)args[4] + b * args[5]};
    for (int k = 0; k < 2; ++k) {
      for (int64_t j = 0; args[9 + k] && j < p; ++j)
        cache[k][j * args[6]] = ((const float *)args[9 + k])[b * p + j];
      for (int64_t i = 0; i < s; ++i) {
        if (ids[b * s + i] < 0 || ids[b * s + i] >= vocabulary)
          return QCC_FAULT_INDEX;
        cache[k][(p + i) * args[6]] = (float)ids[b * s + i];
      }
    }
    int64_t sum = 0;
    for (int64_t j = 0; j < p + s; ++j) {
      sum += mask[b * (p + s) + j] ? (int64_t)cache[0][j * args[6]] : 0;
      for (int64_t v = 0; j >= p && v < vocabulary; ++v)
        logits[(b * s + j - p) * vocabulary + v] =
            TOY_SCALE * (float)((5 * ids[b * s + j - p] + 3 * v + sum) % 11);
    }
  }
  return 0;
}

/* dims: ids b s, mask b p+s, past_k b 1 p 1, past_v b 1 p 1 */
static int64_t plan(const int64_t *d, int64_t segment, qcc_plan *plan) {
  int64_t out[11] = {d[0], d[1], vocabulary, d[0], 1, d[6] + d[1], 1, d[0], 1, d[6] + d[1], 1};
  (void)segment;
  plan->symbols[0] = d[0];
  plan->symbols[1] = d[1];
  plan->symbols[2] = d[6];
  plan->lhs = d[3];
  plan->rhs = d[1] + d[6];
  if (plan->lhs != plan->rhs)
    return 1;
  for (int i = 0; i < 11; ++i)
    plan->output_dims[i] = out[i];
  return 0;
}

static int64_t run(qcc_call *call, int64_t segment) {
  const qcc_kv_view *k = &call->kv[0], *v = &call->kv[1];
  int in_place = (call->flags & QCC_CALL_KV_IN_PLACE) != 0;
  int64_t args[11] = {(int64_t)call->inputs[0],
                      (int64_t)call->inputs[1],
                      (int64_t)call->outputs[0],
                      (int64_t)k->base,
                      (int64_t)v->base,
                      k->batch_stride,
                      k->row_stride,
                      call->symbols[1],
                      call->symbols[2],
                      in_place ? 0 : (int64_t)call->inputs[2],
                      in_place ? 0 : (int64_t)call->inputs[3]};
  (void)segment;
  return call->services->launch(call, call->kernels[0], args, call->symbols[0], 1, 0);
}

static const char *const ids_dims[] = {"b", "s"}, *const mask_dims[] = {"b", "s + p"},
                         *const past_dims[] = {"b", "1", "p", "1"},
                         *const logits_dims[] = {"b", "s", "8"},
                         *const present_dims[] = {"b", "1", "s + p", "1"};
static const qcc_tensor_desc inputs[] = {{"input_ids", QCC_I64, 2, ids_dims, "ids"},
                                         {"attention_mask", QCC_I64, 2, mask_dims, "mask"},
                                         {"past_k", QCC_F32, 4, past_dims, "past.0.key"},
                                         {"past_v", QCC_F32, 4, past_dims, "past.0.value"}};
static const qcc_tensor_desc outputs[] = {
    {"logits", QCC_F32, 3, logits_dims, "logits"},
    {"present_k", QCC_F32, 4, present_dims, "present.0.key"},
    {"present_v", QCC_F32, 4, present_dims, "present.0.value"}};
static const qcc_symbol_desc symbols[] = {
    {"b", 1, 64, 1, 0, 0}, {"s", 1, 4096, 1, 0, 1}, {"p", 0, 4096, 1, 2, 2}};
static const qcc_kv_desc kv[] = {{2, 1, 0, 0, 2}, {3, 2, 0, 1, 2}};
static const qcc_check_desc checks[] = {{"attention_mask axis 1", "s + p", "/attention/Add"}};
static const char *const sites[] = {"/embed/Gather"};
static const qcc_entry_desc entry = {sizeof(qcc_entry_desc),
                                     "main",
                                     4,
                                     3,
                                     3,
                                     2,
                                     1,
                                     1,
                                     1,
                                     0,
                                     inputs,
                                     outputs,
                                     symbols,
                                     kv,
                                     checks,
                                     sites,
                                     plan,
                                     run};
static const qcc_kernel_fn kernels[] = {toy};
static const char *const kernel_names[] = {"toy_attention"};
static const qcc_level_desc levels[] = {{"x86-toy", TOY_FEATURES, kernels, kernel_names}};
static const qcc_model_desc model = {QCC_MODEL_MAGIC,
                                     QCC_ABI_MAJOR,
                                     QCC_ABI_MINOR,
                                     sizeof(qcc_model_desc),
                                     "toy",
                                     QCC_ARCH_X86_64,
                                     1,
                                     1,
                                     1,
                                     &entry,
                                     levels,
                                     (const uint8_t *)kernel_names,
                                     0,
                                     NULL,
                                     {0},
                                     "{\"vocab\": 8, \"source_sha256\": \"00\"}",
                                     35};

__attribute__((visibility("default"))) const qcc_model_desc *qcc_model(void);
const qcc_model_desc *qcc_model(void) { return &model; }
