// Elementwise ops: most have an operator of their own.
#include "GraphExporter.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::exporter;
using namespace qcc::qnt;

namespace {

/// The operator of the same meaning, or nothing.
StringRef operatorOf(StringRef mnemonic) {
  return llvm::StringSwitch<StringRef>(mnemonic)
      .Case("abs", "Abs")
      .Case("neg", "Neg")
      .Case("sign", "Sign")
      .Case("ceil", "Ceil")
      .Case("floor", "Floor")
      .Case("round", "Round")
      .Case("sqrt", "Sqrt")
      .Case("reciprocal", "Reciprocal")
      .Case("exp", "Exp")
      .Case("log", "Log")
      .Case("sin", "Sin")
      .Case("cos", "Cos")
      .Case("tan", "Tan")
      .Case("asin", "Asin")
      .Case("acos", "Acos")
      .Case("atan", "Atan")
      .Case("sinh", "Sinh")
      .Case("cosh", "Cosh")
      .Case("asinh", "Asinh")
      .Case("acosh", "Acosh")
      .Case("atanh", "Atanh")
      .Case("tanh", "Tanh")
      .Case("sigmoid", "Sigmoid")
      .Case("erf", "Erf")
      .Case("relu", "Relu")
      .Case("softplus", "Softplus")
      .Case("add", "Add")
      .Case("sub", "Sub")
      .Case("mul", "Mul")
      .Case("div", "Div")
      .Case("pow", "Pow")
      .Case("min", "Min")
      .Case("max", "Max")
      .Case("select", "Where")
      .Case("is_nan", "IsNaN")
      .Default("");
}

/// Logical on booleans, bitwise on integers.
StringRef logicalOperatorOf(StringRef mnemonic, bool isBool) {
  return llvm::StringSwitch<StringRef>(mnemonic)
      .Case("and", isBool ? "And" : "BitwiseAnd")
      .Case("or", isBool ? "Or" : "BitwiseOr")
      .Case("xor", isBool ? "Xor" : "BitwiseXor")
      .Case("not", isBool ? "Not" : "BitwiseNot")
      .Default("");
}

std::string compared(GraphExporter &e, CompareOp op, Names operands) {
  switch (op.getPredicate()) {
  case Predicate::eq:
    return e.add("Equal", operands);
  case Predicate::ne:
    return e.add("Not", {e.add("Equal", operands)});
  case Predicate::lt:
    return e.add("Less", operands);
  case Predicate::le:
    return e.add("LessOrEqual", operands);
  case Predicate::gt:
    return e.add("Greater", operands);
  case Predicate::ge:
    return e.add("GreaterOrEqual", operands);
  }
  return {};
}

std::string gelu(GraphExporter &e, GeluOp op, const std::string &x) {
  if (op.getKind() != GeluKind::sigmoid)
    return e.add("Gelu", {x},
                 {attr("approximate", op.getKind() == GeluKind::tanh ? "tanh" : "none")});
  std::string scaled = e.add("Mul", {x, e.number(elementTypeOf(op.getType()), 1.702)});
  return e.add("Mul", {x, e.add("Sigmoid", {scaled})});
}

/// x - y * floor(x / y); the operator's own form is for integers.
std::string mod(GraphExporter &e, ModOp op, const Names &xy) {
  bool isFloat = isa<FloatType>(elementTypeOf(op.getType()));
  if (op.getFmod() || !isFloat)
    return e.add("Mod", xy, {attr("fmod", int64_t(op.getFmod()))});
  return e.add("Sub", {xy[0], e.add("Mul", {xy[1], e.add("Floor", {e.add("Div", xy)})})});
}

} // namespace

bool exporter::exportElementwise(GraphExporter &e, Operation *op) {
  if (!op->hasTrait<Elementwise>())
    return false;
  Names operands;
  for (Value operand : op->getOperands())
    operands.push_back(e.name(operand));
  StringRef mnemonic = op->getName().stripDialect();
  Type element = elementTypeOf(op->getResult(0).getType());
  auto done = [&](std::string value) {
    e.define(op->getResult(0), std::move(value));
    return true;
  };
  if (StringRef direct = operatorOf(mnemonic); !direct.empty())
    return done(e.add(direct, operands));
  if (StringRef direct = logicalOperatorOf(mnemonic, element.isInteger(1)); !direct.empty())
    return done(e.add(direct, operands));
  if (isa<ShlOp, ShrOp>(op)) {
    if (!element.isUnsignedInteger())
      return e.refuse(op, "shifts of signed integers have no ONNX form"), true;
    return done(
        e.add("BitShift", operands, {attr("direction", isa<ShlOp>(op) ? "LEFT" : "RIGHT")}));
  }
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](CompareOp o) { return done(compared(e, o, operands)); })
      .Case([&](GeluOp o) { return done(gelu(e, o, operands[0])); })
      .Case([&](ModOp o) { return done(mod(e, o, operands)); })
      .Case([&](SiluOp) {
        return done(e.add("Mul", {operands[0], e.add("Sigmoid", {operands[0]})}));
      })
      .Case([&](IsInfOp o) {
        return done(e.add("IsInf", operands,
                          {attr("detect_positive", int64_t(o.getPositive())),
                           attr("detect_negative", int64_t(o.getNegative()))}));
      })
      .Case([&](CastOp o) {
        return done(e.cast(operands[0], elementTypeOf(o.getX().getType()), element));
      })
      .Default([](Operation *) { return false; });
}
