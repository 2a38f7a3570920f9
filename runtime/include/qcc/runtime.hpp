// C++17 over qcc/runtime.h: owning handles and results, header-only, no exceptions.
//
//   auto model = qcc::Model::open("encoder.so");
//   if (!model) return fail(model.error().message);
//   auto session = qcc::Session::create(*model);
//   auto outputs = session->run({qcc::tensor(ids.data(), dims)});
//
// Rules of ownership, threads and lifetime are those of the C functions with the same names.
#ifndef QCC_RUNTIME_HPP
#define QCC_RUNTIME_HPP

#include "qcc/runtime.h"

#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace qcc {

using Tensor = qcc_tensor;

/// The outcome of a call without a value. Converts to true when it succeeded.
class [[nodiscard]] Status {
public:
  Status() : details{QCC_OK, {}} {}
  explicit Status(const qcc_error &error) : details(error) {}
  explicit operator bool() const { return details.code == QCC_OK; }
  qcc_status code() const { return details.code; }
  const char *message() const { return details.message; }

private:
  qcc_error details;
};

/// A value, or the error that took its place. Converts to true when there is a value.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : held(std::move(value)), details{QCC_OK, {}} {}
  Result(const qcc_error &error) : details(error) {}
  explicit operator bool() const { return held.has_value(); }
  T &operator*() { return *held; }
  const T &operator*() const { return *held; }
  T *operator->() { return &*held; }
  const T *operator->() const { return &*held; }
  const qcc_error &error() const { return details; }

private:
  std::optional<T> held;
  qcc_error details;
};

template <typename T> struct DtypeOf;
template <> struct DtypeOf<float> { static constexpr qcc_dtype value = QCC_F32; };
template <> struct DtypeOf<double> { static constexpr qcc_dtype value = QCC_F64; };
template <> struct DtypeOf<int8_t> { static constexpr qcc_dtype value = QCC_I8; };
template <> struct DtypeOf<uint8_t> { static constexpr qcc_dtype value = QCC_U8; };
template <> struct DtypeOf<int16_t> { static constexpr qcc_dtype value = QCC_I16; };
template <> struct DtypeOf<uint16_t> { static constexpr qcc_dtype value = QCC_U16; };
template <> struct DtypeOf<int32_t> { static constexpr qcc_dtype value = QCC_I32; };
template <> struct DtypeOf<uint32_t> { static constexpr qcc_dtype value = QCC_U32; };
template <> struct DtypeOf<int64_t> { static constexpr qcc_dtype value = QCC_I64; };
template <> struct DtypeOf<uint64_t> { static constexpr qcc_dtype value = QCC_U64; };
template <> struct DtypeOf<bool> { static constexpr qcc_dtype value = QCC_BOOL; };

/// An input over the caller's data; `dims` must outlive the call it is passed to.
template <typename T> Tensor tensor(const T *data, const std::vector<int64_t> &dims) {
  return {const_cast<T *>(data), DtypeOf<T>::value, static_cast<uint32_t>(dims.size()), dims.data(),
          0};
}

/// An output into the caller's buffer of `count` elements.
template <typename T> Tensor outputInto(T *data, size_t count) {
  return {data, DtypeOf<T>::value, 0, nullptr, count * sizeof(T)};
}

/// Elements of a tensor.
inline int64_t elements(const Tensor &t) {
  int64_t count = 1;
  for (uint32_t i = 0; i < t.rank; ++i)
    count *= t.dims[i];
  return count;
}

namespace detail {
/// An owning pointer whose deleter is a C function.
template <typename T, void (*Destroy)(T *)> class Handle {
public:
  Handle() = default;
  explicit Handle(T *owned) : pointer(owned) {}
  Handle(Handle &&other) noexcept : pointer(std::exchange(other.pointer, nullptr)) {}
  Handle &operator=(Handle &&other) noexcept {
    std::swap(pointer, other.pointer);
    return *this;
  }
  ~Handle() { Destroy(pointer); }
  T *get() const { return pointer; }

protected:
  T *pointer = nullptr;
};
} // namespace detail

