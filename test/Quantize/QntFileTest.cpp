// model.qnt: what is written is read, and nothing else is.
#include "qcc/Quantize/QntFile.h"
#include "mlir/Parser/Parser.h"
#include "qcc/Pack/WeightStore.h"
#include "qcc/Reference/Interpreter.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SHA256.h"
#include <cstring>
#include <gtest/gtest.h>

using namespace qcc;
using namespace qcc::qnt;
using pack::OwnedBytes;
using pack::WeightStore;

namespace {

const char *kModel = R"(
qnt.weight @w : tensor<40x64xf32> = #qnt.file<"m.bin", 0, 10240>
qnt.weight @unused : tensor<40x64xf32> = #qnt.file<"m.bin", 0, 10240>
qnt.weight @ids : tensor<300xi8> = #qnt.file<"m.bin", 5, 300>
qnt.weight @w.q8 : !qnt.q<[40, 64], i8, axis 0, scale f32> {
  %0 = qnt.use @w : tensor<40x64xf32>
  %1 = qnt.quantize %0 : (tensor<40x64xf32>) -> !qnt.q<[40, 64], i8, axis 0, scale f32>
  qnt.yield %1 : !qnt.q<[40, 64], i8, axis 0, scale f32>
}
qnt.weight @w.q4 : !qnt.q<[40, 64], u4, block 1 x 32, scale f16, zero ui4> {
  %0 = qnt.use @w : tensor<40x64xf32>
  %1 = qnt.quantize %0 : (tensor<40x64xf32>) -> !qnt.q<[40, 64], u4, block 1 x 32, scale f16, zero ui4>
  qnt.yield %1 : !qnt.q<[40, 64], u4, block 1 x 32, scale f16, zero ui4>
}
qnt.weight @w.i4 : !qnt.q<[40, 64], i4, block 1 x 32, scale f32> {
  %0 = qnt.use @w : tensor<40x64xf32>
  %1 = qnt.quantize %0 : (tensor<40x64xf32>) -> !qnt.q<[40, 64], i4, block 1 x 32, scale f32>
  qnt.yield %1 : !qnt.q<[40, 64], i4, block 1 x 32, scale f32>
}
qnt.weight @w.two : !qnt.q<[40, 64], u4, block 1 x 32, scale ui8, super f32, codebook #qnt.codebook<learned>> {
  %0 = qnt.use @w : tensor<40x64xf32>
  %1 = qnt.quantize %0 : (tensor<40x64xf32>) -> !qnt.q<[40, 64], u4, block 1 x 32, scale ui8, super f32, codebook #qnt.codebook<learned>>
  qnt.yield %1 : !qnt.q<[40, 64], u4, block 1 x 32, scale ui8, super f32, codebook #qnt.codebook<learned>>
}
qnt.weight @w.ternary : !qnt.q<[40, 64], ternary, block 1 x 24, scale f16> {
  %0 = qnt.use @w : tensor<40x64xf32>
  %1 = qnt.quantize %0 : (tensor<40x64xf32>) -> !qnt.q<[40, 64], ternary, block 1 x 24, scale f16>
  qnt.yield %1 : !qnt.q<[40, 64], ternary, block 1 x 24, scale f16>
}
qnt.weight @w.mx : !qnt.q<[40, 64], f4e2m1, block 1 x 32, scale f8E8M0FNU> {
  %0 = qnt.use @w : tensor<40x64xf32>
  %1 = qnt.quantize %0 : (tensor<40x64xf32>) -> !qnt.q<[40, 64], f4e2m1, block 1 x 32, scale f8E8M0FNU>
  qnt.yield %1 : !qnt.q<[40, 64], f4e2m1, block 1 x 32, scale f8E8M0FNU>
}
qnt.weight @w.one : !qnt.q<[40, 64], u3, tensor, scale f32, zero ui3> {
  %0 = qnt.use @w : tensor<40x64xf32>
  %1 = qnt.quantize %0 : (tensor<40x64xf32>) -> !qnt.q<[40, 64], u3, tensor, scale f32, zero ui3>
  qnt.yield %1 : !qnt.q<[40, 64], u3, tensor, scale f32, zero ui3>
}
qnt.weight @w.f8 : !qnt.q<[40, 64], f8e5m2, axis 0, scale f32> {
  %0 = qnt.use @w : tensor<40x64xf32>
  %1 = qnt.quantize %0 : (tensor<40x64xf32>) -> !qnt.q<[40, 64], f8e5m2, axis 0, scale f32>
  qnt.yield %1 : !qnt.q<[40, 64], f8e5m2, axis 0, scale f32>
}
qnt.weight @whole : !qnt.q<[40, 64], i8, axis 1, scale f32> {
  %0 = qnt.use @w : tensor<40x64xf32>
  %1 = qnt.quantize %0 : (tensor<40x64xf32>) -> !qnt.q<[40, 64], i8, axis 1, scale f32>
  qnt.yield %1 : !qnt.q<[40, 64], i8, axis 1, scale f32>
}
func.func @main(%x: tensor<?x64xf32, #qnt.dims<[s, 64]>> {qnt.name = "x"}) -> (tensor<?x40xf32, #qnt.dims<[s, 40]>>, tensor<300xi8>)
    attributes {qnt.symbols = [#qnt.symbol<"s", input = 0, axis = 0>]} {
  %0 = qnt.use @w.q8 : !qnt.q<[40, 64], i8, axis 0, scale f32>
  %1 = qnt.use @w.q4 : !qnt.q<[40, 64], u4, block 1 x 32, scale f16, zero ui4>
  %2 = qnt.use @w.i4 : !qnt.q<[40, 64], i4, block 1 x 32, scale f32>
  %more0 = qnt.use @w.two : !qnt.q<[40, 64], u4, block 1 x 32, scale ui8, super f32, codebook #qnt.codebook<learned>>
  %more1 = qnt.use @w.ternary : !qnt.q<[40, 64], ternary, block 1 x 24, scale f16>
  %more2 = qnt.use @w.mx : !qnt.q<[40, 64], f4e2m1, block 1 x 32, scale f8E8M0FNU>
  %more3 = qnt.use @w.one : !qnt.q<[40, 64], u3, tensor, scale f32, zero ui3>
  %more4 = qnt.use @w.f8 : !qnt.q<[40, 64], f8e5m2, axis 0, scale f32>
  %3 = qnt.use @whole : !qnt.q<[40, 64], i8, axis 1, scale f32>
  %4 = qnt.use @ids : tensor<300xi8>
  %5 = qnt.dequantize %3 : (!qnt.q<[40, 64], i8, axis 1, scale f32>) -> tensor<40x64xf32>
  %6 = qnt.linear %x, %5 : (tensor<?x64xf32, #qnt.dims<[s, 64]>>, tensor<40x64xf32>) -> tensor<?x40xf32, #qnt.dims<[s, 40]>>
  return %6, %4 : tensor<?x40xf32, #qnt.dims<[s, 40]>>, tensor<300xi8>
}
)";

class QntFileTest : public testing::Test {
protected:
  QntFileTest() {
    context.loadDialect<QntDialect, mlir::func::FuncDialect>();
    llvm::SmallString<128> path;
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("qcc-qnt", path));
    dir = path.str().str();
    std::string bytes;
    for (int i = 0; i < 2560; ++i) {
      float value = float(i * 37 % 101) / 50 - 1;
      bytes.append(reinterpret_cast<const char *>(&value), 4);
    }
    put("m.bin", bytes);
    module = mlir::parseSourceString<mlir::ModuleOp>(kModel, &context);
    image = written("{\"scheme\": \"w8a8\"}");
  }
  ~QntFileTest() override { llvm::sys::fs::remove_directories(dir); }

  std::string at(const std::string &name) { return dir + "/" + name; }
  void put(const std::string &name, llvm::StringRef bytes) {
    std::error_code failed;
    llvm::raw_fd_ostream os(at(name), failed);
    os << bytes;
  }
  std::string written(llvm::StringRef metadata) {
    WeightStore store(*module, dir, dir, 1);
    std::string out;
    auto error = quantize::writeQntFile(
        *module, metadata,
        [&](WeightOp weight, quantize::BytesSink sink) { return store.write(weight, sink); },
        [&](uint64_t offset, llvm::ArrayRef<uint8_t> bytes) {
          out.resize(std::max<size_t>(out.size(), offset + bytes.size()));
          std::memcpy(out.data() + offset, bytes.data(), bytes.size());
          return llvm::Error::success();
        });
    EXPECT_FALSE(error) << llvm::toString(std::move(error));
    return out;
  }
  /// The code of the error that reading `bytes` gives, or "read".
  std::string outcome(llvm::StringRef bytes) {
    put("m.qnt", bytes);
    auto file = quantize::readQntFile(at("m.qnt"), context);
    if (file)
      return "read";
    std::string text = llvm::toString(file.takeError());
    size_t from = text.find("QCC");
    return from == std::string::npos ? text : text.substr(from, 7);
  }
  static uint64_t number(const std::string &image, size_t offset) {
    return llvm::support::endian::read64le(image.data() + offset);
  }
  /// `image` with a hash that matches, as a forger would have it.
  static std::string signedImage(std::string image) {
    std::memset(image.data() + 88, 0, 32);
    llvm::SHA256 sha;
    sha.update(llvm::StringRef(image).take_front(128));
    for (size_t field : {40, 56, 72}) // metadata, table, bytecode
      sha.update(llvm::StringRef(image).substr(number(image, field), number(image, field + 8)));
    auto digest = sha.final();
    std::memcpy(image.data() + 88, digest.data(), 32);
    return image;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string dir, image;
};

} // namespace

TEST_F(QntFileTest, WeightsAreTheSameUnderAnotherName) {
  put("renamed.qnt", image);
  auto file = quantize::readQntFile(at("renamed.qnt"), context);
  ASSERT_TRUE(static_cast<bool>(file)) << llvm::toString(file.takeError());
  EXPECT_EQ(file->metadata, "{\"scheme\": \"w8a8\"}");
  EXPECT_FALSE(file->module->lookupSymbol("unused"));
  EXPECT_TRUE(quantize::isQntFile(at("renamed.qnt")));
  EXPECT_FALSE(quantize::isQntFile(at("m.bin")));
  WeightStore before(*module, dir, dir, 1), after(*file->module, dir, dir, 1);
  reference::FolderWeights files(dir, dir);
  for (const char *name :
       {"w.q8", "w.q4", "w.i4", "w.two", "w.ternary", "w.mx", "w.one", "w.f8", "ids"}) {
    auto weight = file->module->lookupSymbol<WeightOp>(name);
    ASSERT_TRUE(weight.getSource()) << name;
    auto want = before.evaluate(module->lookupSymbol<WeightOp>(name)), got = after.evaluate(weight);
    ASSERT_TRUE(want && got) << name;
    EXPECT_EQ(*want, *got) << name;
    // The interpreter reads the same.
    reference::Environment old, now;
    old.weights = now.weights = &files;
    auto wantValue = reference::evaluateWeight(module->lookupSymbol<WeightOp>(name), old);
    auto gotValue = reference::evaluateWeight(weight, now);
    ASSERT_TRUE(wantValue && gotValue) << name;
    if (auto *q = std::get_if<std::shared_ptr<const reference::QTensor>>(&*wantValue)) {
      auto read = std::get<std::shared_ptr<const reference::QTensor>>(*gotValue);
      EXPECT_EQ((*q)->codes, read->codes);
      EXPECT_EQ((*q)->scales, read->scales);
      EXPECT_EQ((*q)->zeros, read->zeros);
      EXPECT_EQ((*q)->scaleCodes, read->scaleCodes);
      EXPECT_EQ((*q)->supers, read->supers);
      EXPECT_EQ((*q)->table, read->table);
    }
  }
}

TEST_F(QntFileTest, RecipesWithoutAStoredFormStay) {
  put("m.qnt", image);
  auto file = quantize::readQntFile(at("m.qnt"), context);
  ASSERT_TRUE(static_cast<bool>(file)) << llvm::toString(file.takeError());
  EXPECT_FALSE(file->module->lookupSymbol<WeightOp>("whole").getRecipe().empty());
  EXPECT_TRUE(file->module->lookupSymbol<WeightOp>("w").getSource());
}

TEST_F(QntFileTest, WritingIsReproducible) {
  EXPECT_EQ(written("{\"scheme\": \"w8a8\"}"), image);
  EXPECT_NE(written("{}"), image);
  put("m.qnt", image);
  auto metadata = quantize::readQntMetadata(at("m.qnt"));
  ASSERT_TRUE(static_cast<bool>(metadata));
  EXPECT_EQ(*metadata, "{\"scheme\": \"w8a8\"}");
}

TEST_F(QntFileTest, EveryTruncationIsFound) {
  for (size_t length = 0; length < image.size(); length += length < 130 ? 1 : 499)
    EXPECT_EQ(outcome(llvm::StringRef(image).take_front(length)),
              length < 8 ? "QCC1520" : "QCC1522")
        << length;
  EXPECT_EQ(outcome(image + "x"), "QCC1522");
  EXPECT_EQ(outcome(image), "read");
}

TEST_F(QntFileTest, EveryChangedByteIsFound) {
  for (size_t i = 0; i < image.size(); i += i < 128 ? 1 : 307) {
    bool isPadding = image[i] == 0 && i >= 128; // between parts nothing is hashed
    std::string changed = image;
    changed[i] ^= 0x5a;
    std::string got = outcome(changed);
    if (!(isPadding && got == "read"))
      EXPECT_EQ(got, i < 8 ? "QCC1520" : i < 12 ? "QCC1521" : "QCC1522") << i;
  }
}

TEST_F(QntFileTest, ForgedSizesAreRefused) {
  // Offsets and sizes of the four parts, under a hash that matches where that is defined.
  for (size_t field = 24; field < 88; field += 8)
    for (uint64_t value :
         {uint64_t(1) << 63, ~uint64_t(0), ~uint64_t(127), uint64_t(image.size())}) {
      std::string forged = image;
      llvm::support::endian::write64le(forged.data() + field, value);
      EXPECT_EQ(outcome(forged), "QCC1522") << field << " " << value;
    }
  uint64_t table = number(image, 56);
  std::string forged = image;
  llvm::support::endian::write64le(forged.data() + table, uint64_t(1) << 62);
  EXPECT_EQ(outcome(signedImage(forged)), "QCC1522");
  forged = image;
  llvm::support::endian::write64le(forged.data() + table + 8, number(image, table + 8) - 1);
  EXPECT_EQ(outcome(signedImage(forged)), "QCC1522"); // the hash of the weight
}

TEST_F(QntFileTest, ForgedContentsAreRefused) {
  uint64_t bytecode = number(image, 72);
  for (size_t at : {0, 4, 20, 60, 100, 200}) {
    std::string forged = image;
    for (size_t i = at; i < at + 8; ++i)
      forged[bytecode + i] ^= 0x33;
    std::string got = outcome(signedImage(forged));
    EXPECT_TRUE(got == "QCC1523" || got == "read") << at << " " << got; // names may change freely
  }
  // A weight elsewhere.
  std::string forged = image;
  size_t self = forged.find("self.qnt");
  ASSERT_NE(self, std::string::npos);
  forged[self] = 'S';
  EXPECT_EQ(outcome(signedImage(forged)), "QCC1523");
  EXPECT_EQ(outcome(signedImage(image)), "read");
}

TEST_F(QntFileTest, ContentsAreBytecodeOnly) {
  // The same module as text, which the parser would read just as well.
  uint64_t at = number(image, 72), size = number(image, 80);
  std::string forged = image, text = "module {\n}\n";
  ASSERT_LT(text.size(), size);
  text.resize(size, ' ');
  forged.replace(at, size, text);
  EXPECT_EQ(outcome(signedImage(forged)), "QCC1523");
}

TEST_F(QntFileTest, MissingFilesAreNamed) {
  auto file = quantize::readQntFile(at("none.qnt"), context);
  ASSERT_FALSE(static_cast<bool>(file));
  std::string text = llvm::toString(file.takeError());
  EXPECT_NE(text.find("none.qnt: error QCC1101: No such file"), std::string::npos) << text;
}
