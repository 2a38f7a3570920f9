// Who last wrote and read each word of a memory, and which of its bytes are defined.
//
// After FastTrack (Flanagan and Freund, PLDI 2009): the last writer as one epoch, readers as one
// epoch while they are ordered and as a list when they are not. Readers of one warp and epoch are
// one entry with a mask of lanes. A word that is accessed in parts is tracked byte by byte.
#ifndef QCC_SIMT_SHADOW_H
#define QCC_SIMT_SHADOW_H

#include "Clock.h"
#include "Program.h"
#include <algorithm>
#include <array>
#include <memory>

namespace qcc::simt {

/// One access as the shadow remembers it.
struct Accessor {
  Stamp stamp;
  uint32_t pc;
  bool atomic; // or volatile: such accesses do not race with each other
  bool write;
};

class Shadow {
public:
  explicit Shadow(size_t bytes, bool defined)
      : pages((bytes / 4 + pageWords) / pageWords),
        definedBytes((bytes + 7) / 8, defined ? 255 : 0) {}

  void forgetAccesses() {
    for (auto &page : pages)
      page.reset();
    split.clear();
    lists.clear();
  }

  bool defined(uint64_t offset, uint32_t bytes) const {
    for (uint64_t i = offset; i != offset + bytes; ++i)
      if (!(definedBytes[i / 8] >> (i % 8) & 1))
        return false;
    return true;
  }
  void define(uint64_t offset, uint32_t bytes) {
    for (uint64_t i = offset; i != offset + bytes; ++i)
      definedBytes[i / 8] |= 1 << (i % 8);
  }

  /// Records an access and calls conflict(Accessor) for each earlier one that is not ordered
  /// before it as ordered(Stamp) tells.
  template <typename Ordered, typename Conflict>
  void access(uint64_t offset, uint32_t bytes, const Accessor &me, Ordered &&ordered,
              Conflict &&conflict) {
    for (uint64_t word = offset / 4; word * 4 < offset + bytes; ++word) {
      uint64_t first = std::max(offset, word * 4), last = std::min(offset + bytes, word * 4 + 4);
      Cell &cell = at(word);
      if (last - first == 4 && !cell.split) {
        touch(cell, me, ordered, conflict);
        continue;
      }
      if (!cell.split) {
        Cell whole = cell;
        split.push_back({whole, whole, whole, whole});
        cell.split = split.size();
      }
      for (uint64_t i = first; i != last; ++i)
        touch(split[cell.split - 1][i % 4], me, ordered, conflict);
    }
  }

  /// Calls visit(Accessor) for the last writer of each word.
  template <typename Visit> void lastWriters(uint64_t offset, uint32_t bytes, Visit &&visit) {
    for (uint64_t word = offset / 4; word * 4 < offset + bytes; ++word) {
      const Cell &cell = at(word);
      for (unsigned i = 0; i != (cell.split ? 4 : 1); ++i) {
        const Cell &part = cell.split ? split[cell.split - 1][i] : cell;
        if (part.writeEpoch)
          visit(Accessor{
              {part.writer, part.writeEpoch}, pcOf(part.writePc), isAtomic(part.writePc), true});
      }
    }
  }

  /// Calls visit(word, written) for each word that something accessed.
  template <typename Visit> void accessed(Visit &&visit) const {
    auto read = [](const Cell &cell) { return cell.readers.lanes != 0; };
    auto wrote = [](const Cell &cell) { return cell.writeEpoch != 0; };
    for (size_t number = 0; number != pages.size(); ++number)
      for (size_t i = 0; pages[number] && i != pageWords; ++i) {
        const Cell &cell = (*pages[number])[i];
        const Cell *first = cell.split ? split[cell.split - 1].data() : &cell;
        const Cell *last = first + (cell.split ? 4 : 1);
        bool written = std::any_of(first, last, wrote);
        if (written || std::any_of(first, last, read))
          visit(number * pageWords + i, written);
      }
  }

private:
  struct Readers {
    uint32_t warp = 0, lanes = 0, epoch = 0, pc = 0;
  };
  struct Cell {
    uint32_t writer = 0, writeEpoch = 0, writePc = 0;
    Readers readers;
    uint32_t more = 0; // list of further readers, counted from 1
    uint32_t split = 0;
  };
  static constexpr size_t pageWords = 1024;
  static constexpr size_t listLimit = 64;

