// Dimension expressions: equal values are one attribute, folds never change a value, text reads
// back.
#include "Qnt/Qnt.h"
#include <gtest/gtest.h>
#include <random>

using namespace qcc::qnt;

namespace {

/// A context that knows the dialect before the first expression is made.
struct WithDialect {
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  WithDialect() { context.loadDialect<QntDialect>(); }
};

struct DimExprTest : testing::Test, WithDialect {
  DimExpr c(int64_t value) { return DimExpr::constant(&context, value); }
  DimExpr sym(llvm::StringRef name) { return DimExpr::symbol(&context, name); }
  DimExpr s = sym("s"), p = sym("p"), b = sym("b");
};

TEST_F(DimExprTest, EqualPolynomialsAreOneAttribute) {
  EXPECT_EQ((s + p).getAttr(), (p + s).getAttr());
  EXPECT_EQ(s + p - p, s);
  EXPECT_EQ(s - s, c(0));
  EXPECT_EQ((s + p) * b, b * p + b * s);
  EXPECT_EQ((s + 1) * (s - 1), s * s - 1);
  EXPECT_EQ(s * 2 + s * 3, s * 5);
  EXPECT_EQ(s * 0, c(0));
  EXPECT_NE(s + 1, s + 2);
  EXPECT_NE(s * p, s + p);
}

TEST_F(DimExprTest, DivisionFoldsWhatItCanProve) {
  EXPECT_EQ((s * 64).floorDiv(c(64)), s);
  EXPECT_EQ((s * 64 + 130).floorDiv(c(64)), s + 2);
  EXPECT_EQ((s * 64 - 1).floorDiv(c(64)), s - 1);
  EXPECT_EQ((s * 64 + p).floorDiv(c(64)), s + p.floorDiv(c(64)));
  EXPECT_EQ((s * p).floorDiv(p), s);
  EXPECT_EQ((s * s + s).exactDiv(s + 1), s);
  EXPECT_FALSE((s + 1).exactDiv(c(2)));
  EXPECT_FALSE(s.exactDiv(c(0)));
  EXPECT_EQ((s * 32).ceilDiv(c(32)), s);
  EXPECT_EQ(c(65).ceilDiv(c(64)), c(2));
  EXPECT_EQ(c(-1).ceilDiv(c(64)), c(0));
  EXPECT_EQ((s * 6).mod(c(3)), c(0));
  EXPECT_EQ(c(-7).mod(c(4)), c(1)); // the sign of the divisor
  EXPECT_EQ(s.ceilDiv(c(64)).kind(), DimKind::CeilDiv);
  EXPECT_EQ(s.mod(c(64)).kind(), DimKind::Mod);
}

TEST_F(DimExprTest, OrderIsProvenFromSymbolsBeingSizes) {
  EXPECT_EQ((s + p).min(s), s);
  EXPECT_EQ((s + p).max(s), s + p);
  EXPECT_EQ(s.max(c(0)), s);
  EXPECT_EQ(s.min(c(0)), c(0));
  EXPECT_EQ(s.min(p), p.min(s));
  EXPECT_EQ(s.min(p).kind(), DimKind::Min);
  EXPECT_TRUE((s * p + 3).isNonNegative());
  EXPECT_TRUE(s.floorDiv(c(2)).isNonNegative());
  EXPECT_TRUE((s - p).max(c(0)).isNonNegative());
  EXPECT_TRUE((s - p).mod(c(8)).isNonNegative());
  EXPECT_FALSE((s - 1).isNonNegative());
  EXPECT_FALSE((s - p).floorDiv(c(2)).isNonNegative());
}

TEST_F(DimExprTest, UpperBoundsHold) {
  DimExpr first = s.min(c(1)), few = (s + p).min(c(7)).max(c(2));
  EXPECT_EQ(first.upperBound(), 1);
  EXPECT_EQ(first.ceilDiv(c(2)).upperBound(), 1);
  EXPECT_EQ((first * 3 + few - s).upperBound(), 10);
  EXPECT_EQ(few.floorDiv(c(2)).upperBound(), 3);
  EXPECT_EQ((s - p).mod(c(8)).upperBound(), 7);
  EXPECT_EQ((c(5) - s * p).upperBound(), 5);
  EXPECT_EQ(s.upperBound(), std::nullopt);
  EXPECT_EQ(s.max(c(3)).upperBound(), std::nullopt);
  EXPECT_EQ((s * first).upperBound(), std::nullopt);
  EXPECT_EQ((s - p).floorDiv(c(2)).upperBound(), std::nullopt);
  for (DimExpr expr : {first * few, first + few * 2 - p, (few + 3).ceilDiv(s + 1),
                       (c(9) - s).max(first), few.mod(c(3)) * first})
    for (int64_t i = 0; i < 12; ++i)
      for (int64_t j = 0; j < 12; ++j) {
        std::optional<int64_t> bound = expr.upperBound(),
                               value = expr.evaluate({{"s", i}, {"p", j}});
        EXPECT_TRUE(bound && *value <= *bound) << expr.str() << " " << i << " " << j;
      }
}

TEST_F(DimExprTest, EvaluationNeedsEverySymbolAndADivisor) {
  llvm::StringMap<int64_t> values = {{"s", 10}, {"p", 0}};
  EXPECT_EQ((s * 2 + p).evaluate(values), 20);
  EXPECT_EQ((c(0) - s).floorDiv(c(4)).evaluate(values), -3);
  EXPECT_EQ((c(0) - s).ceilDiv(c(4)).evaluate(values), -2);
  EXPECT_EQ((s + b).evaluate(values), std::nullopt);
  EXPECT_EQ(s.floorDiv(p).evaluate(values), std::nullopt);
  EXPECT_EQ(s.mod(p).evaluate(values), std::nullopt);
}

TEST_F(DimExprTest, SubstitutionFoldsAgain) {
  EXPECT_EQ(s.ceilDiv(c(64)).substitute({{"s", p * 64}}), p);
  EXPECT_EQ(s.min(p).substitute({{"p", s + 1}}), s);
  // All at once: the d0 that comes in is not the d0 that goes out.
  DimExpr d0 = sym("d0"), d1 = sym("d1");
  EXPECT_EQ((d0 - d1).substitute({{"d0", d1}, {"d1", d0}}), d1 - d0);
}

TEST_F(DimExprTest, CollectsEverySymbol) {
  std::set<std::string> names;
  ((s + p).floorDiv(b) * s + 1).collectSymbols([&](llvm::StringRef n) { names.insert(n.str()); });
  EXPECT_EQ(names, (std::set<std::string>{"b", "p", "s"}));
}

TEST_F(DimExprTest, PrintsAndParses) {
  EXPECT_EQ((s - p * 2 - 1).str(), "-2 * p + s - 1");
  EXPECT_EQ(((s + 1).floorDiv(c(2)) * 64).str(), "64 * floordiv(s + 1, 2)");
  EXPECT_EQ(DimExpr::parse(&context, " 2*( s+p )// 4"), ((s + p) * 2).floorDiv(c(4)));
  EXPECT_EQ(DimExpr::parse(&context, "FloorDiv(s, 2) - -1"), s.floorDiv(c(2)) + 1);
  for (const char *bad : {"", "s +", "(s", "s)", "min(s)", "log(s, p)", "1x",
                          "99999999999999999999", "\"s", "s p", "*"})
    EXPECT_FALSE(DimExpr::parse(&context, bad)) << bad;
}

TEST_F(DimExprTest, AnyNameReadsBack) {
  for (const char *name : {"batch size", "2x", "min", "past+1", "a\"b", "a\\b", "\\\"", "ü", ""}) {
    EXPECT_EQ(DimExpr::parse(&context, sym(name).str()), sym(name)) << name;
    EXPECT_EQ(DimExpr::parse(&context, (sym(name) * s - 3).str()), sym(name) * s - 3) << name;
  }
}

TEST_F(DimExprTest, DepthIsBounded) {
  // Names of dimensions come from files: nesting ends before the stack does.
  for (const char *unit : {"(", "min(", "-("}) {
    std::string text;
    for (int i = 0; i < 100000; ++i)
      text += unit;
    EXPECT_FALSE(DimExpr::parse(&context, text + "s")) << unit;
  }
  EXPECT_EQ(DimExpr::parse(&context, std::string(100001, '-') + "s"), s * -1);
}

/// An expression beside the function that it is supposed to compute.
struct Pair {
  DimExpr expr;
  std::function<int64_t(const llvm::StringMap<int64_t> &)> value;
};

int64_t floorOf(int64_t a, int64_t b) {
  int64_t q = a / b;
  return q * b > a ? q - 1 : q;
}

struct Properties : DimExprTest {
  std::mt19937 random{7};
  int64_t upTo(int64_t n) { return std::uniform_int_distribution<int64_t>(0, n)(random); }

