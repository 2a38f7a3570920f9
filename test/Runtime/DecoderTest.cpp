// Decoders: the cache in place against a stateless run, chunking, capacity, truncate, reorder.
#include "FakeModels.h"
#include "qcc/runtime.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

constexpr int64_t vocabulary = 3;

struct DecoderTest : testing::Test {
  void SetUp() override {
    model = std::move(*qcc::Model::link(decoderModel));
    pool = std::move(*qcc::Pool::create(2));
  }
  qcc::Decoder make(int64_t batch, int64_t capacity) {
    auto made = qcc::Decoder::create(model, batch, capacity, &pool);
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }
  /// Logits of the whole sequence through the ONNX entry with an empty past.
  std::vector<float> stateless(const std::vector<int64_t> &ids, int64_t batch,
                               std::vector<int64_t> mask = {},
                               std::vector<int64_t> positions = {}) {
    auto session = qcc::Session::create(model, 0, &pool);
    int64_t n = int64_t(ids.size()) / batch;
    if (mask.empty())
      mask.assign(ids.size(), 1);
    for (int64_t i = 0; positions.size() < ids.size(); ++i)
      positions.push_back(i % n);
    auto out = session->run(
        {qcc::tensor(mask.data(), {batch, n}), qcc::tensor(ids.data(), {batch, n}),
         qcc::tensor(positions.data(), {batch, n}), qcc::tensor<float>(nullptr, {batch, 2, 0, 4}),
         qcc::tensor<float>(nullptr, {batch, 2, 0, 4})});
    EXPECT_TRUE(out) << out.error().message;
    const float *data = static_cast<float *>((*out)[0].data);
    return {data, data + batch * n * vocabulary};
  }
  /// Logits of row b, position i.
  static std::vector<float> at(const std::vector<float> &all, int64_t n, int64_t b, int64_t i) {
    auto begin = all.begin() + (b * n + i) * vocabulary;
    return {begin, begin + vocabulary};
  }
  static std::vector<float> last(const qcc::Tensor &t, int64_t b) {
    const float *row = static_cast<float *>(t.data) + ((b + 1) * t.dims[1] - 1) * vocabulary;
    return {row, row + vocabulary};
  }

  qcc::Model model;
  qcc::Pool pool;
};

} // namespace

TEST_F(DecoderTest, EqualsTheStatelessRunInAnyChunking) {
  std::vector<int64_t> ids{7, 3, 9, 1, 4, 8, /* row 1 */ 2, 2, 6, 5, 3, 1};
  auto want = stateless(ids, 2);
  for (int64_t chunk : {1, 2, 3, 6}) {
    qcc::Decoder d = make(2, 6);
    for (int64_t i = 0; i < 6; i += chunk) {
      std::vector<int64_t> tokens;
      for (int64_t b = 0; b < 2; ++b)
        tokens.insert(tokens.end(), ids.begin() + b * 6 + i, ids.begin() + b * 6 + i + chunk);
      auto logits = d.step(tokens.data(), chunk);
      ASSERT_TRUE(logits) << logits.error().message;
      EXPECT_EQ(logits->dims[1], chunk);
      for (int64_t b = 0; b < 2; ++b)
        EXPECT_EQ(last(*logits, b), at(want, 6, b, i + chunk - 1)) << chunk << " " << i;
    }
    EXPECT_EQ(d.length(), 6);
  }
}

TEST_F(DecoderTest, StatelessRunsCarryTheirPast) {
  std::vector<int64_t> ids{7, 3, 9}, one{9}, mask{1, 1, 1}, position{2};
  auto want = at(stateless(ids, 1), 3, 0, 2);
  auto session = qcc::Session::create(model, 0, &pool);
  std::vector<int64_t> p01{0, 1};
  auto first =
      session->run({qcc::tensor(mask.data(), {1, 2}), qcc::tensor(ids.data(), {1, 2}),
                    qcc::tensor(p01.data(), {1, 2}), qcc::tensor<float>(nullptr, {1, 2, 0, 4}),
                    qcc::tensor<float>(nullptr, {1, 2, 0, 4})});
  ASSERT_TRUE(first);
  std::vector<float> key(16), value(16);
  std::memcpy(key.data(), (*first)[1].data, 64);
  std::memcpy(value.data(), (*first)[2].data, 64);
  auto second =
      session->run({qcc::tensor(mask.data(), {1, 3}), qcc::tensor(one.data(), {1, 1}),
                    qcc::tensor(position.data(), {1, 1}), qcc::tensor(key.data(), {1, 2, 2, 4}),
                    qcc::tensor(value.data(), {1, 2, 2, 4})});
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(last((*second)[0], 0), want);
  EXPECT_EQ((*second)[1].dims[2], 3);
}

