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
    {"w7", Scheme::Weight::Int, 7, 0, {}},
    {"w6", Scheme::Weight::Int, 6, 0, {}},
    {"w5", Scheme::Weight::Int, 5, 0, {}},
    {"w4", Scheme::Weight::Int, 4, 0, {}},
    {"w3", Scheme::Weight::Int, 3, 0, {}},
    {"w2", Scheme::Weight::Int, 2, 0, {}},
    {"ternary", Scheme::Weight::Ternary, 2, 0, {}},
    {"binary", Scheme::Weight::Binary, 1, 0, {}},
    {"nf4", Scheme::Weight::NF4, 4, 0, {}}, // scales are U8: double quantization
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
bool hasZeroPoint(const Scheme &scheme) {
  return scheme.weight == Scheme::Weight::Int ||
         (scheme.weight == Scheme::Weight::Custom && scheme.codebook == Scheme::Codebook::None);
}

const WeightName *formatOf(const Scheme &scheme) {
  for (const WeightName &entry : weightNames)
    if (entry.weight == scheme.weight && entry.bits == scheme.bits)
      return &entry;
  return nullptr;
}

/// The scale type that a granularity has unless the text says otherwise.
Scheme::ScaleType usualScale(const Scheme &scheme) {
  if (scheme.granularity != Scheme::Granularity::Block)
    return Scheme::ScaleType::F32;
  return scheme.weight == Scheme::Weight::NF4 ? Scheme::ScaleType::U8 : Scheme::ScaleType::F16;
}

/// What holds when no modifier is given: per channel at 8 bits, blocks of 32 below.
void setDefaults(Scheme &scheme) {
  const WeightName *format = formatOf(scheme);
  bool wide = scheme.bits == 8;
  scheme.granularity = wide ? Scheme::Granularity::Channel : Scheme::Granularity::Block;
  scheme.block = wide ? 0 : 32;
  scheme.symmetric = wide || !hasZeroPoint(scheme);
  scheme.scale = usualScale(scheme);
  scheme.actGroup = 0;
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
  case Scheme::ScaleType::U8:
    return "u8";
  }
  return "";
}

/// The weight name that begins `head` and leaves nothing or `aACT` behind.
bool takeWeight(StringRef head, llvm::ArrayRef<Scheme> custom, Scheme &scheme, StringRef &rest) {
  auto fits = [&](StringRef name) {
    rest = head;
    return rest.consume_front(name) && (rest.empty() || rest.front() == 'a');
  };
  for (const Scheme &own : custom)
    if (fits(own.custom)) {
      scheme = own;
      return true;
    }
  for (const WeightName &entry : weightNames)
    if (fits(entry.name)) {
      scheme.weight = entry.weight;
      scheme.bits = entry.bits;
      setDefaults(scheme);
      return true;
    }
  return false;
}

bool takeAct(StringRef rest, Scheme &scheme) {
  if (rest.empty())
    return true; // floats, or as a recipe has it
  if (rest == "a16")
    scheme.act = Scheme::Act::Float;
  else if (rest == "a8")
    scheme.act = Scheme::Act::Int8Dynamic;
  else if (rest == "a8s")
    scheme.act = Scheme::Act::Int8Static;
  else if (rest == "ai16")
    scheme.act = Scheme::Act::Int16;
  else if (rest == "afp8")
    scheme.act = Scheme::Act::Float8;
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
  for (Type type : {Type::F32, Type::F16, Type::BF16, Type::E8M0, Type::E4M3, Type::U8})
    if (name == scaleName(type)) {
      scheme.scale = type;
      return llvm::Error::success();
    }
  return schemeError(text, "unknown scale type '" + name + "'",
                     "scale= takes f32, f16 or bf16, in blocks also u8, e4m3 or e8m0");
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
    if (!scheme.symmetric && !hasZeroPoint(scheme))
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
                     "scale=f32|f16|bf16|u8|e4m3|e8m0");
}
} // namespace

