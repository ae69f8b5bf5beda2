/* plan.h: what algorithms and the planner share. An algorithm is one row of algorithms.inc: plan() says whether it
 * takes a descriptor and fills in blocking, memory and cost; execute() runs it; release() frees what plan() kept in
 * state. */
#ifndef FC_CONV_PLAN_H
#define FC_CONV_PLAN_H

#include "core/numbers.h"
#include "fastconv.h"
#include "microkernels/kernels.h"

struct fc_conv_plan {
    fc_conv_desc desc;
    const fc_kernels *kernels;
    int row;              /* of the ordered list */
    const char *reason;   /* why not, or when it wins */
    double cost, macs;    /* cycles on one core; multiply-adds done */
    int64_t packed_bytes; /* weights in the algorithm's own order */
    int64_t shared_bytes; /* scratch shared by all workers, packed weights apart */
    int64_t worker_bytes; /* scratch of one worker */
    fc_finish finish;     /* bias and activation of the epilogue; bias is set at execution */
    int has_bias;
    int other_steps;      /* number of steps of the epilogue beside bias first and activation last */
    int has_residual;     /* one of them is the residual, between the two: finish.residual is set at execution */
    int pool2;            /* the last of them is the 2x2 max-pool: y is smaller than the outputs */
    void *state;          /* the algorithm's own plan */
    struct fc_fold *fold; /* backward_data through a border that copies: desc is then that of one padded image */
};

/* Scratch of one execution: what the plan asked for, cut into its parts. */
typedef struct fc_conv_scratch {
    void *packed, *shared;
    char *worker; /* worker i starts at worker + i * plan->worker_bytes */
    int threads;
} fc_conv_scratch;

typedef struct fc_conv_algorithm {
    const char *name;
    fc_status (*plan)(fc_conv_plan *plan);
    fc_status (*pack)(const fc_conv_plan *plan, const void *w, void *packed, int threads); /* NULL: packs nothing */
    fc_status (*execute)(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch);
    void (*release)(fc_conv_plan *plan); /* NULL: state is freed with free() */
} fc_conv_algorithm;

/* Tensor axes and spatial axes. */
enum { AXIS_N, AXIS_C, AXIS_D, AXIS_H, AXIS_W };
enum { DEPTH, HEIGHT, WIDTH };

#endif
