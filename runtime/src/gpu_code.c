/* A model's code and weights on a GPU. */
#include "gpu.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  JIT_ERROR_LOG = 5,
  JIT_ERROR_LOG_BYTES = 6,
  FUNCTION_DYNAMIC_SHARED_BYTES = 8,
  STREAM_NON_BLOCKING = 1
};

/* ---- The tables of a descriptor -------------------------------------------------------------- */

uint32_t qcc_gpu_code_count(const qcc_model_desc *desc) {
  size_t needed = offsetof(qcc_model_desc, gpu_codes) + sizeof desc->gpu_codes;
  return desc->abi_minor >= QCC_ABI_MINOR_GPU && desc->struct_size >= needed ? desc->n_gpu_codes
                                                                             : 0;
}

const qcc_gpu_code_desc *qcc_gpu_code_at(const qcc_model_desc *desc, uint32_t index) {
  return (const qcc_gpu_code_desc *)((const uint8_t *)desc->gpu_codes +
                                     index * (size_t)desc->gpu_codes->struct_size);
}

const qcc_gpu_kernel_desc *qcc_gpu_kernel_at(const qcc_gpu_code_desc *code, uint32_t index) {
  return (const qcc_gpu_kernel_desc *)((const uint8_t *)code->kernels +
                                       index * (size_t)code->kernel_size);
}

static uint64_t record_bytes(const qcc_gpu_kernel_desc *kernel) {
  uint64_t bytes = sizeof(qcc_gpu_launch) + (uint64_t)kernel->slots * sizeof(int64_t);
  return (bytes + QCC_GPU_ALIGNMENT - 1) / QCC_GPU_ALIGNMENT * QCC_GPU_ALIGNMENT;
}

static bool valid_kernel(const qcc_gpu_kernel_desc *kernel) {
  return kernel->name && kernel->block_threads && kernel->block_threads <= 1024 &&
         kernel->block_workers && kernel->block_workers <= kernel->block_threads &&
         record_bytes(kernel) <= QCC_GPU_RECORD_BYTES && kernel->frame_bytes <= UINT32_MAX;
}

qcc_status qcc_validate_gpu_codes(const qcc_model_desc *desc, qcc_error *err) {
  uint32_t count = qcc_gpu_code_count(desc);
  bool good =
      !count || (desc->gpu_codes && desc->gpu_codes->struct_size >= sizeof *desc->gpu_codes);
  for (uint32_t i = 0; good && i < count; ++i) {
    const qcc_gpu_code_desc *code = qcc_gpu_code_at(desc, i);
    good = code->struct_size == desc->gpu_codes->struct_size && code->name && code->ptx &&
           !code->ptx[code->ptx_bytes] && (code->kernels || !desc->n_kernels) &&
           code->kernel_size >= sizeof *code->kernels;
    for (uint32_t k = 0; good && k < desc->n_kernels; ++k)
      good = valid_kernel(qcc_gpu_kernel_at(code, k));
  }
  return good ? QCC_OK
              : qcc_fail(err, QCC_ERR_NOT_A_MODEL, "malformed model: its tables of code for GPUs");
}

static qcc_status code_at(const qcc_model *model, uint32_t index, const qcc_gpu_code_desc **code,
                          qcc_error *err) {
  if (!model)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "model is null");
  if (index >= qcc_gpu_code_count(model->desc))
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "code %u for GPUs asked for, there are %u",
                    index, qcc_gpu_code_count(model->desc));
  *code = qcc_gpu_code_at(model->desc, index);
  return QCC_OK;
}

qcc_status qcc_model_gpu_code(const qcc_model *model, uint32_t index, qcc_gpu_code_info *info,
                              qcc_error *err) {
  qcc_gpu_code_info i = {sizeof i, NULL, 0, 0, 0, 0, NULL, 0};
  const qcc_gpu_code_desc *code;
  qcc_status status = code_at(model, index, &code, err);
  if (status)
    return status;
  i.name = code->name;
  i.major = code->major;
  i.minor = code->minor;
  i.exact = code->exact;
  i.ptx = code->ptx;
  i.ptx_bytes = code->ptx_bytes;
  return qcc_write_info(info, &i, sizeof i, err);
}