class Pool : public detail::Handle<qcc_pool, qcc_pool_destroy> {
public:
  using Handle::Handle;
  /// `threads` 0: the default for this machine.
  static Result<Pool> create(uint32_t threads = 0) {
    qcc_pool_options options{sizeof options, threads, 0};
    qcc_pool *made;
    qcc_error error;
    if (qcc_pool_create(&options, &made, &error))
      return error;
    return Pool(made);
  }
  static Result<Pool> fromParallelFor(qcc_parallel_for_fn loop, void *context, uint32_t workers) {
    qcc_pool *made;
    qcc_error error;
    if (qcc_pool_from_parallel_for(loop, context, workers, &made, &error))
      return error;
    return Pool(made);
  }
  uint32_t workers() const { return qcc_pool_workers(pointer); }
};

struct ModelOptions {
  std::string forceLevel;  ///< empty: the best that the machine can run
  std::string weightsPath; ///< empty: beside the model
  bool verifyWeights = false;
};

class Model : public detail::Handle<qcc_model, qcc_model_close> {
public:
  using Handle::Handle;
  static Result<Model> open(const std::string &path, const ModelOptions &options = {}) {
    qcc_model_options given = convert(options);
    qcc_model *made;
    qcc_error error;
    if (qcc_model_open(path.c_str(), &given, &made, &error))
      return error;
    return Model(made);
  }
  static Result<Model> link(qcc_model_fn function, const ModelOptions &options = {}) {
    qcc_model_options given = convert(options);
    qcc_model *made;
    qcc_error error;
    if (qcc_model_link(function, &given, &made, &error))
      return error;
    return Model(made);
  }

  qcc_model_info info() const {
    qcc_model_info i{};
    i.struct_size = sizeof i;
    qcc_model_get_info(pointer, &i, nullptr);
    return i;
  }
  Result<qcc_entry_info> entry(uint32_t index) const {
    return query<qcc_entry_info>(
        [&](auto *i, auto *e) { return qcc_model_entry(pointer, index, i, e); });
  }
  Result<qcc_tensor_info> input(uint32_t index, uint32_t entry = 0) const {
    return query<qcc_tensor_info>(
        [&](auto *i, auto *e) { return qcc_model_input(pointer, entry, index, i, e); });
  }
  Result<qcc_tensor_info> output(uint32_t index, uint32_t entry = 0) const {
    return query<qcc_tensor_info>(
        [&](auto *i, auto *e) { return qcc_model_output(pointer, entry, index, i, e); });
  }
  Result<uint32_t> findEntry(const char *name) const {
    return find([&](auto *i, auto *e) { return qcc_model_find_entry(pointer, name, i, e); });
  }
  Result<uint32_t> findInput(const char *name, uint32_t entry = 0) const {
    return find([&](auto *i, auto *e) { return qcc_model_find_input(pointer, entry, name, i, e); });
  }
  Result<uint32_t> findOutput(const char *name, uint32_t entry = 0) const {
    return find(
        [&](auto *i, auto *e) { return qcc_model_find_output(pointer, entry, name, i, e); });
  }

private:
  static qcc_model_options convert(const ModelOptions &o) {
    return {sizeof(qcc_model_options), o.forceLevel.empty() ? nullptr : o.forceLevel.c_str(),
            o.weightsPath.empty() ? nullptr : o.weightsPath.c_str(), o.verifyWeights, 0};
  }
  template <typename Info, typename Call> static Result<Info> query(Call call) {
    Info info{};
    qcc_error error;
    info.struct_size = sizeof info;
    if (call(&info, &error))
      return error;
    return info;
  }
  template <typename Call> static Result<uint32_t> find(Call call) {
    uint32_t index;
    qcc_error error;
    if (call(&index, &error))
      return error;
    return index;
  }
};

class Gpu : public detail::Handle<qcc_gpu, qcc_gpu_close> {
public:
  using Handle::Handle;
  static Result<Gpu> open(uint32_t index = 0) {
    qcc_gpu *made;
    qcc_error error;
    if (qcc_gpu_open(index, &made, &error))
      return error;
    return Gpu(made);
  }
  qcc_gpu_info info() const {
    qcc_gpu_info i{};
    i.struct_size = sizeof i;
    qcc_gpu_get_info(pointer, &i, nullptr);
    return i;
  }
};

