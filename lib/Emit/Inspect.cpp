// Reading artifacts back, as data: nothing of them is loaded or executed.
#include "Detail.h"
#include "MapFile.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/Archive.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;

namespace qcc::emit {

Expected<std::unique_ptr<MemoryBuffer>> mapFile(StringRef path, uint64_t from,
                                                std::optional<uint64_t> bytes) {
  auto buffer = bytes ? MemoryBuffer::getFileSlice(path, *bytes, from)
                      : MemoryBuffer::getFile(path, /*IsText=*/false,
                                              /*RequiresNullTerminator=*/false);
  if (!buffer)
    return makeError(Diag::CannotRead, path.str(), "cannot read: " + buffer.getError().message());
  return std::move(*buffer);
}

namespace {

Error notAnArtifact(StringRef path, const Twine &why) {
  return makeError(Diag::NotAnArtifact, path.str(), ("not a compiled model: " + why).str());
}

Error layoutError(StringRef path, const Twine &message) {
  return makeError(Diag::ArtifactLayout, path.str(), message.str());
}

Expected<std::optional<std::string>> manifestOf(MemoryBufferRef image) {
  auto file = object::ObjectFile::createELFObjectFile(image);
  if (!file)
    return file.takeError();
  for (const object::SectionRef &section : (*file)->sections()) {
    Expected<StringRef> name = section.getName();
    if (!name)
      return name.takeError();
    if (*name != manifestSection)
      continue;
    Expected<StringRef> contents = section.getContents();
    if (!contents)
      return contents.takeError();
    return contents->split('\0').first.str();
  }
  return std::nullopt;
}

Expected<std::optional<std::string>> manifestOfArchive(MemoryBufferRef image) {
  Expected<std::unique_ptr<object::Archive>> archive = object::Archive::create(image);
  if (!archive)
    return archive.takeError();
  Error problem = Error::success();
  for (const object::Archive::Child &child : (*archive)->children(problem)) {
    Expected<MemoryBufferRef> member = child.getMemoryBufferRef();
    if (!member)
      return joinErrors(std::move(problem), member.takeError());
    if (identify_magic(member->getBuffer()) != file_magic::elf_relocatable)
      continue;
    auto found = manifestOf(*member);
    if (!found || *found) {
      consumeError(std::move(problem));
      return found;
    }
  }
  if (problem)
    return std::move(problem);
  return std::nullopt;
}

} // namespace

Expected<std::string> readManifest(StringRef path) {
  Expected<std::unique_ptr<MemoryBuffer>> buffer = mapFile(path);
  if (!buffer)
    return buffer.takeError();
  file_magic magic = identify_magic((*buffer)->getBuffer());
  Expected<std::optional<std::string>> manifest = std::nullopt;
  if (magic == file_magic::archive)
    manifest = manifestOfArchive(**buffer);
  else if (magic == file_magic::elf_shared_object || magic == file_magic::elf_relocatable)
    manifest = manifestOf(**buffer);
  else
    return notAnArtifact(path, "no shared object, object or archive");
  if (!manifest)
    return notAnArtifact(path, toString(manifest.takeError()));
  if (!*manifest)
    return notAnArtifact(path, "it holds no manifest");
  return std::move(**manifest);
}

Error checkSelfContained(StringRef path, ArrayRef<std::string> exports) {
  Expected<std::unique_ptr<MemoryBuffer>> buffer = mapFile(path);
  if (!buffer)
    return buffer.takeError();
  auto file = object::ObjectFile::createELFObjectFile(**buffer);
  if (!file)
    return layoutError(path, toString(file.takeError()));
  auto *elf = dyn_cast<object::ELF64LEObjectFile>(file->get());
  if (!elf)
    return layoutError(path, "not a 64-bit little-endian object");
  auto dynamic = elf->getELFFile().dynamicEntries();
  if (!dynamic)
    return layoutError(path, toString(dynamic.takeError()));
  for (const auto &entry : *dynamic) {
    if (entry.d_tag == ELF::DT_NEEDED)
      return layoutError(path, "it needs another library");
    if (entry.d_tag == ELF::DT_TEXTREL)
      return layoutError(path, "it relocates code");
  }
  StringSet<> missing;
  for (const std::string &name : exports)
    missing.insert(name);
  for (const object::ELFSymbolRef &symbol : elf->getDynamicSymbolIterators()) {
    Expected<StringRef> name = symbol.getName();
    Expected<uint32_t> flags = symbol.getFlags();
    if (!name || !flags)
      return layoutError(path, toString(joinErrors(name.takeError(), flags.takeError())));
    if (*flags & object::SymbolRef::SF_Undefined)
      return layoutError(path, "'" + *name + "' is undefined");
    if (!missing.erase(*name))
      return layoutError(path, "it exports '" + *name + "'");
  }
  if (!missing.empty())
    return layoutError(path, "it does not export '" + missing.begin()->getKey() + "'");
  return Error::success();
}

} // namespace qcc::emit
