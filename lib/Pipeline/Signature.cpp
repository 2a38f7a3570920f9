// Types and attributes of functions as the descriptions that data is matched against.
#include "qcc/Pipeline/Signature.h"
#include "Qnt/Qnt.h"

using namespace mlir;
using namespace qcc;

uint32_t qcc::dtypeOf(Type element) {
  if (element.isF32())
    return QCC_F32;
  if (element.isF64())
    return QCC_F64;
  if (element.isF16())
    return QCC_F16;
  if (element.isBF16())
    return QCC_BF16;
  if (isa<Float8E4M3FNType>(element))
    return QCC_F8E4M3FN;
  if (isa<Float8E4M3FNUZType>(element))
    return QCC_F8E4M3FNUZ;
  if (isa<Float8E5M2Type>(element))
    return QCC_F8E5M2;
  if (isa<Float8E5M2FNUZType>(element))
    return QCC_F8E5M2FNUZ;
  if (isa<Float8E8M0FNUType>(element))
    return QCC_F8E8M0;
  bool isUnsigned = element.isUnsignedInteger() || isa<Float4E2M1FNType>(element); // its codes
  switch (element.getIntOrFloatBitWidth()) {
  case 1:
    return QCC_BOOL;
  case 2: // below a byte: a number in each
  case 4:
  case 8:
    return isUnsigned ? QCC_U8 : QCC_I8;
  case 16:
    return isUnsigned ? QCC_U16 : QCC_I16;
  case 32:
    return isUnsigned ? QCC_U32 : QCC_I32;
  default:
    return isUnsigned ? QCC_U64 : QCC_I64;
  }
}

data::TensorInfo qcc::tensorInfo(Type type, DictionaryAttr attrs) {
  auto text = [&](StringRef name) {
    auto value = attrs ? attrs.getAs<StringAttr>(name) : StringAttr();
    return value ? value.str() : std::string();
  };
  data::TensorInfo info;
  info.name = text(qnt::nameAttrName);
  info.role = text(qnt::roleAttrName);
  info.dtype = dtypeOf(qnt::elementTypeOf(type));
  for (qnt::DimExpr dim : qnt::dimsOf(type))
    info.dims.push_back(dim.str());
  return info;
}

std::vector<data::TensorInfo> qcc::inputInfos(func::FuncOp function) {
  std::vector<data::TensorInfo> infos;
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes()))
    infos.push_back(tensorInfo(type, function.getArgAttrDict(i)));
  return infos;
}

std::vector<data::TensorInfo> qcc::outputInfos(func::FuncOp function) {
  std::vector<data::TensorInfo> infos;
  for (auto [i, type] : llvm::enumerate(function.getResultTypes()))
    infos.push_back(tensorInfo(type, function.getResultAttrDict(i)));
  return infos;
}