TEST_F(DecoderTest, OverCapacityWritesNothing) {
  qcc::Decoder d = make(1, 4);
  std::vector<int64_t> ids{7, 3, 9, 1};
  ASSERT_TRUE(d.step(ids.data(), 3));
  auto over = d.step(ids.data(), 2);
  EXPECT_EQ(over.error().code, QCC_ERR_CAPACITY);
  EXPECT_STREQ(over.error().message, "2 tokens after 3 do not fit a capacity of 4");
  EXPECT_EQ(d.length(), 3);
  auto fits = d.step(ids.data() + 3, 1);
  ASSERT_TRUE(fits);
  EXPECT_EQ(last(*fits, 0), at(stateless(ids, 1), 4, 0, 3));
  EXPECT_EQ(d.step(ids.data(), 1).error().code, QCC_ERR_CAPACITY);
  EXPECT_EQ(d.step(ids.data(), 0).error().code, QCC_ERR_INVALID_ARGUMENT);
}

TEST_F(DecoderTest, AFaultLeavesTheLength) {
  qcc::Decoder d = make(1, 4);
  int64_t good = 5, bad = 100;
  ASSERT_TRUE(d.step(&good, 1));
  auto failed = d.step(&bad, 1);
  EXPECT_EQ(failed.error().code, QCC_ERR_INDEX);
  EXPECT_NE(std::strstr(failed.error().message, "/embed/Gather"), nullptr);
  EXPECT_EQ(d.length(), 1);
  std::vector<int64_t> ids{5, 6};
  auto next = d.step(&ids[1], 1);
  ASSERT_TRUE(next);
  EXPECT_EQ(last(*next, 0), at(stateless(ids, 1), 2, 0, 1));
}

TEST_F(DecoderTest, TruncatesAndResets) {
  qcc::Decoder d = make(1, 8);
  std::vector<int64_t> wrong{7, 3, 9, 9}, ids{7, 3, 1};
  ASSERT_TRUE(d.step(wrong.data(), 4));
  EXPECT_EQ(d.truncate(5).code(), QCC_ERR_INVALID_ARGUMENT);
  ASSERT_TRUE(d.truncate(2));
  auto logits = d.step(&ids[2], 1);
  ASSERT_TRUE(logits);
  EXPECT_EQ(last(*logits, 0), at(stateless(ids, 1), 3, 0, 2));
  ASSERT_TRUE(d.reset());
  EXPECT_EQ(d.length(), 0);
  logits = d.step(ids.data(), 3);
  ASSERT_TRUE(logits);
  EXPECT_EQ(last(*logits, 0), at(stateless(ids, 1), 3, 0, 2));
}

TEST_F(DecoderTest, ReordersRows) {
  qcc::Decoder d = make(3, 8);
  std::vector<int64_t> ids{1, 2, /* */ 3, 4, /* */ 5, 6}, next{7, 8, 9}, source{2, 0, 2};
  ASSERT_TRUE(d.step(ids.data(), 2));
  ASSERT_TRUE(d.reorder(source.data()));
  auto logits = d.step(next.data(), 1);
  ASSERT_TRUE(logits);
  auto want = stateless({5, 6, 7, 1, 2, 8, 5, 6, 9}, 3);
  for (int64_t b = 0; b < 3; ++b)
    EXPECT_EQ(last(*logits, b), at(want, 3, b, 2)) << b;
  source[1] = 3;
  EXPECT_EQ(d.reorder(source.data()).code(), QCC_ERR_INVALID_ARGUMENT);
}

TEST_F(DecoderTest, MasksCountPositionsPerRow) {
  // Row 1 is padded on the left by two.
  std::vector<int64_t> ids{7, 3, 9, 0, 0, 4}, mask{1, 1, 1, 0, 0, 1}, next{5, 5};
  std::vector<int64_t> grown{1, 1, 1, 1, 0, 0, 1, 1};
  qcc::Decoder d = make(2, 8);
  ASSERT_TRUE(d.step(ids.data(), 3, mask.data()));
  auto logits = d.step(next.data(), 1, grown.data());
  ASSERT_TRUE(logits) << logits.error().message;
  EXPECT_EQ(last(*logits, 0), at(stateless({7, 3, 9, 5}, 1), 4, 0, 3));
  EXPECT_EQ(last(*logits, 1), at(stateless({4, 5}, 1), 2, 0, 1));
}

