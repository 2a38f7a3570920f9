// Writing and reading model.qnt.
#include "qcc/Quantize/QntFile.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include <atomic>
#include <thread>

using namespace mlir;
using namespace qcc;
using namespace qcc::quantize;
using namespace qcc::qnt;
using Bytes = llvm::ArrayRef<uint8_t>;
using Digest = std::array<uint8_t, 32>;

namespace {

constexpr llvm::StringLiteral kMagic = "QCC.QNT\n";
constexpr uint32_t kVersion = 1;
constexpr uint64_t kHeaderBytes = 128, kDigestAt = 88, kAlign = 64, kEntryBytes = 48;
/// What weights are called inside the file; the reader puts the file's own name there.
constexpr llvm::StringLiteral kSelf = "self.qnt";

struct Range {
  uint64_t offset = 0, bytes = 0;
};

/// The numbers of a header, in the order they are stored: magic, version, 4 reserved bytes, then
/// these.
struct Header {
  uint64_t fileBytes = 0;
  Range weights, metadata, table, bytecode;
  Digest digest = {};

  std::vector<uint8_t> store() const;
  static Header load(const uint8_t *data);
};

std::vector<uint8_t> Header::store() const {
  std::vector<uint8_t> out(kHeaderBytes);
  std::copy(kMagic.begin(), kMagic.end(), out.begin());
  llvm::support::endian::write32le(&out[8], kVersion);
  uint64_t numbers[] = {fileBytes,       weights.offset,  weights.bytes,
                        metadata.offset, metadata.bytes,  table.offset,
                        table.bytes,     bytecode.offset, bytecode.bytes};
  static_assert(16 + sizeof(numbers) == kDigestAt);
  for (auto [i, number] : llvm::enumerate(numbers))
    llvm::support::endian::write64le(&out[16 + 8 * i], number);
  std::copy(digest.begin(), digest.end(), out.begin() + kDigestAt);
  return out;
}

Header Header::load(const uint8_t *data) {
  Header header;
  uint64_t *numbers[] = {&header.fileBytes,       &header.weights.offset,  &header.weights.bytes,
                         &header.metadata.offset, &header.metadata.bytes,  &header.table.offset,
                         &header.table.bytes,     &header.bytecode.offset, &header.bytecode.bytes};
  for (auto [i, number] : llvm::enumerate(numbers))
    *number = llvm::support::endian::read64le(data + 16 + 8 * i);
  std::copy(data + kDigestAt, data + kDigestAt + 32, header.digest.begin());
  return header;
}

Digest digestOf(Header header, Bytes metadata, Bytes table, Bytes bytecode) {
  header.digest = {};
  llvm::SHA256 sha;
  sha.update(header.store());
  sha.update(metadata);
  sha.update(table);
  sha.update(bytecode);
  return sha.final();
}

Bytes bytesOf(llvm::StringRef text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

//===-- Writing ----------------------------------------------------------------------------------//

/// Whether the value of a weight has a stored form: tensors, and codes whose scales go by rows.
bool isStorable(Type type) {
  auto codes = dyn_cast<QType>(type);
  if (!codes)
    return true;
  return codes.isByRows() && codes.getBits() <= 8 && codes.getLayout() == Layout::logical;
}

class Writer {
public:
  Writer(WeightWriter weights, WriteAt writeAt) : weights(weights), writeAt(writeAt) {}
  llvm::Error copyWeights(ModuleOp from, ModuleOp to);
  llvm::Error finish(ModuleOp module, llvm::StringRef metadata);

private:
  llvm::Expected<FileAttr> copy(WeightOp weight);
  llvm::Error append(Bytes bytes);
  llvm::Error align();

  WeightWriter weights;
  WriteAt writeAt;
  std::vector<uint8_t> table;
  uint64_t at = kHeaderBytes;
};

llvm::Error Writer::append(Bytes bytes) {
  if (llvm::Error error = writeAt(at, bytes))
    return error;
  at += bytes.size();
  return llvm::Error::success();
}

llvm::Error Writer::align() {
  static const uint8_t zeros[kAlign] = {};
  return at % kAlign ? append(Bytes(zeros, kAlign - at % kAlign)) : llvm::Error::success();
}

llvm::Expected<FileAttr> Writer::copy(WeightOp weight) {
  if (llvm::Error error = align())
    return std::move(error);
  uint64_t begin = at;
  llvm::SHA256 sha;
  llvm::Error error = weights(weight, [&](Bytes bytes) {
    sha.update(bytes);
    return append(bytes);
  });
  if (error)
    return std::move(error);
  uint8_t entry[kEntryBytes];
  llvm::support::endian::write64le(entry, begin);
  llvm::support::endian::write64le(entry + 8, at - begin);
  Digest digest = sha.final();
  std::copy(digest.begin(), digest.end(), entry + 16);
  table.insert(table.end(), entry, entry + kEntryBytes);
  return FileAttr::get(weight.getContext(), kSelf, begin, at - begin);
}

/// Gives the weights of `to`, a copy of `from`, bytes of the file where they have a stored form.
llvm::Error Writer::copyWeights(ModuleOp from, ModuleOp to) {
  SymbolTable originals(from);
  SmallVector<WeightOp> all(to.getOps<WeightOp>());
  // What functions read comes first; then what recipes that stay still read.
  llvm::DenseSet<StringAttr> needed;
  auto collect = [&](Operation *scope) {
    scope->walk([&](UseOp use) { needed.insert(use.getWeightAttr().getAttr()); });
  };
  for (Operation &op : *to.getBody())
    if (!isa<WeightOp>(op))
      collect(&op);
  for (WeightOp weight : all)
    if (needed.contains(weight.getSymNameAttr()) && !isStorable(weight.getType()))
      collect(weight);
  for (WeightOp weight : all) {
    if (!needed.contains(weight.getSymNameAttr())) {
      weight.erase();
      continue;
    }
    if (!isStorable(weight.getType()))
      continue;
    auto source = copy(originals.lookup<WeightOp>(weight.getSymName()));
    if (!source)
      return source.takeError();
    weight.getRecipe().getBlocks().clear();
    weight.setSourceAttr(*source);
  }
  return llvm::Error::success();
}

llvm::Error Writer::finish(ModuleOp module, llvm::StringRef metadata) {
  Header header;
  header.weights = {kHeaderBytes, at - kHeaderBytes};
  std::string bytecode;
  llvm::raw_string_ostream os(bytecode);
  if (failed(writeBytecodeToFile(module, os)))
    return makeError(Diag::Internal, "", "the module has no bytecode");
  std::pair<Range *, Bytes> parts[] = {{&header.metadata, bytesOf(metadata)},
                                       {&header.table, table},
                                       {&header.bytecode, bytesOf(bytecode)}};
  for (auto &[range, bytes] : parts) {
    if (llvm::Error error = align())
      return error;
    *range = {at, bytes.size()};
    if (llvm::Error error = append(bytes))
      return error;
  }
  header.fileBytes = at;
  header.digest = digestOf(header, bytesOf(metadata), table, bytesOf(bytecode));
  return writeAt(0, header.store());
}

//===-- Reading ----------------------------------------------------------------------------------//

class Reader {
public:
  static llvm::Expected<Reader> open(llvm::StringRef path);
  llvm::Error checkWeights();
  llvm::Expected<OwningOpRef<ModuleOp>> parse(MLIRContext &context);
  Bytes part(Range range) const { return file().slice(range.offset, range.bytes); }
  Header header;

private:
  llvm::Error check();
  llvm::Error damaged(const llvm::Twine &what) const {
    return makeError(Diag::QntDamaged, path, what.str(), {}, "quantize the model again");
  }
  Bytes file() const { return bytesOf(buffer->getBuffer()); }
  Range entry(uint64_t i) const {
    const uint8_t *data = part(header.table).data() + i * kEntryBytes;
    return {llvm::support::endian::read64le(data), llvm::support::endian::read64le(data + 8)};
  }
  uint64_t entries() const { return header.table.bytes / kEntryBytes; }

  std::string path;
  std::unique_ptr<llvm::MemoryBuffer> buffer;
};

bool contains(Range outer, Range inner) {
  return inner.offset >= outer.offset && inner.bytes <= outer.bytes &&
         inner.offset - outer.offset <= outer.bytes - inner.bytes;
}

llvm::Expected<Reader> Reader::open(llvm::StringRef path) {
  Reader reader;
  reader.path = path.str();
  auto buffer =
      llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return makeError(Diag::CannotRead, path.str(), buffer.getError().message());
  reader.buffer = std::move(*buffer);
  if (llvm::Error error = reader.check())
    return std::move(error);
  return reader;
}

/// Everything but the weights: sizes first, then the hash.
llvm::Error Reader::check() {
  Bytes all = file();
  if (!buffer->getBuffer().starts_with(kMagic))
    return makeError(Diag::NotQnt, path, "does not begin as a .qnt file does");
  if (all.size() < kHeaderBytes)
    return damaged("has " + llvm::Twine(all.size()) + " bytes, less than a header");
  if (uint32_t version = llvm::support::endian::read32le(all.data() + 8); version != kVersion)
    return makeError(Diag::QntVersion, path,
                     "has version " + std::to_string(version) + ", this qcc reads " +
                         std::to_string(kVersion),
                     {}, "quantize the model again with this qcc");
  header = Header::load(all.data());
  if (Bytes(header.store()) != all.take_front(kHeaderBytes))
    return damaged("reserved bytes of its header are not zero");
  if (header.fileBytes != all.size())
    return damaged("has " + llvm::Twine(all.size()) + " bytes instead of " +
                   llvm::Twine(header.fileBytes));
  Range whole{kHeaderBytes, all.size() - kHeaderBytes};
  for (Range range : {header.weights, header.metadata, header.table, header.bytecode})
    if (!contains(whole, range))
      return damaged("a part lies outside the file");
  if (header.table.bytes % kEntryBytes != 0)
    return damaged("the table of weights has " + llvm::Twine(header.table.bytes) + " bytes");
  for (uint64_t i = 0; i < entries(); ++i)
    if (!contains(header.weights, entry(i)))
      return damaged("weight " + llvm::Twine(i) + " lies outside the file");
  if (digestOf(header, part(header.metadata), part(header.table), part(header.bytecode)) !=
      header.digest)
    return damaged("its hash does not match its contents");
  if (auto json = llvm::json::parse(llvm::toStringRef(part(header.metadata))); !json) {
    llvm::consumeError(json.takeError());
    return damaged("its metadata is no JSON");
  }
  return llvm::Error::success();
}

/// Hashes of all weights, on all cores.
llvm::Error Reader::checkWeights() {
  std::atomic<uint64_t> next{0}, wrong{UINT64_MAX};
  auto work = [&] {
    for (uint64_t i = next++; i < entries(); i = next++) {
      Digest digest = llvm::SHA256::hash(part(entry(i)));
      if (!std::equal(digest.begin(), digest.end(),
                      part(header.table).data() + i * kEntryBytes + 16))
        wrong = i;
    }
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < std::min<uint64_t>(std::thread::hardware_concurrency(), entries()); ++i)
    others.emplace_back(work);
  work();
  for (std::thread &thread : others)
    thread.join();
  if (wrong != UINT64_MAX)
    return damaged("the hash of weight " + llvm::Twine(wrong.load()) + " does not match its bytes");
  return llvm::Error::success();
}

llvm::Expected<OwningOpRef<ModuleOp>> Reader::parse(MLIRContext &context) {
  std::string message;
  auto fail = [&] {
    return makeError(Diag::QntContents, path,
                     message.empty() ? "holds no module" : "holds no valid module: " + message);
  };
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (message.empty())
      message = diagnostic.str();
  });
  context.loadDialect<QntDialect, func::FuncDialect>();
  auto text = llvm::toStringRef(part(header.bytecode));
  if (!isBytecode(llvm::MemoryBufferRef(text, path)))
    return fail();
  auto module = parseSourceString<ModuleOp>(text, ParserConfig(&context), path);
  if (!module)
    return fail();
  llvm::DenseSet<std::pair<uint64_t, uint64_t>> known;
  for (uint64_t i = 0; i < entries(); ++i)
    known.insert({entry(i).offset, entry(i).bytes});
  StringRef name = llvm::sys::path::filename(path);
  for (WeightOp weight : module->getOps<WeightOp>()) {
    if (!weight.getSource())
      continue;
    auto source = dyn_cast<FileAttr>(*weight.getSource());
    if (!source || source.getPath() != kSelf ||
        !known.contains({source.getOffset(), source.getLength()})) {
      message = "weight '" + weight.getSymName().str() + "' is not one of the file's";
      return fail();
    }
    weight.setSourceAttr(FileAttr::get(&context, name, source.getOffset(), source.getLength()));
  }
  return module;
}

} // namespace

