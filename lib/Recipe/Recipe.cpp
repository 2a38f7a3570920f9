// Reading recipes: YAML, every key checked, errors with their line.
#include "qcc/Recipe/Recipe.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Statistics.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLParser.h"
#include <algorithm>
#include <cmath>

using namespace qcc;
using llvm::Error;
using llvm::StringRef;
using llvm::Twine;
namespace yaml = llvm::yaml;

namespace {

constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxLine = 4096;
constexpr int kMaxDepth = 32;
constexpr unsigned kMaxBlock = 1u << 16;

/// Options of the quantize section, and what they take.
struct OptionKey {
  const char *name;
  enum Kind { Text, List, Flag } kind;
};
constexpr OptionKey optionKeys[] = {
    {"quantize", OptionKey::Text},       {"method", OptionKey::Text},
    {"calib", OptionKey::Text},          {"calib-samples", OptionKey::Text},
    {"mem-limit", OptionKey::Text},      {"embed", OptionKey::Text},
    {"head", OptionKey::Text},           {"kv", OptionKey::Text},
    {"skip", OptionKey::List},           {"accept", OptionKey::Text},
    {"eval-data", OptionKey::Text},      {"budget-size", OptionKey::Text},
    {"budget-latency", OptionKey::List}, {"cost-table", OptionKey::Text},
    {"requantize", OptionKey::Flag},     {"require-measured", OptionKey::Flag},
    {"attention", OptionKey::Text}};

Error recipeError(StringRef name, unsigned line, const Twine &why, StringRef help = "") {
  std::string where = name.str() + (line ? ":" + std::to_string(line) : "");
  return makeError(Diag::BadRecipe, where, why.str(), {}, help.str());
}

/// The parser below recurses over what is nested; a file that nests deeper than recipes do is
/// refused before it.
Error checkShape(StringRef text, StringRef name) {
  if (text.size() > kMaxBytes)
    return recipeError(
        name, 0, "has " + Twine(text.size()) + " bytes; recipes have at most " + Twine(kMaxBytes));
  if (text.contains('\0'))
    return recipeError(name, 0, "holds a NUL byte, so it is no text");
  unsigned number = 0;
  int open = 0;
  for (StringRef rest = text; !rest.empty();) {
    StringRef line;
    std::tie(line, rest) = rest.split('\n');
    ++number;
    if (line.size() > kMaxLine)
      return recipeError(name, number,
                         "the line has " + Twine(line.size()) + " bytes; at most " +
                             Twine(kMaxLine) + " are read");
    for (char c : line)
      open += c == '[' || c == '{' ? 1 : (c == ']' || c == '}') && open ? -1 : 0;
    // What a line opens before its first word: "- - -", "? ? ?", indentation.
    StringRef start = line.substr(0, line.find_first_not_of(" -?\t"));
    int marks = static_cast<int>(start.count('-') + start.count('?'));
    int indent = static_cast<int>(
        line.find_first_not_of(" ") == StringRef::npos ? 0 : line.find_first_not_of(" "));
    bool ruler = marks > 1 && start.trim() == start && !start.contains(' ');
    if (open > kMaxDepth || (marks > kMaxDepth && !ruler) || indent > 8 * kMaxDepth)
      return recipeError(name, number, "is nested more than " + Twine(kMaxDepth) + " levels deep");
  }
  return Error::success();
}

/// "weight: nonsense" at its line.
class Reader {
public:
  Reader(StringRef text, StringRef name) : name(name), stream(text, sources) {
    sources.setDiagHandler(
        [](const llvm::SMDiagnostic &found, void *self) {
          auto &reader = *static_cast<Reader *>(self);
          if (reader.syntax.empty()) {
            reader.syntax = found.getMessage().str();
            reader.syntaxLine = static_cast<unsigned>(std::max(0, found.getLineNo()));
          }
        },
        this);
  }
  llvm::Expected<Recipe> read();

private:
  /// Nodes that the parser made up have no place; they follow the one before.
  unsigned lineOf(yaml::Node *node) {
    llvm::SMLoc start = node->getSourceRange().Start;
    if (start.isValid())
      line = sources.getLineAndColumn(start).first;
    return line;
  }
  Error fail(yaml::Node *node, const Twine &why, StringRef help = "") {
    return recipeError(name, node ? lineOf(node) : 0, why, help);
  }
  Error unknown(yaml::Node *node, StringRef what, StringRef key, StringRef known) {
    return fail(node, "unknown " + what + " '" + key + "'", ("there are " + known).str());
  }
  Error text(yaml::Node *node, StringRef what, std::string &out);
  Error integer(yaml::Node *node, StringRef what, unsigned low, unsigned high, unsigned &out);
  Error flag(yaml::Node *node, StringRef what, bool &out);
  /// Calls visit(key, value) for each entry; a key occurs once.
  Error entries(yaml::Node *node, StringRef what,
                llvm::function_ref<Error(yaml::Node *, StringRef, yaml::Node *)> visit);
  Error items(yaml::Node *node, StringRef what, llvm::function_ref<Error(yaml::Node *)> visit);

