/* team.h: worker threads that help with one region at a time and are never waited for unless they took a task. */
#ifndef FC_TEAM_H
#define FC_TEAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/parallel.h"

enum { FC_MAX_SHARES = 64 };

/* The tasks of one parallel_for, cut into one run of neighbours ("share") per worker and claimed one by one. */
typedef struct fc_region {
    fc_task task;
    void *ctx;
    int shares;
    struct {
        _Alignas(64) atomic_int_fast64_t next;
        int64_t end;
    } share[FC_MAX_SHARES];
} fc_region;

void fc_region_init(fc_region *region, int64_t tasks, fc_task task, void *ctx, int workers);

/* Claims and runs tasks until none is left: first the worker's own share, then what is left of the others'. So the same core
 * meets the same images from layer to layer, as long as all keep pace. */
void fc_region_drain(fc_region *region, int worker);

/* Runs the region on the caller (worker 0) and at most workers - 1 threads of the team, made when first needed. One
 * caller at a time. */
void fc_team_run(fc_region *region, int workers);

/* For the child of a fork(): its team has no threads yet. */
void fc_team_forget(void);

#endif
