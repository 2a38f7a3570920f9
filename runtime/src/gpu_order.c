/* Which launches of a graph wait for which: those that touch one place that one of them writes. */
#include "gpu.h"

#include <stdlib.h>
#include <string.h>

/* Sets of launches, a bit each. */
typedef uint64_t *bits;
static bool has(const uint64_t *set, uint32_t i) { return set[i / 64] >> (i % 64) & 1; }
static void add(bits set, uint32_t i) { set[i / 64] |= UINT64_C(1) << (i % 64); }
static void unite(bits set, const uint64_t *more, size_t words) {
  for (size_t w = 0; w < words; ++w)
    set[w] |= more[w];
}

#define NOBODY UINT32_MAX

typedef struct ordering {
  const qcc_entry_desc *entry;
  const qcc_gpu_step *steps;
  uint32_t places;   /* the entry's, and lanes of scratch memory */
  size_t words;      /* of a set */
  uint32_t *writers; /* per place: the last, or NOBODY */
  bits readers;      /* per place: those since */
  bits ancestors;    /* per launch: all that it waits for, itself or by others */
  bits wanted;
} ordering;

static bool described(const qcc_entry_desc *entry) {
  size_t needed = offsetof(qcc_entry_desc, accesses) + sizeof entry->accesses;
  return entry->struct_size >= needed && entry->n_places;
}

bool qcc_gpu_valid_accesses(const qcc_entry_desc *entry) {
  const uint32_t *starts;
  if (!described(entry))
    return true;
  starts = entry->access_starts;
  if (!starts || !entry->accesses || entry->n_places > INT32_MAX)
    return false;
  for (uint32_t i = 0; i < entry->n_sites; ++i) {
    if (starts[i] > starts[i + 1])
      return false;
    for (uint32_t k = starts[i]; k < starts[i + 1]; ++k)
      if (entry->accesses[k] >> 1 >= entry->n_places)
        return false;
  }
  return true;
}

/* Calls visit with each place that launch i touches, and whether it writes it. */
static void visit_accesses(ordering *o, uint32_t i,
                           void (*visit)(ordering *, uint32_t i, uint32_t place, bool writes)) {
  const qcc_gpu_step *step = &o->steps[i];
  if (step->site < o->entry->n_sites)
    for (uint32_t k = o->entry->access_starts[step->site];
         k < o->entry->access_starts[step->site + 1]; ++k)
      visit(o, i, o->entry->accesses[k] >> 1, o->entry->accesses[k] & 1);
  if (step->lane)
    visit(o, i, o->entry->n_places + step->lane - 1, true);
}

static void want(ordering *o, uint32_t i, uint32_t place, bool writes) {
  (void)i;
  if (o->writers[place] != NOBODY)
    add(o->wanted, o->writers[place]);
  if (writes)
    unite(o->wanted, o->readers + place * o->words, o->words);
}

static void touch(ordering *o, uint32_t i, uint32_t place, bool writes) {
  bits readers = o->readers + place * o->words;
  if (!writes) {
    add(readers, i);
    return;
  }
  o->writers[place] = i;
  memset(readers, 0, o->words * sizeof *readers);
}

/* The latest first: whoever one of them waits for need not be waited for again. */
static uint32_t wait_for(ordering *o, uint32_t i, uint32_t *before) {
  bits mine = o->ancestors + i * o->words;
  uint32_t count = 0;
  memset(o->wanted, 0, o->words * sizeof *o->wanted);
  visit_accesses(o, i, want);
  for (uint32_t other = i; other-- > 0;) {
    if (!has(o->wanted, other) || has(mine, other))
      continue;
    before[count++] = other;
    add(mine, other);
    unite(mine, o->ancestors + other * o->words, o->words);
  }
  visit_accesses(o, i, touch);
  return count;
}

static bool take_memory(ordering *o, uint32_t count) {
  o->words = (count + 63) / 64;
  o->writers = malloc(o->places * sizeof *o->writers);
  o->readers = calloc(o->places * o->words, sizeof *o->readers);
  o->ancestors = calloc((count + 1) * o->words, sizeof *o->ancestors);
  if (!o->writers || !o->readers || !o->ancestors)
    return false;
  o->wanted = o->ancestors + count * o->words;
  memset(o->writers, 0xff, o->places * sizeof *o->writers);
  return true;
}

static void give_back(ordering *o) {
  free(o->writers);
  free(o->readers);
  free(o->ancestors);
}

/* Nothing is known of the launches: each waits for the one before it. */
static void chain(uint32_t count, qcc_gpu_order *order) {
  for (uint32_t i = 0; i < count; ++i) {
    order->starts[i] = i ? i - 1 : 0;
    order->before[i] = i;
  }
  order->starts[count] = count - 1;
}

bool qcc_gpu_order_launches(const qcc_entry_desc *entry, const qcc_gpu_step *steps, uint32_t count,
                            qcc_gpu_order *order) {
  ordering o = {entry, steps, 0, 0, NULL, NULL, NULL, NULL};
  uint32_t room = 2 * count;
  bool held;
  order->starts = malloc((count + 1) * sizeof *order->starts);
  order->before = malloc(room * sizeof *order->before);
  held = order->starts && order->before;
  if (held && !described(entry)) {
    chain(count, order);
    return true;
  }
  if (held) {
    order->starts[0] = 0;
    o.places = entry->n_places + QCC_GPU_LANES;
    held = take_memory(&o, count);
  }
  for (uint32_t i = 0; held && i < count; ++i) {
    uint32_t at = order->starts[i];
    if (room - at < i) {
      uint32_t *more = realloc(order->before, (room = 2 * room + i) * sizeof *more);
      held = more != NULL;
      order->before = held ? more : order->before;
    }
    if (held)
      order->starts[i + 1] = at + wait_for(&o, i, order->before + at);
  }
  give_back(&o);
  if (!held)
    qcc_gpu_free_order(order);
  return held;
}

void qcc_gpu_free_order(qcc_gpu_order *order) {
  free(order->starts);
  free(order->before);
  order->starts = order->before = NULL;
}
