// Loading artifacts, sessions over them, and the roles of their inputs.
#include "qcc/Data/RuntimeModel.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/DynamicLibrary.h"
#include "llvm/Support/JSON.h"
#include <cstring>

using namespace qcc;
using namespace qcc::data;
using llvm::StringRef;

llvm::Error data::runtimeError(const qcc_error &error, StringRef where) {
  Diag code = Diag::RunFailed;
  std::string help;
  switch (error.code) {
  case QCC_ERR_IO:
    code = Diag::CannotRead;
    break;
  case QCC_ERR_NOT_A_MODEL:
  case QCC_ERR_ABI:
    code = Diag::BadModelFile;
    break;
  case QCC_ERR_CPU_FEATURE:
    code = Diag::HostLacksFeature;
    help = "qcc targets shows what this machine has";
    break;
  case QCC_ERR_DEVICE:
    code = Diag::NoGpu;
    break;
  case QCC_ERR_HOST_OP:
    help = "run the model in the application that computes the operator";
    break;
  case QCC_ERR_INTERNAL:
    code = Diag::Internal;
    break;
  default:
    break;
  }
  return makeError(code, where.str(), error.message, {}, help);
}

llvm::Error data::loadHostLibrary(StringRef path) {
  std::string local = path.contains('/') ? path.str() : "./" + path.str(), problem;
  auto library = llvm::sys::DynamicLibrary::getPermanentLibrary(local.c_str(), &problem);
  if (!library.isValid())
    return makeError(Diag::CannotRead, path.str(), "cannot be loaded: " + problem);
  auto enter =
      reinterpret_cast<qcc_host_library_fn>(library.getAddressOfSymbol("qcc_host_library"));
  if (!enter)
    return makeError(Diag::BadModelFile, path.str(), "does not export qcc_host_library", {},
                     "docs/odd-ops.md shows such a library");
  qcc_error error = {};
  if (qcc_status status = enter(qcc_register_host_op, &error))
    return makeError(Diag::BadModelFile, path.str(),
                     error.message[0] ? error.message : qcc_status_name(status));
  return llvm::Error::success();
}

qcc_tensor data::viewOf(const HostTensor &tensor) {
  return {const_cast<uint8_t *>(tensor.data()), static_cast<qcc_dtype>(tensor.dtype()),
          static_cast<uint32_t>(tensor.rank()), tensor.dims().data(), tensor.bytes()};
}

namespace {
class RuntimeSession : public Session {
public:
  RuntimeSession(qcc_session *session, const RuntimeModel &model)
      : session(session), model(model) {}
  ~RuntimeSession() override { qcc_session_destroy(session); }

  llvm::Expected<std::vector<HostTensor>> run(llvm::ArrayRef<HostTensor> inputs) override {
    std::vector<qcc_tensor> in;
    for (const HostTensor &input : inputs)
      in.push_back(viewOf(input));
    std::vector<qcc_tensor> out(model.outputs.size());
    qcc_error error = {};
    if (qcc_session_run(session, in.data(), in.size(), out.data(), out.size(), &error))
      return runtimeError(error, model.path);
    std::vector<HostTensor> results;
    for (const qcc_tensor &view : out) {
      HostTensor result(view.dtype, std::vector<int64_t>(view.dims, view.dims + view.rank));
      if (result.bytes())
        std::memcpy(result.data(), view.data, result.bytes());
      results.push_back(std::move(result));
    }
    return results;
  }

private:
  qcc_session *session;
  const RuntimeModel &model;
};

TensorInfo infoOf(const qcc_tensor_info &info) {
  TensorInfo result;
  result.name = info.name ? info.name : "";
  result.dtype = info.dtype;
  result.role = info.role ? info.role : "";
  for (uint32_t axis = 0; axis < info.rank; ++axis)
    result.dims.push_back(info.dims[axis]);
  return result;
}

llvm::Error readSignature(RuntimeModel &model) {
  qcc_error error = {};
  qcc_entry_info entry = {};
  entry.struct_size = sizeof(entry);
  if (qcc_model_entry(model.handle, 0, &entry, &error))
    return runtimeError(error, model.path);
  model.caches = entry.n_kv;
  auto read = [&](uint32_t count, auto query, std::vector<TensorInfo> &list) {
    for (uint32_t i = 0; i < count && !error.code; ++i) {
      qcc_tensor_info info = {};
      info.struct_size = sizeof(info);
      if (!query(model.handle, 0, i, &info, &error))
        list.push_back(infoOf(info));
    }
  };
  read(entry.n_inputs, qcc_model_input, model.inputs);
  read(entry.n_outputs, qcc_model_output, model.outputs);
  if (error.code)
    return runtimeError(error, model.path);
  qcc_model_info info = {};
  info.struct_size = sizeof(info);
  if (qcc_model_get_info(model.handle, &info, &error))
    return runtimeError(error, model.path);
  model.level = info.level ? info.level : "";
  if (info.manifest)
    model.manifest.assign(info.manifest, info.manifest_bytes);
  return llvm::Error::success();
}
} // namespace

