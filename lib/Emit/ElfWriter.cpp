// Our own part of ELF: weights never pass through the linker. It lays out a section without bits;
// afterwards the section moves to the end of the file and the bytes are streamed there. So the
// linker's time and memory do not depend on the size of the weights, and they are written once.
#include "Detail.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using object::ELF64LE;
using Ehdr = ELF64LE::Ehdr;
using Phdr = ELF64LE::Phdr;
using Shdr = ELF64LE::Shdr;
using Sym = ELF64LE::Sym;

namespace qcc::emit {
namespace {

constexpr StringLiteral largeSection = ".lrodata.qcc", plainSection = ".qcc.weights";

/// Weights begin on a page of the machine; Arm machines have pages of up to 64 KiB.
uint64_t weightsAlignment(uint16_t machine) { return machine == ELF::EM_AARCH64 ? 65536 : 4096; }

template <typename T> void append(SmallVectorImpl<char> &out, const T &value) {
  const char *p = reinterpret_cast<const char *>(&value);
  out.append(p, p + sizeof(T));
}

Error contradiction(const Twine &message) {
  return makeError(Diag::ArtifactLayout, "link", message.str());
}

/// Where a section lies and how many bytes a symbol's value points past its start.
template <typename Image>
Expected<uint64_t> symbolFileOffset(const Image &elf, ArrayRef<Shdr> sections, StringRef name) {
  for (const Shdr &table : sections) {
    if (table.sh_type != ELF::SHT_SYMTAB)
      continue;
    Expected<StringRef> strings = elf.getStringTableForSymtab(table);
    if (!strings)
      return strings.takeError();
    auto symbols = elf.symbols(&table);
    if (!symbols)
      return symbols.takeError();
    for (const Sym &symbol : *symbols) {
      Expected<StringRef> text = symbol.getName(*strings);
      if (!text)
        return text.takeError();
      if (*text != name || symbol.st_shndx >= sections.size() || !symbol.st_shndx)
        continue;
      const Shdr &home = sections[symbol.st_shndx];
      bool relocatable = elf.getHeader().e_type == ELF::ET_REL;
      return home.sh_offset + symbol.st_value - (relocatable ? 0 : uint64_t(home.sh_addr));
    }
  }
  return contradiction("no symbol '" + name + "' in the linked image");
}

template <typename T> FilePatch patchOf(uint64_t offset, const T *value, size_t count = 1) {
  const uint8_t *p = reinterpret_cast<const uint8_t *>(value);
  return {offset, std::vector<uint8_t>(p, p + sizeof(T) * count)};
}

/// The weights lie, without bits, behind the last byte of some loaded segment. They get a segment
/// of their own; its slot in the table comes from PT_PHDR, which only a program's interpreter
/// reads.
Expected<FilePatch> splitSegment(const Ehdr &header, ArrayRef<Phdr> segments, const Shdr &section,
                                 uint64_t fileOffset) {
  std::vector<Phdr> table(segments.begin(), segments.end());
  if (table.empty() || table[0].p_type != ELF::PT_PHDR)
    return contradiction("no PT_PHDR in the linked image");
  for (size_t i = 1; i < table.size(); ++i) {
    Phdr &load = table[i];
    if (load.p_type != ELF::PT_LOAD || section.sh_addr < load.p_vaddr ||
        section.sh_addr >= load.p_vaddr + load.p_memsz)
      continue;
    if (section.sh_addr + section.sh_size != load.p_vaddr + load.p_memsz ||
        section.sh_addr < load.p_vaddr + load.p_filesz || load.p_flags != ELF::PF_R)
      return contradiction("the weights do not end their segment");
    Phdr weights = load;
    load.p_memsz = load.p_filesz;
    weights.p_offset = fileOffset;
    weights.p_vaddr = section.sh_addr;
    weights.p_paddr = section.sh_addr;
    weights.p_filesz = section.sh_size;
    weights.p_memsz = section.sh_size;
    for (size_t j = 0; j < i; ++j)
      table[j] = table[j + 1];
    table[i] = weights;
    return patchOf(header.e_phoff, table.data(), table.size());
  }
  return contradiction("no segment holds the weights");
}

} // namespace

ObjectCode makeWeightsObject(const Triple &triple, StringRef model, uint64_t bytes) {
  bool x86 = triple.getArch() == Triple::x86_64;
  uint16_t machine = x86 ? ELF::EM_X86_64 : ELF::EM_AARCH64;
  StringRef sectionName = x86 ? largeSection : plainSection;
  // Sections: 0 none, 1 weights, 2 .note.GNU-stack, 3 .symtab, 4 .strtab, 5 .shstrtab.
  std::string names = '\0' + sectionName.str() + '\0';
  auto addName = [&](StringRef name) {
    uint32_t at = names.size();
    names += name.str() + '\0';
    return at;
  };
  uint32_t stackName = addName(".note.GNU-stack"), symtabName = addName(".symtab"),
           strtabName = addName(".strtab"), shstrtabName = addName(".shstrtab");
  std::string strings = '\0' + weightsSymbol(model) + '\0';

  Sym symbols[2] = {};
  symbols[1].st_name = 1;
  symbols[1].setBindingAndType(ELF::STB_GLOBAL, ELF::STT_OBJECT);
  symbols[1].setVisibility(ELF::STV_HIDDEN);
  symbols[1].st_shndx = 1;
  symbols[1].st_size = bytes;

  uint64_t symtabAt = sizeof(Ehdr), stringsAt = symtabAt + sizeof(symbols),
           namesAt = stringsAt + strings.size(), tableAt = alignTo(namesAt + names.size(), 8);
  Shdr sections[6] = {};
  auto set = [&](int i, uint32_t name, uint32_t type, uint64_t flags, uint64_t at, uint64_t size,
                 uint64_t align) {
    sections[i].sh_name = name;
    sections[i].sh_type = type;
    sections[i].sh_flags = flags;
    sections[i].sh_offset = at;
    sections[i].sh_size = size;
    sections[i].sh_addralign = align;
  };
  set(1, 1, ELF::SHT_NOBITS, uint64_t(ELF::SHF_ALLOC) | (x86 ? ELF::SHF_X86_64_LARGE : 0), symtabAt,
      bytes, weightsAlignment(machine));
  set(2, stackName, ELF::SHT_PROGBITS, 0, symtabAt, 0, 1);
  set(3, symtabName, ELF::SHT_SYMTAB, 0, symtabAt, sizeof(symbols), 8);
  sections[3].sh_link = 4;
  sections[3].sh_info = 1; // the first global symbol
  sections[3].sh_entsize = sizeof(Sym);
  set(4, strtabName, ELF::SHT_STRTAB, 0, stringsAt, strings.size(), 1);
  set(5, shstrtabName, ELF::SHT_STRTAB, 0, namesAt, names.size(), 1);

  Ehdr header = {};
  memcpy(header.e_ident, ELF::ElfMagic, 4);
  header.e_ident[ELF::EI_CLASS] = ELF::ELFCLASS64;
  header.e_ident[ELF::EI_DATA] = ELF::ELFDATA2LSB;
  header.e_ident[ELF::EI_VERSION] = ELF::EV_CURRENT;
  header.e_type = ELF::ET_REL;
  header.e_machine = machine;
  header.e_version = ELF::EV_CURRENT;
  header.e_shoff = tableAt;
  header.e_ehsize = sizeof(Ehdr);
  header.e_shentsize = sizeof(Shdr);
  header.e_shnum = 6;
  header.e_shstrndx = 5;

  ObjectCode code{"weights", {}};
  append(code.bytes, header);
  append(code.bytes, symbols);
  code.bytes.append(strings.begin(), strings.end());
  code.bytes.append(names.begin(), names.end());
  code.bytes.resize(tableAt);
  append(code.bytes, sections);
  return code;
}

Expected<WeightsPlacement> placeWeights(MemoryBufferRef image, StringRef model, bool embedded) {
  auto elf = object::ELFFile<ELF64LE>::create(image.getBuffer());
  if (!elf)
    return elf.takeError();
  auto sections = elf->sections();
  if (!sections)
    return sections.takeError();
  WeightsPlacement place;
  Expected<uint64_t> descriptor = symbolFileOffset(*elf, *sections, descriptorSymbol(model));
  if (!descriptor)
    return descriptor.takeError();
  place.hashOffset = *descriptor + descriptorHashOffset();
  const Ehdr &header = elf->getHeader();
  place.fileOffset = alignTo(image.getBufferSize(), weightsAlignment(header.e_machine));
  if (!embedded)
    return place;

  for (const Shdr &section : *sections) {
    Expected<StringRef> name = elf->getSectionName(section);
    if (!name)
      return name.takeError();
    // The linker shortens the x86 name to its stem in shared objects.
    if (section.sh_type != ELF::SHT_NOBITS ||
        (*name != largeSection && *name != ".lrodata" && *name != plainSection))
      continue;
    if (header.e_type == ELF::ET_DYN) {
      auto segments = elf->program_headers();
      if (!segments)
        return segments.takeError();
      Expected<FilePatch> split = splitSegment(header, *segments, section, place.fileOffset);
      if (!split)
        return split.takeError();
      place.patches.push_back(std::move(*split));
    }
    Shdr moved = section;
    moved.sh_type = ELF::SHT_PROGBITS;
    moved.sh_offset = place.fileOffset;
    place.patches.push_back(
        patchOf(header.e_shoff + sizeof(Shdr) * (&section - sections->begin()), &moved));
    return place;
  }
  return contradiction("no weights section in the linked image");
}

std::string archiveHead(StringRef symbol, uint64_t memberBytes) {
  // A symbol table of one entry, padded so that the member is aligned, then the member's header.
  constexpr uint64_t magicBytes = 8, headerBytes = 60;
  uint64_t tableBytes = 8 + symbol.size() + 1;
  uint64_t memberAt =
      alignTo(magicBytes + headerBytes + tableBytes + headerBytes, 16) - headerBytes;
  tableBytes = memberAt - magicBytes - headerBytes;
  std::string text;
  raw_string_ostream os(text);
  auto header = [&](StringRef name, uint64_t size) {
    // Name, time, owner, group, mode, size: fixed, so that archives are reproducible.
    os << left_justify(name, 16) << left_justify("0", 12) << left_justify("0", 6)
       << left_justify("0", 6) << left_justify("644", 8) << left_justify(std::to_string(size), 10)
       << "`\n";
  };
  os << "!<arch>\n";
  header("/", tableBytes);
  char word[4];
  support::endian::write32be(word, 1);
  os.write(word, 4);
  support::endian::write32be(word, memberAt);
  os.write(word, 4);
  os << symbol;
  os.write_zeros(tableBytes - 8 - symbol.size());
  header("qcc_model.o/", memberBytes);
  return text;
}

} // namespace qcc::emit
