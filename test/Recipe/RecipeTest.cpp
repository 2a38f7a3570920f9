// Recipes that are read, refused with their line, and hostile ones.
#include "qcc/Recipe/Recipe.h"
#include "qcc/Support/Diagnostics.h"
#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <random>

using namespace qcc;

namespace {

Recipe parsed(llvm::StringRef text) {
  auto recipe = parseRecipe(text, "r.yaml");
  if (!recipe) {
    ADD_FAILURE() << llvm::toString(recipe.takeError()) << "\n" << text.str();
    return {};
  }
  return *recipe;
}

Scheme onlyScheme(const std::string &weight, const std::string &act = "") {
  Recipe recipe =
      parsed("schemes: {own: {weight: " + weight + (act.empty() ? "" : ", act: " + act) + "}}");
  EXPECT_EQ(recipe.schemes.size(), 1u);
  return recipe.schemes.empty() ? Scheme() : recipe.schemes[0];
}

/// "1541 r.yaml:3: message" of the refusal.
std::string refusal(llvm::StringRef text) {
  auto recipe = parseRecipe(text, "r.yaml");
  if (recipe)
    return "accepted";
  std::string result;
  llvm::handleAllErrors(recipe.takeError(), [&](const CodedError &error) {
    result = diagName(error.code) + " " + error.where + ": " + error.message;
  });
  return result;
}

const char *whole = R"(# a comment
quantize: my3a8:g64
method: gptq
calib-samples: 128
skip: ["*.router.*", "lm_*"]
head: w8
requantize: true
require-measured: false
schemes:
  my3:
    weight: {bits: 3, codebook: kmeans, block: 64, scale: f16, zero: none}
    act: {bits: 8, per: token}
  six:
    weight: {codebook: [4, -1, 0.5, 2, -4, 1e-2], block: 48, scale: e8m0}
    act:
      bits: 16
      per: 96
overrides:
  - {match: "layers.0.*", quantize: w8a8}
  - match: "*.out"
    quantize: six
)";

} // namespace

TEST(Recipe, ReadsOptionsSchemesAndOverrides) {
  Recipe recipe = parsed(whole);
  std::vector<std::pair<std::string, std::string>> options = {
      {"quantize", "my3a8:g64"}, {"method", "gptq"}, {"calib-samples", "128"},
      {"skip", "*.router.*"},    {"skip", "lm_*"},   {"head", "w8"},
      {"requantize", "true"}};
  EXPECT_EQ(recipe.options, options);
  ASSERT_EQ(recipe.schemes.size(), 2u);
  const Scheme &my3 = recipe.schemes[0], &six = recipe.schemes[1];
  EXPECT_EQ(my3.custom, "my3");
  EXPECT_EQ(my3.bits, 3u);
  EXPECT_EQ(my3.codebook, Scheme::Codebook::Learned);
  EXPECT_EQ(my3.block, 64u);
  EXPECT_EQ(my3.act, Scheme::Act::Int8Dynamic);
  EXPECT_EQ(six.bits, 3u);
  EXPECT_EQ(six.values, (std::vector<float>{-4, -1, 1e-2f, 0.5, 2, 4}));
  EXPECT_EQ(six.scale, Scheme::ScaleType::E8M0);
  EXPECT_EQ(six.act, Scheme::Act::Int16);
  EXPECT_EQ(six.actGroup, 96u);
  ASSERT_EQ(recipe.overrides.size(), 2u);
  EXPECT_EQ(recipe.overrides[1].match, "*.out");
  EXPECT_EQ(recipe.overrides[1].quantize, "six");
  EXPECT_EQ(recipe.sha256.size(), 64u);
  auto scheme = parseScheme("my3a8:g64", recipe.schemes);
  ASSERT_TRUE(static_cast<bool>(scheme));
  EXPECT_EQ(schemeToString(*scheme, recipe.schemes), "my3:g64");
}

TEST(Recipe, SchemesHaveDefaults) {
  Scheme eight = onlyScheme("{bits: 8}");
  EXPECT_EQ(eight.granularity, Scheme::Granularity::Channel);
  EXPECT_EQ(eight.scale, Scheme::ScaleType::F32);
  EXPECT_TRUE(eight.symmetric);
  EXPECT_EQ(eight.act, Scheme::Act::Float);
  Scheme five = onlyScheme("{bits: 5, zero: int}", "{per: tensor}");
  EXPECT_EQ(five.block, 32u);
  EXPECT_EQ(five.scale, Scheme::ScaleType::F16);
  EXPECT_FALSE(five.symmetric);
  EXPECT_EQ(five.act, Scheme::Act::Int8Static);
  EXPECT_FALSE(onlyScheme("{bits: 6, symmetric: false}").symmetric);
  EXPECT_TRUE(onlyScheme("{bits: 4, zero: float, block: channel}").realZero);
  EXPECT_EQ(onlyScheme("{bits: 2, block: tensor}").granularity, Scheme::Granularity::Tensor);
  EXPECT_FALSE(five.actSymmetric);
  EXPECT_EQ(five.actRange, "");
  Scheme fixed = onlyScheme("{bits: 8}", "{per: tensor, zero: none, range: minmax}");
  EXPECT_TRUE(fixed.actSymmetric);
  EXPECT_EQ(fixed.actRange, "minmax");
  EXPECT_FALSE(onlyScheme("{bits: 8}", "{zero: int}").actSymmetric);
  EXPECT_EQ(onlyScheme("{bits: 8}", "{type: fp8, per: token}").act, Scheme::Act::Float8);
  EXPECT_EQ(onlyScheme("{bits: 8}", "{type: int}").act, Scheme::Act::Int8Dynamic);
  EXPECT_TRUE(parsed("").options.empty());
  EXPECT_TRUE(parsed("# nothing\n").overrides.empty());
}

