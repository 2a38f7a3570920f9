// Where the values of a model lie.
#include "BodyModel.h"
#include "mlir/Parser/Parser.h"
#include "qcc/Lower/Families.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// A function that appends `rows` to each of `count` caches.
std::string withCaches(int count) {
  const std::string past = "tensor<1x2x?x8xf32, #qnt.dims<[1, 2, p, 8]>>",
                    rows = "tensor<1x2x?x8xf32, #qnt.dims<[1, 2, s, 8]>>",
                    all = "tensor<1x2x?x8xf32, #qnt.dims<[1, 2, p + s, 8]>>",
                    before = "!qnt.kv<[1, 2, p, 8], f32>", after = "!qnt.kv<[1, 2, p + s, 8], f32>";
  std::string kernels, arguments = "%rows: " + rows, body, results, types;
  auto add = [](std::string &list, const std::string &text) {
    list += (list.empty() ? "" : ", ") + text;
  };
  for (int i = 0; i < count; ++i) {
    std::string n = std::to_string(i);
    kernels += "qnt.kernel @begin" + n + " \"kv_begin\" dims 1 { ^bb0(%x: " + past +
               "): %0 = qnt.kv_begin %x {output = " + n + " : i64} : (" + past + ") -> " + before +
               " qnt.yield %0 : " + before + " }\n";
    add(arguments, "%p" + n + ": " + past);
    body += "  %b" + n + " = qnt.launch @begin" + n + " <[p]>(%p" + n + ") : (" + past + ") -> " +
            before + "\n  %a" + n + " = qnt.launch @append <[p, s]>(%b" + n + ", %rows) : (" +
            before + ", " + rows + ") -> " + after + "\n  %r" + n + " = qnt.kv_result %a" + n +
            " : (" + after + ") -> " + all + "\n";
    add(results, "%r" + n);
    add(types, all);
  }
  // Names of dimensions inside a kernel are its own.
  kernels += "qnt.kernel @append \"kv_append\" dims 2 { ^bb0(%x: " + before + ", %y: " + rows +
             "): %0 = qnt.kv_append %x, %y : (" + before + ", " + rows + ") -> " + after +
             " qnt.yield %0 : " + after + " }\n";
  return kernels + "qnt.section [] at [] bytes 0\nfunc.func @model(" + arguments + ") -> (" +
         types +
         ") attributes {qnt.symbols = [#qnt.symbol<\"s\", input = 0, axis = 2>, "
         "#qnt.symbol<\"p\", input = 1, axis = 2>]} {\n" +
         body + "  return " + results + " : " + types + "\n}\n";
}

TEST(BodyModel, AppendedRowsLieInTheCacheWhateverTheNumberOfCaches) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<QntDialect, func::FuncDialect>();
  for (int count = 1; count <= 64; ++count) {
    OwningOpRef<ModuleOp> module =
        parseSourceString<ModuleOp>(withCaches(count), ParserConfig(&context, /*verify=*/false));
    ASSERT_TRUE(module) << withCaches(count);
    SymbolTable symbols(*module);
    Model model(*module->getOps<func::FuncOp>().begin(), symbols);
    ASSERT_TRUE(succeeded(model.analyse(*module->getOps<SectionOp>().begin())));
    ASSERT_EQ(model.caches.size(), static_cast<size_t>(count));
    size_t launches = 0;
    for (Operation *step : model.steps) {
      Place place = model.places.lookup(step->getResult(0));
      ASSERT_EQ(place.kind, Place::Cache) << count;
      ASSERT_EQ(place.index, launches++ / 2) << count;
    }
  }
}

} // namespace
