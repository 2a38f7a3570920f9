// The dialect itself and the base of its ops.
#ifndef QNT_DIALECT
#define QNT_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def Qnt_Dialect : Dialect {
  let name = "qnt";
  let cppNamespace = "::qcc::qnt";
  let summary = "Transformers, and how their numbers are stored and computed";
  let description = [{
    The one dialect a model lives in from import to lowering. It holds the ops of a transformer,
    weights as symbols, dimensions as expressions, and everything needed to say how a number is
    stored and computed. See Rationale.md.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
}

class Qnt_Op<string mnemonic, list<Trait> traits = []> : Op<Qnt_Dialect, mnemonic, traits>;

#endif
