/* memory.h: 64-byte aligned scratch, recycled between calls. */
#ifndef FC_MEMORY_H
#define FC_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum { FC_ALIGN = 64 };

/* A block of at least `bytes`, uninitialised; NULL when memory is short. Blocks come from a pool of a few recycled
 * ones, so the pool's size is that of the largest calls, not of the number of shapes seen. */
void *fc_scratch_acquire(size_t bytes);
void fc_scratch_release(void *block);

static inline size_t fc_align_up(size_t bytes) { return (bytes + FC_ALIGN - 1) / FC_ALIGN * FC_ALIGN; }

#endif
