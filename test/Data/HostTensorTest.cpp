// Conversions of element types, and slices.
#include "qcc/Data/HostTensor.h"
#include "DataTesting.h"
#include <cmath>
#include <cstring>

using namespace qcc::data;

TEST(HostTensor, HalfRoundTripsForAllBits) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = halfToFloat(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(halfToFloat(floatToHalf(value))));
      continue;
    }
    ASSERT_EQ(floatToHalf(value), bits);
  }
}

TEST(HostTensor, HalfRoundsToEven) {
  EXPECT_EQ(floatToHalf(1.0f + 0x1p-11f), 0x3c00);     // tie, down to even
  EXPECT_EQ(floatToHalf(1.0f + 3 * 0x1p-11f), 0x3c02); // tie, up to even
  EXPECT_EQ(floatToHalf(65519.0f), 0x7bff);
  EXPECT_EQ(floatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(floatToHalf(0x1p-25f), 0x0000); // tie at half the least subnormal
  EXPECT_EQ(floatToHalf(0x1.8p-25f), 0x0001);
  EXPECT_EQ(floatToHalf(-0.0f), 0x8000);
  EXPECT_EQ(halfToFloat(0x0400), 0x1p-14f);
}

TEST(HostTensor, BfloatRoundTripsForAllBits) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = bfloatToFloat(static_cast<uint16_t>(bits));
    if (!std::isnan(value))
      ASSERT_EQ(floatToBfloat(value), bits);
  }
  EXPECT_EQ(floatToBfloat(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(floatToBfloat(1.0f + 3 * 0x1p-8f), 0x3f82);
  EXPECT_TRUE(std::isnan(bfloatToFloat(floatToBfloat(NAN))));
}

TEST(HostTensor, CountsCheckTheirBounds) {
  EXPECT_EQ(countElements({}), 1);
  EXPECT_EQ(countElements({0, 5}), 0);
  EXPECT_EQ(countElements({2, 3, 4}), 24);
  EXPECT_EQ(countElements({-1}), std::nullopt);
  EXPECT_EQ(countElements({int64_t(1) << 30, int64_t(1) << 30}), std::nullopt);
  EXPECT_EQ(countElements({INT64_MAX, 2}), std::nullopt);
  EXPECT_EQ(countElements({0, INT64_MAX}), std::nullopt);
}

TEST(HostTensor, IntegersClampAndKeepTheirBits) {
  HostTensor tensor(QCC_I8, {3});
  tensor.setNumber(0, 300);
  tensor.setNumber(1, -300);
  tensor.setNumber(2, NAN);
  EXPECT_EQ(tensor.integer(0), 127);
  EXPECT_EQ(tensor.integer(1), -128);
  EXPECT_EQ(tensor.integer(2), 0);
  HostTensor large(QCC_I64, {1});
  large.as<int64_t>()[0] = (int64_t(1) << 53) + 1;
  EXPECT_EQ(large.integer(0), (int64_t(1) << 53) + 1);
  EXPECT_EQ(large.cast(QCC_U64).as<uint64_t>()[0], (uint64_t(1) << 53) + 1);
}

TEST(HostTensor, RowsAndPrefixes) {
  HostTensor tensor = tensorOf<int>(QCC_I32, {2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(tensor.rows(1, 2).numbers(), (std::vector<double>{4, 5, 6}));
  EXPECT_EQ(tensor.prefix(1, 2).numbers(), (std::vector<double>{1, 2, 4, 5}));
  EXPECT_EQ(tensor.prefix(1, 0).count(), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data()) % 64, 0u);
  EXPECT_EQ(dimsToString(tensor.dims()), "2x3");
}
