/* A complete model in C, as the compiler would emit it: y[i] = scale * x[i] + w[i % 4]. Macros make
 * variants that a runtime must refuse. */
#include "qcc/model.h"

#include <stddef.h>

#ifndef MODEL_MAGIC
#define MODEL_MAGIC QCC_MODEL_MAGIC
#endif
#ifndef MODEL_MAJOR
#define MODEL_MAJOR QCC_ABI_MAJOR
#endif
#ifndef MODEL_MINOR
#define MODEL_MINOR QCC_ABI_MINOR
#endif
#ifndef MODEL_ARCH
#if defined(__x86_64__)
#define MODEL_ARCH QCC_ARCH_X86_64
#else
#define MODEL_ARCH QCC_ARCH_AARCH64
#endif
#endif
#ifndef MODEL_FEATURES
#define MODEL_FEATURES 0
#endif
#ifndef MODEL_SCALE
#define MODEL_SCALE 2
#endif

#ifndef MODEL_SIDECAR
#define MODEL_SIDECAR NULL
static const float weights[4] = {10, 20, 30, 40};
#define MODEL_WEIGHTS (const uint8_t *)weights
#else
#define MODEL_WEIGHTS NULL
#endif

static int64_t scale_add(const int64_t *args, int64_t begin, int64_t end, int64_t worker,
                         void *scratch) {
  const float *x = (const float *)args[0], *w = (const float *)args[1];
  float *y = (float *)args[2];
  (void)worker, (void)scratch;
  for (int64_t i = begin; i < end; ++i)
    y[i] = MODEL_SCALE * x[i] + w[i % 4];
  return 0;
}

static int64_t plan(const int64_t *dims, int64_t segment, qcc_plan *plan) {
  (void)segment;
  plan->symbols[0] = dims[0];
  plan->output_dims[0] = dims[0];
  return 0;
}

static int64_t run(qcc_call *call, int64_t segment) {
  int64_t args[3] = {(int64_t)call->inputs[0], (int64_t)call->weights, (int64_t)call->outputs[0]};
  (void)segment;
  return call->services->launch(call, call->kernels[0], args, call->symbols[0], 1, 0);
}

static const char *const dims[] = {"n"};
static const qcc_tensor_desc input = {"x", QCC_F32, 1, dims, ""};
static const qcc_tensor_desc output = {"y", QCC_F32, 1, dims, "logits"};
static const qcc_symbol_desc symbol = {"n", 0, INT64_MAX, 1, 0, 0};
static const qcc_entry_desc entry = {sizeof(qcc_entry_desc),
                                     "main",
                                     1,
                                     1,
                                     1,
                                     0,
                                     0,
                                     0,
                                     1,
                                     0,
                                     &input,
                                     &output,
                                     &symbol,
                                     NULL,
                                     NULL,
                                     NULL,
                                     plan,
                                     run};
static const qcc_kernel_fn kernels[] = {scale_add};
static const char *const kernel_names[] = {"scale_add"};
static const qcc_level_desc level = {"plain", MODEL_FEATURES, kernels, kernel_names};
static const qcc_model_desc model = {MODEL_MAGIC,
                                     MODEL_MAJOR,
                                     MODEL_MINOR,
                                     sizeof(qcc_model_desc),
                                     "fake",
                                     MODEL_ARCH,
                                     1,
                                     1,
                                     1,
                                     &entry,
                                     &level,
                                     MODEL_WEIGHTS,
                                     16,
                                     MODEL_SIDECAR,
                                     /* of the four floats above */
                                     {0xbe, 0xca, 0x39, 0xea, 0x48, 0xa7, 0xa8, 0xe3,
                                      0xe4, 0x67, 0x75, 0xd3, 0x02, 0x84, 0x8f, 0xb6,
                                      0x4a, 0x36, 0x75, 0x09, 0xe7, 0x46, 0x50, 0x20,
                                      0xca, 0x48, 0x90, 0xf3, 0x38, 0x4a, 0x59, 0x23},
                                     "{}",
                                     2};

__attribute__((visibility("default"))) const qcc_model_desc *MODEL_FUNCTION(void);
const qcc_model_desc *MODEL_FUNCTION(void) { return &model; }
