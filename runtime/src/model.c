/* Loading a compiled model: file, descriptor, feature level, weights. */
#include "internal.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The descriptor -------------------------------------------------------------------------- */

const qcc_entry_desc *qcc_entry_at(const qcc_model_desc *desc, uint32_t index) {
  if (index >= desc->n_entries)
    return NULL;
  return (const qcc_entry_desc *)((const uint8_t *)desc->entries +
                                  index * (size_t)desc->entries->struct_size);
}

static qcc_status malformed(qcc_error *err, const char *entry, const char *what, uint32_t index) {
  return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "malformed model: entry \"%s\", %s %u", entry, what,
                  index);
}

static bool valid_tensors(const qcc_tensor_desc *tensors, uint32_t count, uint32_t *bad) {
  for (*bad = 0; *bad < count; ++*bad) {
    const qcc_tensor_desc *t = &tensors[*bad];
    if (!t->name || !t->role || !qcc_dtype_size((qcc_dtype)t->dtype) || t->rank > 64 ||
        (t->rank && !t->dims))
      return false;
    for (uint32_t axis = 0; axis < t->rank; ++axis)
      if (!t->dims[axis])
        return false;
  }
  return true;
}

/* `stride` is the size that the first entry states. */
static qcc_status validate_entry(const qcc_entry_desc *e, uint64_t stride, qcc_error *err) {
  uint32_t bad;
  if (e->struct_size != stride)
    return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "malformed model: entries of %llu and %llu bytes",
                    (unsigned long long)stride, (unsigned long long)e->struct_size);
  if (!e->name || !e->plan || !e->run || !e->n_segments || (e->n_inputs && !e->inputs) ||
      (e->n_outputs && !e->outputs) || (e->n_symbols && !e->symbols) || (e->n_kv && !e->kv) ||
      (e->n_checks && !e->checks) || (e->n_sites && !e->sites))
    return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "malformed model: entry \"%s\" lacks a table",
                    e->name ? e->name : "");
  if (!valid_tensors(e->inputs, e->n_inputs, &bad))
    return malformed(err, e->name, "input", bad);
  if (!valid_tensors(e->outputs, e->n_outputs, &bad))
    return malformed(err, e->name, "output", bad);
  for (uint32_t i = 0; i < e->n_symbols; ++i) {
    const qcc_symbol_desc *s = &e->symbols[i];
    if (!s->name || s->input < QCC_SYMBOL_ASKED ||
        (s->input == QCC_SYMBOL_ASKED && (s->axis < 0 || (uint32_t)s->axis >= i)) ||
        (s->input >= 0 && ((uint32_t)s->input >= e->n_inputs || s->axis < 0 ||
                           (uint32_t)s->axis >= e->inputs[s->input].rank)))
      return malformed(err, e->name, "symbol", i);
  }
  if (e->slice_symbol > e->n_symbols ||
      (e->slice_symbol && e->symbols[e->slice_symbol - 1].input < 0))
    return malformed(err, e->name, "slice symbol", e->slice_symbol - 1);
  for (uint32_t i = 0; i < e->n_kv; ++i) {
    const qcc_kv_desc *k = &e->kv[i];
    if (k->input >= e->n_inputs || k->output >= e->n_outputs || e->inputs[k->input].rank != 4 ||
        e->outputs[k->output].rank != 4 || e->inputs[k->input].dtype != e->outputs[k->output].dtype)
      return malformed(err, e->name, "cache tensor", i);
  }
  if (!qcc_gpu_valid_accesses(e))
    return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "malformed model: entry \"%s\", what launches touch",
                    e->name);
  return qcc_validate_host_ops(e, err);
}

