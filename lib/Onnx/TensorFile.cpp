// Test data: one serialized TensorProto per file.
#include "Wire.h"

using namespace qcc;
using namespace qcc::onnx;

/// Why the message is no TensorProto, judged by its outermost fields; empty when it may be one. A
/// sequence keeps tensors in field 3, which in a TensorProto would be an obsolete segment; nested
/// sequences and optionals have no name in field 8 and messages in fields 4 to 7.
static std::string foreignMessage(Context &context, llvm::ArrayRef<uint8_t> bytes) {
  Cursor cursor(context, bytes.begin(), bytes.end());
  bool textName = false;
  while (!cursor.done()) {
    Field field;
    if (!cursor.next(field))
      return ""; // the reader says it better
    if (field.number == 3 && field.wire == Wire::Length)
      return "a sequence or optional value";
    if (field.number == 1 && field.wire == Wire::Length && field.size() > 0)
      textName |=
          std::all_of(field.begin, field.end, [](uint8_t c) { return c >= 0x20 && c < 0x7f; });
    if (field.number == 8 || field.number == 9)
      return "";
  }
  return textName ? "a sequence, map or optional value" : "";
}

llvm::Expected<OwnedTensor> qcc::onnx::readTensorFile(llvm::StringRef path) {
  llvm::Expected<MappedFile> file = mapFile(path);
  if (!file)
    return file.takeError();
  llvm::ArrayRef<uint8_t> bytes = file->bytes();
  ReadOptions options;
  {
    Context probe(bytes, path, options);
    std::string foreign = foreignMessage(probe, bytes);
    if (probe.failed())
      llvm::consumeError(probe.takeError());
    if (!foreign.empty())
      return makeError(Diag::NotATensor, path.str(),
                       "the file holds " + foreign + ", not a tensor");
  }
  Model holder;
  holder.files.push_back(std::move(*file));
  Context context(bytes, path, options);
  Tensor tensor;
  if (!readTensor(Cursor(context, bytes.begin(), bytes.end()), tensor, nullptr, holder.files,
                  holder.notes))
    return context.takeError();
  OwnedTensor out;
  out.name = std::move(tensor.name);
  out.dataType = tensor.dataType;
  out.dims = std::move(tensor.dims);
  out.bytes = tensor.bytes(holder).vec();
  out.strings = std::move(tensor.strings);
  return out;
}
