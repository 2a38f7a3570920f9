/* Statuses, their texts, and the structs that carry their own size. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *qcc_status_name(qcc_status status) {
  static const char *const names[] = {"ok",
                                      "io",
                                      "not_a_model",
                                      "abi",
                                      "cpu_feature",
                                      "out_of_memory",
                                      "invalid_argument",
                                      "shape",
                                      "index",
                                      "capacity",
                                      "dtype",
                                      "busy",
                                      "unsupported",
                                      "divide",
                                      "internal",
                                      "host_op",
                                      "device"};
  size_t number = (size_t)status;
  return number < sizeof names / sizeof *names ? names[number] : "unknown";
}

static const struct {
  const char *name;
  size_t size;
} dtypes[] = {
    [QCC_F32] = {"f32", 4},
    [QCC_U8] = {"u8", 1},
    [QCC_I8] = {"i8", 1},
    [QCC_U16] = {"u16", 2},
    [QCC_I16] = {"i16", 2},
    [QCC_I32] = {"i32", 4},
    [QCC_I64] = {"i64", 8},
    [QCC_BOOL] = {"bool", 1},
    [QCC_F16] = {"f16", 2},
    [QCC_F64] = {"f64", 8},
    [QCC_U32] = {"u32", 4},
    [QCC_U64] = {"u64", 8},
    [QCC_BF16] = {"bf16", 2},
    [QCC_F8E4M3FN] = {"f8e4m3fn", 1},
    [QCC_F8E4M3FNUZ] = {"f8e4m3fnuz", 1},
    [QCC_F8E5M2] = {"f8e5m2", 1},
    [QCC_F8E5M2FNUZ] = {"f8e5m2fnuz", 1},
    [QCC_F8E8M0] = {"f8e8m0", 1},
};

const char *qcc_dtype_name(qcc_dtype dtype) {
  size_t number = (size_t)dtype;
  return number < sizeof dtypes / sizeof *dtypes ? dtypes[number].name : NULL;
}

size_t qcc_dtype_size(qcc_dtype dtype) {
  size_t number = (size_t)dtype;
  return number < sizeof dtypes / sizeof *dtypes ? dtypes[number].size : 0;
}

const char *qcc_runtime_version(void) { return QCC_RUNTIME_VERSION; }

qcc_status qcc_fail(qcc_error *err, qcc_status code, const char *format, ...) {
  if (err) {
    va_list args;
    va_start(args, format);
    err->code = code;
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
  }
  return code;
}

qcc_status qcc_succeed(qcc_error *err) {
  if (err) {
    err->code = QCC_OK;
    err->message[0] = '\0';
  }
  return QCC_OK;
}

qcc_status qcc_read_options(void *known, size_t known_size, const void *given, const char *what,
                            qcc_error *err) {
  uint64_t given_size;
  const uint8_t *bytes = given;
  if (!given)
    return QCC_OK;
  memcpy(&given_size, given, sizeof given_size);
  if (given_size < sizeof given_size || given_size > 4096)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%s.struct_size is %llu; set it to sizeof(%s)",
                    what, (unsigned long long)given_size, what);
  for (uint64_t i = known_size; i < given_size; ++i)
    if (bytes[i])
      return qcc_fail(err, QCC_ERR_UNSUPPORTED,
                      "%s sets a field at byte %llu that this library (%zu bytes) does not know",
                      what, (unsigned long long)i, known_size);
  memcpy(known, given, given_size < known_size ? (size_t)given_size : known_size);
  return QCC_OK;
}

qcc_status qcc_write_info(void *to, const void *info, size_t size, qcc_error *err) {
  uint64_t wanted;
  if (!to)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "info is null");
  memcpy(&wanted, to, sizeof wanted);
  if (wanted < sizeof wanted || wanted > 4096)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "struct_size of the info is %llu; set it first",
                    (unsigned long long)wanted);
  if (wanted > size)
    wanted = size;
  memcpy((uint8_t *)to + sizeof wanted, (const uint8_t *)info + sizeof wanted,
         (size_t)wanted - sizeof wanted);
  return qcc_succeed(err);
}