  Error readTop(yaml::Node *key, StringRef word, yaml::Node *value);
  Error readOption(const OptionKey &option, yaml::Node *value);
  Error readScheme(yaml::Node *key, StringRef word, yaml::Node *value);
  Error readWeight(yaml::Node *node, Scheme &scheme);
  Error readCodebook(yaml::Node *node, Scheme &scheme);
  Error readBlock(yaml::Node *node, Scheme &scheme, bool &given);
  Error readScale(yaml::Node *node, Scheme &scheme);
  Error readZero(yaml::Node *node, Scheme &scheme);
  Error readActType(yaml::Node *node, bool &isFloat);
  Error readActZero(yaml::Node *node, Scheme &scheme);
  Error readActRange(yaml::Node *node, Scheme &scheme);
  Error readAct(yaml::Node *node, Scheme &scheme);
  Error readOverride(yaml::Node *node);
  Error checkOverrides();

  StringRef name;
  llvm::SourceMgr sources;
  std::string syntax;
  unsigned syntaxLine = 0, line = 0;
  yaml::Stream stream;
  Recipe recipe;
  std::vector<unsigned> overrideLines;
};

Error Reader::text(yaml::Node *node, StringRef what, std::string &out) {
  llvm::SmallString<64> storage;
  if (auto *scalar = llvm::dyn_cast_or_null<yaml::ScalarNode>(node)) {
    StringRef raw = scalar->getRawValue();
    bool quoted = raw.starts_with("'") || raw.starts_with("\"");
    if (quoted && (raw.size() < 2 || raw.back() != raw.front()))
      return fail(node, what + " has a quote that is not closed");
    out = scalar->getValue(storage).str();
  } else if (auto *block = llvm::dyn_cast_or_null<yaml::BlockScalarNode>(node))
    out = block->getValue().rtrim('\n').str();
  else
    return fail(node, what + " must be a word");
  return Error::success();
}

Error Reader::integer(yaml::Node *node, StringRef what, unsigned low, unsigned high,
                      unsigned &out) {
  std::string word;
  if (Error error = text(node, what, word))
    return error;
  if (StringRef(word).getAsInteger(10, out) || out < low || out > high)
    return fail(node,
                what + " '" + word + "' is not between " + Twine(low) + " and " + Twine(high));
  return Error::success();
}

Error Reader::flag(yaml::Node *node, StringRef what, bool &out) {
  std::string word;
  if (Error error = text(node, what, word))
    return error;
  if (word != "true" && word != "false")
    return fail(node, what + " '" + word + "' is neither true nor false");
  out = word == "true";
  return Error::success();
}

Error Reader::entries(yaml::Node *node, StringRef what,
                      llvm::function_ref<Error(yaml::Node *, StringRef, yaml::Node *)> visit) {
  auto *map = llvm::dyn_cast_or_null<yaml::MappingNode>(node);
  if (!map)
    return fail(node, what + " must have keys, as in {bits: 4}");
  llvm::StringSet<> seen;
  for (yaml::KeyValueNode &entry : *map) {
    std::string word;
    yaml::Node *key = entry.getKey();
    if (Error error = text(key, ("a key of " + what).str(), word))
      return error;
    (void)lineOf(key);
    if (!seen.insert(word).second)
      return fail(key, "'" + word + "' stands twice in " + what);
    if (Error error = visit(key, word, entry.getValue()))
      return error;
    if (stream.failed())
      break;
  }
  return Error::success();
}

Error Reader::items(yaml::Node *node, StringRef what,
                    llvm::function_ref<Error(yaml::Node *)> visit) {
  auto *list = llvm::dyn_cast_or_null<yaml::SequenceNode>(node);
  if (!list)
    return fail(node, what + " must be a list, as in [a, b]");
  for (yaml::Node &item : *list) {
    if (Error error = visit(&item))
      return error;
    if (stream.failed())
      break;
  }
  return Error::success();
}

//===-- Options ----------------------------------------------------------------------------------//

Error Reader::readOption(const OptionKey &option, yaml::Node *value) {
  auto add = [&](yaml::Node *node) -> Error {
    std::string word;
    if (Error error = text(node, option.name, word))
      return error;
    recipe.options.emplace_back(option.name, word);
    return Error::success();
  };
  if (option.kind == OptionKey::List && llvm::isa_and_nonnull<yaml::SequenceNode>(value))
    return items(value, option.name, add);
  if (option.kind != OptionKey::Flag)
    return add(value);
  bool set = false;
  if (Error error = flag(value, option.name, set))
    return error;
  if (set)
    recipe.options.emplace_back(option.name, "true");
  return Error::success();
}

Error Reader::readTop(yaml::Node *key, StringRef word, yaml::Node *value) {
  if (word == "schemes")
    return entries(value, "schemes", [&](yaml::Node *node, StringRef inner, yaml::Node *scheme) {
      return readScheme(node, inner, scheme);
    });
  if (word == "overrides")
    return items(value, "overrides", [&](yaml::Node *node) { return readOverride(node); });
  std::string known = "schemes, overrides";
  for (const OptionKey &option : optionKeys) {
    if (word == option.name)
      return readOption(option, value);
    known += std::string(", ") + option.name;
  }
  return unknown(key, "option", word, known);
}

//===-- Schemes ----------------------------------------------------------------------------------//

Error Reader::readCodebook(yaml::Node *node, Scheme &scheme) {
  std::string word;
  if (!llvm::isa_and_nonnull<yaml::SequenceNode>(node)) {
    if (Error error = text(node, "codebook", word))
      return error;
    if (word != "kmeans")
      return fail(node, "codebook '" + word + "' is neither kmeans nor a list of values");
    scheme.codebook = Scheme::Codebook::Learned;
    return Error::success();
  }
  scheme.codebook = Scheme::Codebook::Values;
  auto take = [&](yaml::Node *item) -> Error {
    double value = 0;
    if (Error error = text(item, "a value of the codebook", word))
      return error;
    if (!llvm::to_float(word, value) || !std::isfinite(static_cast<float>(value)))
      return fail(item, "'" + word + "' is no finite number");
    if (scheme.values.size() == 256)
      return fail(item, "a codebook has 2 to 256 values");
    scheme.values.push_back(static_cast<float>(value));
    return Error::success();
  };
  if (Error error = items(node, "codebook", take))
    return error;
  std::sort(scheme.values.begin(), scheme.values.end());
  if (scheme.values.size() < 2)
    return fail(node,
                "a codebook has 2 to 256 values, but this one has " + Twine(scheme.values.size()));
  for (size_t i = 1; i < scheme.values.size(); ++i)
    if (scheme.values[i] == scheme.values[i - 1])
      return fail(node, "the value " + llvm::Twine(std::to_string(scheme.values[i])) +
                            " stands twice in the codebook");
  return Error::success();
}

Error Reader::readBlock(yaml::Node *node, Scheme &scheme, bool &given) {
  std::string word;
  if (Error error = text(node, "block", word))
    return error;
  given = true;
  scheme.block = 0;
  if (word == "channel" || word == "tensor") {
    scheme.granularity =
        word == "channel" ? Scheme::Granularity::Channel : Scheme::Granularity::Tensor;
    return Error::success();
  }
  scheme.granularity = Scheme::Granularity::Block;
  return integer(node, "block", 1, kMaxBlock, scheme.block);
}

Error Reader::readScale(yaml::Node *node, Scheme &scheme) {
  std::string word;
  if (Error error = text(node, "scale", word))
    return error;
  using Type = Scheme::ScaleType;
  for (auto [text, type] :
       {std::pair("f32", Type::F32), std::pair("f16", Type::F16), std::pair("bf16", Type::BF16),
        std::pair("e8m0", Type::E8M0), std::pair("e4m3", Type::E4M3), std::pair("u8", Type::U8)})
    if (word == text) {
      scheme.scale = type;
      return Error::success();
    }
  return fail(node, "unknown scale '" + word + "'", "scale takes f32, f16, bf16, e8m0, e4m3 or u8");
}

Error Reader::readZero(yaml::Node *node, Scheme &scheme) {
  std::string word;
  if (Error error = text(node, "zero", word))
    return error;
  if (word != "none" && word != "int" && word != "float")
    return fail(node, "zero '" + word + "' is not none, int or float");
  scheme.symmetric = word == "none";
  scheme.realZero = word == "float";
  return Error::success();
}

Error Reader::readWeight(yaml::Node *node, Scheme &scheme) {
  bool hasBits = false, hasBlock = false, hasScale = false, hasZero = false, hasSymmetric = false;
  bool symmetric = true;
  scheme.bits = 0;
  auto visit = [&](yaml::Node *key, StringRef word, yaml::Node *value) -> Error {
    if (word == "bits") {
      hasBits = true;
      return integer(value, "bits", 1, 8, scheme.bits);
    }
    if (word == "codebook")
      return readCodebook(value, scheme);
    if (word == "block")
      return readBlock(value, scheme, hasBlock);
    if (word == "scale") {
      hasScale = true;
      return readScale(value, scheme);
    }
    if (word == "zero") {
      hasZero = true;
      return readZero(value, scheme);
    }
    if (word == "symmetric") {
      hasSymmetric = true;
      return flag(value, "symmetric", symmetric);
    }
    return unknown(key, "part of a weight", word, "bits, codebook, block, scale, zero, symmetric");
  };
  if (Error error = entries(node, "weight", visit))
    return error;
  size_t count = scheme.values.size();
  if (!hasBits && scheme.codebook != Scheme::Codebook::Values)
    return fail(node, "a weight needs its bits");
  if (!hasBits)
    scheme.bits = std::max(1u, llvm::Log2_64_Ceil(count));
  if (count > size_t(1) << scheme.bits)
    return fail(node, Twine(scheme.bits) + " bits cannot count the " + Twine(count) +
                          " values of the codebook");
  if (hasSymmetric && hasZero && symmetric != scheme.symmetric)
    return fail(node, "zero and symmetric contradict each other");
  if (hasSymmetric)
    scheme.symmetric = symmetric;
  if (!scheme.symmetric && scheme.codebook != Scheme::Codebook::None)
    return fail(node, "a codebook has no zero point");
  if (!hasBlock) {
    scheme.granularity =
        scheme.bits == 8 ? Scheme::Granularity::Channel : Scheme::Granularity::Block;
    scheme.block = scheme.bits == 8 ? 0 : 32;
  }
  bool inBlocks = scheme.granularity == Scheme::Granularity::Block;
  if (!hasScale)
    scheme.scale = inBlocks ? Scheme::ScaleType::F16 : Scheme::ScaleType::F32;
  bool byCode = scheme.scale == Scheme::ScaleType::U8 || scheme.scale == Scheme::ScaleType::E4M3;
  if (byCode && !inBlocks)
    return fail(node, "scales of 8-bit codes need blocks, which share a second scale");
  return Error::success();
}

Error Reader::readActZero(yaml::Node *node, Scheme &scheme) {
  std::string word;
  if (Error error = text(node, "zero", word))
    return error;
  if (word != "none" && word != "int")
    return fail(node, "zero '" + word + "' is not none or int");
  scheme.actSymmetric = word == "none";
  return Error::success();
}

Error Reader::readActRange(yaml::Node *node, Scheme &scheme) {
  if (Error error = text(node, "range", scheme.actRange))
    return error;
  if (llvm::is_contained(kCollectors, StringRef(scheme.actRange)))
    return Error::success();
  return fail(node, "unknown range '" + scheme.actRange + "'",
              "ranges are " + llvm::join(std::begin(kCollectors), std::end(kCollectors), ", "));
}

Error Reader::readActType(yaml::Node *node, bool &isFloat) {
  std::string type;
  if (Error error = text(node, "type", type))
    return error;
  isFloat = type == "fp8";
  return isFloat || type == "int" ? Error::success()
                                  : fail(node, "unknown type '" + type + "'", "types are int, fp8");
}

Error Reader::readAct(yaml::Node *node, Scheme &scheme) {
  unsigned bits = 8;
  bool tensor = false, isFloat = false;
  auto visit = [&](yaml::Node *key, StringRef word, yaml::Node *value) -> Error {
    if (word == "type")
      return readActType(value, isFloat);
    if (word == "bits") {
      if (Error error = integer(value, "bits", 8, 16, bits))
        return error;
      return bits == 8 || bits == 16 ? Error::success()
                                     : fail(value, "activations have 8 or 16 bits");
    }
    if (word == "zero")
      return readActZero(value, scheme);
    if (word == "range")
      return readActRange(value, scheme);
    if (word != "per")
      return unknown(key, "part of activations", word, "type, bits, per, zero, range");
    std::string per;
    if (Error error = text(value, "per", per))
      return error;
    tensor = per == "tensor";
    if (tensor || per == "token")
      return Error::success();
    return integer(value, "per", 1, kMaxBlock, scheme.actGroup);
  };
  if (Error error = entries(node, "act", visit))
    return error;
  if (tensor && bits == 16)
    return fail(node, "activations per tensor have 8 bits");
  if (!tensor && !scheme.actRange.empty())
    return fail(node, "a range is for activations per tensor; others find theirs at run time");
  if (isFloat && (tensor || bits != 8 || scheme.actGroup || scheme.actSymmetric))
    return fail(node, "activations of type fp8 have 8 bits, no zero points, and a scale per token");
  scheme.act = isFloat      ? Scheme::Act::Float8
               : tensor     ? Scheme::Act::Int8Static
               : bits == 16 ? Scheme::Act::Int16
                            : Scheme::Act::Int8Dynamic;
  return Error::success();
}

Error Reader::readScheme(yaml::Node *key, StringRef word, yaml::Node *value) {
  Scheme scheme;
  scheme.weight = Scheme::Weight::Custom;
  scheme.custom = word.str();
  if (!isSchemeName(word))
    return fail(key, "'" + word + "' cannot name a scheme",
                "names are letters, digits and _, begin with a letter, and are no built-in scheme");
  bool hasWeight = false;
  auto visit = [&](yaml::Node *part, StringRef inner, yaml::Node *node) -> Error {
    if (inner == "weight") {
      hasWeight = true;
      return readWeight(node, scheme);
    }
    if (inner == "act")
      return readAct(node, scheme);
    return unknown(part, "part of a scheme", inner, "weight, act");
  };
  if (Error error = entries(value, "scheme", visit))
    return error;
  if (!hasWeight)
    return fail(key, "scheme '" + word + "' says nothing about weights");
  recipe.schemes.push_back(std::move(scheme));
  return Error::success();
}

//===-- Overrides --------------------------------------------------------------------------------//

Error Reader::readOverride(yaml::Node *node) {
  RecipeOverride own;
  unsigned line = lineOf(node);
  auto visit = [&](yaml::Node *key, StringRef word, yaml::Node *value) -> Error {
    if (word == "match")
      return text(value, "match", own.match);
    if (word == "quantize")
      return text(value, "quantize", own.quantize);
    return unknown(key, "part of an override", word, "match, quantize");
  };
  if (Error error = entries(node, "an override", visit))
    return error;
  if (own.match.empty() || own.quantize.empty())
    return recipeError(name, line, "an override needs match and quantize");
  recipe.overrides.push_back(std::move(own));
  overrideLines.push_back(line);
  return Error::success();
}

/// Schemes may be defined after they are used.
Error Reader::checkOverrides() {
  for (size_t i = 0; i < recipe.overrides.size(); ++i) {
    const std::string &text = recipe.overrides[i].quantize;
    if (text == "keep" || text == "f32" || text == "f16")
      continue;
    auto scheme = parseScheme(text, recipe.schemes);
    if (scheme)
      continue;
    Error error = Error::success();
    llvm::handleAllErrors(scheme.takeError(), [&](const CodedError &coded) {
      error = llvm::joinErrors(std::move(error),
                               makeError(coded.code,
                                         name.str() + ":" + std::to_string(overrideLines[i]),
                                         coded.message, coded.notes, coded.help));
    });
    return error;
  }
  return Error::success();
}

llvm::Expected<Recipe> Reader::read() {
  Error error = Error::success();
  auto document = stream.begin();
  if (document != stream.end()) {
    yaml::Node *root = document->getRoot();
    // A file without content is a recipe that asks for nothing.
    if (root && !llvm::isa<yaml::NullNode>(root))
      error = llvm::joinErrors(
          std::move(error),
          entries(root, "a recipe", [&](yaml::Node *key, StringRef word, yaml::Node *value) {
            return readTop(key, word, value);
          }));
  }
  bool more = !error && !stream.failed() && document != stream.end() && ++document != stream.end();
  if (stream.failed() || !syntax.empty()) {
    llvm::consumeError(std::move(error));
    return recipeError(name, syntaxLine, syntax.empty() ? "is no YAML" : syntax);
  }
  if (error)
    return std::move(error);
  if (more)
    return recipeError(name, 0, "holds more than one document");
  if (Error wrong = checkOverrides())
    return std::move(wrong);
  return std::move(recipe);
}

} // namespace

llvm::Expected<Recipe> qcc::parseRecipe(StringRef text, StringRef name) {
  if (Error error = checkShape(text, name))
    return std::move(error);
  auto recipe = Reader(text, name).read();
  if (recipe) {
    auto digest = llvm::SHA256::hash(llvm::arrayRefFromStringRef(text));
    recipe->sha256 = llvm::toHex(digest, /*LowerCase=*/true);
  }
  return recipe;
}

llvm::Expected<Recipe> qcc::readRecipe(StringRef path) {
  llvm::sys::fs::file_status status;
  bool known = !llvm::sys::fs::status(path, status);
  if (known && status.type() != llvm::sys::fs::file_type::regular_file)
    return makeError(Diag::CannotRead, path.str(), "is not a regular file");
  if (known && status.getSize() > kMaxBytes)
    return recipeError(path, 0,
                       "has " + Twine(status.getSize()) + " bytes; recipes have at most " +
                           Twine(kMaxBytes));
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return makeError(Diag::CannotRead, path.str(), buffer.getError().message());
  return parseRecipe((*buffer)->getBuffer(), path);
}