class Session : public detail::Handle<qcc_session, qcc_session_destroy> {
public:
  using Handle::Handle;
  /// `pool` null: the process-wide one. `maxDims`: those of all inputs, concatenated, or empty.
  /// `gpu` null: on the CPU, or on GPU 0 if the model has no code for CPUs.
  static Result<Session> create(const Model &model, uint32_t entry = 0, const Pool *pool = nullptr,
                                const std::vector<int64_t> &maxDims = {},
                                const Gpu *gpu = nullptr) {
    qcc_session_options options{sizeof options, maxDims.empty() ? nullptr : maxDims.data(),
                                static_cast<uint32_t>(maxDims.size()), 0,
                                gpu ? gpu->get() : nullptr};
    qcc_session *made;
    qcc_error error;
    if (qcc_session_create(model.get(), entry, pool ? pool->get() : nullptr, &options, &made,
                           &error))
      return error;
    Session session(made);
    qcc_entry_info info{};
    info.struct_size = sizeof info;
    qcc_model_entry(model.get(), entry, &info, nullptr);
    session.outputCount = info.n_outputs;
    return session;
  }

  /// Runs into session-owned outputs, which are valid until the next run.
  Result<std::vector<Tensor>> run(const std::vector<Tensor> &inputs) {
    std::vector<Tensor> outputs(outputCount);
    Status status = run(inputs, outputs);
    if (!status)
      return error(status);
    return outputs;
  }
  /// Runs into `outputs`; those with null data are given session-owned memory.
  Status run(const std::vector<Tensor> &inputs, std::vector<Tensor> &outputs) {
    qcc_error error;
    qcc_session_run(pointer, inputs.data(), static_cast<uint32_t>(inputs.size()), outputs.data(),
                    static_cast<uint32_t>(outputs.size()), &error);
    return Status(error);
  }
  Result<std::vector<Tensor>> inferShapes(const std::vector<Tensor> &inputs) {
    std::vector<Tensor> outputs(outputCount);
    qcc_error error;
    if (qcc_session_infer_shapes(pointer, inputs.data(), static_cast<uint32_t>(inputs.size()),
                                 outputs.data(), outputCount, &error))
      return error;
    return outputs;
  }

private:
  static qcc_error error(const Status &status) {
    qcc_error e{status.code(), {}};
    std::memcpy(e.message, status.message(), sizeof e.message);
    return e;
  }
  uint32_t outputCount = 0;
};

class Decoder : public detail::Handle<qcc_decoder, qcc_decoder_destroy> {
public:
  using Handle::Handle;
  static Result<Decoder> create(const Model &model, int64_t batch, int64_t capacity,
                                const Pool *pool = nullptr, uint32_t entry = 0,
                                int64_t maxStep = 0, int64_t logitsRows = 0,
                                const Gpu *gpu = nullptr) {
    qcc_decoder_options options{sizeof options, maxStep, logitsRows, gpu ? gpu->get() : nullptr};
    qcc_decoder *made;
    qcc_error error;
    if (qcc_decoder_create(model.get(), entry, pool ? pool->get() : nullptr, batch, capacity,
                           &options, &made, &error))
      return error;
    return Decoder(made);
  }
  /// Feeds batch × n tokens; the logits are valid until the next step.
  Result<Tensor> step(const int64_t *tokens, int64_t n, const int64_t *mask = nullptr,
                      const int64_t *positions = nullptr) {
    Tensor logits{};
    qcc_error error;
    if (qcc_decoder_step_masked(pointer, tokens, n, mask, positions, &logits, &error))
      return error;
    return logits;
  }
  int64_t length() const { return qcc_decoder_length(pointer); }
  int64_t capacity() const { return qcc_decoder_capacity(pointer); }
  int64_t batch() const { return qcc_decoder_batch(pointer); }
  Status truncate(int64_t length) {
    return call([&](auto *e) { qcc_decoder_truncate(pointer, length, e); });
  }
  Status reorder(const int64_t *source) {
    return call([&](auto *e) { qcc_decoder_reorder(pointer, source, e); });
  }
  Status reset() {
    return call([&](auto *e) { qcc_decoder_reset(pointer, e); });
  }

private:
  template <typename Call> static Status call(Call made) {
    qcc_error error;
    made(&error);
    return Status(error);
  }
};

} // namespace qcc

#endif
