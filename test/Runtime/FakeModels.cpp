// Models written by hand in the form that the compiler emits.
#include "FakeModels.h"

#include <atomic>
#include <cstddef>
#include <cstring>
#include <sys/mman.h>

// ---- Counting allocations ----------------------------------------------------------------------

static std::atomic<int64_t> allocations{0};
int64_t allocationCount() { return allocations.load(); }

extern "C" {
void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
int __real_posix_memalign(void **, size_t, size_t);
void *__real_mmap(void *, size_t, int, int, int, off_t);
void *__wrap_malloc(size_t n) { return ++allocations, __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t s) { return ++allocations, __real_calloc(n, s); }
void *__wrap_realloc(void *p, size_t n) { return ++allocations, __real_realloc(p, n); }
int __wrap_posix_memalign(void **p, size_t a, size_t n) {
  return ++allocations, __real_posix_memalign(p, a, n);
}
void *__wrap_mmap(void *p, size_t n, int prot, int flags, int file, off_t at) {
  return ++allocations, __real_mmap(p, n, prot, flags, file, at);
}
}

// ---- Shared pieces -----------------------------------------------------------------------------

#if defined(__x86_64__)
static constexpr uint32_t hostArch = QCC_ARCH_X86_64;
#else
static constexpr uint32_t hostArch = QCC_ARCH_AARCH64;
#endif

static qcc_model_desc describe(const qcc_entry_desc *entries, uint32_t nEntries,
                               const qcc_level_desc *level, uint32_t nKernels,
                               const void *weights = nullptr, uint64_t bytes = 0) {
  qcc_model_desc d{};
  d.magic = QCC_MODEL_MAGIC;
  d.abi_major = QCC_ABI_MAJOR;
  d.abi_minor = QCC_ABI_MINOR;
  d.struct_size = sizeof d;
  d.name = "fake";
  d.arch = hostArch;
  d.n_entries = nEntries;
  d.n_levels = 1;
  d.n_kernels = nKernels;
  d.entries = entries;
  d.levels = level;
  d.weights = static_cast<const uint8_t *>(weights);
  d.weights_bytes = bytes;
  d.manifest = "{}";
  d.manifest_bytes = 2;
  return d;
}

template <typename T> static T *at(int64_t slot) { return reinterpret_cast<T *>(slot); }
static int64_t slot(const void *p) { return reinterpret_cast<int64_t>(p); }

// ---- Gather ------------------------------------------------------------------------------------

uint32_t gatherControlWord;
static constexpr int64_t tableRows = 5;
static const float table[tableRows * 8] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1,
                                           1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3,
                                           3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4};

static int64_t gatherKernel(const int64_t *args, int64_t begin, int64_t end, int64_t worker,
                            void *) {
  for (int64_t i = begin; i < end; ++i) {
    int64_t id = at<const int64_t>(args[0])[i];
    if (id < 0 || id >= tableRows)
      return QCC_FAULT_INDEX;
    for (int64_t k = 0; k < 8; ++k)
      at<float>(args[2])[i * 8 + k] = table[id * 8 + k] + at<const float>(args[1])[i * 8 + k];
  }
#if defined(__x86_64__)
  if (worker == 0)
    gatherControlWord = __builtin_ia32_stmxcsr();
#endif
  return 0;
}

static int64_t gatherPlan(const int64_t *dims, int64_t, qcc_plan *plan) {
  plan->symbols[0] = dims[0];
  if (dims[1] != dims[0]) {
    plan->lhs = dims[1];
    plan->rhs = dims[0];
    return 1;
  }
  plan->output_dims[0] = dims[0];
  plan->output_dims[1] = 8;
  plan->arena_bytes = dims[0] * 64;
  return 0;
}

static int64_t gatherRun(qcc_call *call, int64_t) {
  int64_t args[] = {slot(call->inputs[0]), slot(call->inputs[1]), slot(call->outputs[0])};
  int64_t fault = call->services->launch(call, call->kernels[0], args, call->symbols[0], 1, 0);
  return fault ? (1 << 8 | fault) : 0;
}

static const char *const dimN[] = {"n"};
static const char *const dimN8[] = {"n", "8"};

