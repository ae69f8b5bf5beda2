/* memory.c: the scratch pool. Released blocks are kept for the next call; at most KEEP of them, the smallest given
 * up first. */
#include "core/memory.h"

#include <pthread.h>
#include <stdlib.h>

#include "fastconv.h"

enum { KEEP = 4 };

typedef struct header {
    size_t bytes;
    char pad[FC_ALIGN - sizeof(size_t)];
} header;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static header *kept[KEEP];

/* A child of fork() must not inherit a lock that another thread of the parent held. */
static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }
__attribute__((constructor)) static void watch_fork(void) { pthread_atfork(before_fork, after_fork, after_fork); }

static header *allocate(size_t bytes) {
    const size_t grain = bytes < (1u << 20) ? 4096 : (1u << 18);
    if (bytes > SIZE_MAX - grain - sizeof(header)) return NULL;
    const size_t rounded = (bytes + grain - 1) / grain * grain;
    void *memory = NULL;
    if (posix_memalign(&memory, FC_ALIGN, rounded + sizeof(header)) != 0) return NULL;
    header *block = memory;
    block->bytes = rounded;
    return block;
}

void *fc_scratch_acquire(size_t bytes) {
    header *block = NULL;
    int best = -1;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < KEEP; ++i)
        if (kept[i] && kept[i]->bytes >= bytes && (best < 0 || kept[i]->bytes < kept[best]->bytes)) best = i;
    if (best >= 0) {
        block = kept[best];
        kept[best] = NULL;
    }
    pthread_mutex_unlock(&lock);
    if (!block) block = allocate(bytes);
    return block ? (void *)(block + 1) : NULL;
}

void fc_scratch_release(void *memory) {
    if (!memory) return;
    header *block = (header *)memory - 1;
    pthread_mutex_lock(&lock);
    int slot = 0;
    for (int i = 0; i < KEEP; ++i) {
        if (!kept[i]) {
            slot = i;
            break;
        }
        if (kept[i]->bytes < kept[slot]->bytes) slot = i;
    }
    header *surplus = kept[slot];
    if (surplus && surplus->bytes > block->bytes) {
        surplus = block;
    } else {
        kept[slot] = block;
    }
    pthread_mutex_unlock(&lock);
    free(surplus);
}

int64_t fc_scratch_bytes(void) {
    int64_t total = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < KEEP; ++i)
        if (kept[i]) total += (int64_t)kept[i]->bytes;
    pthread_mutex_unlock(&lock);
    return total;
}

void fc_scratch_trim(void) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < KEEP; ++i) {
        free(kept[i]);
        kept[i] = NULL;
    }
    pthread_mutex_unlock(&lock);
}
