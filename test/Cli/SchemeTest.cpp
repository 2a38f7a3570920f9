// The grammar of schemes: defaults, modifiers, canonical text, refusals.
#include "qcc/Support/Scheme.h"
#include "../Data/DataTesting.h"

using namespace qcc;
using namespace qcc::data;

static Scheme parsed(llvm::StringRef text) {
  auto scheme = parseScheme(text);
  EXPECT_TRUE(static_cast<bool>(scheme)) << text.str();
  if (!scheme) {
    llvm::consumeError(scheme.takeError());
    return {};
  }
  return *scheme;
}

TEST(Scheme, DefaultsAtEightBits) {
  Scheme s = parsed("w8a8");
  EXPECT_EQ(s.weight, Scheme::Weight::Int);
  EXPECT_EQ(s.bits, 8u);
  EXPECT_EQ(s.act, Scheme::Act::Int8Dynamic);
  EXPECT_EQ(s.granularity, Scheme::Granularity::Channel);
  EXPECT_TRUE(s.symmetric);
  EXPECT_EQ(s.scale, Scheme::ScaleType::F32);
  EXPECT_EQ(s.actGroup, 0u);
}

TEST(Scheme, DefaultsBelowEightBits) {
  for (const char *text : {"w7", "w6", "w5", "w4", "w3", "w2"}) {
    Scheme s = parsed(text);
    EXPECT_EQ(s.granularity, Scheme::Granularity::Block) << text;
    EXPECT_EQ(s.block, 32u) << text;
    EXPECT_FALSE(s.symmetric) << text;
    EXPECT_EQ(s.scale, Scheme::ScaleType::F16) << text;
    EXPECT_EQ(s.act, Scheme::Act::Float) << text;
  }
}

TEST(Scheme, ActivationForms) {
  EXPECT_EQ(parsed("w8a8s").act, Scheme::Act::Int8Static);
  EXPECT_EQ(parsed("w8ai16").act, Scheme::Act::Int16);
  EXPECT_EQ(parsed("w8a16").act, Scheme::Act::Float);
  EXPECT_EQ(parsed("ternarya8").weight, Scheme::Weight::Ternary);
  EXPECT_EQ(parsed("binarya8").act, Scheme::Act::Int8Dynamic);
  EXPECT_EQ(parsed("fp8e4m3a16").bits, 8u);
  for (const char *text : {"fp8e4m3afp8", "fp8e5m2afp8:g128", "w4afp8:g32"}) {
    EXPECT_EQ(parsed(text).act, Scheme::Act::Float8) << text;
    EXPECT_EQ(schemeToString(parsed(text)), text);
  }
  EXPECT_EQ(codeOf(parseScheme("fp8e4m3afp8:ag=64")), Diag::BadScheme);
  EXPECT_EQ(codeOf(parseScheme("fp8e4m3afp8s")), Diag::BadScheme);
}

TEST(Scheme, Modifiers) {
  Scheme s = parsed("w4a8:g64:sym:ag=128:scale=bf16");
  EXPECT_EQ(s.block, 64u);
  EXPECT_TRUE(s.symmetric);
  EXPECT_EQ(s.actGroup, 128u);
  EXPECT_EQ(s.scale, Scheme::ScaleType::BF16);
  EXPECT_EQ(parsed("w4:channel").scale, Scheme::ScaleType::F32);
  EXPECT_EQ(parsed("w8:g32").scale, Scheme::ScaleType::F16);
  EXPECT_EQ(parsed("w8:g32:scale=f32").scale, Scheme::ScaleType::F32);
  EXPECT_EQ(parsed("w8:tensor").granularity, Scheme::Granularity::Tensor);
}

TEST(Scheme, ScalesOfTwoLevels) {
  EXPECT_EQ(parsed("nf4").scale, Scheme::ScaleType::U8);
  EXPECT_EQ(parsed("nf4:g64").scale, Scheme::ScaleType::U8);
  EXPECT_EQ(schemeToString(parsed("nf4:g64")), "nf4:g64");
  EXPECT_EQ(schemeToString(parsed("nf4:g64:scale=f16")), "nf4:g64:scale=f16");
  EXPECT_EQ(parsed("w4:g16:scale=e4m3").scale, Scheme::ScaleType::E4M3);
  EXPECT_EQ(parsed("w4:scale=e8m0").scale, Scheme::ScaleType::E8M0);
  EXPECT_EQ(codeOf(parseScheme("w8:scale=u8")), Diag::BadScheme);
  EXPECT_EQ(codeOf(parseScheme("w4:channel:scale=e4m3")), Diag::BadScheme);
}

