// From argv to an exit code: finds the command, runs it, prints its errors. Also what happens when
// the user interrupts or qcc itself fails.
#include "Options.h"
#include "qcc/Data/RuntimeModel.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Signals.h"
#include <csignal>
#include <thread>
#include <unistd.h>

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;
using llvm::StringRef;
namespace fs = llvm::sys::fs;

namespace {
constexpr int exitInternal = 70, exitInterrupted = 130;

/// The command line, for the report of a crash. Written once before anything can fail.
std::string &commandLine() {
  static std::string text;
  return text;
}

/// Waits for SIGINT, SIGTERM and SIGHUP on a thread of its own, so that cleaning up is ordinary
/// code.
void watchInterrupts() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction old;
    if (sigaction(signal, nullptr, &old) == 0 && old.sa_handler != SIG_IGN)
      sigaddset(&set, signal);
  }
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread([set] {
    int signal = 0;
    while (sigwait(&set, &signal) != 0) {
    }
    llvm::sys::RunInterruptHandlers(); // removes what RemoveFileOnSignal knows
    TempFolder::removeAll();
    _exit(exitInterrupted);
  }).detach();
}

void say(const char *text, size_t length) {
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, text, length);
}

/// Called by LLVM on a stack of its own, after it has removed temporary files.
void onCrash(void *) {
  static constexpr char head[] = "error QCC1901: qcc crashed\nnote: to reproduce: ";
  say(head, sizeof(head) - 1);
  say(commandLine().data(), commandLine().size());
  say("\n", 1);
  _exit(exitInternal);
}

void onFatalError(void *, const char *reason, bool) {
  llvm::errs() << "error QCC1901: " << reason << "\nnote: to reproduce: " << commandLine() << '\n';
  llvm::sys::RunInterruptHandlers();
  TempFolder::removeAll();
  _exit(exitInternal);
}

void installHandlers() {
  watchInterrupts();
  llvm::install_fatal_error_handler(onFatalError);
  llvm::install_bad_alloc_error_handler(onFatalError);
  llvm::sys::AddSignalHandler(onCrash, nullptr);
  signal(SIGXFSZ, SIG_IGN); // `ulimit -f`: the write reports it
}

/// Prints every error inside and returns the exit code of the first.
int reportErrors(llvm::Error error, llvm::raw_ostream &err) {
  int code = 0;
  auto note = [&](int candidate) { code = code ? code : candidate; };
  llvm::handleAllErrors(
      std::move(error),
      [&](const CodedError &coded) {
        coded.log(err);
        err << '\n';
        if (coded.code == Diag::Internal)
          err << "note: to reproduce: " << commandLine() << '\n';
        note(diagExitCode(coded.code));
      },
      [&](const llvm::ErrorInfoBase &other) {
        err << "error QCC1901: " << other.message() << "\nnote: to reproduce: " << commandLine()
            << '\n';
        note(exitInternal);
      });
  return code;
}

using Runner = llvm::Error (*)(const Args &, const Context &);
Runner runnerOf(StringRef name) {
  static constexpr std::pair<const char *, Runner> table[] = {
      {"compile", runCompile},     {"quantize", runQuantize}, {"run", runRun},
      {"bench", runBench},         {"eval", runEval},         {"compare", runCompare},
      {"calibrate", runCalibrate}, {"sweep", runSweep},       {"tune", runTune},
      {"inspect", runInspect},     {"check", runCheck},       {"targets", runTargets},
      {"explain", runExplain},     {"version", runVersion}};
  for (auto [command, runner] : table)
    if (name == command)
      return runner;
  return nullptr;
}

/// A first argument that is neither an option, nor a command, nor a file.
llvm::Error checkCommandName(StringRef word) {
  for (const char *name : laterCommands())
    if (word == name)
      return makeError(Diag::NotAvailable, "",
                       "qcc " + word.str() + " is not available in this version");
  if (word.contains('.') || word.contains('/') || fs::exists(word))
    return llvm::Error::success();
  std::vector<std::string> names;
  for (const Command &command : allCommands())
    names.push_back(command.name);
  std::string close = nearest(word, names);
  return makeError(Diag::UnknownCommand, "", "qcc has no command '" + word.str() + "'", {},
                   close.empty() ? "qcc --help lists them" : "did you mean " + close + "?");
}

