/* Questions about a model: entries, tensors, symbols, levels, kernels. */
#include "internal.h"

#include <string.h>

qcc_status qcc_find_entry(const qcc_model *model, uint32_t entry, const qcc_entry_desc **desc,
                          qcc_error *err) {
  if (!model)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "model is null");
  *desc = qcc_entry_at(model->desc, entry);
  if (!*desc)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "entry %u asked for, the model has %u", entry,
                    model->desc->n_entries);
  return QCC_OK;
}

static qcc_status out_of_range(qcc_error *err, const char *what, uint32_t index, uint32_t count) {
  return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%s %u asked for, there are %u", what, index,
                  count);
}

qcc_status qcc_model_get_info(const qcc_model *model, qcc_model_info *info, qcc_error *err) {
  qcc_model_info i = {sizeof i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  if (!model)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "model is null");
  i.name = model->desc->name;
  i.arch = model->desc->arch;
  i.abi_major = model->desc->abi_major;
  i.abi_minor = model->desc->abi_minor;
  i.n_entries = model->desc->n_entries;
  i.n_levels = model->desc->n_levels;
  i.n_kernels = model->desc->n_kernels;
  i.level = model->level ? model->level->name : qcc_gpu_code_at(model->desc, 0)->name;
  i.level_index = model->level_index;
  i.manifest = model->desc->manifest;
  i.manifest_bytes = model->desc->manifest_bytes;
  i.weights_bytes = model->desc->weights_bytes;
  i.weights_sha256 = model->desc->weights_sha256;
  i.n_gpu_codes = qcc_gpu_code_count(model->desc);
  return qcc_write_info(info, &i, sizeof i, err);
}

qcc_status qcc_model_entry(const qcc_model *model, uint32_t entry, qcc_entry_info *info,
                           qcc_error *err) {
  qcc_entry_info i = {sizeof i, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const qcc_entry_desc *desc;
  qcc_status status = qcc_find_entry(model, entry, &desc, err);
  if (status)
    return status;
  i.name = desc->name;
  i.n_inputs = desc->n_inputs;
  i.n_outputs = desc->n_outputs;
  i.n_symbols = desc->n_symbols;
  i.n_kv = desc->n_kv;
  i.n_segments = desc->n_segments;
  i.n_host_ops = qcc_host_op_count(desc);
  return qcc_write_info(info, &i, sizeof i, err);
}

static qcc_status tensor_info(const qcc_model *model, uint32_t entry, bool input, uint32_t index,
                              qcc_tensor_info *info, qcc_error *err) {
  qcc_tensor_info i = {sizeof i, 0, QCC_F32, 0, 0, 0};
  const qcc_entry_desc *desc;
  const qcc_tensor_desc *tensor;
  uint32_t count;
  qcc_status status = qcc_find_entry(model, entry, &desc, err);
  if (status)
    return status;
  count = input ? desc->n_inputs : desc->n_outputs;
  if (index >= count)
    return out_of_range(err, input ? "input" : "output", index, count);
  tensor = (input ? desc->inputs : desc->outputs) + index;
  i.name = tensor->name;
  i.dtype = (qcc_dtype)tensor->dtype;
  i.rank = tensor->rank;
  i.dims = tensor->dims;
  i.role = tensor->role;
  return qcc_write_info(info, &i, sizeof i, err);
}

qcc_status qcc_model_input(const qcc_model *model, uint32_t entry, uint32_t index,
                           qcc_tensor_info *info, qcc_error *err) {
  return tensor_info(model, entry, true, index, info, err);
}

qcc_status qcc_model_output(const qcc_model *model, uint32_t entry, uint32_t index,
                            qcc_tensor_info *info, qcc_error *err) {
  return tensor_info(model, entry, false, index, info, err);
}

qcc_status qcc_model_symbol(const qcc_model *model, uint32_t entry, uint32_t index,
                            qcc_symbol_info *info, qcc_error *err) {
  qcc_symbol_info i = {sizeof i, 0, 0, 0, 0, 0, 0};
  const qcc_entry_desc *desc;
  qcc_status status = qcc_find_entry(model, entry, &desc, err);
  if (status)
    return status;
  if (index >= desc->n_symbols)
    return out_of_range(err, "symbol", index, desc->n_symbols);
  i.name = desc->symbols[index].name;
  i.min = desc->symbols[index].min;
  i.max = desc->symbols[index].max;
  i.divisor = desc->symbols[index].divisor;
  i.input = desc->symbols[index].input;
  i.axis = desc->symbols[index].axis;
  return qcc_write_info(info, &i, sizeof i, err);
}

qcc_status qcc_model_level(const qcc_model *model, uint32_t index, qcc_level_info *info,
                           qcc_error *err) {
  qcc_level_info i = {sizeof i, 0, 0, 0, 0};
  if (!model)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "model is null");
  if (index >= model->desc->n_levels)
    return out_of_range(err, "level", index, model->desc->n_levels);
  i.name = model->desc->levels[index].name;
  i.features = model->desc->levels[index].features;
  i.usable = !(i.features & ~qcc_cpu_features(0));
  return qcc_write_info(info, &i, sizeof i, err);
}

