// Compiles a kernel, runs it, and says what was found where.
#include "qcc/Simt/Simt.h"
#include "Compiler.h"
#include "Machine.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace qcc::simt {

bool Report::has(FindingKind kind) const {
  return llvm::any_of(findings, [&](const Finding &finding) { return finding.kind == kind; });
}

static std::string textOf(Location location) {
  std::string text;
  llvm::raw_string_ostream(text) << location;
  return text;
}

std::string Report::text() const {
  std::string text;
  for (const Finding &finding : findings)
    text += llvm::formatv("{0}: {1}, at {2}, {3} times\n", findingName(finding.kind), finding.text,
                          textOf(finding.location), finding.count);
  return text;
}

static llvm::Error refuse(const Twine &why) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), why);
}

static llvm::Error checkArguments(const Program &program, ArrayRef<Argument> arguments) {
  if (program.parameters.size() != arguments.size())
    return refuse("the kernel has " + Twine(program.parameters.size()) + " parameters, not " +
                  Twine(arguments.size()));
  for (auto [i, parameter] : llvm::enumerate(program.parameters))
    if (arguments[i].size() != parameter.layout.size)
      return refuse("parameter " + Twine(i) + " has " + Twine(parameter.layout.size) +
                    " bytes, not " + Twine(arguments[i].size()));
  return llvm::Error::success();
}

llvm::Expected<Report> run(ModuleOp module, StringRef kernel, Device &device,
                           ArrayRef<Argument> arguments, const Launch &launch) {
  auto function = module.lookupSymbol<LLVM::LLVMFuncOp>(kernel);
  if (!function || function.isExternal() || !function->hasAttr("nvvm.kernel"))
    return refuse("'" + kernel + "' is no kernel of the module");
  Compiler compiler(module);
  std::string errors;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    errors += diagnostic.str() + " at " + textOf(diagnostic.getLocation());
    return success();
  });
  if (failed(compiler.compile(function)))
    return refuse(errors);
  if (llvm::Error error = checkArguments(compiler.program, arguments))
    return error;

  auto describe = [&](uint32_t pc) { return textOf(compiler.locations[pc]); };
  Machine machine(compiler.program, device, arguments, launch, describe);
  machine.run();

  Report report;
  report.counts = machine.counts;
  for (const Machine::Found &found : machine.findings)
    report.findings.push_back({found.kind, found.text, compiler.locations[found.pc], found.count});
  for (auto [pc, counts] : llvm::enumerate(machine.accesses))
    if (counts.warpAccesses)
      report.accesses.push_back({compiler.locations[pc], counts.warpAccesses, counts.sectors,
                                 counts.idealSectors, counts.extraPasses});
  return report;
}

} // namespace qcc::simt
