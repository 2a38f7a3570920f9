// The grammar of schemes, its defaults and its canonical text.
#include "qcc/Support/Scheme.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

using namespace qcc;
using llvm::StringRef;

namespace {
struct WeightName {
  const char *name;
  Scheme::Weight weight;
  unsigned bits;
  unsigned fixedBlock; ///< the format itself fixes block and scale type
  Scheme::ScaleType fixedScale;
};

constexpr WeightName weightNames[] = {
    {"w8", Scheme::Weight::Int, 8, 0, {}},
    {"w4", Scheme::Weight::Int, 4, 0, {}},
    {"w3", Scheme::Weight::Int, 3, 0, {}},
    {"w2", Scheme::Weight::Int, 2, 0, {}},
    {"ternary", Scheme::Weight::Ternary, 2, 0, {}},
    {"binary", Scheme::Weight::Binary, 1, 0, {}},
    {"nf4", Scheme::Weight::NF4, 4, 0, {}},
    {"cb4", Scheme::Weight::Codebook, 4, 0, {}},
    {"cb3", Scheme::Weight::Codebook, 3, 0, {}},
    {"cb2", Scheme::Weight::Codebook, 2, 0, {}},
    {"fp8e4m3", Scheme::Weight::FP8E4M3, 8, 0, {}},
    {"fp8e5m2", Scheme::Weight::FP8E5M2, 8, 0, {}},
    {"mxfp4", Scheme::Weight::MXFP4, 4, 32, Scheme::ScaleType::E8M0},
    {"nvfp4", Scheme::Weight::NVFP4, 4, 16, Scheme::ScaleType::E4M3},
};

constexpr unsigned maxBlock = 1u << 16;

llvm::Error schemeError(StringRef text, const llvm::Twine &why, StringRef help = "") {
  return makeError(Diag::BadScheme, "", ("scheme '" + text + "': " + why).str(), {}, help.str());
}

/// Only integers have a zero point to choose.
bool hasZeroPoint(Scheme::Weight weight) {
  return weight == Scheme::Weight::Int || weight == Scheme::Weight::Custom;
}

const WeightName *formatOf(const Scheme &scheme) {
  for (const WeightName &entry : weightNames)
    if (entry.weight == scheme.weight && entry.bits == scheme.bits)
      return &entry;
  return nullptr;
}

/// What holds when no modifier is given: per channel at 8 bits, blocks of 32 below.
void setDefaults(Scheme &scheme) {
  const WeightName *format = formatOf(scheme);
  bool wide = scheme.bits == 8;
  scheme.granularity = wide ? Scheme::Granularity::Channel : Scheme::Granularity::Block;
  scheme.block = wide ? 0 : 32;
  scheme.symmetric = wide || !hasZeroPoint(scheme.weight);
  scheme.scale = wide ? Scheme::ScaleType::F32 : Scheme::ScaleType::F16;
  if (format && format->fixedBlock) {
    scheme.block = format->fixedBlock;
    scheme.scale = format->fixedScale;
  }
}

StringRef scaleName(Scheme::ScaleType scale) {
  switch (scale) {
  case Scheme::ScaleType::F32:
    return "f32";
  case Scheme::ScaleType::F16:
    return "f16";
  case Scheme::ScaleType::BF16:
    return "bf16";
  case Scheme::ScaleType::E8M0:
    return "e8m0";
  case Scheme::ScaleType::E4M3:
    return "e4m3";
  }
  return "";
}

/// The weight name that begins `head` and leaves nothing or `aACT` behind.
bool takeWeight(StringRef head, llvm::ArrayRef<std::string> custom, Scheme &scheme,
                StringRef &rest) {
  auto fits = [&](StringRef name) {
    rest = head;
    return rest.consume_front(name) && (rest.empty() || rest.front() == 'a');
  };
  for (const std::string &name : custom)
    if (fits(name)) {
      scheme.weight = Scheme::Weight::Custom;
      scheme.bits = 0;
      scheme.custom = name;
      return true;
    }
  for (const WeightName &entry : weightNames)
    if (fits(entry.name)) {
      scheme.weight = entry.weight;
      scheme.bits = entry.bits;
      return true;
    }
  return false;
}

bool takeAct(StringRef rest, Scheme &scheme) {
  if (rest.empty() || rest == "a16")
    scheme.act = Scheme::Act::Float;
  else if (rest == "a8")
    scheme.act = Scheme::Act::Int8Dynamic;
  else if (rest == "a8s")
    scheme.act = Scheme::Act::Int8Static;
  else if (rest == "ai16")
    scheme.act = Scheme::Act::Int16;
  else
    return false;
  return true;
}

bool parseSize(StringRef text, unsigned &size) {
  return !text.getAsInteger(10, size) && size >= 1 && size <= maxBlock;
}

/// Which of the four kinds of modifier have been seen; each may be given once.
struct Seen {
  bool granularity = false, zero = false, actGroup = false, scale = false;
};

llvm::Error applyGranularity(StringRef text, StringRef mod, Scheme &scheme, Seen &seen) {
  if (std::exchange(seen.granularity, true))
    return schemeError(text, "a second granularity '" + mod + "'");
  const WeightName *format = formatOf(scheme);
  unsigned size = 0;
  if (mod == "channel" || mod == "tensor") {
    scheme.granularity =
        mod == "channel" ? Scheme::Granularity::Channel : Scheme::Granularity::Tensor;
  } else if (parseSize(mod.drop_front(), size)) {
    scheme.granularity = Scheme::Granularity::Block;
  } else {
    return schemeError(text, "block size '" + mod.drop_front() + "' is not between 1 and " +
                                 llvm::Twine(maxBlock));
  }
  if (format && format->fixedBlock && size != format->fixedBlock)
    return schemeError(text, "'" + mod + "' contradicts " + format->name +
                                 ", which has blocks of " + llvm::Twine(format->fixedBlock));
  scheme.block = size;
  return llvm::Error::success();
}

llvm::Error applyScale(StringRef text, StringRef name, Scheme &scheme, Seen &seen) {
  if (std::exchange(seen.scale, true))
    return schemeError(text, "a second scale type '" + name + "'");
  if (const WeightName *format = formatOf(scheme); format && format->fixedBlock)
    return schemeError(text, llvm::Twine("scale=") + name + " contradicts " + format->name +
                                 ", which has " + scaleName(format->fixedScale) + " scales");
  using Type = Scheme::ScaleType;
  for (Type type : {Type::F32, Type::F16, Type::BF16})
    if (name == scaleName(type)) {
      scheme.scale = type;
      return llvm::Error::success();
    }
  return schemeError(text, "unknown scale type '" + name + "'", "scale= takes f32, f16 or bf16");
}

llvm::Error applyActGroup(StringRef text, StringRef value, Scheme &scheme, Seen &seen) {
  if (std::exchange(seen.actGroup, true))
    return schemeError(text, "a second activation group 'ag=" + value + "'");
  if (scheme.act != Scheme::Act::Int8Dynamic && scheme.act != Scheme::Act::Int16)
    return schemeError(text, "ag= needs activations quantized per token (a8 or ai16)");
  if (value == "token")
    scheme.actGroup = 0;
  else if (!parseSize(value, scheme.actGroup))
    return schemeError(text, "activation group '" + value +
                                 "' is neither 'token' nor between 1 and " + llvm::Twine(maxBlock));
  return llvm::Error::success();
}

llvm::Error applyMod(StringRef text, StringRef mod, Scheme &scheme, Seen &seen) {
  if (mod == "channel" || mod == "tensor" ||
      (mod.size() > 1 && mod[0] == 'g' &&
       mod.drop_front().find_if_not(llvm::isDigit) == StringRef::npos))
    return applyGranularity(text, mod, scheme, seen);
  if (mod == "sym" || mod == "asym") {
    if (std::exchange(seen.zero, true))
      return schemeError(text, "sym or asym given twice");
    scheme.symmetric = mod == "sym";
    if (!scheme.symmetric && !hasZeroPoint(scheme.weight))
      return schemeError(text, "asym needs an integer weight format");
    return llvm::Error::success();
  }
  StringRef value = mod;
  if (value.consume_front("ag="))
    return applyActGroup(text, value, scheme, seen);
  if (value.consume_front("scale="))
    return applyScale(text, value, scheme, seen);
  return schemeError(text, "unknown modifier '" + mod + "'",
                     "modifiers are gN, channel, tensor, sym, asym, ag=token, ag=N, "
                     "scale=f32|f16|bf16");
}
} // namespace

