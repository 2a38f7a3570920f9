// Refusals with more than one cause each: here the cause is told by the message, not by the code
// alone.
#include "Onnx/Wire.h"
#include "OnnxTesting.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace qcc;
using namespace qcc::onnx;
using namespace qcc::test;

namespace {

/// Reading `bytes` is refused with a message that holds `part`.
void refuses(const std::string &bytes, Diag code, llvm::StringRef part,
             const ReadOptions &options = {}) {
  expectContains(expectCode(readBytes(bytes, options), code), part);
}
void refuses(const WireWriter &w, Diag code, llvm::StringRef part,
             const ReadOptions &options = {}) {
  refuses(w.str(), code, part, options);
}
/// The same of a tensor among the initializers.
void refusesTensor(const WireWriter &tensor, Diag code, llvm::StringRef part) {
  refuses(model(graph({}).message(5, tensor)), code, part);
}
/// The same of an attribute of a node.
void refusesAttribute(const WireWriter &attribute, llvm::StringRef part) {
  refuses(model(graph({node("A", {}, {}, "n").message(5, attribute)})), Diag::BadAttribute, part);
}
WireWriter start() { return WireWriter().varint(1, 8); }

TEST(Refusals, Wire) {
  std::string cut = WireWriter().tag(7, 2).str();
  refuses(start().raw(cut + "\x80"), Diag::Truncated, "the message ends inside an integer");
  refuses(start().tag(99, 5).raw("ab"), Diag::Truncated, "field 99 needs 4 bytes");
  refuses(start().tag(99, 1).raw("abcd"), Diag::Truncated, "field 99 needs 8 bytes");
  refuses(start().tag(99, 2).raw("\x05xy"), Diag::Truncated, "field 99 is 5 bytes long");
  refuses(start().raw(WireWriter::encode(uint64_t(1) << 33)), Diag::WrongWireType,
          "field number 1073741824 is outside 1..536870911");
  refuses(start().raw(std::string("\0", 1)), Diag::WrongWireType, "field number 0 is outside");
  refuses(start().tag(9, 6), Diag::WrongWireType, "wire type 6 does not exist");
  refuses(start().tag(9, 7), Diag::WrongWireType, "wire type 7 does not exist");
  refuses(start().tag(9, 3), Diag::WrongWireType, "group 9 does not close");
  refuses(start().tag(9, 3).varint(3, 4), Diag::WrongWireType, "group 9 does not close");
  refuses(start().tag(9, 4), Diag::WrongWireType, "end of a group that did not begin");
  refuses(start().tag(9, 3).tag(10, 4), Diag::WrongWireType, "end of group 10, which is not open");
  refuses(start().tag(1, 0).raw(std::string(9, '\xff') + "\x02"), Diag::BadVarint,
          "integer takes more than 64 bits");
  WireWriter groups = start();
  for (int i = 0; i < 1000; ++i)
    groups.tag(99, 3);
  refuses(groups, Diag::TooDeep, "groups are nested too deep");
  ReadOptions shallow;
  shallow.maxMessageDepth = 4;
  refuses(
      model(graph(
          {node("A", {}, {})
               .message(5, WireWriter().bytes(1, "t").varint(20, 4).message(
                               5, rawTensor("t", 1, {}, "abcd").message(13, entry("k", "v"))))})),
      Diag::TooDeep, "messages are nested deeper than 4", shallow);
}

TEST(Refusals, Names) {
  refuses(model(graph({node("A", {}, {}, std::string("a\0b", 3))})), Diag::BadName,
          "field 'name' holds a NUL byte");
  refuses(model(graph({node("A", {}, {}, "\xff\xfe")})), Diag::BadName,
          "field 'name' is not UTF-8");
}

TEST(Refusals, PackedFloats) {
  WireWriter floats = WireWriter().bytes(1, "a").bytes(7, "abcde").varint(20, 6);
  refuses(model(graph({node("A", {}, {}).message(5, floats)})), Diag::Truncated,
          "packs 32-bit values into 5 bytes");
}

TEST(Refusals, Model) {
  refuses(start().message(8, opset("", 17)), Diag::MissingField, "the model has no graph");
  refuses(WireWriter().message(7, graph({})).message(8, opset("", 17)), Diag::MissingField,
          "the model's ir_version is 0");
  refuses(start().message(7, graph({})), Diag::BadOpset, "the model imports no operator set");
  refuses(start().message(7, graph({})).message(8, opset("", 0)), Diag::BadOpset,
          "operator set ai.onnx has version 0");
  refuses(model(graph({})).message(8, opset("", 18)), Diag::BadOpset,
          "operator set ai.onnx is imported in versions 17 and 18");
  refuses(model(graph({}), {function("", {}, {}, {})}), Diag::MissingField,
          "the function has no name");
  // Before imports existed, models meant the first version.
  auto old = expectOk(readBytes(WireWriter().varint(1, 2).message(7, graph({})).str()));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->opsetImports.at(""), 1);
}

