// The few functions that LLVM's code generator may call by name, in IR of our own, because an
// artifact imports nothing.
#include "Detail.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/SourceMgr.h"

using namespace llvm;

namespace qcc::emit {

// Blocks of 32 bytes, then single bytes. "no-builtins" keeps LLVM from turning the loops of memcpy
// into calls of memcpy. Loads of a block precede its stores, so the forward copy is right for any
// overlap with the destination below the source, and the backward one for the reverse.
static const char supportText[] = R"(
define ptr @memcpy(ptr returned %dst, ptr %src, i64 %n) #0 {
  %r = tail call ptr @qcc.copy_up(ptr %dst, ptr %src, i64 %n)
  ret ptr %dst
}

define ptr @memmove(ptr returned %dst, ptr %src, i64 %n) #0 {
  %d = ptrtoint ptr %dst to i64
  %s = ptrtoint ptr %src to i64
  %distance = sub i64 %d, %s
  %up = icmp uge i64 %distance, %n
  br i1 %up, label %forward, label %backward
forward:
  %r = tail call ptr @qcc.copy_up(ptr %dst, ptr %src, i64 %n)
  ret ptr %dst
backward:
  br label %blocks
blocks:
  %left = phi i64 [ %n, %backward ], [ %next, %block ]
  %more = icmp uge i64 %left, 32
  br i1 %more, label %block, label %bytes
block:
  %next = sub i64 %left, 32
  %sp = getelementptr i8, ptr %src, i64 %next
  %dp = getelementptr i8, ptr %dst, i64 %next
  %v = load <32 x i8>, ptr %sp, align 1
  store <32 x i8> %v, ptr %dp, align 1
  br label %blocks
bytes:
  %rest = phi i64 [ %left, %blocks ], [ %less, %byte ]
  %any = icmp ne i64 %rest, 0
  br i1 %any, label %byte, label %done
byte:
  %less = sub i64 %rest, 1
  %sb = getelementptr i8, ptr %src, i64 %less
  %db = getelementptr i8, ptr %dst, i64 %less
  %b = load i8, ptr %sb
  store i8 %b, ptr %db
  br label %bytes
done:
  ret ptr %dst
}

define internal ptr @qcc.copy_up(ptr returned %dst, ptr %src, i64 %n) #0 {
entry:
  %whole = and i64 %n, -32
  br label %blocks
blocks:
  %at = phi i64 [ 0, %entry ], [ %next, %block ]
  %more = icmp ult i64 %at, %whole
  br i1 %more, label %block, label %bytes
block:
  %sp = getelementptr i8, ptr %src, i64 %at
  %dp = getelementptr i8, ptr %dst, i64 %at
  %v = load <32 x i8>, ptr %sp, align 1
  store <32 x i8> %v, ptr %dp, align 1
  %next = add i64 %at, 32
  br label %blocks
bytes:
  %i = phi i64 [ %whole, %blocks ], [ %inext, %byte ]
  %any = icmp ult i64 %i, %n
  br i1 %any, label %byte, label %done
byte:
  %sb = getelementptr i8, ptr %src, i64 %i
  %db = getelementptr i8, ptr %dst, i64 %i
  %b = load i8, ptr %sb
  store i8 %b, ptr %db
  %inext = add i64 %i, 1
  br label %bytes
done:
  ret ptr %dst
}

define ptr @memset(ptr returned %dst, i32 %value, i64 %n) #0 {
entry:
  %byte = trunc i32 %value to i8
  %one = insertelement <32 x i8> poison, i8 %byte, i64 0
  %v = shufflevector <32 x i8> %one, <32 x i8> poison, <32 x i32> zeroinitializer
  %whole = and i64 %n, -32
  br label %blocks
blocks:
  %at = phi i64 [ 0, %entry ], [ %next, %block ]
  %more = icmp ult i64 %at, %whole
  br i1 %more, label %block, label %bytes
block:
  %dp = getelementptr i8, ptr %dst, i64 %at
  store <32 x i8> %v, ptr %dp, align 1
  %next = add i64 %at, 32
  br label %blocks
bytes:
  %i = phi i64 [ %whole, %blocks ], [ %inext, %bytestep ]
  %any = icmp ult i64 %i, %n
  br i1 %any, label %bytestep, label %done
bytestep:
  %db = getelementptr i8, ptr %dst, i64 %i
  store i8 %byte, ptr %db
  %inext = add i64 %i, 1
  br label %bytes
done:
  ret ptr %dst
}

attributes #0 = { nounwind "no-builtins" }
)";

ArrayRef<StringRef> supportSymbols() {
  static const StringRef names[] = {"memcpy", "memmove", "memset"};
  return names;
}

CodeModule makeSupportModule() {
  CodeModule code;
  code.context = std::make_unique<LLVMContext>();
  SMDiagnostic problem;
  code.module = parseAssemblyString(supportText, problem, *code.context);
  if (!code.module)
    report_fatal_error(problem.getMessage());
  code.module->setModuleIdentifier("support");
  code.module->setSourceFileName("support");
  for (Function &function : *code.module)
    if (!function.hasLocalLinkage() && !function.isDeclaration())
      function.setVisibility(GlobalValue::HiddenVisibility);
  return code;
}

} // namespace qcc::emit