const qcc_model_desc *gatherModel() {
  static const qcc_tensor_desc inputs[] = {{"ids", QCC_I64, 1, dimN, "ids"},
                                           {"x", QCC_F32, 2, dimN8, ""}};
  static const qcc_tensor_desc outputs[] = {{"y", QCC_F32, 2, dimN8, ""}};
  static const qcc_symbol_desc symbols[] = {{"n", 1, 4096, 1, 0, 0}};
  static const qcc_check_desc checks[] = {{"x axis 0", "ids axis 0", "/Add"}};
  static const char *const sites[] = {"/unused", "/embed/Gather"};
  static const qcc_entry_desc entry = {
      sizeof entry, "main",  2,       1,       1,      0,     1,          2,        1, 0,
      inputs,       outputs, symbols, nullptr, checks, sites, gatherPlan, gatherRun};
  static const qcc_kernel_fn kernels[] = {gatherKernel};
  static const char *const names[] = {"gather_add"};
  static const qcc_level_desc level = {"plain", 0, kernels, names};
  static const qcc_model_desc model = describe(&entry, 1, &level, 1, table, sizeof table);
  return &model;
}

const qcc_model_desc *leveledModel() {
  constexpr uint64_t vnni = UINT64_C(1) << QCC_FEATURE_AVX2 | UINT64_C(1) << QCC_FEATURE_AVX512 |
                            UINT64_C(1) << QCC_FEATURE_VNNI,
                     bf16 = vnni | UINT64_C(1) << QCC_FEATURE_AVX512_BF16;
  static const qcc_level_desc &plain = gatherModel()->levels[0];
  static const qcc_level_desc levels[] = {
      {"x86-amx", bf16 | UINT64_C(1) << QCC_FEATURE_AMX_INT8 | UINT64_C(1) << QCC_FEATURE_AMX_BF16,
       plain.kernels, plain.kernel_names},
      {"x86-avx512-bf16", bf16, plain.kernels, plain.kernel_names},
      {"x86-avx512-vnni", vnni, plain.kernels, plain.kernel_names},
      plain};
  static const qcc_model_desc model = [] {
    qcc_model_desc d = *gatherModel();
    d.levels = levels;
    d.n_levels = 4;
    return d;
  }();
  return &model;
}

// ---- NonZero, in two segments ------------------------------------------------------------------

static int64_t findKernel(const int64_t *args, int64_t, int64_t, int64_t, void *) {
  int64_t count = 0;
  for (int64_t i = 0; i < args[2]; ++i)
    if (at<const int64_t>(args[0])[i])
      at<int64_t>(args[1])[count++] = i;
  *at<int64_t>(args[3]) = count;
  return 0;
}

static int64_t copyKernel(const int64_t *args, int64_t begin, int64_t end, int64_t, void *) {
  for (int64_t i = begin; i < end; ++i)
    at<int64_t>(args[1])[i] = at<const int64_t>(args[0])[i];
  return 0;
}

static int64_t nonZeroPlan(const int64_t *dims, int64_t segment, qcc_plan *plan) {
  plan->symbols[0] = dims[0];
  // Far more in the second segment, so that the arena moves.
  plan->arena_bytes = dims[0] * 8 + segment * (8 << 20);
  plan->output_dims[0] = plan->symbols[1];
  return 0;
}

static int64_t nonZeroRun(qcc_call *call, int64_t segment) {
  const qcc_services *s = call->services;
  if (!segment) {
    int64_t args[] = {slot(call->inputs[0]), slot(call->arena), call->symbols[0],
                      slot(&call->symbols[1])};
    return s->launch(call, call->kernels[0], args, 1, 1, 0);
  }
  int64_t args[] = {slot(call->arena), slot(call->outputs[0])};
  return s->launch(call, call->kernels[1], args, call->symbols[1], 4, 0);
}

const qcc_model_desc *nonZeroModel() {
  static const char *const dimM[] = {"m"};
  static const qcc_tensor_desc inputs[] = {{"x", QCC_I64, 1, dimN, ""}};
  static const qcc_tensor_desc outputs[] = {{"indices", QCC_I64, 1, dimM, ""}};
  static const qcc_symbol_desc symbols[] = {{"n", 0, 0, 1, 0, 0}, {"m", 0, 0, 1, -1, 0}};
  static const qcc_entry_desc entry = {
      sizeof entry, "main",  1,       1,       2,       0,       0,           0,         2, 0,
      inputs,       outputs, symbols, nullptr, nullptr, nullptr, nonZeroPlan, nonZeroRun};
  static const qcc_kernel_fn kernels[] = {findKernel, copyKernel};
  static const qcc_level_desc level = {"plain", 0, kernels, nullptr};
  static const qcc_model_desc model = describe(&entry, 1, &level, 2);
  return &model;
}

