// What a model's inputs and outputs are for: by structure where that decides, else by name.
#include "GraphImporter.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// The value behind pure changes of form.
Value origin(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<qnt::ReshapeOp, qnt::TransposeOp, qnt::CastOp, qnt::IdentityOp, qnt::BroadcastOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// Whether an integer argument picks rows of a constant matrix (an embedding).
bool indexesTable(Value argument, int64_t *rows) {
  SmallVector<Value> work = {argument};
  for (size_t i = 0; i < work.size() && i < 16; ++i)
    for (Operation *user : work[i].getUsers()) {
      if (isa<qnt::ReshapeOp, qnt::CastOp, qnt::IdentityOp>(user))
        work.push_back(user->getResult(0));
      auto gather = dyn_cast<qnt::GatherOp>(user);
      if (!gather || gather.getIndices() != work[i] || gather.getAxis() != 0)
        continue;
      auto table = cast<RankedTensorType>(gather.getX().getType());
      if (table.getRank() == 2 && isa<FloatType>(table.getElementType()) &&
          table.hasStaticShape() &&
          isa_and_present<qnt::UseOp, qnt::ConstantOp>(origin(gather.getX()).getDefiningOp())) {
        *rows = table.getShape()[0];
        return true;
      }
    }
  return false;
}

/// The first run of digits in a name.
std::optional<int64_t> numberIn(StringRef name) {
  size_t start = name.find_first_of("0123456789");
  if (start == StringRef::npos)
    return std::nullopt;
  int64_t value;
  StringRef digits = name.drop_front(start).take_while(llvm::isDigit);
  return digits.getAsInteger(10, value) ? std::nullopt : std::optional(value);
}

bool mentions(StringRef name, ArrayRef<StringRef> words) {
  std::string lower = name.lower();
  return llvm::any_of(words, [&](StringRef word) { return StringRef(lower).contains(word); });
}

/// "past.0.key" for a cache input, "present.0.key" for a cache output; "" for others. `order`
/// numbers caches whose names hold no number.
std::string cacheRole(StringRef name, StringRef kind, int64_t order) {
  // "past_key_values" says neither.
  std::string rest = name.lower();
  for (size_t at; (at = rest.find("key_value")) != std::string::npos;)
    rest.erase(at, strlen("key_value"));
  bool isValue = StringRef(rest).contains("value") || StringRef(rest).ends_with("v");
  std::string half = isValue ? "value" : "key";
  std::string part = mentions(name, {"encoder", "cross"}) ? ".encoder" : "";
  return kind.str() + "." + std::to_string(numberIn(name).value_or(order)) + part + "." + half;
}

/// Whether a name is that of a cache, not of a state that a recurrence changes in place.
bool isCacheName(StringRef name, ArrayRef<StringRef> words) {
  return mentions(name, words) && !mentions(name, {"recurrent", "conv", "ssm"});
}

std::string argumentRole(BlockArgument argument, StringRef name, int64_t caches) {
  auto type = cast<RankedTensorType>(argument.getType());
  bool isInteger = isa<IntegerType>(type.getElementType());
  if (isCacheName(name, {"past", "cache"}) && type.getRank() >= 4 && !isInteger)
    return cacheRole(name, "past", caches / 2);
  if (mentions(name, {"mask"}))
    return mentions(name, {"encoder"}) ? "encoder_mask" : "mask";
  int64_t rows = 0;
  bool table = isInteger && indexesTable(argument, &rows);
  if (isInteger && mentions(name, {"position"}))
    return "positions";
  if (isInteger && mentions(name, {"token_type", "segment"}))
    return "types";
  if (table || (isInteger && mentions(name, {"input_ids", "ids", "tokens"})))
    return "ids";
  if (mentions(name, {"encoder_hidden", "encoder_output"}))
    return "encoder_state";
  if (mentions(name, {"pixel"}))
    return "pixels";
  if (mentions(name, {"input_features", "mel"}))
    return "features";
  return "";
}

} // namespace

void qcc::import::assignRoles(func::FuncOp func,
                              ArrayRef<std::pair<std::string, std::string>> bindings) {
  MLIRContext *context = func.getContext();
  auto nameOf = [](DictionaryAttr attrs) {
    auto name = attrs ? attrs.getAs<StringAttr>(qnt::nameAttrName) : StringAttr();
    return name ? name.getValue() : StringRef();
  };
  llvm::StringMap<std::string> bound;
  for (const auto &[role, name] : bindings)
    bound[name] = role;
  llvm::StringSet<> taken;
  for (const auto &[role, name] : bindings)
    taken.insert(role);
  int64_t caches = 0;
  for (BlockArgument argument : func.getArguments()) {
    unsigned i = argument.getArgNumber();
    StringRef name = nameOf(func.getArgAttrDict(i));
    std::string role = bound.lookup(name);
    if (role.empty()) {
      role = argumentRole(argument, name, caches);
      caches += StringRef(role).starts_with("past.");
      if (role.empty() || !taken.insert(role).second)
        continue; // a role belongs to one input
    }
    func.setArgAttr(i, qnt::roleAttrName, StringAttr::get(context, role));
  }
  caches = 0;
  bool hasPast = false;
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    if (auto role = func.getArgAttrOfType<StringAttr>(i, qnt::roleAttrName))
      hasPast |= role.getValue().starts_with("past.");
  for (unsigned i = 0; i < func.getNumResults(); ++i) {
    StringRef name = nameOf(func.getResultAttrDict(i));
    auto type = cast<RankedTensorType>(func.getResultTypes()[i]);
    std::string role = bound.lookup(name);
    if (role.empty() && isCacheName(name, {"present", "past", "cache"}) && type.getRank() >= 4)
      role = cacheRole(name, "present", caches++ / 2);
    else if (role.empty() && mentions(name, {"logits"}))
      role = "logits";
    else if (role.empty() && hasPast && i == 0 && type.getRank() == 3)
      role = "logits";
    if (!role.empty())
      func.setResultAttr(i, qnt::roleAttrName, StringAttr::get(context, role));
  }
}