TEST(Scheme, FormatsWithFixedBlocks) {
  EXPECT_EQ(parsed("mxfp4").block, 32u);
  EXPECT_EQ(parsed("mxfp4").scale, Scheme::ScaleType::E8M0);
  EXPECT_EQ(parsed("nvfp4a8").block, 16u);
  EXPECT_EQ(parsed("nvfp4:g16").scale, Scheme::ScaleType::E4M3);
  EXPECT_EQ(codeOf(parseScheme("mxfp4:g64")), Diag::BadScheme);
  EXPECT_EQ(codeOf(parseScheme("mxfp4:channel")), Diag::BadScheme);
  EXPECT_EQ(codeOf(parseScheme("nvfp4:scale=f16")), Diag::BadScheme);
}

TEST(Scheme, CanonicalTextParsesToItself) {
  for (auto [text, canonical] :
       {std::pair("w8a8", "w8a8"), std::pair("w8a8:channel:sym:scale=f32", "w8a8"),
        std::pair("w4a8", "w4a8:g32"), std::pair("w4:asym:g32:scale=f16", "w4:g32"),
        std::pair("w4a16:sym", "w4:g32:sym"), std::pair("w8a8s:tensor", "w8a8s:tensor"),
        std::pair("w4:channel", "w4:channel"), std::pair("mxfp4", "mxfp4"),
        std::pair("nf4:g64", "nf4:g64"),
        std::pair("w4a8:ag=32:g128:scale=bf16", "w4a8:g128:ag=32:scale=bf16")}) {
    Scheme scheme = parsed(text);
    EXPECT_EQ(schemeToString(scheme), canonical);
    EXPECT_TRUE(parsed(schemeToString(scheme)) == scheme) << text;
  }
}

TEST(Scheme, Refusals) {
  for (const char *text :
       {"", "w9", "w1", "w8b8", "w8a4", "w8a", "w8:", "w8:g0", "w8:g99999999999", "w8:huge",
        "w8:sym:asym", "w8:g32:channel", "ternary:asym", "w8a8:scale=f64", "w8:ag=32",
        "w8:asym:ag=token", "w8a8s:ag=32", "W8", "w8 a8"})
    EXPECT_EQ(codeOf(parseScheme(text)), Diag::BadScheme) << text;
}

TEST(Scheme, NamesOfARecipeAndLists) {
  Scheme own;
  own.weight = Scheme::Weight::Custom;
  own.custom = "my3";
  own.bits = 3;
  own.codebook = Scheme::Codebook::Learned;
  own.granularity = Scheme::Granularity::Block;
  own.block = 16;
  own.act = Scheme::Act::Int16;
  own.scale = Scheme::ScaleType::E8M0;
  auto custom = parseScheme("my3a8:g64", own);
  ASSERT_TRUE(static_cast<bool>(custom));
  EXPECT_EQ(custom->weight, Scheme::Weight::Custom);
  EXPECT_EQ(custom->custom, "my3");
  EXPECT_EQ(custom->act, Scheme::Act::Int8Dynamic);
  EXPECT_EQ(custom->scale, Scheme::ScaleType::F16);
  EXPECT_EQ(schemeToString(*custom, own), "my3a8:g64");
  for (const char *text : {"my3", "my3a16", "my3:ag=64", "my3:channel", "my3:scale=u8"}) {
    auto scheme = parseScheme(text, own);
    ASSERT_TRUE(static_cast<bool>(scheme)) << text;
    auto again = parseScheme(schemeToString(*scheme, own), own);
    ASSERT_TRUE(static_cast<bool>(again)) << schemeToString(*scheme, own);
    EXPECT_EQ(*again, *scheme) << text;
  }
  EXPECT_EQ(codeOf(parseScheme("my3:asym", own)), Diag::BadScheme);
  EXPECT_TRUE(isSchemeName("my3"));
  for (const char *text : {"", "3", "w4", "w4a8", "nf4", "my-3", "w4abc"})
    EXPECT_FALSE(isSchemeName(text)) << text;
  auto list = parseSchemeList("w8a8,w4a8:g32,w4");
  ASSERT_TRUE(static_cast<bool>(list));
  EXPECT_EQ(list->size(), 3u);
  EXPECT_EQ(codeOf(parseSchemeList("w8a8,,w4")), Diag::BadScheme);
}