// ---- A decoder ---------------------------------------------------------------------------------

namespace {
constexpr int64_t heads = 2, width = 4, vocabulary = 3;
}

/// args: past or 0, view base, batch/head/row strides, b, p, s. One task per batch row and head.
static int64_t pastKernel(const int64_t *args, int64_t begin, int64_t end, int64_t, void *) {
  int64_t p = args[6];
  for (int64_t t = begin; t < end; ++t)
    for (int64_t j = 0; j < p; ++j)
      std::memcpy(at<float>(args[1]) + t / heads * args[2] + t % heads * args[3] + j * args[4],
                  at<const float>(args[0]) + (t * p + j) * width, width * sizeof(float));
  return 0;
}

/// Appends rows made of id, position, head and lane.
static int64_t appendKernel(const int64_t *args, int64_t begin, int64_t end, int64_t, void *) {
  int64_t p = args[6], s = args[7];
  for (int64_t t = begin; t < end; ++t)
    for (int64_t j = 0; j < s; ++j) {
      int64_t b = t / heads, h = t % heads, id = at<const int64_t>(args[8])[b * s + j];
      if (id < 0 || id > 99)
        return QCC_FAULT_INDEX;
      for (int64_t w = 0; w < width; ++w)
        at<float>(args[1])[b * args[2] + h * args[3] + (p + j) * args[4] + w] =
            float(id + args[10] * at<const int64_t>(args[9])[b * s + j] + h) / float(w + 1);
    }
  return 0;
}

/// logits[b,i,v] = sum over unmasked j <= p + i of key · value, times v + 1; of the last n of s.
static int64_t attendKernel(const int64_t *args, int64_t begin, int64_t end, int64_t,
                            void *scratch) {
  int64_t p = args[6], s = args[7], n = args[11];
  const float *key = at<const float>(args[1]), *value = at<const float>(args[8]);
  for (int64_t b = begin; b < end; ++b)
    for (int64_t i = s - n; i < s; ++i) {
      float *sum = static_cast<float *>(scratch);
      *sum = 0;
      for (int64_t j = 0; j <= p + i; ++j)
        for (int64_t h = 0; h < heads && at<const int64_t>(args[9])[b * (p + s) + j]; ++h)
          for (int64_t w = 0; w < width; ++w) {
            int64_t o = b * args[2] + h * args[3] + j * args[4] + w;
            *sum += key[o] * value[o];
          }
      for (int64_t v = 0; v < vocabulary; ++v)
        at<float>(args[10])[(b * n + i - (s - n)) * vocabulary + v] = *sum * float(v + 1);
    }
  return 0;
}

/// Input order: mask, ids, positions, key, value; dims 2 + 2 + 2 + 4 + 4.
static int64_t decoderPlan(const int64_t *d, int64_t, qcc_plan *plan) {
  int64_t b = d[2], s = d[3], p = d[8];
  const int64_t checks[][2] = {{d[0], b},      {d[1], p + s}, {d[4], b},     {d[5], s},
                               {d[6], b},      {d[7], heads}, {d[9], width}, {d[10], b},
                               {d[11], heads}, {d[12], p},    {d[13], width}};
  plan->symbols[0] = b;
  plan->symbols[1] = s;
  plan->symbols[2] = p;
  int64_t &n = plan->symbols[3];
  if (n < 1 || n > s)
    n = s;
  for (int64_t i = 0; i < 11; ++i)
    if (checks[i][0] != checks[i][1]) {
      plan->lhs = checks[i][0];
      plan->rhs = checks[i][1];
      return i + 1;
    }
  const int64_t out[] = {b, n, vocabulary, b, heads, p + s, width, b, heads, p + s, width};
  std::memcpy(plan->output_dims, out, sizeof out);
  plan->arena_bytes = b * s * 256;
  plan->scratch_bytes = 64;
  return 0;
}

