// Outputs appear whole or not at all.
#include "TestModel.h"
#include "qcc/Support/AtomicOutput.h"
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace qcc;
using namespace qcc::emit;
using namespace qcc::emit::test;

namespace {

Failure emitFailure(ModelParts parts, const std::string &path,
                    OutputKind kind = OutputKind::SharedObject, bool sidecar = false) {
  EmitOptions options;
  options.path = path;
  options.kind = kind;
  options.sidecar = sidecar;
  options.threads = 1;
  return failureOf(emitModel(std::move(parts), options));
}

/// Runs in a child, whose limits and identity may change; the result is the child's exit code.
int inChild(const std::function<int()> &work) {
  pid_t child = fork();
  if (child == 0)
    _exit(work());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

using Names = std::vector<std::string>;

TEST(Files, AFolderIsNoOutput) {
  TempFolder folder;
  mkdir((folder / "out.so").c_str(), 0777);
  for (std::string path : {folder / "out.so", folder.path + "/", std::string()})
    EXPECT_EQ(emitFailure(testModel("m"), path).number, int(Diag::OutputIsDirectory)) << path;
  EXPECT_EQ(folder.list(), Names{"out.so"});
}

TEST(Files, APipeIsNoOutput) {
  TempFolder folder; // never a device of the machine: without the check it would be replaced
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(emitFailure(testModel("m"), folder / "pipe").number, int(Diag::OutputNotRegular));
  EXPECT_EQ(emitFailure(testModel("m"), "-").number, int(Diag::BinaryToStdout));
}

TEST(Files, AbsentFolder) {
  TempFolder folder;
  Failure failure = emitFailure(testModel("m"), folder / "none/m.so");
  EXPECT_EQ(failure.number, int(Diag::CannotWrite));
  EXPECT_NE(failure.text.find("none/m.so"), std::string::npos) << failure.text;
  EXPECT_NE(failure.text.find("No such file or directory"), std::string::npos) << failure.text;
}

TEST(Files, UnwritableFolder) {
  TempFolder folder;
  mkdir((folder / "locked").c_str(), 0555);
  chmod(folder.path.c_str(), 0755);
  int code = inChild([&] {
    if (geteuid() == 0 && seteuid(65534) != 0)
      return 99;
    Failure failure = emitFailure(testModel("m"), folder / "locked/m.so");
    return failure.number == int(Diag::CannotWrite) &&
                   failure.text.find("Permission denied") != std::string::npos
               ? 0
               : 1;
  });
  if (code == 99)
    GTEST_SKIP() << "cannot give up root here";
  EXPECT_EQ(code, 0);
}

TEST(Files, LimitReachedWhileWriting) {
  TempFolder folder;
  writeFile(folder / "m.so", "before");
  for (OutputKind kind : {OutputKind::SharedObject, OutputKind::Object, OutputKind::Archive})
    for (bool sidecar : {false, true}) {
      int code = inChild([&] {
        signal(SIGXFSZ, SIG_IGN);
        rlimit limit = {1 << 20, 1 << 20};
        setrlimit(RLIMIT_FSIZE, &limit);
        return emitFailure(testModel("m", 9 << 20), folder / "m.so", kind, sidecar).number ==
                       int(Diag::OutputNoSpace)
                   ? 0
                   : 1;
      });
      EXPECT_EQ(code, 0);
      EXPECT_EQ(folder.list(), Names{"m.so"});
      EXPECT_EQ(readFile(folder / "m.so"), "before");
    }
}

TEST(Files, FullDisk) {
  TempFolder folder;
  if (mount("none", folder.path.c_str(), "tmpfs", 0, "size=12m") != 0)
    GTEST_SKIP() << "needs root to mount a small file system";
  writeFile(folder / "m.so", "before");
  // Refused before anything is compiled, and, where the announcement is too small, while writing.
  EXPECT_EQ(emitFailure(testModel("m", 64 << 20), folder / "m.so").number,
            int(Diag::OutputNoSpace));
  AtomicOutputs outputs;
  size_t index = llvm::cantFail(outputs.add(folder / "big"));
  std::vector<uint8_t> piece(1 << 20);
  Failure failure;
  for (uint64_t at = 0; at < 16 && !failure.number; ++at)
    failure = failureOf(outputs.write(index, at << 20, piece));
  EXPECT_EQ(failure.number, int(Diag::OutputNoSpace));
  EXPECT_NE(failure.text.find("No space left"), std::string::npos) << failure.text;
  EXPECT_EQ(emitFailure(testModel("m", 1 << 20), folder / "m.so").number, int(Diag::OutputNoSpace));
  EXPECT_EQ(readFile(folder / "m.so"), "before");
  umount2(folder.path.c_str(), MNT_DETACH);
}

TEST(Files, FullStdout) {
  EXPECT_EQ(inChild([] {
              int full = open("/dev/full", O_WRONLY);
              dup2(full, 1);
              return emitFailure(testModel("m"), "-", OutputKind::LlvmIr).number ==
                             int(Diag::OutputNoSpace)
                         ? 0
                         : 1;
            }),
            0);
}

TEST(Files, AnErrorLeavesTheFolderAlone) {
  TempFolder folder;
  writeFile(folder / "m.o", "before");
  ModelParts parts = testModel("m", 5000);
  parts.weights.write = [](WeightsSink sink) -> llvm::Error {
    if (llvm::Error e = sink(std::vector<uint8_t>(100)))
      return e;
    return makeError(Diag::CannotRead, "w.bin", "gone");
  };
  EXPECT_EQ(emitFailure(std::move(parts), folder / "m.o", OutputKind::Object).number,
            int(Diag::CannotRead));
  EXPECT_EQ(folder.list(), Names{"m.o"});
  EXPECT_EQ(readFile(folder / "m.o"), "before");
}

TEST(Files, WeightsOfAnotherLength) {
  TempFolder folder;
  for (uint64_t produced : {0, 4999, 5001, 9000000}) {
    ModelParts parts = testModel("m", 5000);
    parts.weights.write = testWeights(produced).write;
    EXPECT_EQ(emitFailure(std::move(parts), folder / "m.so").number, int(Diag::WeightsLength));
  }
  EXPECT_TRUE(folder.list().empty());
}

TEST(Files, PermissionsFollowTheUmask) {
  TempFolder folder;
  emitOk(testModel("m"), folder / "m.so", OutputKind::SharedObject);
  emitOk(testModel("m"), folder / "m.o", OutputKind::Object);
  emitOk(testModel("m"), folder / "s.so", OutputKind::SharedObject, true);
  mode_t mask = umask(0);
  umask(mask);
  struct stat info;
  for (const char *name : {"m.o", "m.h", "s.weights"}) {
    stat((folder / name).c_str(), &info);
    EXPECT_EQ(info.st_mode & 0777, 0666 & ~mask) << name;
  }
  stat((folder / "m.so").c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777, 0777 & ~mask);
}

/// Background jobs inherit that they ignore SIGINT, and handlers respect that. They are installed
/// with the first output of the process, so this comes before any test.
[[maybe_unused]] const auto attendsToInterrupts = signal(SIGINT, SIG_DFL);

TEST(Files, InterruptRemovesWhatWasBegun) {
  TempFolder folder;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  pid_t child = fork();
  if (child == 0) {
    ModelParts parts = testModel("m", 1 << 20);
    parts.weights.write = [&](WeightsSink sink) -> llvm::Error {
      llvm::cantFail(sink(std::vector<uint8_t>(1000)));
      if (::write(ready[1], "x", 1) != 1)
        _exit(3);
      sleep(60);
      return llvm::Error::success();
    };
    emitFailure(std::move(parts), folder / "m.so");
    _exit(0);
  }
  char c;
  ASSERT_EQ(::read(ready[0], &c, 1), 1);
  EXPECT_EQ(folder.list().size(), 1u);
  kill(child, SIGINT);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
  EXPECT_EQ(folder.list(), Names{});
}

TEST(Files, SmallFileAtOnce) {
  TempFolder folder;
  writeFile(folder / "report.json", "a longer text than what comes");
  EXPECT_EQ(failureOf(writeFileAtomically(folder / "report.json", "{}")).number, 0);
  EXPECT_EQ(readFile(folder / "report.json"), "{}");
  EXPECT_EQ(folder.list(), Names{"report.json"});
  EXPECT_EQ(failureOf(writeFileAtomically(folder.path, "{}")).number, int(Diag::OutputIsDirectory));
}

} // namespace
