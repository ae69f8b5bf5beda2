/* leave.h: finished sums leave scratch for the caller's tensor. Sums with outputs in the lanes come with the bias, and
 * with the activation where no residual comes before it; the residual with its activation and the 2x2 max-pool are
 * applied here, on the way out. Sums with filters in the lanes are bare and get all steps here. */
#ifndef FC_CONV_LEAVE_H
#define FC_CONV_LEAVE_H

#include "conv/plan.h"

/* Where a block of outputs of one filter goes. */
typedef struct fc_exit {
    void *dst; /* of the block's first output, a pooled one if the plan pools */
    int64_t dst_row, dst_step;
    const void *residual; /* of the block's first output, or NULL */
    int64_t residual_row, residual_step;
} fc_exit;

/* What the register tile applies to a sum: all that comes before a residual. */
fc_finish fc_leave_finish(const fc_conv_plan *plan);

/* rows x columns outputs of one filter from scratch, `pitch` apart; changes them. A block that is pooled starts at even
 * outputs; an odd last row or column is dropped. */
void fc_leave_rows(const fc_conv_plan *plan, const fc_exit *to, void *scratch, int64_t pitch, int64_t rows,
                   int64_t columns);

/* rows x columns bare sums with filters in the lanes: sums[(r*columns + i)*ld + filter], and where they belong. */
typedef struct fc_lane_sums {
    const void *sums;
    int64_t ld, filters, rows, columns;
    int64_t index[FC_AXES];        /* of the first output and filter, counted before the pool: then even */
    int64_t row_step, column_step; /* between neighbouring outputs; 1 where there is a pool */
    void *dst;                     /* the tensors of the call */
    const void *bias, *residual;   /* or NULL */
} fc_lane_sums;

void fc_leave_lanes(const fc_conv_plan *plan, const fc_lane_sums *from);

#endif
