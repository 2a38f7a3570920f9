// Every node that cannot be compiled, in one run, with the way round.
#include "qcc/Driver/Inspect.h"
#include "qcc/Import/Import.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

Error qcc::checkModel(const CheckRequest &request, raw_ostream &out, raw_ostream &err) {
  auto context = makeContext(1);
  ImportOptions options;
  if (!request.functions.empty())
    options.functionFiles.push_back(request.functions);
  Expected<CheckReport> report = checkOnnx(request.input, *context, options);
  if (!report)
    return report.takeError();
  if (request.json) {
    llvm::json::Array ops;
    for (const UnsupportedOp &op : report->unsupported)
      ops.push_back(llvm::json::Object{{"op", op.op},
                                       {"domain", op.domain},
                                       {"opset", op.opset},
                                       {"nodes", llvm::json::Array(op.nodes)},
                                       {"reason", op.reason},
                                       {"remedy", op.remedy}});
    llvm::json::Object object{{"schema", "qcc.check/1"},
                              {"model", report->model},
                              {"nodes", static_cast<int64_t>(report->nodes)},
                              {"supported", report->ok()},
                              {"unsupported", std::move(ops)}};
    out << llvm::formatv("{0:2}", llvm::json::Value(std::move(object))) << '\n';
  } else if (report->ok()) {
    out << report->model << ": all " << report->nodes << " nodes are supported\n";
  }
  if (report->ok())
    return Error::success();
  std::vector<std::string> notes;
  for (const UnsupportedOp &op : report->unsupported)
    notes.push_back(llvm::formatv("{0}{1} (opset {2}), {3} node(s), first '{4}': {5}; {6}",
                                  op.domain.empty() ? "" : op.domain + "::", op.op, op.opset,
                                  op.nodes.size(), op.nodes.empty() ? "" : op.nodes[0], op.reason,
                                  op.remedy));
  return makeError(Diag::UnsupportedOps, report->model,
                   std::to_string(report->unsupported.size()) + " kinds of node are not supported",
                   notes);
}