static int64_t decoderRun(qcc_call *call, int64_t) {
  int64_t b = call->symbols[0], s = call->symbols[1], p = call->symbols[2], fault = 0;
  const qcc_services *services = call->services;
  for (int k = 0; k < 2 && !fault; ++k) {
    const qcc_kv_view &v = call->kv[k];
    int64_t args[] = {slot(call->inputs[3 + k]),
                      slot(v.base),
                      v.batch_stride,
                      v.head_stride,
                      v.row_stride,
                      b,
                      p,
                      s,
                      slot(call->inputs[1]),
                      slot(call->inputs[2]),
                      k + 1};
    if (!(call->flags & QCC_CALL_KV_IN_PLACE))
      fault = services->launch(call, call->kernels[0], args, b * heads, 1, 0);
    if (!fault)
      fault = services->launch(call, call->kernels[1], args, b * heads, 1, 0);
  }
  if (fault)
    return fault;
  const qcc_kv_view &v = call->kv[0];
  int64_t args[] = {0,
                    slot(v.base),
                    v.batch_stride,
                    v.head_stride,
                    v.row_stride,
                    b,
                    p,
                    s,
                    slot(call->kv[1].base),
                    slot(call->inputs[0]),
                    slot(call->outputs[0]),
                    call->symbols[3]};
  return services->launch(call, call->kernels[2], args, b, 1, 64);
}

static const char *const dimsMask[] = {"b", "p + s"};
static const char *const dimsIds[] = {"b", "s"};
static const char *const dimsPast[] = {"b", "2", "p", "4"};
static const char *const dimsPresent[] = {"b", "2", "p + s", "4"};
static const char *const dimsLogits[] = {"b", "n", "3"};

static qcc_model_desc makeDecoder(bool odd) {
  static const qcc_tensor_desc inputs[] = {{"attention_mask", QCC_I64, 2, dimsMask, "mask"},
                                           {"input_ids", QCC_I64, 2, dimsIds, "ids"},
                                           {"position_ids", QCC_I64, 2, dimsIds, "positions"},
                                           {"past_k", QCC_F32, 4, dimsPast, "past.0.key"},
                                           {"past_v", QCC_F32, 4, dimsPast, "past.0.value"},
                                           {"strange", QCC_F32, 1, dimN, ""}};
  static const qcc_tensor_desc outputs[] = {
      {"logits", QCC_F32, 3, dimsLogits, "logits"},
      {"present_k", QCC_F32, 4, dimsPresent, "present.0.key"},
      {"present_v", QCC_F32, 4, dimsPresent, "present.0.value"}};
  static const qcc_symbol_desc symbols[] = {{"b", 1, 8, 1, 1, 0},
                                            {"s", 1, INT64_MAX, 1, 1, 1},
                                            {"p", 0, INT64_MAX, 1, 3, 2},
                                            {"n", 1, INT64_MAX, 1, QCC_SYMBOL_ASKED, 1}};
  static const qcc_kv_desc kv[] = {{3, 1, 0, 0, 2}, {4, 2, 0, 1, 2}};
  static const qcc_check_desc checks[11] = {
      {"mask axis 0", "b", "/a"}, {"attention_mask axis 1", "p + s", "/attn/Add"},
      {"lhs", "rhs", "/c"},       {"lhs", "rhs", "/d"},
      {"lhs", "rhs", "/e"},       {"lhs", "rhs", "/f"},
      {"lhs", "rhs", "/g"},       {"lhs", "rhs", "/h"},
      {"lhs", "rhs", "/i"},       {"lhs", "rhs", "/j"},
      {"lhs", "rhs", "/k"}};
  static const char *const sites[] = {"/embed/Gather"};
  static const qcc_entry_desc entries[2] = {
      {sizeof(qcc_entry_desc), "main", 5, 3, 4, 2, 11, 1, 1, 0, inputs, outputs, symbols, kv,
       checks, sites, decoderPlan, decoderRun},
      {sizeof(qcc_entry_desc), "main", 6, 3, 4, 2, 11, 1, 1, 0, inputs, outputs, symbols, kv,
       checks, sites, decoderPlan, decoderRun}};
  static const qcc_kernel_fn kernels[] = {pastKernel, appendKernel, attendKernel};
  static const char *const names[] = {"past", "append", "attend"};
  static const qcc_level_desc level = {"plain", 0, kernels, names};
  return describe(&entries[odd], 1, &level, 3);
}

