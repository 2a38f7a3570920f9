// The linker, inside this process. Inputs lie in memory files, so nothing but the output touches
// the disk and an interrupted link leaves no objects behind.
#include "Detail.h"
#include "lld/Common/Driver.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ObjCopy/ConfigManager.h"
#include "llvm/ObjCopy/ObjCopy.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/Parallel.h"
#include <atomic>
#include <cerrno>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

using namespace llvm;

namespace qcc::emit {
namespace {

/// A file without a name on any disk; the linker opens it through /proc.
class MemoryFile {
public:
  explicit MemoryFile(const ObjectCode &object) : fd(::memfd_create("object", MFD_CLOEXEC)) {
    const char *data = object.bytes.data();
    for (size_t left = object.bytes.size(); fd >= 0 && left;) {
      ssize_t n = ::write(fd, data, left);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0) {
        problem = errno;
        break;
      }
      data += n;
      left -= n;
    }
    if (fd < 0)
      problem = errno;
    path = "/proc/self/fd/" + std::to_string(fd);
  }
  MemoryFile(MemoryFile &&other) noexcept
      : fd(other.fd), problem(other.problem), path(std::move(other.path)) {
    other.fd = -1;
  }
  ~MemoryFile() {
    if (fd >= 0)
      ::close(fd);
  }
  int fd, problem = 0;
  std::string path;
};

Error linkFailed(std::vector<std::string> notes, StringRef message) {
  return makeError(Diag::LinkFailed, "link", message.str(), std::move(notes));
}

/// lld keeps state in globals: one link at a time, and none after a crash.
Error runLinker(ArrayRef<const char *> arguments, StringRef path) {
  static std::mutex mutex;
  static bool usable = true;
  std::lock_guard lock(mutex);
  if (!usable)
    return linkFailed({}, "the linker crashed earlier in this process");
  std::string out, err;
  raw_string_ostream outStream(out), errStream(err);
  ThreadPoolStrategy strategy = parallel::strategy;
  lld::Result result = lld::lldMain(arguments, outStream, errStream, {{lld::Gnu, &lld::elf::link}});
  parallel::strategy = strategy;
  usable = result.canRunAgain;
  if (result.retCode == 0)
    return Error::success();
  // What the disk refuses to the linker is the user's affair, not a fault of the objects.
  for (int problem : {ENOSPC, EDQUOT, EFBIG, EACCES, EROFS, EIO})
    if (StringRef(err).contains(sys::StrError(problem)))
      return writeError(path, problem);
  return linkFailed({StringRef(err).rtrim().str()}, "the linker failed");
}

/// How many threads a link gets that may have `wanted`; 0: as is usual. The pool beneath lld keeps
/// the size of its first use in a process, while each link sizes its tables by its own --threads:
/// fewer would be written beyond their end. Threads do not change what lld writes.
unsigned linkThreads(unsigned wanted) {
  static std::atomic<unsigned> pool = 0;
  if (wanted == 1)
    return 1; // without the pool
  unsigned none = 0;
  pool.compare_exchange_strong(none, wanted ? wanted : 4);
  return pool;
}

Error link(ArrayRef<const ObjectCode *> objects, const LinkOutput &output,
           ArrayRef<const char *> mode) {
  std::vector<MemoryFile> files;
  for (const ObjectCode *object : objects) {
    files.emplace_back(*object);
    if (files.back().problem) // `ulimit -f` counts memory files as well
      return writeError(output.path, files.back().problem);
  }
  std::string threadsText = "--threads=" + std::to_string(linkThreads(output.threads));
  std::vector<const char *> arguments = {"ld.lld", threadsText.c_str()};
  arguments.insert(arguments.end(), mode.begin(), mode.end());
  for (const MemoryFile &file : files)
    arguments.push_back(file.path.c_str());
  arguments.push_back("-o");
  arguments.push_back(output.temp.c_str());
  Error result = runLinker(arguments, output.path);
  if (!result)
    return result;
  // Inputs appear by number in lld's messages; a note maps them to modules.
  return handleErrors(std::move(result), [&](std::unique_ptr<CodedError> error) -> Error {
    for (size_t i = 0; i < files.size(); ++i)
      for (std::string &note : error->notes)
        for (size_t at; (at = note.find(files[i].path + ":")) != std::string::npos;)
          note.replace(at, files[i].path.size(), "module '" + objects[i]->name + "'");
    return Error(std::move(error));
  });
}

} // namespace

Error linkShared(ArrayRef<const ObjectCode *> objects, const LinkOutput &output) {
  return link(objects, output,
              {"-shared", "--gc-sections", "-z", "defs", "-z", "now", "-z", "relro", "-z",
               "noexecstack", "-z", "text", "--build-id=none", "--hash-style=gnu",
               "--no-undefined-version", "-O1"});
}

Error linkRelocatable(ArrayRef<const ObjectCode *> objects, const LinkOutput &output) {
  return link(objects, output, {"-r", "-z", "noexecstack"});
}

Error checkUndefined(ArrayRef<const ObjectCode *> objects, bool &needsSupport) {
  StringSet<> defined;
  std::vector<std::pair<std::string, StringRef>> undefined; // symbol, module
  for (const ObjectCode *object : objects) {
    auto file = object::ObjectFile::createELFObjectFile(
        MemoryBufferRef(StringRef(object->bytes.data(), object->bytes.size()), object->name));
    if (!file)
      return file.takeError();
    for (const object::SymbolRef &symbol : (*file)->symbols()) {
      Expected<uint32_t> flags = symbol.getFlags();
      Expected<StringRef> name = symbol.getName();
      if (!flags || !name)
        return joinErrors(flags.takeError(), name.takeError());
      if (name->empty() || *flags & object::SymbolRef::SF_FormatSpecific)
        continue;
      if (*flags & object::SymbolRef::SF_Undefined)
        undefined.push_back({name->str(), object->name});
      else
        defined.insert(*name);
    }
  }
  for (const auto &[symbol, module] : undefined) {
    if (defined.contains(symbol))
      continue;
    if (!is_contained(supportSymbols(), symbol))
      return makeError(Diag::UndefinedSymbol, "module '" + module.str() + "'",
                       "code refers to '" + symbol + "', which nothing defines");
    needsSupport = true;
  }
  return Error::success();
}

Expected<SmallVector<char, 0>> localizeSymbols(MemoryBufferRef object, StringRef keep) {
  auto file = object::ObjectFile::createELFObjectFile(object);
  if (!file)
    return file.takeError();
  objcopy::ConfigManager config;
  auto pattern =
      objcopy::NameOrPattern::create(keep, objcopy::MatchStyle::Literal, [](Error e) { return e; });
  if (!pattern)
    return pattern.takeError();
  if (Error e = config.Common.SymbolsToKeepGlobal.addMatcher(std::move(*pattern)))
    return std::move(e);
  config.Common.OutputFilename = "-";
  SmallVector<char, 0> out;
  raw_svector_ostream os(out);
  if (Error e = objcopy::executeObjcopyOnBinary(config, **file, os))
    return std::move(e);
  return out;
}

} // namespace qcc::emit
