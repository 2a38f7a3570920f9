// Damaged models: whatever bytes come, the reader answers with a model or a coded error. The seed
// and the count are fixed; run this test in a build with sanitizers after changing the reader.
#include "OnnxTesting.h"
#include <random>

using namespace qcc;
using namespace qcc::onnx;
using namespace qcc::test;

namespace {

std::vector<std::string> seeds() {
  WireWriter branch = graph({node("B", {"v"}, {"t"}, "b")}, {}, {"t"});
  WireWriter a = node("A", {"v"}, {"t"}, "a").message(5, refAttribute("axis", "ax", 2));
  WireWriter conditional =
      node("If", {"t"}, {"r"}, "if").message(5, graphAttribute("then_branch", branch));
  WireWriter f = function("F", {"v"}, {"r"}, {a, conditional}).bytes(6, "ax");
  f.message(11, intAttribute("o", 9));
  WireWriter c = node("F", {"x"}, {"y"}, "call", "f").message(5, intAttribute("ax", 3));
  WireWriter constant = node("Constant", {}, {"k"}, "k");
  constant.message(5, WireWriter()
                          .bytes(1, "value")
                          .message(5, tensorHead("t", 7, {2}).packed(7, {1, 2}))
                          .varint(20, 4));
  WireWriter g = graph({c, constant, node("Add", {"y", "w"}, {"z"}, "add")}, {"x"}, {"z"});
  g.message(5, rawTensor("w", 1, {2, 2}, std::string(16, 'w')));
  g.message(5, tensorHead("i", 10, {3}).packed(5, {1, 2, 0x3c00}));
  g.message(5, tensorHead("s", 8, {2}).bytes(6, "one").bytes(6, "two"));
  WireWriter external = graph({});
  external.message(
      5, externalTensor("e", 2, {4}, {{"location", "d.bin"}, {"offset", "1"}, {"length", "4"}}));
  WireWriter sparse = WireWriter().message(1, rawTensor("v", 1, {1}, "abcd"));
  sparse.message(2, tensorHead("ix", 7, {1}).packed(7, {3})).varint(3, 8);
  external.message(15, sparse);
  return {model(g, {f}).str(), model(external).str()};
}

class Mutator {
public:
  explicit Mutator(uint32_t seed) : engine(seed) {}
  size_t below(size_t bound) { return bound ? engine() % bound : 0; }
  void mutate(std::string &bytes) {
    for (size_t n = 1 + below(4); n > 0 && !bytes.empty(); --n) {
      size_t at = below(bytes.size());
      switch (below(7)) {
      case 0:
        bytes[at] = static_cast<char>(engine());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 2:
        bytes.erase(at, 1 + below(8));
        break;
      case 3:
        bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(24)));
        break;
      case 4:
        bytes.insert(at, std::string(1 + below(10), static_cast<char>(0xff)));
        break;
      case 5:
        bytes.resize(at);
        break;
      case 6:
        bytes[at] = "\0\x7f\x80\xff\x01\x02"[below(6)];
        break;
      }
    }
  }

private:
  std::mt19937 engine;
};

TEST(Mutation, AnyBytesGiveAModelOrACodedError) {
  TempFolder folder;
  folder.write("d.bin", "0123456789");
  const char *more = std::getenv("QCC_MUTATIONS");
  int count = more ? std::atoi(more) : 20000;
  std::vector<std::string> originals = seeds();
  Mutator mutator(12345);
  int good = 0;
  uint64_t touched = 0;
  for (int i = 0; i < count; ++i) {
    std::string bytes = originals[static_cast<size_t>(i) % originals.size()];
    mutator.mutate(bytes);
    std::vector<uint8_t> exact(bytes.begin(), bytes.end());
    auto m = readModelBuffer(exact, folder.file("m.onnx"));
    llvm::Error error = m ? inlineFunctions(**m) : m.takeError();
    if (!error) {
      ++good;
      for (const Tensor &tensor : (*m)->graph.initializers)
        for (uint8_t byte : tensor.bytes(**m))
          touched += byte;
      continue;
    }
    llvm::handleAllErrors(std::move(error), [&](const CodedError &e) {
      int code = static_cast<int>(e.code);
      EXPECT_TRUE((code >= 1201 && code <= 1299) || (code >= 1110 && code <= 1129) || code == 1101)
          << code;
      EXPECT_FALSE(e.message.empty());
      EXPECT_FALSE(e.where.empty());
    });
  }
  // Both outcomes must occur, or the seeds test nothing.
  EXPECT_GT(good, count / 100);
  EXPECT_LT(good, count);
  EXPECT_GT(touched, 0u);
}

} // namespace
