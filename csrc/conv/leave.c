/* leave.c: see leave.h. */
#include "conv/leave.h"

fc_finish fc_leave_finish(const fc_conv_plan *plan) {
    fc_finish finish = plan->finish;
    if (plan->has_residual) finish.activation = FC_IDENTITY;
    return finish;
}

void fc_leave_rows(const fc_conv_plan *plan, const fc_exit *to, void *scratch, int64_t pitch, int64_t rows,
                   int64_t columns) {
    const fc_kernels *k = plan->kernels;
    const size_t size = k->element;
    if (!to->residual && !plan->pool2) {
        k->scatter_rows(to->dst, to->dst_row, to->dst_step, scratch, pitch, rows, columns);
        return;
    }
    for (int64_t r = 0; to->residual && r < rows; ++r) {
        void *row = fc_at(scratch, r * pitch, size);
        k->leave(plan->pool2 ? row : fc_at(to->dst, r * to->dst_row, size), plan->pool2 ? 1 : to->dst_step, row,
                 fc_at(to->residual, r * to->residual_row, size), to->residual_step, columns, &plan->finish);
    }
    for (int64_t r = 0; plan->pool2 && r < rows / 2; ++r)
        k->max2x2(fc_at(to->dst, r * to->dst_row, size), to->dst_step, fc_at(scratch, 2 * r * pitch, size),
                  fc_at(scratch, (2 * r + 1) * pitch, size), columns / 2);
}