  static constexpr uint32_t atomicBit = 1u << 31;
  static uint32_t pcOf(uint32_t pc) { return pc & ~atomicBit; }
  static bool isAtomic(uint32_t pc) { return pc & atomicBit; }

  Cell &at(uint64_t word) {
    auto &page = pages[word / pageWords];
    if (!page)
      page = std::make_unique<std::array<Cell, pageWords>>();
    return (*page)[word % pageWords];
  }

  template <typename Ordered> static bool allOrdered(const Readers &readers, Ordered &&ordered) {
    for (uint32_t lanes = readers.lanes; lanes; lanes &= lanes - 1)
      if (!ordered(Stamp{readers.warp + __builtin_ctz(lanes), readers.epoch}))
        return false;
    return true;
  }

  template <typename Ordered, typename Conflict>
  void checkReaders(const Readers &readers, const Accessor &me, Ordered &&ordered,
                    Conflict &&conflict) {
    if (me.atomic && isAtomic(readers.pc))
      return;
    for (uint32_t lanes = readers.lanes; lanes; lanes &= lanes - 1) {
      Stamp stamp{readers.warp + __builtin_ctz(lanes), readers.epoch};
      if (stamp.agent != me.stamp.agent && !ordered(stamp)) {
        conflict(Accessor{stamp, pcOf(readers.pc), isAtomic(readers.pc), false});
        return;
      }
    }
  }

  template <typename Ordered> void addReader(Cell &cell, const Accessor &me, Ordered &&ordered) {
    uint32_t lane = me.stamp.agent % warpSize, warp = me.stamp.agent - lane;
    uint32_t pc = me.pc | (me.atomic ? atomicBit : 0);
    Readers mine{warp, 1u << lane, me.stamp.epoch, pc};
    auto merge = [&](Readers &entry) {
      if (entry.warp != warp || entry.epoch != mine.epoch || entry.pc != pc)
        return false;
      entry.lanes |= mine.lanes;
      return true;
    };
    auto &first = cell.readers;
    if (!first.lanes) {
      first = mine;
      return;
    }
    if (merge(first))
      return;
    if (cell.more)
      for (Readers &entry : lists[cell.more - 1])
        if (merge(entry))
          return;
    // What is ordered before this read need not be remembered beside it.
    if (allOrdered(first, ordered)) {
      first = mine;
      return;
    }
    if (!cell.more) {
      lists.emplace_back();
      cell.more = lists.size();
    }
    auto &list = lists[cell.more - 1];
    for (Readers &entry : list)
      if (allOrdered(entry, ordered)) {
        entry = mine;
        return;
      }
    if (list.size() < listLimit)
      list.push_back(mine);
    else
      list[(me.stamp.agent * 2654435761u + me.stamp.epoch) % listLimit] = mine;
  }

  template <typename Ordered, typename Conflict>
  void touch(Cell &cell, const Accessor &me, Ordered &&ordered, Conflict &&conflict) {
    if (cell.writeEpoch && cell.writer != me.stamp.agent &&
        !(me.atomic && isAtomic(cell.writePc)) && !ordered(Stamp{cell.writer, cell.writeEpoch}))
      conflict(Accessor{
          {cell.writer, cell.writeEpoch}, pcOf(cell.writePc), isAtomic(cell.writePc), true});
    if (!me.write) {
      addReader(cell, me, ordered);
      return;
    }
    checkReaders(cell.readers, me, ordered, conflict);
    if (cell.more) {
      for (const Readers &entry : lists[cell.more - 1])
        checkReaders(entry, me, ordered, conflict);
      lists[cell.more - 1].clear();
    }
    cell.readers.lanes = 0;
    cell.writer = me.stamp.agent;
    cell.writeEpoch = me.stamp.epoch;
    cell.writePc = me.pc | (me.atomic ? atomicBit : 0);
  }

  std::vector<std::unique_ptr<std::array<Cell, pageWords>>> pages;
  std::vector<std::array<Cell, 4>> split;
  std::vector<std::vector<Readers>> lists;
  std::vector<uint8_t> definedBytes;
};

} // namespace qcc::simt

#endif
