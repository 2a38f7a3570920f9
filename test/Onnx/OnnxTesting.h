// What the tests of this room share: reading from strings, expecting one code, folders that vanish.
#ifndef QCC_TEST_ONNX_ONNXTESTING_H
#define QCC_TEST_ONNX_ONNXTESTING_H

#include "WireWriter.h"
#include "qcc/Onnx/Reader.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace qcc::test {

inline llvm::ArrayRef<uint8_t> view(const std::string &bytes) {
  return {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()};
}

inline llvm::Expected<std::unique_ptr<onnx::Model>> readBytes(const std::string &bytes,
                                                              onnx::ReadOptions options = {}) {
  return onnx::readModelBuffer(view(bytes), "m.onnx", options);
}

/// The text of the error when its code is `code`; otherwise a failure.
inline std::string expectCode(llvm::Error error, Diag code) {
  std::string text;
  bool coded = false;
  llvm::handleAllErrors(std::move(error), [&](const CodedError &e) {
    coded = true;
    llvm::raw_string_ostream os(text);
    e.log(os);
    EXPECT_EQ(diagName(e.code), diagName(code)) << text;
  });
  EXPECT_TRUE(coded) << "no error, " << diagName(code) << " was expected";
  return text;
}

template <typename T> std::string expectCode(llvm::Expected<T> value, Diag code) {
  return expectCode(value.takeError(), code);
}

template <typename T> T expectOk(llvm::Expected<T> value) {
  if (value)
    return std::move(*value);
  ADD_FAILURE() << llvm::toString(value.takeError());
  return T();
}

inline void expectContains(const std::string &text, llvm::StringRef part) {
  EXPECT_TRUE(llvm::StringRef(text).contains(part)) << "'" << part.str() << "' is not in: " << text;
}

class TempFolder {
public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "qcc-onnx-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path); }
  std::string file(const std::string &name) const { return (path / name).string(); }
  std::string write(const std::string &name, const std::string &bytes) const {
    std::filesystem::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << bytes;
    return file(name);
  }
  std::filesystem::path path;
};

} // namespace qcc::test
#endif
