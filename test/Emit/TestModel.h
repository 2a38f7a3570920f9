// A tiny model for the tests of emission, and what is needed to look at its files.
#ifndef QCC_TEST_EMIT_TESTMODEL_H
#define QCC_TEST_EMIT_TESTMODEL_H

#include "qcc/Emit/Emit.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/model.h"
#include "gtest/gtest.h"
#include <string>
#include <vector>

namespace qcc::emit::test {

inline constexpr char hostTriple[] =
#ifdef __aarch64__
    "aarch64-unknown-linux-gnu";
#else
    "x86_64-unknown-linux-gnu";
#endif

/// An LLVM module from text.
CodeModule parse(const std::string &text, const std::string &name);

/// Byte `i` of the weights of every test model.
inline uint8_t weightByte(uint64_t i) { return static_cast<uint8_t>(i * 31 + (i >> 12) + 7); }
std::vector<uint8_t> weightBytes(uint64_t count);
WeightsPart testWeights(uint64_t bytes, size_t piece = 1000);

/// Two levels with two kernels each (`scale` multiplies floats by 2 or 3, according to the level;
/// `fill` copies with a length that only the caller knows), and an entry whose run() returns weight
/// byte `segment`.
ModelParts testModel(const std::string &name, uint64_t bytes = 5000,
                     const std::string &triple = hostTriple);

/// A folder that is removed with its contents.
class TempFolder {
public:
  TempFolder();
  ~TempFolder();
  std::string operator/(const std::string &name) const { return path + "/" + name; }
  std::vector<std::string> list() const;
  std::string path;
};

std::string readFile(const std::string &path);
void writeFile(const std::string &path, const std::string &text);

/// Emits and expects success.
EmitReport emitOk(ModelParts parts, const std::string &path, OutputKind kind, bool sidecar = false,
                  unsigned threads = 2);
/// The code and text of an error; number 0 for success.
struct Failure {
  int number = 0;
  std::string text;
};
Failure failureOf(llvm::Error error);

/// Runs a program; its stdout, and its exit code in `code`.
std::string runProgram(const std::string &command, int &code);

} // namespace qcc::emit::test
#endif