RuntimeModel::~RuntimeModel() {
  qcc_model_close(handle);
  qcc_gpu_close(gpu);
  if (pool)
    qcc_pool_destroy(pool);
}

qcc_session_options RuntimeModel::sessionOptions() const {
  qcc_session_options options = {};
  options.struct_size = sizeof(options);
  options.gpu = gpu;
  return options;
}

llvm::Expected<std::unique_ptr<Session>> RuntimeModel::newSession() {
  qcc_session *session = nullptr;
  qcc_error error = {};
  qcc_session_options options = sessionOptions();
  if (qcc_session_create(handle, 0, pool, &options, &session, &error))
    return runtimeError(error, path);
  return std::make_unique<RuntimeSession>(session, *this);
}

llvm::Expected<std::unique_ptr<RuntimeModel>> data::loadRuntimeModel(StringRef path,
                                                                     const LoadOptions &options) {
  auto model = std::make_unique<RuntimeModel>();
  model->path = path.str();
  qcc_error error = {};
  qcc_model_options modelOptions = {};
  modelOptions.struct_size = sizeof(modelOptions);
  modelOptions.force_level = options.forceLevel.empty() ? nullptr : options.forceLevel.c_str();
  modelOptions.verify_weights = options.verifyWeights;
  if (qcc_model_open(model->path.c_str(), &modelOptions, &model->handle, &error)) {
    if (error.code == QCC_ERR_INVALID_ARGUMENT && !options.forceLevel.empty())
      return makeError(Diag::BadOptionValue, path.str(), error.message);
    return runtimeError(error, path);
  }
  qcc_pool_options poolOptions = {};
  poolOptions.struct_size = sizeof(poolOptions);
  poolOptions.threads = options.threads;
  if (qcc_pool_create(&poolOptions, &model->pool, &error))
    return runtimeError(error, path);
  model->threads = qcc_pool_workers(model->pool);
  if (options.gpu && qcc_gpu_open(*options.gpu, &model->gpu, &error))
    return runtimeError(error, path);
  if (llvm::Error signature = readSignature(*model))
    return signature;
  guessRoles(*model);
  return model;
}

int data::findInput(const Model &model, StringRef name) {
  for (size_t i = 0; i < model.inputs.size(); ++i)
    if (model.inputs[i].name == name)
      return static_cast<int>(i);
  return -1;
}

int data::findInputRole(const Model &model, StringRef role) {
  for (size_t i = 0; i < model.inputs.size(); ++i)
    if (model.inputs[i].role == role)
      return static_cast<int>(i);
  return -1;
}

int data::findLogits(const Model &model) {
  for (size_t i = 0; i < model.outputs.size(); ++i)
    if (model.outputs[i].role == "logits" || model.outputs[i].name == "logits")
      return static_cast<int>(i);
  return 0;
}

bool data::isPastRole(StringRef role) { return role.starts_with("past"); }

void data::guessRoles(Model &model) {
  static constexpr std::pair<const char *, const char *> usual[] = {{"input_ids", "ids"},
                                                                    {"attention_mask", "mask"},
                                                                    {"position_ids", "positions"},
                                                                    {"token_type_ids", "types"},
                                                                    {"ids", "ids"},
                                                                    {"tokens", "ids"},
                                                                    {"mask", "mask"},
                                                                    {"positions", "positions"},
                                                                    {"segment_ids", "types"}};
  for (TensorInfo &input : model.inputs) {
    if (!input.role.empty())
      continue;
    if (StringRef(input.name).contains("past") && input.dims.size() >= 3)
      input.role = "past";
    for (auto [name, role] : usual)
      if (input.name == name && findInputRole(model, role) < 0)
        input.role = role;
  }
}

int64_t data::vocabularyOf(const Model &model) {
  auto manifest = llvm::json::parse(model.manifest);
  if (!manifest) {
    llvm::consumeError(manifest.takeError());
  } else if (const llvm::json::Object *object = manifest->getAsObject()) {
    if (auto vocabulary = object->getInteger("vocab"); vocabulary && *vocabulary > 0)
      return *vocabulary;
  }
  if (model.outputs.empty())
    return 0;
  const TensorInfo &logits = model.outputs[findLogits(model)];
  bool named = logits.role == "logits" || logits.name == "logits";
  int64_t size = 0;
  if (named && logits.dims.size() == 3 && !StringRef(logits.dims[2]).getAsInteger(10, size))
    return size;
  return 0;
}

std::string data::describe(const TensorInfo &info) {
  std::string text = info.name + " " + dtypeName(info.dtype).str() + "[";
  for (size_t axis = 0; axis < info.dims.size(); ++axis)
    text += (axis ? ", " : "") + info.dims[axis];
  return text + "]";
}