TEST_F(DecoderTest, StepsAllocateNothing) {
  qcc::Decoder d = make(2, 64);
  std::vector<int64_t> ids(32, 3);
  const int64_t source[] = {1, 0};
  int64_t before = allocationCount();
  for (int64_t n : {16, 1, 1, 8, 1}) {
    qcc_tensor logits;
    ASSERT_EQ(qcc_decoder_step(d.get(), ids.data(), n, &logits, nullptr), QCC_OK);
    ASSERT_EQ(qcc_decoder_reorder(d.get(), source, nullptr), QCC_OK);
  }
  EXPECT_EQ(allocationCount(), before);
  qcc_memory_info memory{};
  memory.struct_size = sizeof memory;
  ASSERT_EQ(qcc_session_memory(qcc_decoder_session(d.get()), &memory, nullptr), QCC_OK);
  EXPECT_EQ(memory.kv_bytes, 2u * 2 * 2 * 64 * 4 * 4);
}

TEST_F(DecoderTest, LogitsOfTheLastPositions) {
  std::vector<int64_t> ids{7, 3, 9, 1, /* row 1 */ 2, 2, 6, 5};
  auto want = stateless(ids, 2);
  for (int64_t rows : {1, 3, 4, 9}) {
    auto d = qcc::Decoder::create(model, 2, 8, &pool, 0, 0, rows);
    ASSERT_TRUE(d) << d.error().message;
    auto logits = d->step(ids.data(), 4);
    ASSERT_TRUE(logits) << logits.error().message;
    int64_t n = std::min<int64_t>(rows, 4);
    ASSERT_EQ(logits->dims[1], n);
    const float *data = static_cast<float *>(logits->data);
    std::vector<float> got{data, data + 2 * n * vocabulary};
    for (int64_t b : {0, 1})
      for (int64_t i = 0; i < n; ++i)
        EXPECT_EQ(at(got, n, b, i), at(want, 4, b, 4 - n + i)) << rows << " " << b << " " << i;
  }
  EXPECT_EQ(qcc::Decoder::create(model, 2, 8, &pool, 0, 0, -1).error().code,
            QCC_ERR_INVALID_ARGUMENT);
}

TEST_F(DecoderTest, AnAskedSymbolNeedsOneBeforeIt) {
  qcc_model_desc bad = *decoderModel();
  qcc_entry_desc entry = bad.entries[0];
  std::vector<qcc_symbol_desc> symbols(entry.symbols, entry.symbols + entry.n_symbols);
  static qcc_model_desc *linked;
  entry.symbols = symbols.data();
  bad.entries = &entry;
  linked = &bad;
  auto link = [] { return qcc::Model::link([]() -> const qcc_model_desc * { return linked; }); };
  EXPECT_TRUE(link());
  for (int axis : {3, -1}) {
    symbols[3].axis = axis;
    EXPECT_STREQ(link().error().message, "malformed model: entry \"main\", symbol 3");
  }
  symbols[3] = {"n", 1, INT64_MAX, 1, -3, 0};
  EXPECT_EQ(link().error().code, QCC_ERR_NOT_A_MODEL);
}

TEST_F(DecoderTest, RefusesWhatItCannotSupply) {
  auto odd = qcc::Model::link(oddDecoderModel);
  auto made = qcc::Decoder::create(*odd, 1, 4, &pool);
  EXPECT_EQ(made.error().code, QCC_ERR_UNSUPPORTED);
  EXPECT_NE(std::strstr(made.error().message, "strange"), nullptr);
  auto encoder = qcc::Model::link(gatherModel);
  EXPECT_EQ(qcc::Decoder::create(*encoder, 1, 4, &pool).error().code, QCC_ERR_UNSUPPORTED);
  EXPECT_EQ(qcc::Decoder::create(model, 0, 4, &pool).error().code, QCC_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(qcc::Decoder::create(model, 9, 4, &pool).error().code, QCC_ERR_SHAPE); // b <= 8
  qcc::Decoder d = make(1, 4);
  EXPECT_EQ(qcc_session_run(qcc_decoder_session(d.get()), nullptr, 0, nullptr, 0, nullptr),
            QCC_ERR_INVALID_ARGUMENT);
}
