/* peak.c: what this machine can do at best, measured, for those who want to know how far from it a call is: multiply-
 * adds in registers, and bytes through a copy. Every worker gets one share at a time and the best of some tries
 * counts, so that what else runs on the machine matters little. Nothing that a plan depends on is measured. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "core/numbers.h"
#include "core/parallel.h"
#include "microkernels/kernels.h"

enum { TRIES = 8, FIRST_ROUNDS = 1000, COPIES = 4 };
static const double try_seconds = 1e-3;

typedef struct fma_job {
    const fc_kernels *kernels;
    int64_t rounds, done; /* of one share */
} fma_job;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void multiply_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    fma_job *job = ctx;
    double sink[64 / sizeof(double)];
    const int64_t done = job->kernels->multiply_adds(job->rounds, sink);
    if (index == 0) job->done = done;
}

static double multiply_seconds(fma_job *job, int workers) {
    const double start = now();
    fc_parallel_for(workers, workers, multiply_task, job);
    return now() - start;
}

fc_status fc_measure_multiply_adds(fc_dtype type, int threads, double *per_second) {
    *per_second = 0;
    fma_job job = {fc_kernels_for(fc_isa(), type), FIRST_ROUNDS, 0};
    if (!job.kernels) return FC_UNSUPPORTED;
    const int workers = fc_workers(INT64_MAX, threads);
    while (multiply_seconds(&job, 1) < try_seconds && job.rounds < INT32_MAX) job.rounds *= 2;
    for (int t = 0; t < TRIES; ++t) {
        const double seconds = multiply_seconds(&job, workers);
        const double rate = (double)job.done * workers / seconds;
        if (seconds > 0 && rate > *per_second) *per_second = rate;
    }
    return FC_OK;
}

typedef struct copy_job {
    char *from, *to;
    int64_t bytes;
    int workers;
} copy_job;

static int64_t share(const copy_job *job, int64_t index) { return job->bytes / job->workers * index; }

static void copy_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const copy_job *job = ctx;
    const int64_t first = share(job, index);
    const int64_t end = index == job->workers - 1 ? job->bytes : share(job, index + 1);
    memcpy(job->to + first, job->from + first, (size_t)(end - first));
}

fc_status fc_measure_copy(int64_t bytes, int threads, double *per_second) {
    *per_second = 0;
    if (bytes < 1 || bytes > INT64_MAX / 4) return FC_INVALID;
    copy_job job = {.bytes = bytes, .workers = fc_workers(bytes, threads)};
    job.from = aligned_alloc(FC_ALIGN, 2 * fc_align_up((size_t)bytes)); /* not from the pool, which would keep it */
    if (!job.from) return FC_NO_MEMORY;
    job.to = job.from + fc_align_up((size_t)bytes);
    memset(job.from, 1, (size_t)bytes);
    double spent = 0;
    for (int t = 0; t < COPIES || (spent < COPIES * try_seconds && t < INT32_MAX); ++t) {
        const double start = now();
        fc_parallel_for(job.workers, job.workers, copy_task, &job);
        const double seconds = now() - start;
        spent += seconds;
        if (seconds > 0 && 2 * (double)bytes / seconds > *per_second) *per_second = 2 * (double)bytes / seconds;
    }
    free(job.from);
    return FC_OK;
}
