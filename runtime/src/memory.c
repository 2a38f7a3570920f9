/* Blocks of memory for arenas, scratch, outputs and caches. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Above this a block is its own mapping: zero for free, and eligible for huge pages. */
#define MAP_THRESHOLD ((size_t)4 << 20)

bool qcc_block_alloc(qcc_block *block, size_t bytes) {
  void *data = NULL;
  if (bytes > SIZE_MAX / 2)
    return false;
  bytes = (bytes + QCC_CACHE_LINE - 1) / QCC_CACHE_LINE * QCC_CACHE_LINE;
  if (!bytes)
    bytes = QCC_CACHE_LINE;
  if (bytes >= MAP_THRESHOLD) {
    data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
      return false;
    madvise(data, bytes, MADV_HUGEPAGE);
  } else {
    if (posix_memalign(&data, QCC_CACHE_LINE, bytes))
      return false;
    memset(data, 0, bytes);
  }
  block->data = data;
  block->bytes = bytes;
  return true;
}

void qcc_block_free(qcc_block *block) {
  if (block->bytes >= MAP_THRESHOLD)
    munmap(block->data, block->bytes);
  else
    free(block->data);
  block->data = NULL;
  block->bytes = 0;
}

bool qcc_block_reserve(qcc_block *block, size_t bytes, size_t keep) {
  qcc_block larger;
  if (block->data && bytes <= block->bytes)
    return true;
  /* Without contents to keep, the old block goes first: the peak stays one block. */
  if (!keep)
    qcc_block_free(block);
  if (!qcc_block_alloc(&larger, bytes))
    return false;
  if (keep) {
    memcpy(larger.data, block->data, keep < block->bytes ? keep : block->bytes);
    qcc_block_free(block);
  }
  *block = larger;
  return true;
}

bool qcc_dense_bytes(const int64_t *dims, uint32_t rank, size_t element, int64_t *bytes) {
  int64_t total = (int64_t)element;
  for (uint32_t i = 0; i < rank; ++i) {
    if (dims[i] < 0 || __builtin_mul_overflow(total, dims[i], &total))
      return false;
  }
  *bytes = total;
  return true;
}
