/* The driver's library, devices, and what is wrong with them. */
#include "gpu.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum {
  ATTRIBUTE_MULTIPROCESSORS = 16,
  ATTRIBUTE_MAJOR = 75,
  ATTRIBUTE_MINOR = 76,
  OUT_OF_MEMORY = 2,
  UNSUPPORTED_PTX = 222,
  OLDEST_DRIVER = 12070, /* the first that reads PTX 8.6 */
  OLDEST_MAJOR = 8
};

/* ---- Errors ---------------------------------------------------------------------------------- */

/* After these a context answers everything with the same error. */
static bool loses_context(cuda_result result) {
  return result == 700 || result == 702 || (result >= 714 && result <= 719);
}

/* What the driver calls an error, and says of it. */
static void name_error(const qcc_gpu *gpu, cuda_result result, const char **name,
                       const char **text) {
  if (gpu->cuda.cuGetErrorName(result, name) || !*name)
    *name = "an unknown error";
  if (gpu->cuda.cuGetErrorString(result, text) || !*text)
    *text = "";
}

qcc_status qcc_gpu_check(const qcc_gpu *gpu, cuda_result result, const char *doing,
                         qcc_error *err) {
  const char *name = NULL, *text = NULL;
  size_t free_bytes = 0, total = 0;
  if (!result)
    return QCC_OK;
  name_error(gpu, result, &name, &text);
  if (result == OUT_OF_MEMORY) {
    gpu->cuda.cuMemGetInfo_v2(&free_bytes, &total);
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY,
                    "GPU %u (%s) has no memory to %s: %zu of %zu MB are free", gpu->index,
                    gpu->name, doing, free_bytes >> 20, total >> 20);
  }
  if (result == UNSUPPORTED_PTX)
    return qcc_fail(err, QCC_ERR_DEVICE,
                    "GPU %u (%s) cannot %s: the driver does not know the version of PTX; it needs "
                    "CUDA %d.%d or later",
                    gpu->index, gpu->name, doing, OLDEST_DRIVER / 1000, OLDEST_DRIVER % 1000 / 10);
  return qcc_fail(
      err, QCC_ERR_DEVICE, "GPU %u (%s) cannot %s: %s (%d) %s%s", gpu->index, gpu->name, doing,
      name, result, text,
      loses_context(result) ? "; the process cannot use this GPU any more, start it again" : "");
}

/* ---- Loading --------------------------------------------------------------------------------- */

static qcc_status load_library(qcc_gpu *gpu, qcc_error *err) {
  static const struct {
    const char *name;
    size_t offset;
  } functions[] = {
#define ENTRY(name, arguments) {#name, offsetof(qcc_cuda, name)},
      QCC_CUDA_FUNCTIONS(ENTRY)
#undef ENTRY
  };
  /* It has threads of its own, and stays. */
  gpu->library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!gpu->library) {
    const char *why = dlerror();
    return qcc_fail(err, QCC_ERR_DEVICE,
                    "no GPU can be used: NVIDIA's driver library cannot be loaded (%s)",
                    why ? why : "libcuda.so.1");
  }
  for (size_t i = 0; i < sizeof functions / sizeof *functions; ++i) {
    void *symbol = dlsym(gpu->library, functions[i].name);
    if (!symbol)
      return qcc_fail(err, QCC_ERR_DEVICE,
                      "no GPU can be used: the driver has no %s; it needs CUDA %d.%d or later",
                      functions[i].name, OLDEST_DRIVER / 1000, OLDEST_DRIVER % 1000 / 10);
    memcpy((uint8_t *)&gpu->cuda + functions[i].offset, &symbol, sizeof symbol);
  }
  return QCC_OK;
}

/* Errors before a device is known. */
static qcc_status check_driver(const qcc_gpu *gpu, cuda_result result, qcc_error *err) {
  const char *name = NULL, *text = NULL;
  if (!result)
    return QCC_OK;
  name_error(gpu, result, &name, &text);
  return qcc_fail(err, QCC_ERR_DEVICE, "no GPU can be used: the driver says %s (%d) %s", name,
                  result, text);
}