llvm::Expected<Scheme> qcc::parseScheme(StringRef text, llvm::ArrayRef<std::string> custom) {
  llvm::SmallVector<StringRef> parts;
  text.split(parts, ':');
  Scheme scheme;
  StringRef rest;
  if (!takeWeight(parts[0], custom, scheme, rest))
    return schemeError(text, "unknown weight format '" + parts[0] + "'",
                       "weights are w8 w4 w3 w2 ternary binary nf4 cb4 cb3 cb2 fp8e4m3 fp8e5m2 "
                       "mxfp4 nvfp4, or a recipe's own");
  if (!takeAct(rest, scheme))
    return schemeError(text, "unknown activation format '" + rest.drop_front() + "'",
                       "activations are a8 (int8 per token), a8s (int8 static), ai16, a16");
  setDefaults(scheme);
  Seen seen;
  for (StringRef mod : llvm::ArrayRef(parts).drop_front())
    if (llvm::Error error = applyMod(text, mod, scheme, seen))
      return error;
  if (seen.granularity && !seen.scale && formatOf(scheme) && !formatOf(scheme)->fixedBlock)
    scheme.scale = scheme.granularity == Scheme::Granularity::Block ? Scheme::ScaleType::F16
                                                                    : Scheme::ScaleType::F32;
  return scheme;
}

