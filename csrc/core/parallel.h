/* parallel.h: the one place that knows about threads. */
#ifndef FC_PARALLEL_H
#define FC_PARALLEL_H

#include <stdint.h>

/* Runs task(ctx, index, worker) for every index in [0, tasks), on at most `threads` workers numbered from 0 (<= 0:
 * the default). Which worker gets which index is not fixed, so a task writes only what belongs to its index. Falls
 * back to the calling thread alone when the pool is busy with another caller's work. Returns when all are done. */
typedef void (*fc_task)(void *ctx, int64_t index, int worker);
void fc_parallel_for(int64_t tasks, int threads, fc_task task, void *ctx);

/* The number of workers a call with this request and this many tasks would use. Whoever sizes scratch by it passes
 * it on as `threads`: the default may change in between. */
int fc_workers(int64_t tasks, int threads);

#endif