llvm::Expected<Scheme> qcc::parseScheme(StringRef text, llvm::ArrayRef<Scheme> custom) {
  llvm::SmallVector<StringRef> parts;
  text.split(parts, ':');
  Scheme scheme;
  StringRef rest;
  if (!takeWeight(parts[0], custom, scheme, rest))
    return schemeError(text, "unknown weight format '" + parts[0] + "'",
                       "weights are w8 w7 w6 w5 w4 w3 w2 ternary binary nf4 cb4 cb3 cb2 fp8e4m3 "
                       "fp8e5m2 mxfp4 nvfp4, or a recipe's own");
  if (!takeAct(rest, scheme))
    return schemeError(text, "unknown activation format '" + rest.drop_front() + "'",
                       "activations are a8 (int8 per token), a8s (int8 static), ai16, afp8 (8-bit "
                       "floats per token), a16");
  if (!rest.empty() && scheme.act != Scheme::Act::Int8Dynamic && scheme.act != Scheme::Act::Int16)
    scheme.actGroup = 0;
  Seen seen;
  for (StringRef mod : llvm::ArrayRef(parts).drop_front())
    if (llvm::Error error = applyMod(text, mod, scheme, seen))
      return error;
  const WeightName *format = formatOf(scheme);
  if (seen.granularity && !seen.scale && !(format && format->fixedBlock))
    scheme.scale = usualScale(scheme);
  bool byCode = scheme.scale == Scheme::ScaleType::U8 || scheme.scale == Scheme::ScaleType::E4M3;
  if (byCode && scheme.granularity != Scheme::Granularity::Block)
    return schemeError(text, "scale=" + scaleName(scheme.scale) +
                                 " needs weights in blocks, whose rows share a second scale");
  return scheme;
}

bool qcc::isSchemeName(StringRef name) {
  if (name.empty() || name.size() > 64 || !llvm::isAlpha(name[0]) ||
      !llvm::all_of(name, [](char c) { return llvm::isAlnum(c) || c == '_'; }))
    return false;
  // Nothing that could be read as a built-in with activations behind it.
  Scheme scheme;
  StringRef rest;
  return !takeWeight(name, {}, scheme, rest);
}

llvm::Expected<std::vector<Scheme>> qcc::parseSchemeList(StringRef text,
                                                         llvm::ArrayRef<Scheme> custom) {
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

static const char *actName(Scheme::Act act) {
  switch (act) {
  case Scheme::Act::Float:
    return "a16";
  case Scheme::Act::Int8Dynamic:
    return "a8";
  case Scheme::Act::Int8Static:
    return "a8s";
  case Scheme::Act::Int16:
    return "ai16";
  case Scheme::Act::Float8:
    return "afp8";
  }
  return "";
}

std::string qcc::schemeToString(const Scheme &scheme, llvm::ArrayRef<Scheme> custom) {
  const WeightName *format = formatOf(scheme);
  Scheme defaults = scheme;
  defaults.act = Scheme::Act::Float;
  if (format)
    setDefaults(defaults);
  for (const Scheme &own : custom)
    if (!format && own.custom == scheme.custom)
      defaults = own;
  std::string text = format ? format->name : scheme.custom;
  if (scheme.act != defaults.act)
    text += actName(scheme.act);
  bool fixed = format && format->fixedBlock;
  if (!fixed) {
    if (scheme.granularity == Scheme::Granularity::Block)
      text += ":g" + std::to_string(scheme.block);
    else if (scheme.granularity != defaults.granularity)
      text += scheme.granularity == Scheme::Granularity::Channel ? ":channel" : ":tensor";
  }
  if (scheme.symmetric != defaults.symmetric)
    text += scheme.symmetric ? ":sym" : ":asym";
  if (scheme.actGroup != defaults.actGroup)
    text += scheme.actGroup ? ":ag=" + std::to_string(scheme.actGroup) : ":ag=token";
  // Any granularity in the text sets the scale type that goes with it.
  bool saysGranularity = scheme.granularity == Scheme::Granularity::Block ||
                         scheme.granularity != defaults.granularity;
  Scheme::ScaleType implied = saysGranularity ? usualScale(scheme) : defaults.scale;
  if (!fixed && scheme.scale != implied)
    text += ":scale=" + scaleName(scheme.scale).str();
  return text;
}
