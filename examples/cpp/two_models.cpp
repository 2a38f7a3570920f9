// Two compiled models inside one program, without any file beside it: both are linked as archives
// and share one pool of threads.
//
// The compiler names the function of a model after --name; here they are qcc_model_a and
// qcc_model_b, declared in the headers it writes beside the archives.
#include "model_a.h"
#include "model_b.h"
#include "qcc/runtime.hpp"

#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

static int fail(const char *what, const qcc_error &error) {
  std::fprintf(stderr, "two_models: %s: %s: %s\n", what, qcc_status_name(error.code),
               error.message);
  return 1;
}

/// One [1, n] input of a text encoder, by role.
static bool fill(const char *role, const std::vector<int64_t> &ids, std::vector<int64_t> &values) {
  std::string name = role;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (name == "ids")
      values.push_back(ids[i]);
    else if (name == "mask")
      values.push_back(1);
    else if (name == "positions")
      values.push_back(static_cast<int64_t>(i));
    else if (name == "types")
      values.push_back(0);
    else
      return false;
  }
  return true;
}

static int run(const char *name, qcc_model_fn function, const qcc::Pool &pool,
               const std::vector<int64_t> &ids) {
  auto model = qcc::Model::link(function);
  if (!model)
    return fail(name, model.error());
  auto session = qcc::Session::create(*model, 0, &pool);
  if (!session)
    return fail(name, session.error());
  auto entry = model->entry(0);
  if (!entry)
    return fail(name, entry.error());

  const std::vector<int64_t> dims{1, static_cast<int64_t>(ids.size())};
  std::vector<std::vector<int64_t>> storage(entry->n_inputs);
  std::vector<qcc::Tensor> inputs;
  for (uint32_t i = 0; i < entry->n_inputs; ++i) {
    auto info = model->input(i);
    if (!info)
      return fail(name, info.error());
    if (info->dtype != QCC_I64 || !fill(info->role, ids, storage[i])) {
      std::fprintf(stderr, "two_models: %s: input \"%s\" is not one of a text encoder\n", name,
                   info->name);
      return 1;
    }
    inputs.push_back(qcc::tensor(storage[i].data(), dims));
  }

  auto outputs = session->run(inputs);
  if (!outputs)
    return fail(name, outputs.error());
  const qcc::Tensor &first = outputs->front();
  std::printf("%s (%s): ", name, model->info().level);
  for (uint32_t axis = 0; axis < first.rank; ++axis)
    std::printf("%s%" PRId64, axis ? "x" : "[", first.dims[axis]);
  std::printf("]");
  for (int64_t i = 0; first.dtype == QCC_F32 && i < 4 && i < qcc::elements(first); ++i)
    std::printf(" %.5f", static_cast<double>(static_cast<const float *>(first.data)[i]));
  std::printf("\n");
  return 0;
}

int main() {
  auto pool = qcc::Pool::create();
  if (!pool)
    return fail("pool", pool.error());
  const std::vector<int64_t> ids{101, 2023, 2003, 1037, 3231, 102};
  int first = run("a", qcc_model_a, *pool, ids);
  int second = run("b", qcc_model_b, *pool, ids);
  return first | second;
}
