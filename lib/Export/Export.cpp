// From a module to files: the graph first, then each weight once, its parts to their places.
#include "qcc/Export/Export.h"
#include "GraphExporter.h"
#include "qcc/Pack/WeightStore.h"
#include "qcc/Support/AtomicOutput.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::exporter;
using llvm::Error;

namespace {

llvm::ArrayRef<uint8_t> bytesOf(llvm::StringRef text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

class FileWriter {
public:
  FileWriter(const GraphExporter &graph, const onnx::ModelImage &image, pack::WeightStore &store)
      : graph(graph), image(image), store(store) {}

  Error open(llvm::StringRef path, llvm::StringRef dataPath) {
    uint64_t sizes[] = {image.modelBytes, image.dataBytes};
    llvm::StringRef paths[] = {path, dataPath};
    for (auto [size, file] : llvm::zip(sizes, paths)) {
      if (size == 0)
        continue;
      auto index = outputs.add(file);
      if (!index)
        return index.takeError();
      if (Error failed = outputs.checkSpace(*index, size))
        return failed;
    }
    return Error::success();
  }

  Error write() {
    for (const onnx::FilePiece &piece : image.pieces)
      if (Error failed = outputs.write(0, piece.offset, bytesOf(piece.bytes)))
        return failed;
    llvm::MapVector<Operation *, std::vector<const WeightPart *>> byWeight;
    for (const WeightPart &part : graph.parts)
      byWeight[part.weight].push_back(&part);
    for (auto &[weight, parts] : byWeight)
      if (Error failed = writeWeight(cast<qnt::WeightOp>(weight), parts))
        return failed;
    return outputs.commit();
  }

private:
  Error writeAt(size_t initializer, uint64_t offset, llvm::ArrayRef<uint8_t> bytes) {
    const onnx::TensorPlace &place = image.places[initializer];
    assert(offset + bytes.size() <= place.length && "more bytes than the tensor has");
    return outputs.write(place.external, place.offset + offset, bytes);
  }

  Error writeWeight(qnt::WeightOp weight, llvm::ArrayRef<const WeightPart *> parts) {
    const WeightPart &first = *parts.front();
    bool asStored = parts.size() == 1 && first.kind == PartKind::Dense && !first.transposed &&
                    qnt::elementTypeOf(weight.getType()).getIntOrFloatBitWidth() >= 8;
    if (asStored) {
      uint64_t at = 0;
      return store.write(weight, [&](llvm::ArrayRef<uint8_t> piece) {
        Error failed = writeAt(first.initializer, at, piece);
        at += piece.size();
        return failed;
      });
    }
    auto buffer = store.evaluate(weight);
    if (!buffer)
      return buffer.takeError();
    for (const WeightPart *part : parts)
      if (Error failed = writeAt(part->initializer, 0, partBytes(*part, *buffer)))
        return failed;
    return Error::success();
  }

  const GraphExporter &graph;
  const onnx::ModelImage &image;
  pack::WeightStore &store;
  AtomicOutputs outputs;
};

} // namespace

llvm::Expected<ExportedModel> qcc::exportOnnx(ModuleOp module, llvm::StringRef path,
                                              const ExportOptions &options) {
  auto functions = module.getOps<func::FuncOp>();
  if (functions.empty())
    return makeError(Diag::NoOnnxForm, path.str(), "the module holds no function to export");
  GraphExporter graph(module, options.form);
  if (Error failed = graph.run(*functions.begin()))
    return std::move(failed);
  std::string dataPath = path.str() + ".data";
  onnx::ModelImage image =
      onnx::layOutModel(graph.model, llvm::sys::path::filename(dataPath), options.maxModelBytes);
  pack::WeightStore store(module, options.modelDir, options.blobDir, options.threads);
  FileWriter writer(graph, image, store);
  if (Error failed = writer.open(path, dataPath))
    return std::move(failed);
  if (Error failed = writer.write())
    return std::move(failed);
  return ExportedModel{graph.model.opsetImports.at(""), image.modelBytes + image.dataBytes,
                       image.dataBytes != 0};
}