llvm::Error quantize::writeQntFile(ModuleOp module, llvm::StringRef metadata, WeightWriter weights,
                                   WriteAt writeAt) {
  OwningOpRef<ModuleOp> copy = module.clone();
  Writer writer(weights, writeAt);
  if (llvm::Error error = writer.copyWeights(module, *copy))
    return error;
  return writer.finish(*copy, metadata);
}

llvm::Expected<QntFile> quantize::readQntFile(llvm::StringRef path, MLIRContext &context) {
  auto reader = Reader::open(path);
  if (!reader)
    return reader.takeError();
  if (llvm::Error error = reader->checkWeights())
    return std::move(error);
  auto module = reader->parse(context);
  if (!module)
    return module.takeError();
  QntFile file;
  file.module = std::move(*module);
  file.metadata = llvm::toStringRef(reader->part(reader->header.metadata)).str();
  file.weightBytes = reader->header.weights.bytes;
  return file;
}

llvm::Expected<std::string> quantize::readQntMetadata(llvm::StringRef path) {
  auto reader = Reader::open(path);
  if (!reader)
    return reader.takeError();
  return llvm::toStringRef(reader->part(reader->header.metadata)).str();
}

bool quantize::isQntFile(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFileSlice(path, kMagic.size(), 0);
  return buffer && (*buffer)->getBuffer() == kMagic;
}
