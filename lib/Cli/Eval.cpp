// `qcc eval`: opens the models, picks the protocol, prints.
#include "Eval.h"

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;
using namespace qcc::quality;
using llvm::StringRef;

llvm::Expected<OpenedSubject> cli::openSubject(const Args &args, const Context &context,
                                               StringRef path) {
  OpenedSubject result;
  // The gate concerns the measurement here, not the compile on the way.
  Args plain = args;
  if (args.get("--accept") != "none")
    plain.values.erase("--accept");
  auto opened = openModel(plain, context, path);
  if (!opened)
    return opened.takeError();
  result.opened = std::move(*opened);
  auto subject = Subject::create(*result.opened.model);
  if (!subject)
    return subject.takeError();
  result.subject = std::move(*subject);
  return result;
}

Args cli::referenceArgs(const Args &args) {
  Args plain = args;
  for (const char *option :
       {"--quantize", "--skip", "--embed", "--head", "--kv", "--attention", "--method",
        "--requantize", "--recipe", "--calib", "--calib-samples", "--budget-size",
        "--budget-latency", "--eval-data", "--require-measured", "--force-level", "--device"})
    plain.values.erase(option);
  return plain;
}

llvm::Error Evaluation::openSubjects(StringRef path) {
  auto opened = openSubject(args, context, path);
  if (!opened)
    return opened.takeError();
  ours = std::move(*opened);
  subject = ours.subject.get();
  if (!args.has("--against"))
    return llvm::Error::success();
  opened = openSubject(referenceArgs(args), context, args.get("--against"));
  if (!opened)
    return opened.takeError();
  theirs = std::move(*opened);
  reference = theirs.subject.get();
  return llvm::Error::success();
}

llvm::Error Evaluation::run() {
  auto path = onlyModel(args, "eval");
  if (!path)
    return path.takeError();
  auto gate = parseAccept(args.get("--accept", "none"));
  if (!gate)
    return gate.takeError();
  bool gated = gate->kind != Gate::Kind::None;
  int protocols = args.has("--tokens") + args.has("--pairs") + args.has("--data");
  if (protocols > 1 || (protocols == 0 && !gated))
    return makeError(Diag::UsageError, "", "give one of --tokens, --pairs and --data", {},
                     "qcc eval --help shows examples");
  auto count = args.integer("--limit", -1, 1, INT64_MAX);
  if (!count)
    return count.takeError();
  limit = *count;
  if (llvm::Error error = openSubjects(*path))
    return error;
  if (gated)
    return evalGate(*gate);
  return args.has("--tokens") ? evalTokens() : args.has("--pairs") ? evalPairs() : evalData();
}

void Evaluation::finish(StringRef protocol, llvm::json::Object facts,
                        const std::vector<std::vector<std::string>> &rows) {
  if (!context.json) {
    printTable(context.out, rows);
    return;
  }
  facts["schema"] = "qcc.eval/1";
  facts["protocol"] = protocol;
  facts["model"] = subject->model().path;
  facts["level"] = subject->model().level;
  if (reference)
    facts["against"] = reference->model().path;
  context.printJson(std::move(facts));
}

llvm::Error cli::runEval(const Args &args, const Context &context) {
  // What is compiled on the way computes the same bits everywhere, so that figures compare.
  Args exact = args;
  if (!exact.has("--numerics"))
    exact.values["--numerics"] = {"exact"};
  return Evaluation(exact, context).run();
}