static qcc_status find_device(qcc_gpu *gpu, qcc_error *err) {
  int count = 0;
  qcc_status status = check_driver(gpu, gpu->cuda.cuInit(0), err);
  if (!status)
    status = check_driver(gpu, gpu->cuda.cuDriverGetVersion(&gpu->driver_version), err);
  if (!status && gpu->driver_version < OLDEST_DRIVER)
    status =
        qcc_fail(err, QCC_ERR_DEVICE,
                 "no GPU can be used: the driver is of CUDA %d.%d, and %d.%d or later is needed",
                 gpu->driver_version / 1000, gpu->driver_version % 1000 / 10, OLDEST_DRIVER / 1000,
                 OLDEST_DRIVER % 1000 / 10);
  if (!status)
    status = check_driver(gpu, gpu->cuda.cuDeviceGetCount(&count), err);
  if (!status && gpu->index >= (uint32_t)count)
    status =
        qcc_fail(err, QCC_ERR_DEVICE, "GPU %u asked for, the driver has %d", gpu->index, count);
  if (!status)
    status = check_driver(gpu, gpu->cuda.cuDeviceGet(&gpu->device, (int)gpu->index), err);
  return status;
}

static qcc_status query_device(qcc_gpu *gpu, qcc_error *err) {
  const struct {
    int attribute;
    int *value;
  } attributes[] = {{ATTRIBUTE_MAJOR, &gpu->major},
                    {ATTRIBUTE_MINOR, &gpu->minor},
                    {ATTRIBUTE_MULTIPROCESSORS, &gpu->multiprocessors}};
  const char *doing = "say what it is";
  size_t bytes = 0;
  qcc_status status = qcc_gpu_check(
      gpu, gpu->cuda.cuDeviceGetName(gpu->name, (int)sizeof gpu->name - 1, gpu->device), doing,
      err);
  for (size_t i = 0; !status && i < sizeof attributes / sizeof *attributes; ++i)
    status = qcc_gpu_check(
        gpu,
        gpu->cuda.cuDeviceGetAttribute(attributes[i].value, attributes[i].attribute, gpu->device),
        doing, err);
  if (!status)
    status = qcc_gpu_check(gpu, gpu->cuda.cuDeviceTotalMem_v2(&bytes, gpu->device), doing, err);
  gpu->memory_bytes = bytes;
  if (!status && gpu->major < OLDEST_MAJOR)
    status = qcc_fail(err, QCC_ERR_DEVICE,
                      "GPU %u (%s) has compute capability %d.%d, and %d.0 or later is needed",
                      gpu->index, gpu->name, gpu->major, gpu->minor, OLDEST_MAJOR);
  return status;
}

/* ---- Handles --------------------------------------------------------------------------------- */

qcc_status qcc_gpu_open(uint32_t index, qcc_gpu **gpu, qcc_error *err) {
  qcc_gpu *made;
  qcc_status status;
  if (!gpu)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "gpu is null");
  made = calloc(1, sizeof *made);
  if (!made)
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a GPU's handle");
  made->references = 1;
  made->index = index;
  status = load_library(made, err);
  if (!status)
    status = find_device(made, err);
  if (!status)
    status = query_device(made, err);
  if (!status)
    status = qcc_gpu_check(made, made->cuda.cuDevicePrimaryCtxRetain(&made->context, made->device),
                           "be opened", err);
  if (status) {
    qcc_gpu_close(made);
    return status;
  }
  *gpu = made;
  return qcc_succeed(err);
}

void qcc_gpu_retain(qcc_gpu *gpu) { __atomic_fetch_add(&gpu->references, 1, __ATOMIC_RELAXED); }

void qcc_gpu_close(qcc_gpu *gpu) {
  if (!gpu || __atomic_sub_fetch(&gpu->references, 1, __ATOMIC_ACQ_REL) != 0)
    return;
  if (gpu->context)
    gpu->cuda.cuDevicePrimaryCtxRelease_v2(gpu->device);
  if (gpu->library)
    dlclose(gpu->library);
  free(gpu);
}

qcc_status qcc_gpu_get_info(const qcc_gpu *gpu, qcc_gpu_info *info, qcc_error *err) {
  qcc_gpu_info i = {sizeof i, NULL, 0, 0, 0, 0, 0, 0, 0};
  if (!gpu)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "gpu is null");
  i.name = gpu->name;
  i.index = gpu->index;
  i.major = (uint32_t)gpu->major;
  i.minor = (uint32_t)gpu->minor;
  i.multiprocessors = (uint32_t)gpu->multiprocessors;
  i.driver_version = (uint32_t)gpu->driver_version;
  i.memory_bytes = gpu->memory_bytes;
  return qcc_write_info(info, &i, sizeof i, err);
}

qcc_status qcc_gpu_enter(qcc_gpu *gpu, qcc_error *err) {
  return qcc_gpu_check(gpu, gpu->cuda.cuCtxPushCurrent_v2(gpu->context), "be used", err);
}

void qcc_gpu_leave(qcc_gpu *gpu) {
  void *popped;
  gpu->cuda.cuCtxPopCurrent_v2(&popped);
}
