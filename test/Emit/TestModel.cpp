// The tiny model: code as LLVM text, weights by formula.
#include "TestModel.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <sys/wait.h>

using namespace llvm;

namespace qcc::emit::test {

CodeModule parse(const std::string &text, const std::string &name) {
  CodeModule code;
  code.context = std::make_unique<LLVMContext>();
  SMDiagnostic problem;
  code.module = parseAssemblyString(text, problem, *code.context);
  if (!code.module) {
    problem.print(name.c_str(), errs());
    abort();
  }
  code.module->setModuleIdentifier(name);
  code.module->setSourceFileName(name);
  return code;
}

std::vector<uint8_t> weightBytes(uint64_t count) {
  std::vector<uint8_t> bytes(count);
  for (uint64_t i = 0; i < count; ++i)
    bytes[i] = weightByte(i);
  return bytes;
}

WeightsPart testWeights(uint64_t bytes, size_t piece) {
  WeightsPart weights;
  weights.bytes = bytes;
  weights.write = [bytes, piece](WeightsSink sink) -> Error {
    std::vector<uint8_t> buffer;
    for (uint64_t at = 0; at < bytes; at += buffer.size()) {
      buffer.resize(std::min<uint64_t>(piece, bytes - at));
      for (size_t i = 0; i < buffer.size(); ++i)
        buffer[i] = weightByte(at + i);
      if (Error e = sink(buffer))
        return e;
    }
    return Error::success();
  };
  return weights;
}

static const char scaleText[] = R"(
@table = internal constant [2 x float] [float FACTOR, float 0.0]
define i64 @scale(ptr %args, i64 %begin, i64 %end, i64 %worker, ptr %scratch) {
entry:
  %in = load ptr, ptr %args
  %second = getelementptr i64, ptr %args, i64 1
  %out = load ptr, ptr %second
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, %end
  br i1 %more, label %body, label %done
body:
  %p = getelementptr float, ptr %in, i64 %i
  %v = load float, ptr %p
  %f = load volatile float, ptr @table
  %w = fmul float %v, %f
  %q = getelementptr float, ptr %out, i64 %i
  store float %w, ptr %q
  %next = add i64 %i, 1
  br label %loop
done:
  ret i64 0
}
)";

static const char fillText[] = R"(
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
define i64 @fill(ptr %args, i64 %begin, i64 %end, i64 %worker, ptr %scratch) {
  %in = load ptr, ptr %args
  %second = getelementptr i64, ptr %args, i64 1
  %out = load ptr, ptr %second
  %n = sub i64 %end, %begin
  %src = getelementptr i8, ptr %in, i64 %begin
  call void @llvm.memset.p0.i64(ptr %scratch, i8 90, i64 %n, i1 false)
  call void @llvm.memcpy.p0.p0.i64(ptr %out, ptr %src, i64 %n, i1 false)
  %third = getelementptr i64, ptr %args, i64 2
  %to = load i64, ptr %third
  %dst = getelementptr i8, ptr %out, i64 %to
  call void @llvm.memmove.p0.p0.i64(ptr %dst, ptr %out, i64 %n, i1 false)
  ret i64 0
}
)";

static const char planText[] = R"(
define i64 @plan(ptr %dims, i64 %segment, ptr %plan) {
  %symbols.at = getelementptr i64, ptr %plan, i64 1
  %symbols = load ptr, ptr %symbols.at
  %rows = load i64, ptr %dims
  store i64 %rows, ptr %symbols
  %arena.at = getelementptr i64, ptr %plan, i64 3
  %bytes = mul i64 %rows, 64
  store i64 %bytes, ptr %arena.at
  %bad = icmp sgt i64 %rows, 100
  %result = zext i1 %bad to i64
  ret i64 %result
}
)";

static const char runText[] = R"(
declare i64 @helper(ptr, i64)
define i64 @run(ptr %call, i64 %segment) {
  %weights.at = getelementptr ptr, ptr %call, i64 3
  %weights = load ptr, ptr %weights.at
  %r = call i64 @helper(ptr %weights, i64 %segment)
  ret i64 %r
}
)";

static const char helperText[] = R"(
define i64 @helper(ptr noundef %weights, i64 %at) noinline {
  %p = getelementptr i8, ptr %weights, i64 %at
  %b = load volatile i8, ptr %p
  %r = zext i8 %b to i64
  ret i64 %r
}
)";

