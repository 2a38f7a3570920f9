// Codes take the place of what would have chosen them.
#include "qcc/Driver/Codes.h"
#include "qcc/Pipeline/BlobFolder.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using llvm::Error;

Error qcc::useCodes(LoadedModel &model, MarkedWeight &weight, ArrayRef<uint8_t> bytes) {
  ModuleOp module = *model.module;
  BlobFolder blobs(model.blobDir);
  auto blob = blobs.add(*module.getContext(), bytes);
  if (!blob)
    return blob.takeError();
  SymbolTable symbols(module);
  QuantizeOp quantize = weight.quantize;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  auto codes = WeightOp::create(builder, quantize.getLoc(), weight.name + ".codes",
                                quantize.getType(), *blob, StringAttr());
  symbols.insert(codes);
  builder.setInsertionPoint(quantize);
  auto use = UseOp::create(builder, quantize.getLoc(), quantize.getType(),
                           FlatSymbolRefAttr::get(codes.getSymNameAttr()));
  quantize.getOut().replaceAllUsesWith(use.getOut());
  quantize.erase();
  weight.quantize = {};
  return Error::success();
}