qcc_status qcc_model_gpu_kernel(const qcc_model *model, uint32_t code, uint32_t index,
                                qcc_gpu_kernel_info *info, qcc_error *err) {
  qcc_gpu_kernel_info i = {sizeof i, NULL, 0, 0};
  const qcc_gpu_code_desc *desc;
  const qcc_gpu_kernel_desc *kernel;
  qcc_status status = code_at(model, code, &desc, err);
  if (status)
    return status;
  if (index >= model->desc->n_kernels)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "kernel %u asked for, there are %u", index,
                    model->desc->n_kernels);
  kernel = qcc_gpu_kernel_at(desc, index);
  i.name = kernel->name;
  i.block_threads = kernel->block_threads;
  i.shared_bytes = kernel->static_shared_bytes + kernel->dynamic_shared_bytes;
  return qcc_write_info(info, &i, sizeof i, err);
}

/* ---- Loading --------------------------------------------------------------------------------- */

static bool runs_on(const qcc_gpu_code_desc *code, const qcc_gpu *gpu) {
  uint32_t has = (uint32_t)gpu->major * 10 + (uint32_t)gpu->minor;
  uint32_t wants = code->major * 10 + code->minor;
  return code->exact ? has == wants : has >= wants;
}

static qcc_status choose(const qcc_model_desc *desc, const qcc_gpu *gpu,
                         const qcc_gpu_code_desc **code, qcc_error *err) {
  uint32_t count = qcc_gpu_code_count(desc);
  for (uint32_t i = 0; i < count; ++i) {
    *code = qcc_gpu_code_at(desc, i);
    if (runs_on(*code, gpu))
      return QCC_OK;
  }
  if (!count)
    return qcc_fail(err, QCC_ERR_UNSUPPORTED,
                    "the model has no code for GPUs; compile it for one too, as with "
                    "--target=native,nvptx-sm_80");
  return qcc_fail(err, QCC_ERR_DEVICE,
                  "GPU %u (%s) has compute capability %d.%d, for which the model has no code; its "
                  "last is %s",
                  gpu->index, gpu->name, gpu->major, gpu->minor, (*code)->name);
}

/* The driver compiles the text, and says in its log what it does not like. */
static qcc_status load_module(qcc_gpu_code *code, qcc_error *err) {
  char log[320] = "";
  int options[] = {JIT_ERROR_LOG, JIT_ERROR_LOG_BYTES};
  void *values[] = {log, (void *)(uintptr_t)(sizeof log - 1)};
  char doing[sizeof log + 64];
  cuda_result result =
      code->gpu->cuda.cuModuleLoadDataEx(&code->module, code->desc->ptx, 2, options, values);
  if (!result)
    return QCC_OK;
  code->module = NULL;
  log[sizeof log - 1] = '\0';
  snprintf(doing, sizeof doing, "load the code %.32s%s%s", code->desc->name, log[0] ? ": " : "",
           log);
  return qcc_gpu_check(code->gpu, result, doing, err);
}

static qcc_status load_kernel(qcc_gpu_code *code, uint32_t index, qcc_error *err) {
  const qcc_cuda *cuda = &code->gpu->cuda;
  qcc_gpu_kernel *kernel = &code->kernels[index];
  const qcc_gpu_kernel_desc *desc = qcc_gpu_kernel_at(code->desc, index);
  int blocks = 0;
  cuda_result result;
  kernel->desc = desc;
  kernel->record_bytes = (uint32_t)record_bytes(desc);
  result = cuda->cuModuleGetFunction(&kernel->function, code->module, desc->name);
  if (!result && desc->dynamic_shared_bytes)
    result = cuda->cuFuncSetAttribute(kernel->function, FUNCTION_DYNAMIC_SHARED_BYTES,
                                      (int)desc->dynamic_shared_bytes);
  if (!result)
    result = cuda->cuOccupancyMaxActiveBlocksPerMultiprocessor(
        &blocks, kernel->function, (int)desc->block_threads, desc->dynamic_shared_bytes);
  if (result)
    return qcc_gpu_check(code->gpu, result, "prepare a kernel", err);
  if (blocks < 1)
    return qcc_fail(err, QCC_ERR_DEVICE, "GPU %u (%s) has no room for a block of kernel %s",
                    code->gpu->index, code->gpu->name, desc->name);
  kernel->blocks = (uint32_t)blocks * (uint32_t)code->gpu->multiprocessors;
  if ((uint64_t)kernel->blocks * desc->block_workers > code->workers)
    code->workers = (uint64_t)kernel->blocks * desc->block_workers;
  if (desc->block_workers > code->block_workers)
    code->block_workers = desc->block_workers;
  if (desc->frame_bytes > code->frame_bytes)
    code->frame_bytes = desc->frame_bytes;
  return QCC_OK;
}

