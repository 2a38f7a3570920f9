// `qcc eval`: opens the models, picks the protocol, prints.
#include "Eval.h"

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;
using namespace qcc::quality;
using llvm::StringRef;

llvm::Error Evaluation::openSubjects(StringRef path) {
  auto opened = Subject::open(args, context, path);
  if (!opened)
    return opened.takeError();
  subject = std::move(*opened);
  if (!args.has("--against"))
    return llvm::Error::success();
  // The scheme on the command line is for the model, not for what it is held against.
  Args plain = args;
  for (const char *option : {"--quantize", "--skip", "--embed", "--head", "--force-level"})
    plain.values.erase(option);
  opened = Subject::open(plain, context, args.get("--against"));
  if (!opened)
    return opened.takeError();
  reference = std::move(*opened);
  return llvm::Error::success();
}

llvm::Error Evaluation::run() {
  auto path = onlyModel(args, "eval");
  if (!path)
    return path.takeError();
  if (args.has("--accept") && args.get("--accept") != "none")
    return makeError(Diag::NotAvailable, "", "qcc eval --accept is not available in this version");
  int protocols = args.has("--tokens") + args.has("--pairs") + args.has("--data");
  if (protocols != 1)
    return makeError(Diag::UsageError, "", "give one of --tokens, --pairs and --data", {},
                     "qcc eval --help shows examples");
  auto count = args.integer("--limit", -1, 1, INT64_MAX);
  if (!count)
    return count.takeError();
  limit = *count;
  if (llvm::Error error = openSubjects(*path))
    return error;
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