TEST(Refusals, Graph) {
  refuses(model(graph({}).message(5, rawTensor("", 2, {1}, "a"))), Diag::MissingField,
          "an initializer has no name");
  refuses(model(graph({WireWriter().bytes(3, "n")})), Diag::MissingField,
          "the node has no op_type");
  refuses(model(graph({}).message(11, WireWriter())), Diag::MissingField, "the value has no name");
  WireWriter inner = graph({});
  for (int i = 0; i < 16; ++i)
    inner = graph({node("If", {}, {}, "n").message(5, graphAttribute("then_branch", inner))});
  refuses(model(inner), Diag::TooDeep, "graphs are nested deeper than 16");
}

WireWriter sparse(const std::string &name, const std::vector<int64_t> &dims) {
  WireWriter w = WireWriter().message(1, rawTensor(name, 2, {1}, "a"));
  w.message(2, rawTensor("", Int64, {1}, std::string(8, '\0')));
  for (int64_t dim : dims)
    w.varint(3, dim);
  return w;
}

TEST(Refusals, SparseTensors) {
  auto with = [](const WireWriter &w) { return model(graph({}).message(15, w)); };
  auto m = expectOk(readBytes(with(sparse("s", {4})).str()));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->graph.sparseInitializers.size(), 1u);
  refuses(with(sparse("", {4})), Diag::MissingField, "a sparse initializer has no name");
  refuses(with(sparse("s", {-1})), Diag::BadDim, "negative or too large");
  refuses(with(sparse("s", {int64_t(1) << 40, 2})), Diag::BadDim, "negative or too large");
  refuses(with(WireWriter().message(1, rawTensor("s", 2, {1}, "a")).varint(3, 4)),
          Diag::MissingField, "the sparse tensor lacks its values or indices");
  refuses(with(WireWriter().message(2, rawTensor("", 2, {1}, "a")).varint(3, 4)),
          Diag::MissingField, "the sparse tensor lacks its values or indices");
}

TEST(Refusals, Attributes) {
  refusesAttribute(WireWriter().varint(3, 1).varint(20, 2), "the attribute has no name");
  refusesAttribute(WireWriter().bytes(1, "a"), "the attribute has no type");
  refusesAttribute(WireWriter().bytes(1, "a").varint(20, 77), "attribute type 77 does not exist");
  refusesAttribute(WireWriter().bytes(1, "a").varint(20, 4), "does not hold exactly one");
  refusesAttribute(WireWriter().bytes(1, "a").varint(20, 5), "does not hold exactly one");
  refusesAttribute(refAttribute("a", "b", 2), "but stands outside of one");
  refusesAttribute(WireWriter().bytes(1, "a").varint(3, 1).message(6, graph({})).varint(20, 2),
                   "the attribute holds a graph but is of type");
  WireWriter many = node("A", {}, {});
  for (int i = 0; i < 256; ++i)
    many.message(5, intAttribute("a" + std::to_string(i), 1));
  EXPECT_TRUE(expectOk(readBytes(model(graph({many})).str())));
  many.message(5, intAttribute("last", 1));
  refuses(model(graph({many})), Diag::LimitExceeded, "more than 256 attributes");
  WireWriter twice =
      node("A", {}, {}).message(5, intAttribute("a", 1)).message(5, intAttribute("a", 2));
  refuses(model(graph({twice})), Diag::BadAttribute, "attribute 'a' is present twice");
}

