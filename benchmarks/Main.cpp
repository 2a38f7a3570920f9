// Kernels by themselves against what the machine can do: products, decoding, attention, norms. A
// Markdown table on standard output; --benchmark_out=FILE writes JSON.
//   qcc-bench-kernels [--level=LEVEL] [--weights-mb=512] [--benchmark_filter=REGEX] […]
#include "Timing.h"
#include <cstdio>
#include <cstdlib>

using namespace qcc;
using namespace qcc::bench;
using llvm::StringRef;

namespace {

class MarkdownReporter : public benchmark::BenchmarkReporter {
public:
  bool ReportContext(const Context &context) override {
    PrintBasicContext(&GetErrorStream(), context);
    std::printf("| kernel | rate | probe | share | median share |\n|---|---:|---:|---:|---:|\n");
    return true;
  }
  void ReportRuns(const std::vector<Run> &runs) override {
    for (const Run &run : runs)
      report(run);
    std::fflush(stdout);
  }

private:
  static void report(const Run &run) {
    std::string name = run.run_name.function_name;
    if (run.error_occurred) {
      std::printf("| %s | %s | | | |\n", name.c_str(), run.error_message.c_str());
      return;
    }
    auto counter = [&](const char *key) {
      auto it = run.counters.find(key);
      return it == run.counters.end() ? 0 : it->second.value;
    };
    const char *unit = run.counters.count("GOPS") ? "GOPS" : "GB/s";
    std::printf("| %s | %.1f %s | %.1f | %.0f %% | %.0f %% |\n", name.c_str(), counter(unit), unit,
                counter("probe"), 100 * counter("share"), 100 * counter("median_share"));
  }
};

/// Takes our own options out of argv; exits on wrong ones.
Settings readOptions(int &argc, char **argv) {
  Settings settings{hostLevels().front(), 512 << 20};
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    StringRef option = argv[i];
    int64_t megabytes = 0;
    if (option.consume_front("--level="))
      settings.target = findTarget(option);
    else if (option.consume_front("--weights-mb="))
      settings.weightBytes = option.getAsInteger(10, megabytes) ? 0 : megabytes << 20;
    else
      argv[kept++] = argv[i];
  }
  argc = kept;
  if (!settings.target || !llvm::is_contained(hostLevels(), settings.target)) {
    std::fprintf(stderr, "--level: this machine has");
    for (const Target *level : hostLevels())
      std::fprintf(stderr, " %s", level->name);
    std::fprintf(stderr, "\n");
    std::exit(2);
  }
  if (settings.weightBytes < leastWeightBytes) {
    std::fprintf(stderr, "--weights-mb: a number from %d on\n", int(leastWeightBytes >> 20));
    std::exit(2);
  }
  return settings;
}

} // namespace

int main(int argc, char **argv) {
  benchmark::Initialize(&argc, argv);
  Settings settings = readOptions(argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 2;
  benchmark::AddCustomContext("level", settings.target->name);
  benchmark::AddCustomContext("weights_mb", std::to_string(settings.weightBytes >> 20));
  registerGemm(settings);
  registerGemv(settings);
  registerFused(settings);
  MarkdownReporter markdown;
  return benchmark::RunSpecifiedBenchmarks(&markdown) ? 0 : 1;
}