const qcc_model_desc *decoderModel() {
  static const qcc_model_desc model = makeDecoder(false);
  return &model;
}

const qcc_model_desc *oddDecoderModel() {
  static const qcc_model_desc model = makeDecoder(true);
  return &model;
}

// ---- Host ops ----------------------------------------------------------------------------------

static int64_t incrementKernel(const int64_t *args, int64_t begin, int64_t end, int64_t, void *) {
  for (int64_t i = begin; i < end; ++i)
    at<float>(args[1])[i] = at<const float>(args[0])[i] + 1;
  return 0;
}

static int64_t hostPlan(const int64_t *dims, int64_t, qcc_plan *plan) {
  plan->symbols[0] = plan->output_dims[0] = dims[0];
  plan->arena_bytes = 2 * 64 * dims[0];
  return 0;
}

static int64_t hostRun(qcc_call *call, int64_t) {
  int64_t n = call->symbols[0];
  uint8_t *first = call->arena, *second = call->arena + 64 * n;
  const qcc_services *s = call->services;
  const int64_t shift[] = {slot(call->inputs[0]), slot(first), n, n};
  if (int64_t fault = s->host_call(call, 0, shift))
    return fault;
  const int64_t twice[] = {slot(first), slot(second), n, n};
  if (int64_t fault = s->host_call(call, 1, twice))
    return 1 << 8 | fault;
  const int64_t args[] = {slot(second), slot(call->outputs[0])};
  return s->launch(call, call->kernels[0], args, n, 1, 0);
}

const qcc_model_desc *hostModel() {
  static const qcc_tensor_desc inputs[] = {{"x", QCC_F32, 1, dimN, ""}};
  static const qcc_tensor_desc outputs[] = {{"y", QCC_F32, 1, dimN, ""}};
  static const qcc_symbol_desc symbols[] = {{"n", 0, 0, 1, 0, 0}};
  static const uint32_t shiftTypes[] = {QCC_F32, 0, QCC_F32}, shiftRanks[] = {1, 0, 1};
  static const uint32_t twiceTypes[] = {QCC_F32, QCC_F32}, twiceRanks[] = {1, 1};
  static const qcc_host_op_desc hosts[] = {
      {"my", "Shift", "layer/shift", "{\"axis\":-1}", 2, 1, shiftTypes, shiftRanks},
      {"my", "Twice", "layer/twice", "{}", 1, 1, twiceTypes, twiceRanks}};
  static const qcc_entry_desc entry = {
      sizeof entry, "main",  1,       1,       1,       0,        0,       0, 1, 0,    inputs,
      outputs,      symbols, nullptr, nullptr, nullptr, hostPlan, hostRun, 2, 0, hosts};
  static const qcc_kernel_fn kernels[] = {incrementKernel};
  static const qcc_level_desc level = {"plain", 0, kernels, nullptr};
  static const qcc_model_desc model = describe(&entry, 1, &level, 1);
  return &model;
}

// ---- Spread ------------------------------------------------------------------------------------

static int64_t spreadKernel(const int64_t *args, int64_t begin, int64_t end, int64_t worker,
                            void *scratch) {
  int64_t *own = static_cast<int64_t *>(scratch);
  if (reinterpret_cast<uintptr_t>(scratch) % 64)
    return QCC_FAULT_ABORTED;
  // Another worker in the same scratch would be a data race and spoil the sums.
  for (int64_t i = begin; i < end; ++i) {
    own[0] = worker;
    own[1] = at<const int64_t>(args[0])[i];
    at<int64_t>(args[1])[i] = 2 * own[1] + 1;
    if (own[0] != worker)
      return QCC_FAULT_ABORTED;
  }
  return 0;
}

static int64_t spreadPlan(const int64_t *dims, int64_t, qcc_plan *plan) {
  plan->symbols[0] = plan->output_dims[0] = dims[0];
  plan->scratch_bytes = 16;
  return 0;
}

