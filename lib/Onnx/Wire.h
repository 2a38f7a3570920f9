// Protobuf's wire format over bytes that nobody vouches for. A Cursor walks one message; a Context
// is shared by all cursors of a file and keeps the first error with the path of fields that led to
// it. Functions return false after a failure, which the Context then holds.
#ifndef QCC_LIB_ONNX_WIRE_H
#define QCC_LIB_ONNX_WIRE_H

#include "qcc/Onnx/Reader.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"

namespace qcc::onnx {

enum class Wire : uint8_t {
  Varint = 0,
  Fixed64 = 1,
  Length = 2,
  Group = 3,
  EndGroup = 4,
  Fixed32 = 5
};

/// One decoded field: `value` for numbers, the range for length-delimited ones. The range lies
/// within the enclosing message.
struct Field {
  uint32_t number = 0;
  Wire wire = Wire::Varint;
  uint64_t value = 0;
  const uint8_t *begin = nullptr, *end = nullptr;
  const uint8_t *at = nullptr; ///< the field's tag

  uint64_t size() const { return static_cast<uint64_t>(end - begin); }
};

/// A name fit for a message: control characters escaped, long ones cut.
std::string printable(llvm::StringRef name);

class Context {
public:
  Context(llvm::ArrayRef<uint8_t> bytes, llvm::StringRef file, const ReadOptions &options)
      : options(options), file(file), base(bytes.data()) {}

  /// Keeps the first error, with the current field path and the offset of `at`; returns false.
  bool fail(Diag code, const uint8_t *at, const llvm::Twine &message, const llvm::Twine &help = "");
  /// The same without a byte offset, for errors that come from elsewhere.
  bool fail(llvm::Error error);
  bool failed() const { return static_cast<bool>(error); }
  llvm::Error takeError() { return std::move(*error); }
  uint64_t offsetOf(const uint8_t *at) const { return static_cast<uint64_t>(at - base); }
  /// "m.onnx: graph.node[3] 'a/b'", for errors made elsewhere.
  std::string where() const;

  /// Account for memory and nodes before they are made.
  bool charge(uint64_t bytes, const uint8_t *at);
  bool chargeInline(uint64_t bytes, const uint8_t *at);
  bool chargeNode(const uint8_t *at);

  struct Step {
    const char *field;
    int64_t index;            ///< -1 when the field is not repeated
    const std::string *label; ///< the element's own name, filled in while it is read
  };
  llvm::SmallVector<Step, 16> path;
  unsigned graphDepth = 0;
  bool inFunction = false;
  const ReadOptions options;
  const std::string file;

private:
  const uint8_t *base;
  uint64_t graphBytes = 0, inlineBytes = 0, nodes = 0;
  std::optional<llvm::Error> error;
};

class Cursor {
public:
  Cursor(Context &context, const uint8_t *begin, const uint8_t *end)
      : context(context), pos(begin), end(end) {}

  Context &context;

  bool done() const { return pos == end; }
  const uint8_t *position() const { return pos; }
  uint64_t left() const { return static_cast<uint64_t>(end - pos); }
  /// Decodes the next field. Groups are skipped whole and returned with wire type Group.
  bool next(Field &field);
  bool varint(uint64_t &value);

  // Values of one field. `name` is the field's name in ONNX.
  bool expect(const Field &field, Wire wire, const char *name);
  bool int64(const Field &field, const char *name, int64_t &out);
  bool int32(const Field &field, const char *name, int32_t &out);
  bool real(const Field &field, const char *name, float &out);
  bool bytes(const Field &field, const char *name, std::string &out);
  /// Text without NUL bytes, in UTF-8.
  bool text(const Field &field, const char *name, std::string &out);
  /// One more element of a repeated field, or a packed run of them.
  bool int64s(const Field &field, const char *name, std::vector<int64_t> &out);
  bool reals(const Field &field, const char *name, std::vector<float> &out);
  bool texts(const Field &field, const char *name, std::vector<std::string> &out);
  bool byteStrings(const Field &field, const char *name, std::vector<std::string> &out);

  /// Runs `read` over a nested message, one level deeper in the path.
  bool message(const Field &field, const char *name, int64_t index, const std::string *label,
               llvm::function_ref<bool(Cursor)> read);

private:
  bool skipGroup(uint32_t number, const uint8_t *at);
  bool tag(uint32_t &number, Wire &wire);
  bool payload(Field &field);

  const uint8_t *pos, *end;
};

/// The files beneath one folder that tensors take their bytes from.
class ExternalFiles {
public:
  ExternalFiles(llvm::StringRef modelPath, std::vector<MappedFile> &files)
      : modelPath(modelPath), files(files) {}
  ~ExternalFiles();
  /// Index into the model's files of the file at `location`, mapped at the first use.
  llvm::Expected<int> open(llvm::StringRef location, const std::string &where);

private:
  llvm::Error openFolder(const std::string &where);
  std::string modelPath;
  std::vector<MappedFile> &files;
  llvm::StringMap<int> known;
  int folder = -1;
};

/// Opens `path` for reading beneath `folder` without following links; -1 and errno on failure. The
/// first asks the kernel for it, the second walks by itself and wants neither '.' nor '..'.
int openBeneathByKernel(int folder, const std::string &path);
int openBeneathByComponent(int folder, llvm::StringRef path);

/// Maps the file at `path`, which must be a regular one.
llvm::Expected<MappedFile> mapFile(llvm::StringRef path);

/// inlineFunctions(), refusing copies of bodies that take more than `maxCopiedBytes`: a small file
/// must not become a large model.
llvm::Error inlineFunctions(Model &model, uint64_t maxNodes, uint64_t maxCopiedBytes);

/// Reads a TensorProto. `external` may be null: then external data is refused. Notes go to `notes`.
bool readTensor(Cursor cursor, Tensor &tensor, ExternalFiles *external,
                const std::vector<MappedFile> &files, std::vector<std::string> &notes);

} // namespace qcc::onnx
#endif
