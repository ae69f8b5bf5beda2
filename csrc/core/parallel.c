/* parallel.c: parallel_for over OpenMP, over threads made for one call, or serial.
 *
 * One OpenMP pool serves the process. A caller that finds it busy (another Python thread is inside a call) or that is
 * itself inside a parallel region works alone. libgomp's pool does not survive fork(): in a child everything is serial
 * until fc_set_threads is called there, and then each call makes and joins its own pthreads. */
#define _GNU_SOURCE
#include "core/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/cpu.h"
#include "fastconv.h"

enum { MAX_THREADS = 1024 };

static atomic_flag busy = ATOMIC_FLAG_INIT;
static atomic_int default_threads;
static enum { PARENT, CHILD_SERIAL, CHILD_PTHREADS } mode = PARENT;

static void in_child(void) {
    mode = CHILD_SERIAL;
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
    if (mode == CHILD_SERIAL) mode = CHILD_PTHREADS;
    return FC_OK;
}

int fc_workers(int64_t tasks, int threads) {
    if (threads <= 0) threads = fc_threads();
#ifndef _OPENMP
    if (mode == PARENT) threads = 1;
#endif
    if (mode == CHILD_SERIAL) threads = 1;
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    return (int64_t)threads < tasks ? threads : tasks < 1 ? 1 : (int)tasks;
}

typedef struct region {
    int64_t tasks;
    fc_task task;
    void *ctx;
    atomic_int_fast64_t next;
    atomic_int workers;
} region;

static void drain(region *r, int worker) {
    for (;;) {
        const int64_t index = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed);
        if (index >= r->tasks) return;
        r->task(r->ctx, index, worker);
    }
}

static void *drain_thread(void *argument) {
    region *r = argument;
    drain(r, atomic_fetch_add(&r->workers, 1));
    return NULL;
}

static void run_pthreads(region *r, int threads) {
    pthread_t made[MAX_THREADS];
    int count = 0;
    for (; count < threads - 1; ++count)
        if (pthread_create(&made[count], NULL, drain_thread, r) != 0) break;
    drain(r, 0);
    for (int i = 0; i < count; ++i) pthread_join(made[i], NULL);
}

static void run_pool(region *r, int threads) {
#ifdef _OPENMP
#pragma omp parallel num_threads(threads)
    drain(r, omp_get_thread_num());
#else
    (void)threads;
    drain(r, 0);
#endif
}

void fc_parallel_for(int64_t tasks, int threads, fc_task task, void *ctx) {
    if (tasks <= 0) return;
    region r = {.tasks = tasks, .task = task, .ctx = ctx};
    atomic_init(&r.next, 0);
    atomic_init(&r.workers, 1);
    const int workers = fc_workers(tasks, threads);
    int alone = workers == 1;
#ifdef _OPENMP
    alone = alone || omp_in_parallel();
#endif
    if (alone || atomic_flag_test_and_set(&busy)) {
        drain(&r, 0);
        return;
    }
    if (mode == CHILD_PTHREADS) {
        run_pthreads(&r, workers);
    } else {
        run_pool(&r, workers);
    }
    atomic_flag_clear(&busy);
}
