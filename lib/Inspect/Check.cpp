// Every node that cannot be compiled, in one run, with the ways round.
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "qcc/Import/Import.h"
#include "qcc/Inspect/Inspect.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

std::string fullName(const UnsupportedOp &op) {
  return op.domain.empty() ? op.op : op.domain + "::" + op.op;
}

Diag codeOf(const UnsupportedOp &op) {
  int number = 0;
  bool bad = StringRef(op.code).drop_front(3).getAsInteger(10, number);
  return bad ? Diag::Internal : static_cast<Diag>(number);
}

/// Whether the model asks for something that qcc cannot do, rather than breaking ONNX's rules.
bool isRefusal(const UnsupportedOp &op) {
  return diagExitCode(codeOf(op)) == diagExitCode(Diag::UnsupportedOps);
}

/// What can be done about it, the plainest first.
std::vector<std::string> waysRound(const UnsupportedOp &op) {
  std::vector<std::string> ways;
  if (op.isUnknown)
    ways.push_back("--functions=FILE.onnx, where FILE defines " + fullName(op) +
                   " by operators that qcc has");
  else if (!op.remedy.empty())
    ways.push_back(op.remedy);
  if (op.op.empty())
    return ways;
  if (isRefusal(op) && op.opset >= 0)
    ways.push_back("--host-op=" + fullName(op) + ", which the application then computes");
  bool before = !op.inputs.empty(), after = !op.outputs.empty();
  std::string cut;
  if (before)
    cut = "--outputs=" + llvm::join(op.inputs, ",") + " compiles what comes before";
  if (after)
    cut += (before ? ", --inputs=" : "--inputs=") + llvm::join(op.outputs, ",") +
           (before ? " what comes after" : " compiles what comes after");
  if (before || after)
    ways.push_back(cut);
  return ways;
}

/// What passes refuse of an imported model: mostly kernels that there are not.
Error checkStages(const LookRequest &request, MLIRContext &context, CheckReport &report) {
  Expected<LoadedModel> model = loadModel(context, request.model);
  if (!model)
    return model.takeError();
  PipelineOptions options;
  options.scheme = "keep";
  options.levels = {"scalar"};
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return success();
    std::string text = diagnostic.str(), node = qnt::nodeName(diagnostic.getLocation()).str();
    UnsupportedOp op;
    auto [before, coded] = StringRef(text).split("QCC");
    int number = 0;
    bool isCoded = !coded.consumeInteger(10, number) && coded.consume_front(": ");
    op.reason = isCoded ? coded.str() : text;
    op.code = diagName(Diag::NoKernel);
    op.op = before.trim("' ").split('\'').first.str();
    // What a kernel's family says of the reason comes first; that there is no kernel, after it.
    bool told = llvm::any_of(report.unsupported, [&](const UnsupportedOp &known) {
      return llvm::is_contained(known.nodes, node);
    });
    if (told && op.op.empty())
      return success();
    op.nodes.push_back(node);
    for (UnsupportedOp &known : report.unsupported)
      if (known.reason == op.reason)
        return known.nodes.push_back(node), success();
    report.unsupported.push_back(std::move(op));
    return success();
  });
  for (Stage stage : allStages()) {
    PassManager pm(&context);
    buildStage(pm, stage, options);
    if (failed(pm.run(*model->module)))
      break;
  }
  return Error::success();
}

llvm::json::Value toJson(const CheckReport &report) {
  llvm::json::Array ops;
  for (const UnsupportedOp &op : report.unsupported)
    ops.push_back(llvm::json::Object{{"op", op.op},
                                     {"domain", op.domain},
                                     {"opset", op.opset},
                                     {"count", static_cast<int64_t>(op.nodes.size())},
                                     {"nodes", llvm::json::Array(op.nodes)},
                                     {"code", op.code},
                                     {"reason", op.reason},
                                     {"ways", llvm::json::Array(waysRound(op))}});
  return llvm::json::Object{{"schema", "qcc.check/1"},
                            {"model", report.model},
                            {"nodes", static_cast<int64_t>(report.nodes)},
                            {"supported", report.ok()},
                            {"unsupported", std::move(ops)}};
}

void printText(raw_ostream &out, const CheckReport &report) {
  if (report.ok()) {
    out << report.model << ": all " << report.nodes << " nodes are supported\n";
    return;
  }
  for (const UnsupportedOp &op : report.unsupported) {
    if (!op.op.empty()) {
      out << fullName(op);
      if (op.opset)
        out << " (opset " << op.opset << ')';
      out << " × " << op.nodes.size() << ", first '" << op.nodes.front() << "'\n";
    } else if (!op.nodes.front().empty()) {
      out << "input '" << op.nodes.front() << "'\n";
    } else {
      out << "model\n";
    }
    out << "    " << op.code << ": " << op.reason << '\n';
    for (const std::string &way : waysRound(op))
      out << "    way round: " << way << '\n';
  }
}

Error summary(const CheckReport &report) {
  size_t nodes = 0, inputs = 0, reasons = report.unsupported.size();
  const UnsupportedOp *refusal = nullptr;
  for (const UnsupportedOp &op : report.unsupported) {
    nodes += op.op.empty() ? 0 : op.nodes.size();
    inputs += op.op.empty() && !op.nodes.front().empty();
    if (!refusal && isRefusal(op))
      refusal = &op;
  }
  auto counted = [](size_t count, StringRef what) {
    return std::to_string(count) + " " + what.str() + (count == 1 ? "" : "s");
  };
  std::string text = counted(nodes, "node") +
                     (inputs ? " and " + counted(inputs, "input") : std::string()) +
                     " cannot be compiled, for " + counted(reasons, "reason");
  return makeError(refusal ? Diag::UnsupportedOps : codeOf(report.unsupported.front()),
                   report.model, text);
}

} // namespace

Error qcc::checkModel(const LookRequest &request, raw_ostream &out) {
  auto context = makeContext(1);
  Expected<CheckReport> report =
      checkOnnx(request.model.input, *context, importOptions(*context, request.model));
  if (!report)
    return report.takeError();
  if (report->ok())
    if (Error failed = checkStages(request, *context, *report))
      return failed;
  if (request.json)
    out << llvm::formatv("{0:2}", toJson(*report)) << '\n';
  else
    printText(out, *report);
  return report->ok() ? Error::success() : summary(*report);
}
