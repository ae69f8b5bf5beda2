/* parallel.c: parallel_for over a team of our own, over OpenMP's pool, or serial.
 *
 * The team (team.h) is the default: on a machine that others use too it is several times faster than OpenMP's pool,
 * and on a quiet one as fast. FASTCONV_POOL=openmp asks for OpenMP's, to compare. A build without OpenMP is serial.
 * A caller that finds the threads busy (another Python thread is inside a call), or that is itself inside a parallel
 * region, works alone. No thread survives fork(): in a child everything is serial until fc_set_threads is called
 * there, and then the child has a team of new threads, never the parent's OpenMP pool. */
#define _GNU_SOURCE
#include "core/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/cpu.h"
#include "core/team.h"
#include "fastconv.h"

enum { MAX_THREADS = 1024 };

static atomic_flag busy = ATOMIC_FLAG_INIT;
static atomic_int default_threads;
enum { PARENT, CHILD_SERIAL, CHILD_TEAM };
static atomic_int mode = PARENT;

static void in_child(void) {
    mode = CHILD_SERIAL;
    fc_team_forget();
    atomic_flag_clear(&busy);
}
__attribute__((constructor)) static void watch_fork(void) { pthread_atfork(NULL, NULL, in_child); }

/* OMP_NUM_THREADS counts if it is a positive number (the first of a list), else every CPU we may run on. */
static int threads_at_start(void) {
#ifdef _OPENMP
    const char *text = getenv("OMP_NUM_THREADS");
    if (text) {
        const long asked = strtol(text, NULL, 10);
        if (asked > 0) return asked < MAX_THREADS ? (int)asked : MAX_THREADS;
    }
    return fc_usable_cpus();
#else
    return 1;
#endif
}

int fc_threads(void) {
    int count = atomic_load(&default_threads);
    if (count == 0) {
        count = threads_at_start();
        atomic_store(&default_threads, count);
    }
    return count;
}

fc_status fc_set_threads(int count) {
    if (count < 1) return FC_INVALID;
    atomic_store(&default_threads, count < MAX_THREADS ? count : MAX_THREADS);
    int serial = CHILD_SERIAL;
    atomic_compare_exchange_strong(&mode, &serial, CHILD_TEAM);
    return FC_OK;
}

int fc_workers(int64_t tasks, int threads) {
    if (threads <= 0) threads = fc_threads();
#ifndef _OPENMP
    threads = 1;
#endif
    if (mode == CHILD_SERIAL) threads = 1;
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    return (int64_t)threads < tasks ? threads : tasks < 1 ? 1 : (int)tasks;
}

#ifdef _OPENMP
static int openmp_wanted(void) {
    static atomic_int answer; /* 0: not asked yet, 1: no, 2: yes */
    int known = atomic_load(&answer);
    if (known == 0) {
        const char *pool = getenv("FASTCONV_POOL");
        known = pool && strcmp(pool, "openmp") == 0 ? 2 : 1;
        atomic_store(&answer, known);
    }
    return known == 2 && mode == PARENT;
}

static void run(fc_region *region, int workers) {
    if (!openmp_wanted()) {
        fc_team_run(region, workers);
        return;
    }
#pragma omp parallel num_threads(workers)
    fc_region_drain(region, omp_get_thread_num());
}

static int inside_parallel_region(void) { return omp_in_parallel(); }
#else
static void run(fc_region *region, int workers) { fc_team_run(region, workers); }

static int inside_parallel_region(void) { return 0; }
#endif

void fc_parallel_for(int64_t tasks, int threads, fc_task task, void *ctx) {
    if (tasks <= 0) return;
    const int workers = fc_workers(tasks, threads);
    if (workers == 1 || inside_parallel_region() || atomic_flag_test_and_set(&busy)) {
        for (int64_t index = 0; index < tasks; ++index) task(ctx, index, 0);
        return;
    }
    fc_region region;
    fc_region_init(&region, tasks, task, ctx, workers);
    run(&region, workers);
    atomic_flag_clear(&busy);
}