TEST(Recipe, RefusesWithTheLine) {
  struct Case {
    const char *text, *want;
  };
  for (auto [text, want] : std::initializer_list<Case>{
           {"a: 1", "QCC1541 r.yaml:1: unknown option 'a'"},
           {"[1, 2]", "QCC1541 r.yaml:1: a recipe must have keys, as in {bits: 4}"},
           {"head: w8\nhead: w4", "QCC1541 r.yaml:2: 'head' stands twice in a recipe"},
           {"requantize: maybe", "QCC1541 r.yaml:1: requantize 'maybe' is neither true nor false"},
           {"head: [a]", "QCC1541 r.yaml:1: head must be a word"},
           {"overrides: 3", "QCC1541 r.yaml:1: overrides must be a list, as in [a, b]"},
           {"overrides:\n  - {match: a}", "QCC1541 r.yaml:2: an override needs match and quantize"},
           {"overrides:\n  - {match: a, quantise: w8}",
            "QCC1541 r.yaml:2: unknown part of an override 'quantise'"},
           {"overrides:\n\n  - {match: a, quantize: w9}",
            "QCC1003 r.yaml:3: scheme 'w9': unknown weight format 'w9'"},
           {"schemes: {w4: {weight: {bits: 4}}}", "QCC1541 r.yaml:1: 'w4' cannot name a scheme"},
           {"schemes: {a: {weight: {bits: 8}, act: {zero: float}}}",
            "QCC1541 r.yaml:1: zero 'float' is not none or int"},
           {"schemes: {a: {weight: {bits: 8}, act: {per: tensor, range: max}}}",
            "QCC1541 r.yaml:1: unknown range 'max'"},
           {"schemes: {a: {weight: {bits: 8}, act: {range: minmax}}}",
            "QCC1541 r.yaml:1: a range is for activations per tensor; others find theirs at run "
            "time"},
           {"schemes: {a: {act: {bits: 8}}}",
            "QCC1541 r.yaml:1: scheme 'a' says nothing about weights"},
           {"schemes: {a: {weight: {bits: 9}}}",
            "QCC1541 r.yaml:1: bits '9' is not between 1 and 8"},
           {"schemes: {a: {weight: {block: 32}}}", "QCC1541 r.yaml:1: a weight needs its bits"},
           {"schemes: {a: {weight: {bits: 4, block: 0}}}",
            "QCC1541 r.yaml:1: block '0' is not between 1 and 65536"},
           {"schemes: {a: {weight: {bits: 4, scale: f8}}}", "QCC1541 r.yaml:1: unknown scale 'f8'"},
           {"schemes: {a: {weight: {bits: 4, zero: yes}}}",
            "QCC1541 r.yaml:1: zero 'yes' is not none, int or float"},
           {"schemes: {a: {weight: {bits: 4, zero: int, symmetric: true}}}",
            "QCC1541 r.yaml:1: zero and symmetric contradict each other"},
           {"schemes: {a: {weight: {bits: 4, codebook: kmeans, zero: int}}}",
            "QCC1541 r.yaml:1: a codebook has no zero point"},
           {"schemes: {a: {weight: {bits: 1, codebook: [1, 2, 3]}}}",
            "QCC1541 r.yaml:1: 1 bits cannot count the 3 values of the codebook"},
           {"schemes: {a: {weight: {codebook: [1]}}}",
            "QCC1541 r.yaml:1: a codebook has 2 to 256 values, but this one has 1"},
           {"schemes: {a: {weight: {codebook: [1, 1.0]}}}",
            "QCC1541 r.yaml:1: the value 1.000000 stands twice in the codebook"},
           {"schemes: {a: {weight: {codebook: [1, nan]}}}",
            "QCC1541 r.yaml:1: 'nan' is no finite number"},
           {"schemes: {a: {weight: {codebook: lloyd, bits: 2}}}",
            "QCC1541 r.yaml:1: codebook 'lloyd' is neither kmeans nor a list of values"},
           {"schemes: {a: {weight: {bits: 8, scale: u8}}}",
            "QCC1541 r.yaml:1: scales of 8-bit codes need blocks, which share a second scale"},
           {"schemes: {a: {weight: {bits: 4}, act: {bits: 9}}}",
            "QCC1541 r.yaml:1: activations have 8 or 16 bits"},
           {"schemes: {a: {weight: {bits: 4}, act: {bits: 16, per: tensor}}}",
            "QCC1541 r.yaml:1: activations per tensor have 8 bits"},
           {"schemes: {a: {weight: {bits: 4}, act: {type: fp8, per: 64}}}",
            "QCC1541 r.yaml:1: activations of type fp8 have 8 bits, no zero points, and a scale "
            "per "
            "token"},
           {"schemes: {a: {weight: {bits: 4}, act: {type: fp4}}}",
            "QCC1541 r.yaml:1: unknown type 'fp4'"},
           {"schemes: {a: {weight: {bits: 4}, act: {of: 1}}}",
            "QCC1541 r.yaml:1: unknown part of activations 'of'"},
           {"schemes: {a: {weights: {bits: 4}}}",
            "QCC1541 r.yaml:1: unknown part of a scheme 'weights'"},
           {"{{a: 1}: w8}", "QCC1541 r.yaml:1: a key of a recipe must be a word"},
           {"head: &a w8\nembed: *a", "QCC1541 r.yaml:2: embed must be a word"}})
    EXPECT_EQ(refusal(text), want) << text;
  EXPECT_EQ(refusal("head: w8\n---\nhead: w4"), "QCC1541 r.yaml: holds more than one document");
  std::string values;
  for (int i = 0; i < 257; ++i)
    values += std::to_string(i) + ", ";
  EXPECT_EQ(refusal("schemes: {a: {weight: {codebook: [" + values + "]}}}"),
            "QCC1541 r.yaml:1: a codebook has 2 to 256 values");
}

