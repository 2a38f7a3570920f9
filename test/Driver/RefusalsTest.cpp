// Refusals of the driver's own files, each told by its message.
#include "../Data/DataTesting.h"
#include "qcc/Driver/WorkFolder.h"
#include "qcc/Target/Costs.h"

using namespace qcc;
using namespace qcc::data;

namespace {

void expectText(const std::string &text, const std::string &part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(DriverRefusals, CostTables) {
  struct Case {
    const char *text, *part;
  };
  std::string layer = "{\"scheme\": \"w8a8\", \"threads\": 1, \"m\": 1, \"n\": 1, \"k\": 1";
  std::string begin = "{\"schema\": \"qcc.costs/1\", \"layers\": [";
  std::string noTime = begin + layer + "}]}", endless = begin + layer + ", \"ms\": 1e999}]}";
  std::string second = begin + layer + ", \"ms\": 1}, {}]}";
  for (auto [text, part] : std::initializer_list<Case>{
           {"{", "QCC1874: [1:1, byte=1]"},
           {"[]", "has no \"schema\": \"qcc.costs/1\""},
           {"{\"schema\": \"qcc.costs/2\", \"layers\": []}", "has no \"schema\""},
           {"{\"schema\": \"qcc.costs/1\"}", "has no list \"layers\""},
           {noTime.c_str(), "layer 0 lacks a scheme"},
           {endless.c_str(), "layer 0 lacks a scheme"},
           {second.c_str(), "layer 1 lacks a scheme, or a positive threads, m, n, k or ms"}})
    expectText(textOf(CostTable::fromJson(text, "costs.json")), part);
  expectText(textOf(CostTable::read("/dev/null/costs.json")), "QCC1101: Not a directory");
}

TEST(DriverRefusals, WorkFoldersThatCannotBeMade) {
  expectText(textOf(WorkFolder::open("/dev/null", "key")), "QCC1102: Not a directory");
}

} // namespace