static int64_t spreadRun(qcc_call *call, int64_t) {
  int64_t args[] = {slot(call->inputs[0]), slot(call->outputs[0])};
  for (int i = 0; i < 8; ++i)
    if (int64_t fault =
            call->services->launch(call, call->kernels[0], args, call->symbols[0], 1, 16))
      return fault;
  return 0;
}

const qcc_model_desc *spreadModel() {
  static const qcc_tensor_desc inputs[] = {{"x", QCC_I64, 1, dimN, ""}};
  static const qcc_tensor_desc outputs[] = {{"y", QCC_I64, 1, dimN, ""}};
  static const qcc_symbol_desc symbols[] = {{"n", 0, 0, 1, 0, 0}};
  static const qcc_entry_desc entry = {
      sizeof entry, "main",  1,       1,       1,       0,       0,          0,        1, 0,
      inputs,       outputs, symbols, nullptr, nullptr, nullptr, spreadPlan, spreadRun};
  static const qcc_kernel_fn kernels[] = {spreadKernel};
  static const char *const names[] = {"spread"};
  static const qcc_level_desc level = {"plain", 0, kernels, names};
  static const qcc_model_desc model = describe(&entry, 1, &level, 1);
  return &model;
}

// ---- Batches -----------------------------------------------------------------------------------

std::atomic<int64_t> batchRuns{0}, batchLargest{0};

static int64_t batchShift(const int64_t *args, int64_t begin, int64_t end, int64_t, void *) {
  for (int64_t i = begin; i < end; ++i) {
    int64_t x = at<const int64_t>(args[0])[i];
    if (x < 0)
      return QCC_FAULT_INDEX;
    at<int64_t>(args[2])[i] = x + at<const int64_t>(args[1])[i % args[3]];
  }
  return 0;
}

static int64_t batchTwice(const int64_t *args, int64_t begin, int64_t end, int64_t, void *) {
  for (int64_t i = begin; i < end; ++i)
    at<int64_t>(args[1])[i] = 2 * at<const int64_t>(args[0])[i];
  return 0;
}

static int64_t batchPlan(const int64_t *dims, int64_t, qcc_plan *plan) {
  plan->symbols[0] = plan->output_dims[0] = dims[0];
  plan->symbols[1] = plan->output_dims[1] = dims[1];
  plan->arena_bytes = dims[0] << 20;
  plan->scratch_bytes = 64;
  return 0;
}

static int64_t batchRun(qcc_call *call, int64_t) {
  int64_t batch = call->symbols[0], elements = batch * call->symbols[1];
  int64_t shift[] = {slot(call->inputs[0]), slot(call->inputs[1]), slot(call->arena),
                     call->symbols[1]};
  int64_t twice[] = {slot(call->arena), slot(call->outputs[0])};
  ++batchRuns;
  for (int64_t seen = batchLargest;
       seen < batch && !batchLargest.compare_exchange_weak(seen, batch);)
    ;
  const qcc_services *services = call->services;
  if (int64_t fault = services->launch(call, call->kernels[0], shift, elements, 1, 64))
    return fault;
  return services->launch(call, call->kernels[1], twice, elements, 1, 64);
}

const qcc_model_desc *batchModel() {
  static const char *const rows[] = {"b", "s"}, *const columns[] = {"s"};
  static const qcc_tensor_desc inputs[] = {{"x", QCC_I64, 2, rows, ""},
                                           {"shift", QCC_I64, 1, columns, ""}};
  static const qcc_tensor_desc outputs[] = {{"y", QCC_I64, 2, rows, ""}};
  static const qcc_symbol_desc symbols[] = {{"b", 0, 0, 1, 0, 0}, {"s", 0, 0, 1, 0, 1}};
  static const char *const sites[] = {"/shift/Add"};
  static const qcc_entry_desc entry = {
      sizeof entry, "main",  2,       1,       2,       0,     0,         1,       1, 1,
      inputs,       outputs, symbols, nullptr, nullptr, sites, batchPlan, batchRun};
  static const qcc_kernel_fn kernels[] = {batchShift, batchTwice};
  static const char *const names[] = {"shift", "twice"};
  static const qcc_level_desc level = {"plain", 0, kernels, names};
  static const qcc_model_desc model = describe(&entry, 1, &level, 2);
  return &model;
}