TEST(Recipe, RefusesWhatIsNoYaml) {
  for (const char *text : {"head: [w8", "head: 'w8", "a: b: c", "\t- x", "{"})
    EXPECT_TRUE(llvm::StringRef(refusal(text)).starts_with("QCC1541 r.yaml"))
        << text << " is " << refusal(text);
}

TEST(Recipe, RefusesWhatIsTooLargeOrTooDeep) {
  auto contains = [](const std::string &text, const char *part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(contains(refusal(std::string(2 << 20, 'a')), "bytes; recipes have at most"));
  EXPECT_TRUE(contains(refusal(std::string(5000, 'a')), "the line has 5000 bytes"));
  EXPECT_TRUE(contains(refusal(std::string("head: \0", 7)), "NUL"));
  std::string flow, block, marks;
  for (int i = 0; i < 1000; ++i) {
    flow += i % 100 ? "[" : "\n[";
    marks += "- ";
    block += std::string(i, ' ') + "a:\n";
  }
  for (const std::string &deep : {flow, marks, block})
    EXPECT_TRUE(contains(refusal(deep), "is nested more than 32 levels deep")) << refusal(deep);
}

TEST(Recipe, SurvivesDamage) {
  std::mt19937 random(3);
  std::string text = whole;
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = text;
    for (unsigned edits = 1 + random() % 4; edits; --edits) {
      size_t at = random() % damaged.size();
      switch (random() % 3) {
      case 0:
        damaged[at] = static_cast<char>(1 + random() % 255);
        break;
      case 1:
        damaged.erase(at, 1 + random() % 8);
        break;
      default:
        damaged.insert(at, 1, "[]{}:,-'\"&*!|>%@`\n \t#?"[random() % 23]);
      }
    }
    auto recipe = parseRecipe(damaged, "r.yaml");
    if (!recipe)
      EXPECT_FALSE(llvm::toString(recipe.takeError()).empty());
  }
}

TEST(Recipe, ReadsFiles) {
  std::string path = testing::TempDir() + "/recipe.yaml";
  std::ofstream(path) << whole;
  auto recipe = readRecipe(path);
  ASSERT_TRUE(static_cast<bool>(recipe)) << llvm::toString(recipe.takeError());
  EXPECT_EQ(recipe->schemes.size(), 2u);
  auto messageOf = [](llvm::StringRef file) {
    auto none = readRecipe(file);
    return none ? "accepted" : llvm::toString(none.takeError());
  };
  std::string missing = path + ".not", folder = testing::TempDir();
  EXPECT_EQ(messageOf(missing), missing + ": error QCC1101: No such file or directory");
  EXPECT_EQ(messageOf(folder), folder + ": error QCC1101: is not a regular file");
  std::ofstream(path) << std::string(2 << 20, '#');
  EXPECT_EQ(messageOf(path).find(path + ": error QCC1541: has 2097152 bytes"), 0u);
}