llvm::Expected<std::vector<Scheme>> qcc::parseSchemeList(StringRef text,
                                                         llvm::ArrayRef<std::string> custom) {
  std::vector<Scheme> schemes;
  llvm::SmallVector<StringRef> parts;
  text.split(parts, ',');
  for (StringRef part : parts) {
    llvm::Expected<Scheme> scheme = parseScheme(part, custom);
    if (!scheme)
      return scheme.takeError();
    schemes.push_back(*scheme);
  }
  return schemes;
}

std::string qcc::schemeToString(const Scheme &scheme) {
  const WeightName *format = formatOf(scheme);
  std::string text = format ? format->name : scheme.custom;
  switch (scheme.act) {
  case Scheme::Act::Float:
    break;
  case Scheme::Act::Int8Dynamic:
    text += "a8";
    break;
  case Scheme::Act::Int8Static:
    text += "a8s";
    break;
  case Scheme::Act::Int16:
    text += "ai16";
    break;
  }
  Scheme defaults = scheme;
  setDefaults(defaults);
  bool fixed = format && format->fixedBlock;
  if (!fixed) {
    if (scheme.granularity == Scheme::Granularity::Block)
      text += ":g" + std::to_string(scheme.block);
    else if (scheme.granularity != defaults.granularity)
      text += scheme.granularity == Scheme::Granularity::Channel ? ":channel" : ":tensor";
  }
  if (scheme.symmetric != defaults.symmetric)
    text += scheme.symmetric ? ":sym" : ":asym";
  if (scheme.actGroup)
    text += ":ag=" + std::to_string(scheme.actGroup);
  Scheme::ScaleType usual = scheme.granularity == Scheme::Granularity::Block
                                ? Scheme::ScaleType::F16
                                : Scheme::ScaleType::F32;
  if (!fixed && scheme.scale != usual)
    text += ":scale=" + scaleName(scheme.scale).str();
  return text;
}
