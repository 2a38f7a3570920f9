// Runs ptxas over PTX and reads its report.
#include "qcc/Target/Ptxas.h"
#include "qcc/Support/TempFolder.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/raw_ostream.h"

using namespace qcc;
using llvm::StringRef;

std::optional<std::string> qcc::findPtxas() {
  llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName("ptxas");
  return found ? std::optional(*found) : std::nullopt;
}

llvm::StringMap<KernelRegisters> qcc::parsePtxasReport(StringRef text) {
  const llvm::Regex entry("Compiling entry function '([^']+)'");
  const llvm::Regex spills("([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads");
  const llvm::Regex used("Used ([0-9]+) registers");
  auto number = [](StringRef digits) {
    int64_t value = 0;
    digits.getAsInteger(10, value);
    return value;
  };
  llvm::StringMap<KernelRegisters> kernels;
  KernelRegisters *kernel = nullptr; // that lines are of
  for (StringRef rest = text; !rest.empty();) {
    auto [line, after] = rest.split('\n');
    rest = after;
    llvm::SmallVector<StringRef> match;
    if (entry.match(line, &match))
      kernel = &kernels[match[1]];
    else if (kernel && spills.match(line, &match))
      kernel->spilledBytes += number(match[1]) + number(match[2]);
    else if (kernel && used.match(line, &match))
      kernel->registers = number(match[1]);
  }
  return kernels;
}

llvm::Expected<llvm::StringMap<KernelRegisters>> qcc::registersOf(StringRef ptxas, StringRef ptx,
                                                                  StringRef architecture) {
  auto folder = TempFolder::create();
  if (!folder)
    return folder.takeError();
  std::string input = (*folder)->path + "/model.ptx", report = (*folder)->path + "/report";
  std::error_code failed;
  llvm::raw_fd_ostream(input, failed) << ptx;
  if (failed)
    return llvm::createStringError(failed, "cannot write " + input);
  std::string arch = "-arch=" + architecture.str();
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(report), StringRef(report)};
  int status = llvm::sys::ExecuteAndWait(ptxas, {ptxas, "-v", arch, "-o", "/dev/null", input},
                                         std::nullopt, redirects);
  auto text = llvm::MemoryBuffer::getFile(report);
  StringRef words = text ? (*text)->getBuffer() : StringRef();
  if (status != 0)
    return llvm::createStringError(words.split('\n').first.empty() ? "it does not run"
                                                                   : words.split('\n').first);
  return parsePtxasReport(words);
}