static LevelPart testLevel(const std::string &name, uint64_t features, const std::string &factor) {
  LevelPart level;
  level.name = name;
  level.features = features;
  std::string scale = scaleText;
  scale.replace(scale.find("FACTOR"), 6, factor);
  level.modules.push_back(parse(scale, name + "/scale"));
  level.modules.push_back(parse(fillText, name + "/fill"));
  level.kernels = {{"scale"}, {"fill"}};
  return level;
}

ModelParts testModel(const std::string &name, uint64_t bytes, const std::string &triple) {
  ModelParts parts;
  parts.name = name;
  parts.triple = triple;
  parts.kernelNames = {"scale_f32", "fill_u8"};
  bool x86 = triple.rfind("x86_64", 0) == 0;
  parts.levels.push_back(testLevel(x86 ? "x86-avx2" : "aarch64-dotprod",
                                   x86 ? 1u << QCC_FEATURE_AVX2 : 1u << QCC_FEATURE_DOTPROD,
                                   "2.0"));
  if (x86)
    parts.levels.back().cpu = "x86-64-v3";
  else
    parts.levels.back().cpuFeatures = "+dotprod";
  parts.levels.push_back(testLevel(x86 ? "x86-base" : "aarch64-neon", 0, "3.0"));
  parts.levels.back().kernels[1].level = 0; // shared code
  parts.bodyModules.push_back(parse(runText, "body/run"));
  parts.bodyModules.push_back(parse(planText, "body/plan"));
  parts.bodyModules.push_back(parse(helperText, "body/helper"));
  EntryPart entry;
  entry.inputs = {{"x", QCC_F32, {"rows", "64"}, ""}, {"ids", QCC_I64, {"rows"}, "ids"}};
  entry.outputs = {{"y", QCC_F32, {"rows", "64"}, "logits"}};
  entry.symbols = {{"rows", 1, 100, 4, 0, 0}, {"found", 0, 7, 1, -1, 1}};
  entry.kv = {{1, 0, 3, true, 0}};
  entry.checks = {{"x axis 0", "rows", "node 'a'"}};
  entry.sites = {"node 'a'", "node 'b'"};
  entry.segments = 2;
  entry.planSymbol = "plan";
  entry.runSymbol = "run";
  parts.entries.push_back(std::move(entry));
  parts.weights = testWeights(bytes);
  parts.manifest = "{\"schema\": \"qcc.manifest/1\", \"name\": \"" + name + "\"}";
  return parts;
}

TempFolder::TempFolder() {
  SmallString<128> made;
  if (sys::fs::createUniqueDirectory("qcc-emit", made))
    abort();
  path = made.str().str();
}

TempFolder::~TempFolder() { sys::fs::remove_directories(path); }

std::vector<std::string> TempFolder::list() const {
  std::vector<std::string> names;
  std::error_code ec;
  for (sys::fs::directory_iterator it(path, ec), end; it != end && !ec; it.increment(ec))
    names.push_back(it->path().substr(path.size() + 1));
  std::sort(names.begin(), names.end());
  return names;
}

std::string readFile(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void writeFile(const std::string &path, const std::string &text) {
  std::ofstream(path, std::ios::binary) << text;
}

EmitReport emitOk(ModelParts parts, const std::string &path, OutputKind kind, bool sidecar,
                  unsigned threads) {
  EmitOptions options;
  options.kind = kind;
  options.path = path;
  options.sidecar = sidecar;
  options.threads = threads;
  EmitReport report;
  Failure failure = failureOf(emitModel(std::move(parts), options, &report));
  EXPECT_EQ(failure.number, 0) << failure.text;
  return report;
}

Failure failureOf(Error error) {
  Failure failure;
  handleAllErrors(
      std::move(error),
      [&](const CodedError &coded) {
        failure.number = static_cast<int>(coded.code);
        raw_string_ostream os(failure.text);
        coded.log(os);
      },
      [&](const ErrorInfoBase &other) {
        failure.number = -1;
        failure.text = other.message();
      });
  return failure;
}

std::string runProgram(const std::string &command, int &code) {
  std::string out;
  FILE *pipe = popen(command.c_str(), "r");
  char buffer[4096];
  for (size_t n; pipe && (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;)
    out.append(buffer, n);
  int status = pipe ? pclose(pipe) : -1;
  code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

} // namespace qcc::emit::test