qcc_status qcc_model_kernel_name(const qcc_model *model, uint32_t index, const char **name,
                                 qcc_error *err) {
  const char *found = NULL;
  if (!model || !name)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "%s is null", model ? "name" : "model");
  if (index >= model->desc->n_kernels)
    return out_of_range(err, "kernel", index, model->desc->n_kernels);
  if (!model->level)
    found = qcc_gpu_kernel_at(qcc_gpu_code_at(model->desc, 0), index)->name;
  else if (model->level->kernel_names)
    found = model->level->kernel_names[index];
  *name = found ? found : "?";
  return qcc_succeed(err);
}

qcc_status qcc_model_find_entry(const qcc_model *model, const char *name, uint32_t *index,
                                qcc_error *err) {
  if (!model || !name || !index)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "an argument is null");
  for (uint32_t i = 0; i < model->desc->n_entries; ++i)
    if (!strcmp(qcc_entry_at(model->desc, i)->name, name)) {
      *index = i;
      return qcc_succeed(err);
    }
  return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT,
                  "the model has no entry \"%s\"; its first is \"%s\"", name,
                  qcc_entry_at(model->desc, 0)->name);
}

static qcc_status find_tensor(const qcc_model *model, uint32_t entry, bool input, bool by_role,
                              const char *text, uint32_t *index, qcc_error *err) {
  const qcc_entry_desc *desc;
  const qcc_tensor_desc *tensors;
  uint32_t count;
  qcc_status status = qcc_find_entry(model, entry, &desc, err);
  if (status)
    return status;
  if (!text || !index)
    return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "an argument is null");
  tensors = input ? desc->inputs : desc->outputs;
  count = input ? desc->n_inputs : desc->n_outputs;
  for (uint32_t i = 0; i < count; ++i)
    if (!strcmp(by_role ? tensors[i].role : tensors[i].name, text)) {
      *index = i;
      return qcc_succeed(err);
    }
  return qcc_fail(err, QCC_ERR_INVALID_ARGUMENT, "entry \"%s\" has no %s %s \"%s\"", desc->name,
                  input ? "input" : "output", by_role ? "with role" : "named", text);
}

qcc_status qcc_model_find_input(const qcc_model *model, uint32_t entry, const char *name,
                                uint32_t *index, qcc_error *err) {
  return find_tensor(model, entry, true, false, name, index, err);
}

qcc_status qcc_model_find_output(const qcc_model *model, uint32_t entry, const char *name,
                                 uint32_t *index, qcc_error *err) {
  return find_tensor(model, entry, false, false, name, index, err);
}

qcc_status qcc_model_find_input_role(const qcc_model *model, uint32_t entry, const char *role,
                                     uint32_t *index, qcc_error *err) {
  return find_tensor(model, entry, true, true, role, index, err);
}

qcc_status qcc_model_find_output_role(const qcc_model *model, uint32_t entry, const char *role,
                                      uint32_t *index, qcc_error *err) {
  return find_tensor(model, entry, false, true, role, index, err);
}
