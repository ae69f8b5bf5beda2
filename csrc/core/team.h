/* team.h: worker threads that help with one region at a time and are never waited for unless they took a task. */
#ifndef FC_TEAM_H
#define FC_TEAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/parallel.h"

/* The tasks of one parallel_for, claimed one by one. */
typedef struct fc_region {
    int64_t tasks;
    fc_task task;
    void *ctx;
    atomic_int_fast64_t next;
} fc_region;

/* Claims and runs tasks until none is left. */
void fc_region_drain(fc_region *region, int worker);

/* Runs the region on the caller (worker 0) and at most workers - 1 threads of the team, made when first needed. One
 * caller at a time. */
void fc_team_run(fc_region *region, int workers);

/* For the child of a fork(): its team has no threads yet. */
void fc_team_forget(void);

#endif