qcc_status qcc_validate_desc(const qcc_model_desc *desc, qcc_error *err) {
  if (!desc || desc->magic != QCC_MODEL_MAGIC)
    return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "no model descriptor: magic is %016llx, not %016llx",
                    (unsigned long long)(desc ? desc->magic : 0),
                    (unsigned long long)QCC_MODEL_MAGIC);
  if (desc->abi_major != QCC_ABI_MAJOR || desc->abi_minor > QCC_ABI_MINOR)
    return qcc_fail(err, QCC_ERR_ABI,
                    "the model has binary interface %u.%u, this runtime loads %d.0 to %d.%d; %s",
                    desc->abi_major, desc->abi_minor, QCC_ABI_MAJOR, QCC_ABI_MAJOR, QCC_ABI_MINOR,
                    desc->abi_major < QCC_ABI_MAJOR ? "recompile the model" : "update the runtime");
  if (desc->arch != qcc_this_arch())
    return qcc_fail(err, QCC_ERR_ABI, "the model is for %s, this machine is %s",
                    desc->arch == QCC_ARCH_X86_64    ? "x86-64"
                    : desc->arch == QCC_ARCH_AARCH64 ? "AArch64"
                                                     : "an unknown architecture",
                    qcc_this_arch() == QCC_ARCH_X86_64 ? "x86-64" : "AArch64");
  if (desc->struct_size < offsetof(qcc_model_desc, n_gpu_codes) || !desc->name ||
      !desc->n_entries || !desc->entries ||
      desc->entries->struct_size < offsetof(qcc_entry_desc, n_host_ops) ||
      (desc->n_levels ? !desc->levels : !qcc_gpu_code_count(desc)) ||
      (desc->manifest_bytes && !desc->manifest))
    return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "malformed model descriptor");
  for (uint32_t i = 0; i < desc->n_levels; ++i) {
    const qcc_level_desc *level = &desc->levels[i];
    if (!level->name || (desc->n_kernels && !level->kernels))
      return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "malformed model: level %u", i);
    for (uint32_t k = 0; k < desc->n_kernels; ++k)
      if (!level->kernels[k])
        return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "malformed model: level \"%s\" lacks kernel %u",
                        level->name, k);
  }
  for (uint32_t i = 0; i < desc->n_entries; ++i) {
    qcc_status status = validate_entry(qcc_entry_at(desc, i), desc->entries->struct_size, err);
    if (status)
      return status;
  }
  return qcc_validate_gpu_codes(desc, err);
}

/* ---- The feature level ----------------------------------------------------------------------- */

static void name_features(uint64_t features, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (uint32_t bit = 0; bit < 64 && used < size; ++bit) {
    const char *name = qcc_feature_name(bit);
    if (!(features >> bit & 1))
      continue;
    if (name)
      used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
    else
      used += (size_t)snprintf(text + used, size - used, "%sfeature %u", used ? ", " : "", bit);
  }
}

/* AMX is asked of the kernel only when a level under consideration wants it: the permission
 * enlarges every later signal frame of the process. */
static uint64_t features_for(uint64_t wanted) {
  const uint64_t amx = UINT64_C(1) << QCC_FEATURE_AMX_INT8 | UINT64_C(1) << QCC_FEATURE_AMX_BF16;
  return qcc_cpu_features((wanted & amx) != 0);
}

static qcc_status choose_level(qcc_model *model, const char *forced, qcc_error *err) {
  const qcc_model_desc *desc = model->desc;
  const qcc_level_desc *last = NULL;
  uint64_t wanted = 0, present;
  char missing[200];
  if (!desc->n_levels && !forced)
    return QCC_OK;
  if (!desc->n_levels)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT,
                    "the model has no level \"%s\": its code is for GPUs alone", forced);
  for (uint32_t i = 0; i < desc->n_levels; ++i)
    if (!forced || !strcmp(forced, desc->levels[i].name)) {
      last = &desc->levels[i];
      wanted |= last->features;
    }
  if (!last)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT,
                    "the model has no level \"%s\"; its best is \"%s\"", forced,
                    desc->levels[0].name);
  present = features_for(wanted);
  for (uint32_t i = 0; i < desc->n_levels; ++i) {
    const qcc_level_desc *level = &desc->levels[i];
    if ((forced && strcmp(forced, level->name)) || (level->features & ~present))
      continue;
    model->level = level;
    model->level_index = i;
    return QCC_OK;
  }
  name_features(last->features & ~present, missing, sizeof missing);
  return qcc_fail(err, QCC_ERR_CPU_FEATURE, "this machine lacks %s, which level \"%s\" needs",
                  missing, last->name);
}