TEST(Refusals, Values) {
  refuses(model(graph({}).message(11, value("x", 99))), Diag::BadTensorType,
          "the value has the unknown element type 99");
  refuses(model(graph({}).message(11, value("x", 1, std::vector<int64_t>(65, 1)))), Diag::BadDim,
          "the value has more than 64 dimensions");
  refuses(model(graph({}).message(11, value("x", 1, {1 << 30, 1 << 30}))), Diag::TensorTooLarge,
          "the known dimensions of the value multiply to more than 2^40 elements");
  refuses(model(graph({}).message(11, value("x", 1, {(int64_t(1) << 40) + 1}))), Diag::BadDim,
          "the dimension is 1099511627777, outside 0..2^40");
  WireWriter negative = WireWriter().message(1, WireWriter().varint(1, -3));
  refuses(model(graph({}).message(
              11, WireWriter().bytes(1, "x").message(
                      2, WireWriter().message(1, WireWriter().varint(1, 1).message(2, negative))))),
          Diag::BadDim, "the dimension is -3, outside 0..2^40");
}

TEST(Refusals, Tensors) {
  refusesTensor(rawTensor("w", 1, {-1}, ""), Diag::BadDim,
                "dimension 0 of the tensor is -1, outside 0..2^40");
  refusesTensor(rawTensor("w", 2, std::vector<int64_t>(65, 1), "a"), Diag::BadDim,
                "tensor has 65 dimensions");
  refusesTensor(rawTensor("w", 0, {1}, "a"), Diag::BadTensorType, "tensor has no data type");
  refusesTensor(rawTensor("w", 27, {1}, "a"), Diag::BadTensorType, "unknown data type 27");
  refusesTensor(rawTensor("w", 1, {1 << 30, 1 << 30}, ""), Diag::TensorTooLarge,
                "multiply to more than 2^40");
  refusesTensor(rawTensor("w", Float, {1}, "abcd").varint(14, 7), Diag::BadTensorData,
                "data_location 7 is neither 0 nor 1");
  refusesTensor(rawTensor("w", Float, {1}, "abcd").fixed32(4, 1), Diag::BadTensorData,
                "tensor holds data in two fields at once");
  refusesTensor(rawTensor("w", Float, {1}, "abcd").varint(14, 1), Diag::BadTensorData,
                "tensor holds data both inside and outside the model");
  refusesTensor(externalTensor("w", String, {1}, {{"location", "s"}}), Diag::BadTensorData,
                "string tensors cannot be external");
  refusesTensor(rawTensor("w", String, {1}, "a"), Diag::BadTensorData,
                "string tensors hold their data in string_data only");
  refusesTensor(tensorHead("w", Float, {1}).packed(5, {1}), Diag::BadTensorData,
                "lies in int32_data, it belongs in float_data");
  refusesTensor(tensorHead("w", Int8, {1}).packed(5, {256}), Diag::BadTensorData,
                "value 256 does not fit int8");
  refusesTensor(tensorHead("s", String, {2}).bytes(6, "a"), Diag::TensorSize,
                "string tensor of 2 elements holds 1");
  refusesTensor(rawTensor("w", Float, {1}, "abcd").bytes(9, "abcd"), Diag::RepeatedField,
                "field 'raw_data' is present twice");
}

TEST(Refusals, ExternalEntries) {
  refusesTensor(externalTensor("w", UInt8, {1}, {{"location", "a"}, {"location", "a"}}),
                Diag::BadExternalEntry, "external data names its location twice");
  refusesTensor(externalTensor("w", UInt8, {1}, {{"offset", "1"}, {"offset", "1"}}),
                Diag::BadExternalEntry, "external data names its offset twice");
  refusesTensor(externalTensor("w", UInt8, {1}, {{"offset", "0x10"}}), Diag::BadExternalEntry,
                "external data offset '0x10' is not a decimal number");
  refusesTensor(externalTensor("w", UInt8, {1}, {{"offset", "1"}}), Diag::BadExternalEntry,
                "external data has no location");
  refusesTensor(externalTensor("w", UInt8, {1}, {{"location", std::string("a\0b", 3)}}),
                Diag::ExternalDataPath, "holds a NUL byte");
  refusesTensor(externalTensor("w", UInt8, {1}, {{"location", "../a"}}), Diag::ExternalDataPath,
                "location '../a' is not a relative path beneath the model's folder");
  TempFolder folder;
  expectContains(expectCode(readTensorFile(folder.write(
                                "e.pb", externalTensor("w", 1, {1}, {{"location", "x"}}).str())),
                            Diag::BadTensorData),
                 "external data is not possible here");
}

