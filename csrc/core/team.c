/* team.c: a team of threads for many short regions on machines that others use too.
 *
 * An OpenMP region ends when every thread of its pool has arrived, also one that the system has not let run since,
 * so on a busy machine each call costs a time slice (LeNet-5 step, two threads, two other busy processes: 84 ms,
 * and 3.3 ms with this team). Here the caller publishes the region, works on it at once, and at the end waits only for
 * workers that hold a task or are just coming or going. A worker spins for a moment after its last region, then sleeps,
 * so it also wakes with the credit of one that slept. A worker that spins joins and leaves by one atomic word; the lock
 * is for those that sleep: taken on every region it made the worker wait for the publisher in the kernel. */
#define _GNU_SOURCE
#include "core/team.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "core/cpu.h"

enum { MAX_HELPERS = 1024, LOOKS_PER_CLOCK = 32 };

/* Longer than the Python between two layers, shorter than what a neighbour would notice. */
static const int64_t spin_nanoseconds = 100000;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t published = PTHREAD_COND_INITIALIZER;
static fc_region *current; /* read by workers inside alone, who keep it alive */
static int helpers_wanted; /* threads 1 .. helpers_wanted take part in it */
static atomic_int sleeping;
static atomic_int made;
static atomic_uint generation; /* of published regions */
/* Workers between joining and leaving; with CLOSED those that come leave again and have seen nothing. */
enum { CLOSED = 1 << 30 };
static atomic_int inside = CLOSED;

void fc_region_init(fc_region *region, int64_t tasks, fc_task task, void *ctx, int workers) {
    region->task = task;
    region->ctx = ctx;
    region->shares = workers < FC_MAX_SHARES ? workers : FC_MAX_SHARES;
    const int64_t each = tasks / region->shares, more = tasks % region->shares;
    for (int64_t i = 0, first = 0; i < region->shares; ++i, first = region->share[i - 1].end) {
        atomic_init(&region->share[i].next, first);
        region->share[i].end = first + each + (i < more);
    }
}

void fc_region_drain(fc_region *region, int worker) {
    for (int turn = 0; turn < region->shares; ++turn) {
        const int i = (worker + turn) % region->shares;
        for (;;) {
            const int64_t index = atomic_fetch_add_explicit(&region->share[i].next, 1, memory_order_relaxed);
            if (index >= region->share[i].end) break;
            region->task(region->ctx, index, worker);
        }
    }
}

static inline void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Looks for a region newer than `seen` for a moment, unless the team is larger than the machine. */
static void spin(unsigned seen) {
    if (made >= fc_usable_cpus()) return;
    const int64_t end = now() + spin_nanoseconds;
    do {
        for (int look = 0; look < LOOKS_PER_CLOCK; ++look) {
            if (atomic_load_explicit(&generation, memory_order_acquire) != seen) return;
            pause_briefly();
        }
    } while (now() < end);
}

/* Thread `worker` of the team, from 1. It starts with the generation before the one about to be published. */
typedef struct birth {
    int worker;
    unsigned generation;
} birth;

static void *work(void *argument) {
    const birth born = *(birth *)argument;
    free(argument);
    unsigned seen = born.generation;
    for (;;) {
        spin(seen);
        if (atomic_load(&generation) == seen) {
            pthread_mutex_lock(&lock);
            atomic_fetch_add(&sleeping, 1);
            while (atomic_load(&generation) == seen) pthread_cond_wait(&published, &lock);
            atomic_fetch_sub(&sleeping, 1);
            pthread_mutex_unlock(&lock);
        }
        seen = atomic_load(&generation);
        const int open = !(atomic_fetch_add(&inside, 1) & CLOSED);
        if (open && born.worker <= helpers_wanted) fc_region_drain(current, born.worker);
        atomic_fetch_sub_explicit(&inside, 1, memory_order_release);
    }
    return NULL;
}

/* Makes threads until there are `helpers`, or until the system refuses one: the others do the work then. */
static void grow(int helpers) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    while (made < helpers) {
        birth *born = malloc(sizeof *born);
        if (!born) break;
        *born = (birth){made + 1, atomic_load(&generation)};
        pthread_t thread;
        if (pthread_create(&thread, &attributes, work, born) != 0) {
            free(born);
            break;
        }
        ++made;
    }
    pthread_attr_destroy(&attributes);
}

void fc_team_run(fc_region *region, int workers) {
    const int helpers = workers - 1 < MAX_HELPERS ? workers - 1 : MAX_HELPERS;
    if (made < helpers) grow(helpers);
    current = region;
    helpers_wanted = helpers;
    atomic_fetch_and(&inside, ~CLOSED);
    atomic_fetch_add(&generation, 1);
    /* Who is about to sleep counts itself before it looks at the generation, which is new already: one of us sees the other. */
    if (atomic_load(&sleeping) > 0) {
        pthread_mutex_lock(&lock);
        pthread_cond_broadcast(&published);
        pthread_mutex_unlock(&lock);
    }

    fc_region_drain(region, 0);

    atomic_fetch_or(&inside, CLOSED);
    for (int look = 0; atomic_load_explicit(&inside, memory_order_acquire) != CLOSED; ++look) {
        if (look < 1000) {
            pause_briefly();
        } else {
            sched_yield();
        }
    }
}

void fc_team_forget(void) {
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&published, NULL);
    current = NULL;
    helpers_wanted = 0;
    atomic_store(&made, 0);
    atomic_store(&sleeping, 0);
    atomic_store(&inside, CLOSED);
}