/* ---- Weights --------------------------------------------------------------------------------- */

static qcc_status map_sidecar(qcc_model *model, const char *path, qcc_error *err) {
  struct stat info;
  void *data;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return qcc_fail(err, QCC_ERR_IO, "cannot open the weights \"%s\": %s", path, strerror(errno));
  if (fstat(file, &info) || (uint64_t)info.st_size != model->desc->weights_bytes) {
    close(file);
    return qcc_fail(err, QCC_ERR_IO, "weights \"%s\" have %lld bytes, the model needs %llu", path,
                    (long long)info.st_size, (unsigned long long)model->desc->weights_bytes);
  }
  data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (data == MAP_FAILED)
    return qcc_fail(err, QCC_ERR_IO, "cannot map the weights \"%s\": %s", path, strerror(errno));
  model->mapped = data;
  model->mapped_bytes = (size_t)info.st_size;
  model->weights = data;
  return QCC_OK;
}

static qcc_status find_weights(qcc_model *model, const char *model_path, const qcc_model_options *o,
                               qcc_error *err) {
  const qcc_model_desc *desc = model->desc;
  char path[PATH_MAX];
  const char *slash = strrchr(model_path, '/');
  int folder = slash ? (int)(slash - model_path) + 1 : 0;
  model->weights = desc->weights;
  if (desc->weights || !desc->weights_bytes)
    return QCC_OK;
  if (o->weights_path)
    return map_sidecar(model, o->weights_path, err);
  if (!desc->sidecar || !*desc->sidecar || strchr(desc->sidecar, '/'))
    return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "malformed model: \"%s\" is no name for a sidecar",
                    desc->sidecar ? desc->sidecar : "");
  if (snprintf(path, sizeof path, "%.*s%s", folder, model_path, desc->sidecar) >= (int)sizeof path)
    return qcc_fail(err, QCC_ERR_IO, "the path of the weights is too long");
  return map_sidecar(model, path, err);
}

static qcc_status verify_weights(const qcc_model *model, qcc_error *err) {
  uint8_t digest[32];
  qcc_sha256(model->weights, model->weights ? model->desc->weights_bytes : 0, digest);
  if (memcmp(digest, model->desc->weights_sha256, sizeof digest))
    return qcc_fail(err, QCC_ERR_IO,
                    "the weights are damaged or of another model: SHA-256 starts %02x%02x%02x%02x, "
                    "the model says %02x%02x%02x%02x",
                    digest[0], digest[1], digest[2], digest[3], model->desc->weights_sha256[0],
                    model->desc->weights_sha256[1], model->desc->weights_sha256[2],
                    model->desc->weights_sha256[3]);
  return QCC_OK;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void free_model(qcc_model *model) {
  qcc_model_free_gpu_codes(model);
  pthread_mutex_destroy(&model->gpu_lock);
  if (model->mapped)
    munmap(model->mapped, model->mapped_bytes);
  if (model->library)
    dlclose(model->library);
  free(model);
}

/* Takes over `library`. */
static qcc_status finish(qcc_model_fn function, void *library, const char *path,
                         const qcc_model_options *o, qcc_model **model, qcc_error *err) {
  qcc_model *made = calloc(1, sizeof *made);
  qcc_status status;
  if (!made) {
    if (library)
      dlclose(library);
    return qcc_fail(err, QCC_ERR_OUT_OF_MEMORY, "no memory for a model handle");
  }
  made->references = 1;
  made->library = library;
  pthread_mutex_init(&made->gpu_lock, NULL);
  made->desc = function();
  status = qcc_validate_desc(made->desc, err);
  if (!status)
    status = choose_level(made, o->force_level, err);
  if (!status)
    status = find_weights(made, path, o, err);
  if (!status && o->verify_weights)
    status = verify_weights(made, err);
  if (status) {
    free_model(made);
    return status;
  }
  *model = made;
  return qcc_succeed(err);
}

/* Whether the file holds all that is to be mapped: dlopen maps without asking, and touching a page
   beyond the end is a signal. */
static bool segments_inside(int file, const Elf64_Ehdr *header) {
  struct stat info;
  if (header->e_phentsize != sizeof(Elf64_Phdr) || fstat(file, &info))
    return false;
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    Elf64_Phdr segment;
    uint64_t end, at;
    if (__builtin_add_overflow(header->e_phoff, (uint64_t)i * sizeof segment, &at) ||
        at > (uint64_t)info.st_size ||
        pread(file, &segment, sizeof segment, (off_t)at) != (ssize_t)sizeof segment)
      return false;
    if (__builtin_add_overflow(segment.p_offset, segment.p_filesz, &end) ||
        end > (uint64_t)info.st_size)
      return false;
  }
  return true;
}