TEST(Refusals, ExternalFiles) {
  TempFolder folder;
  folder.write("model/data.bin", "0123");
  folder.write("secret.bin", "secret");
  auto refuse = [&](const std::string &location, Diag code, llvm::StringRef part) {
    WireWriter tensor = externalTensor("w", UInt8, {4}, {{"location", location}});
    expectContains(expectCode(readModel(folder.write("model/m.onnx",
                                                     model(graph({}).message(5, tensor)).str())),
                              code),
                   part);
  };
  std::filesystem::create_symlink("data.bin", folder.file("model/near.bin"));
  std::filesystem::create_hard_link(folder.file("secret.bin"), folder.file("model/hard.bin"));
  std::filesystem::create_directory(folder.file("model/sub"));
  ASSERT_EQ(::mkfifo(folder.file("model/pipe").c_str(), 0600), 0);
  refuse("near.bin", Diag::ExternalDataLink, "is reached through a symbolic link");
  refuse("hard.bin", Diag::ExternalDataLink, "has 2 hard links");
  refuse("sub", Diag::ExternalDataKind, "is a folder");
  refuse("pipe", Diag::ExternalDataKind, "is not a regular file");
  int listening = ::socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::string path = folder.file("model/socket");
  ASSERT_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(listening, reinterpret_cast<struct sockaddr *>(&address), sizeof address), 0);
  ::close(listening);
  refuse("socket", Diag::ExternalDataKind, "is not a regular file");
  refuse("none.bin", Diag::ExternalDataMissing, "cannot open external data 'none.bin'");
  folder.write("model/short.bin", "01");
  refuse("short.bin", Diag::ExternalDataRange, "takes bytes 0..4 of 'short.bin', which has 2");
}

TEST(Refusals, MapFile) {
  TempFolder folder;
  expectContains(expectCode(mapFile(""), Diag::CannotRead),
                 "the path is empty or holds a NUL byte");
  std::string nul("/dev\0null", 9);
  expectContains(expectCode(mapFile(nul), Diag::CannotRead), "holds a NUL byte");
  expectContains(expectCode(mapFile(folder.file("none")), Diag::CannotRead), "cannot open: ");
  expectContains(expectCode(mapFile(folder.path.string()), Diag::CannotRead),
                 "is a folder, not a file");
  expectContains(expectCode(mapFile("/dev/null"), Diag::CannotRead), "is not a regular file");
  auto empty = expectOk(mapFile(folder.write("empty", "")));
  EXPECT_EQ(empty.bytes().size(), 0u);
}

TEST(Refusals, MapsThatDoNotFit) {
  // Sparse files are free, addresses are not: the same large file again and again.
  TempFolder folder;
  std::string path = folder.write("large", "");
  int64_t size = int64_t(1) << 62;
  while (size > (int64_t(1) << 41) && ::truncate(path.c_str(), size) != 0)
    size /= 2;
  if (size <= (int64_t(1) << 41))
    GTEST_SKIP() << "the file system holds no sparse file of 4 TiB";
  std::vector<MappedFile> kept;
  for (int i = 0; i < 64; ++i) {
    auto mapped = mapFile(path);
    if (!mapped) {
      expectContains(expectCode(mapped.takeError(), Diag::CannotRead), "cannot map");
      return;
    }
    kept.push_back(std::move(*mapped));
  }
  FAIL() << "512 TiB of addresses";
}

std::string failsInline(const WireWriter &w, Diag code, uint64_t maxNodes = 200'000) {
  auto m = expectOk(readBytes(w.str()));
  return m ? expectCode(inlineFunctions(*m, maxNodes), code) : "";
}
WireWriter call(const std::string &name, const Names &inputs, const Names &outputs) {
  return node(name, inputs, outputs, "call", "f");
}