static qcc_status upload_weights(const qcc_model *model, qcc_gpu_code *code, qcc_error *err) {
  const qcc_cuda *cuda = &code->gpu->cuda;
  size_t bytes = (size_t)model->desc->weights_bytes;
  void *stream = NULL;
  cuda_result result;
  if (!bytes)
    return QCC_OK;
  result = cuda->cuMemAlloc_v2(&code->weights, bytes);
  if (!result)
    result = cuda->cuStreamCreate(&stream, STREAM_NON_BLOCKING);
  if (!result)
    result = cuda->cuMemcpyHtoDAsync_v2(code->weights, model->weights, bytes, stream);
  if (!result)
    result = cuda->cuStreamSynchronize(stream);
  if (stream)
    cuda->cuStreamDestroy_v2(stream);
  return qcc_gpu_check(code->gpu, result, "take the model's weights", err);
}

/* In the GPU's context. */
static void unload(qcc_gpu_code *code) {
  const qcc_cuda *cuda = &code->gpu->cuda;
  if (code->weights)
    cuda->cuMemFree_v2(code->weights);
  if (code->module)
    cuda->cuModuleUnload(code->module);
}

static void free_code(qcc_gpu_code *code) {
  qcc_gpu_close(code->gpu);
  free(code->kernels);
  free(code->numbers);
  free(code);
}

static qcc_status load(const qcc_model *model, qcc_gpu_code *code, qcc_error *err) {
  uint32_t count = model->desc->n_kernels;
  qcc_status status;
  code->kernels = calloc(count + 1u, sizeof *code->kernels);
  code->numbers = calloc(count + 1u, sizeof *code->numbers);
  if (!code->kernels || !code->numbers)
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a table of %u kernels", count);
  status = load_module(code, err);
  for (uint32_t i = 0; !status && i < count; ++i) {
    code->numbers[i] = (qcc_kernel_fn)(uintptr_t)i;
    status = load_kernel(code, i, err);
  }
  return status ? status : upload_weights(model, code, err);
}

static qcc_status make_code(const qcc_model *model, qcc_gpu *gpu, qcc_gpu_code **code,
                            qcc_error *err) {
  const qcc_gpu_code_desc *desc;
  qcc_gpu_code *made;
  qcc_status status = choose(model->desc, gpu, &desc, err);
  if (status)
    return status;
  made = calloc(1, sizeof *made);
  if (!made)
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a table of kernels");
  qcc_gpu_retain(gpu);
  made->gpu = gpu;
  made->desc = desc;
  status = load(model, made, err);
  if (status) {
    unload(made);
    free_code(made);
    return status;
  }
  *code = made;
  return QCC_OK;
}

qcc_status qcc_model_on_gpu(qcc_model *model, qcc_gpu *gpu, qcc_gpu_code **code, qcc_error *err) {
  qcc_status status = QCC_OK;
  pthread_mutex_lock(&model->gpu_lock);
  for (*code = model->gpu_codes; *code && (*code)->gpu->index != gpu->index;)
    *code = (*code)->next;
  if (!*code) {
    status = make_code(model, gpu, code, err);
    if (!status) {
      (*code)->next = model->gpu_codes;
      model->gpu_codes = *code;
    }
  }
  pthread_mutex_unlock(&model->gpu_lock);
  return status;
}

void qcc_model_free_gpu_codes(qcc_model *model) {
  while (model->gpu_codes) {
    qcc_gpu_code *code = model->gpu_codes;
    model->gpu_codes = code->next;
    /* A context that cannot be entered is lost, and with it what is in it. */
    if (!qcc_gpu_enter(code->gpu, NULL)) {
      unload(code);
      qcc_gpu_leave(code->gpu);
    }
    free_code(code);
  }
}