/* Whether dlopen may see the file at all, with better words than its own. */
static qcc_status check_elf(const char *path, qcc_error *err) {
  Elf64_Ehdr header;
  ssize_t got;
  bool whole;
  int machine = qcc_this_arch() == QCC_ARCH_X86_64 ? EM_X86_64 : EM_AARCH64;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return qcc_fail(err, QCC_ERR_IO, "cannot open \"%s\": %s", path, strerror(errno));
  got = read(file, &header, sizeof header);
  whole = got == (ssize_t)sizeof header && segments_inside(file, &header);
  close(file);
  if (got < 0)
    return qcc_fail(err, QCC_ERR_IO, "cannot read \"%s\": %s", path, strerror(errno));
  if (got < (ssize_t)sizeof header || memcmp(header.e_ident, ELFMAG, SELFMAG) ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN)
    return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "\"%s\" is not a 64-bit ELF shared object", path);
  if (header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != machine)
    return qcc_fail(err, QCC_ERR_ABI, "\"%s\" is for machine %d, this one is %d (ELF numbers)",
                    path, header.e_machine, machine);
  if (!whole)
    return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "\"%s\" is truncated", path);
  return QCC_OK;
}

qcc_status qcc_model_open(const char *path, const qcc_model_options *options, qcc_model **model,
                          qcc_error *err) {
  qcc_model_options o = {sizeof o, NULL, NULL, 0, 0};
  char local[PATH_MAX];
  void *library, *symbol;
  qcc_model_fn function;
  qcc_status status = qcc_read_options(&o, sizeof o, options, "qcc_model_options", err);
  if (status)
    return status;
  if (!path || !model)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%s is null", path ? "model" : "path");
  if (snprintf(local, sizeof local, "%s%s", strchr(path, '/') ? "" : "./", path) >=
      (int)sizeof local)
    return qcc_fail(err, QCC_ERR_IO, "the path has more than %d bytes", PATH_MAX);
  status = check_elf(local, err);
  if (status)
    return status;
  library = dlopen(local, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "cannot load \"%s\": %s", path, why ? why : "?");
  }
  symbol = dlsym(library, "qcc_model");
  if (!symbol) {
    dlclose(library);
    return qcc_fail(err, QCC_ERR_NOT_A_MODEL, "\"%s\" does not export qcc_model", path);
  }
  memcpy(&function, &symbol, sizeof function); /* ISO C has no cast for it */
  return finish(function, library, local, &o, model, err);
}

qcc_status qcc_model_link(qcc_model_fn function, const qcc_model_options *options,
                          qcc_model **model, qcc_error *err) {
  qcc_model_options o = {sizeof o, NULL, NULL, 0, 0};
  qcc_status status = qcc_read_options(&o, sizeof o, options, "qcc_model_options", err);
  if (status)
    return status;
  if (!function || !model)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%s is null", function ? "model" : "function");
  return finish(function, NULL, "./", &o, model, err);
}

void qcc_model_retain(qcc_model *model) {
  __atomic_fetch_add(&model->references, 1, __ATOMIC_RELAXED);
}

void qcc_model_close(qcc_model *model) {
  if (model && __atomic_sub_fetch(&model->references, 1, __ATOMIC_ACQ_REL) == 0)
    free_model(model);
}