TEST(Refusals, ExpansionByManyCalls) {
  // No single call is too large, all of them together are.
  WireWriter two = function("F", {}, {"r"}, {node("A", {}, {"t"}), node("B", {"t"}, {"r"})});
  std::vector<WireWriter> calls;
  for (int i = 0; i < 8; ++i)
    calls.push_back(call("F", {}, {"y" + std::to_string(i)}));
  std::string text = failsInline(model(graph(calls), {two}), Diag::LimitExceeded, 4);
  expectContains(text, "functions expand to more than 4 nodes");
  EXPECT_FALSE(llvm::StringRef(text).contains("call")) << text;
  // One call that is too large is named.
  WireWriter nine = function("G", {}, {}, std::vector<WireWriter>(9, node("A", {}, {})));
  expectContains(failsInline(model(graph({call("G", {}, {})}), {nine}), Diag::LimitExceeded, 4),
                 "'call' (f.G)");
  // The bound is of nodes; the count before copying is coarser by the calls.
  expectContains(failsInline(model(graph(std::vector<WireWriter>(6, node("A", {}, {}))), {two}),
                             Diag::LimitExceeded, 4),
                 "functions expand to more than 4 nodes");
}

TEST(Refusals, ExpansionByDepth) {
  std::vector<WireWriter> functions;
  for (int i = 0; i < 200; ++i)
    functions.push_back(
        function("F" + std::to_string(i), {}, {}, {call("F" + std::to_string(i + 1), {}, {})}));
  expectContains(failsInline(model(graph({call("F0", {}, {})}), functions), Diag::TooDeep),
                 "calls are nested deeper than");
}

TEST(Refusals, ExpansionByBytes) {
  // What a call copies: the attributes of the function's nodes, and its own where they are read.
  auto expand = [](const WireWriter &w, uint64_t maxCopiedBytes) {
    auto m = expectOk(readBytes(w.str()));
    return inlineFunctions(*m, 100, maxCopiedBytes);
  };
  WireWriter text = WireWriter().bytes(1, "s").bytes(4, std::string(8192, 'a')).varint(20, 3);
  WireWriter holding = function("F", {}, {}, {node("A", {}, {}).message(5, text)});
  WireWriter reading =
      function("F", {}, {}, {node("A", {}, {}).message(5, refAttribute("s", "s", 3))});
  reading.bytes(6, "s");
  for (const WireWriter &w : {model(graph({call("F", {}, {})}), {holding}),
                              model(graph({call("F", {}, {}).message(5, text)}), {reading})}) {
    std::string message = expectCode(expand(w, 4096), Diag::LimitExceeded);
    expectContains(message, "expanding functions copies more than 4096 bytes");
    EXPECT_FALSE(expand(w, 16384));
  }
}

TEST(Refusals, Functions) {
  WireWriter f = function("F", {"v"}, {"v"}, {});
  auto refuse = [](const WireWriter &f, Diag code, llvm::StringRef part) {
    refuses(model(graph({}), {f}), code, part);
  };
  refuse(function("F", {"v", "v"}, {}, {}), Diag::BadFunction, "input 'v' is listed twice");
  refuse(function("F", {""}, {}, {}), Diag::BadFunction, "an input has no name");
  refuse(function("F", {}, {"r"}, {}), Diag::UndefinedValue, "function output 'r' is not defined");
  refuse(WireWriter(f).message(11, refAttribute("o", "p", 2)), Diag::BadAttribute,
         "the default of attribute 'o' is a reference");
  refuses(model(graph({}), {f, f}), Diag::BadFunction, "is defined twice");
  refuses(model(graph({node("A", {"?"}, {}, "n")})), Diag::UndefinedValue,
          "input '?' is not defined anywhere");
  refuses(model(graph({}, {}, {"y"})), Diag::UndefinedValue,
          "graph output 'y' is not defined anywhere");
  refuses(model(graph({node("A", {"a"}, {"a"})})), Diag::GraphCycle,
          "the node depends on its own output through 1 node");
}

} // namespace