llvm::Error dispatch(std::vector<std::string> arguments, const Backend &backend,
                     llvm::raw_ostream &out, llvm::raw_ostream &err) {
  if (arguments.empty()) {
    err << mainHelp();
    return makeError(Diag::UsageError, "", "no model or command is given");
  }
  StringRef first = arguments.front();
  if (first == "--help" || first == "-h" || (first == "help" && arguments.size() == 1)) {
    out << mainHelp();
    return llvm::Error::success();
  }
  if (first == "--version")
    arguments.front() = "version";
  if (first == "help") {
    arguments.erase(arguments.begin());
    arguments.resize(1);
    arguments.push_back("--help");
  }
  const Command *command = findCommand(arguments.front());
  if (command) {
    arguments.erase(arguments.begin());
  } else {
    if (!StringRef(arguments.front()).starts_with("-"))
      if (llvm::Error error = checkCommandName(arguments.front()))
        return error;
    command = findCommand("compile");
  }
  auto args = parseArgs(*command, arguments);
  if (!args)
    return args.takeError();
  if (args->has("--help")) {
    out << command->help;
    return llvm::Error::success();
  }
  for (const std::string &library : args->all("--host-lib"))
    if (llvm::Error error = data::loadHostLibrary(library))
      return error;
  Context context{backend, out, err, args->has("--json"),
                  llvm::sys::Process::StandardErrIsDisplayed()};
  return runnerOf(command->name)(*args, context);
}

std::string quoteCommand(int argc, const char *const *argv) {
  std::string text;
  for (int i = 0; i < argc; ++i) {
    StringRef argument = argv[i];
    bool plain = !argument.empty() &&
                 argument.find_first_of(" \t\n'\"\\$*?[]()<>|&;#~`!{}") == StringRef::npos;
    std::string quoted = argument.str();
    if (!plain) {
      quoted = "'";
      for (char c : argument)
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
      quoted += "'";
    }
    text += (i ? " " : "") + quoted;
  }
  return text;
}
} // namespace

Progress::~Progress() {
  if (lastPercent >= 0)
    context.err << "\r\033[K";
}

void Progress::show(int64_t done, int64_t total) {
  int64_t percent = total ? done * 100 / total : 100;
  if (!context.terminal || percent == lastPercent)
    return;
  lastPercent = percent;
  context.err << '\r' << label << ' ' << percent << " %";
  context.err.flush();
}

llvm::Expected<std::string> cli::onlyModel(const Args &args, StringRef command) {
  if (args.positionals.size() == 1)
    return args.positionals.front();
  std::string count = std::to_string(args.positionals.size());
  return makeError(Diag::UsageError, "",
                   args.positionals.empty() ? "no model is given"
                                            : "one model is expected, " + count + " are given",
                   {}, "qcc " + command.str() + " --help shows the form");
}

llvm::Expected<std::optional<uint32_t>> cli::parseDevice(const Args &args) {
  std::string text = args.get("--device", "cpu");
  auto [kind, number] = StringRef(text).split(':');
  uint32_t index = 0;
  if (text == "cpu")
    return std::nullopt;
  if (kind != "gpu" || (StringRef(text).contains(':') && number.getAsInteger(10, index)))
    return badValue("--device", text, "it reads cpu, gpu or gpu:1");
  return std::optional<uint32_t>(index);
}

llvm::Expected<OpenedModel> cli::openModel(const Args &args, const Context &context,
                                           StringRef file) {
  LoadOptions options;
  auto threads = args.integer("--threads", 0, 1, 1023);
  if (!threads)
    return threads.takeError();
  options.threads = static_cast<unsigned>(*threads);
  options.forceLevel = args.get("--force-level");
  auto gpu = parseDevice(args);
  if (!gpu)
    return gpu.takeError();
  options.gpu = *gpu;
  OpenedModel opened;
  std::string artifact = file.str();
  if (!file.ends_with(".so")) {
    auto folder = TempFolder::create();
    if (!folder)
      return folder.takeError();
    opened.folder = std::move(*folder);
    artifact = opened.folder->path + "/model.so";
    auto request = makeCompileRequest(args, context, file, artifact);
    if (!request)
      return request.takeError();
    if (llvm::Error error = compileWithRuns(*request, context))
      return std::move(error);
  } else if (!fs::exists(file)) {
    return makeError(Diag::CannotRead, file.str(), "no such file");
  }
  auto model = loadRuntimeModel(artifact, options);
  if (!model)
    return model.takeError();
  (*model)->path = file.str();
  for (const std::string &bind : args.all("--bind")) {
    auto [role, name] = StringRef(bind).split('=');
    int index = findInput(**model, name);
    if (index < 0)
      return makeError(Diag::BadOptionValue, file.str(),
                       "--bind " + bind + ": no input '" + name.str() + "'");
    (*model)->inputs[index].role = role.str();
  }
  opened.artifact = std::move(artifact);
  opened.model = std::move(*model);
  return opened;
}

int qcc::cliMain(int argc, const char *const *argv, const Backend &backend) {
  commandLine() = quoteCommand(argc, argv);
  installHandlers();
  llvm::raw_fd_ostream &out = llvm::outs();
  llvm::raw_ostream &err = llvm::errs();
  std::vector<std::string> arguments(argv + 1, argv + argc);
  int code = 0;
  if (llvm::Error error = dispatch(std::move(arguments), backend, out, err)) {
    out.flush();
    code = reportErrors(std::move(error), err);
  }
  out.flush();
  if (out.has_error()) {
    std::string reason = out.error().message();
    out.clear_error();
    return reportErrors(makeError(Diag::CannotWrite, "stdout", reason), err);
  }
  return code;
}
