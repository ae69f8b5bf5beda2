/* memory.h: the alignment of scratch, whose blocks fc_scratch_acquire recycles between calls. */
#ifndef FC_MEMORY_H
#define FC_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "fastconv.h"

enum { FC_ALIGN = 64 };

static inline size_t fc_align_up(size_t bytes) { return (bytes + FC_ALIGN - 1) / FC_ALIGN * FC_ALIGN; }

#endif