  Pair leaf() {
    if (upTo(2) == 0) {
      int64_t value = upTo(12) - 4;
      return {c(value), [=](auto &) { return value; }};
    }
    std::string name = std::array{"s", "p", "b"}[upTo(2)];
    return {sym(name), [=](auto &values) { return values.lookup(name); }};
  }
  /// Always positive.
  Pair divisor() {
    int64_t value = upTo(8) + 1;
    if (upTo(2))
      return {c(value), [=](auto &) { return value; }};
    return {s + value, [=](auto &values) { return values.lookup("s") + value; }};
  }
  Pair make(int depth) {
    if (depth == 0)
      return leaf();
    Pair a = make(depth - 1);
    int64_t kind = upTo(7);
    Pair d = kind >= 5 ? divisor() : make(depth - 1);
    auto f = a.value, g = d.value;
    switch (kind) {
    case 0:
      return {a.expr + d.expr, [=](auto &v) { return f(v) + g(v); }};
    case 1:
      return {a.expr - d.expr, [=](auto &v) { return f(v) - g(v); }};
    case 2:
      return {a.expr * d.expr, [=](auto &v) { return f(v) * g(v); }};
    case 3:
      return {a.expr.min(d.expr), [=](auto &v) { return std::min(f(v), g(v)); }};
    case 4:
      return {a.expr.max(d.expr), [=](auto &v) { return std::max(f(v), g(v)); }};
    case 5:
      return {a.expr.floorDiv(d.expr), [=](auto &v) { return floorOf(f(v), g(v)); }};
    case 6:
      return {a.expr.ceilDiv(d.expr), [=](auto &v) { return -floorOf(-f(v), g(v)); }};
    default:
      return {a.expr.mod(d.expr), [=](auto &v) { return f(v) - floorOf(f(v), g(v)) * g(v); }};
    }
  }
  llvm::StringMap<int64_t> values() { return {{"s", upTo(40)}, {"p", upTo(40)}, {"b", upTo(3)}}; }
};

TEST_F(Properties, FoldsKeepTheValue) {
  for (int i = 0; i < 2000; ++i) {
    Pair pair = make(3);
    for (int j = 0; j < 8; ++j) {
      auto v = values();
      ASSERT_EQ(pair.expr.evaluate(v), pair.value(v))
          << pair.expr.str() << " at s=" << v["s"] << " p=" << v["p"] << " b=" << v["b"];
      if (pair.expr.isNonNegative())
        ASSERT_GE(pair.value(v), 0) << pair.expr.str();
    }
  }
}

TEST_F(Properties, TextReadsBackAsTheSameAttribute) {
  for (int i = 0; i < 2000; ++i) {
    DimExpr expr = make(3).expr;
    std::optional<DimExpr> again = DimExpr::parse(&context, expr.str());
    ASSERT_TRUE(again) << expr.str();
    ASSERT_EQ(*again, expr) << expr.str() << " became " << again->str();
  }
}

TEST_F(Properties, SubstitutionIsEvaluationLater) {
  for (int i = 0; i < 2000; ++i) {
    Pair pair = make(3);
    // Sizes stay sizes: what replaces a symbol is non-negative.
    llvm::StringMap<DimExpr> renamed = {{"s", p * 2 + 1}, {"p", s.floorDiv(c(3))}};
    auto v = values();
    llvm::StringMap<int64_t> inner = {{"s", v["p"] * 2 + 1}, {"p", v["s"] / 3}, {"b", v["b"]}};
    ASSERT_EQ(pair.expr.substitute(renamed).evaluate(v), pair.value(inner)) << pair.expr.str();
    llvm::StringMap<DimExpr> numbers;
    for (auto &entry : v)
      numbers[entry.getKey()] = c(entry.getValue());
    ASSERT_EQ(pair.expr.substitute(numbers).constantValue(), pair.value(v)) << pair.expr.str();
  }
}

TEST_F(Properties, ExactQuotientsMultiplyBack) {
  for (int i = 0; i < 1000; ++i) {
    DimExpr a = make(2).expr, d = make(1).expr;
    if (auto quotient = a.exactDiv(d))
      ASSERT_EQ(*quotient * d, a) << a.str() << " / " << d.str();
    if (!d.isConstant(0))
      ASSERT_EQ((a * d).exactDiv(d), a) << a.str() << " * " << d.str();
  }
}

} // namespace
