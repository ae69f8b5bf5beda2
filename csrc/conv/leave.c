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

static int64_t at(const int64_t index[FC_AXES], const int64_t stride[FC_AXES]) {
    int64_t sum = 0;
    for (int a = 0; a < FC_AXES; ++a) sum += index[a] * stride[a];
    return sum;
}

void fc_leave_lanes(const fc_conv_plan *plan, const fc_lane_sums *from) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    const int64_t *stride = d->pass == FC_FORWARD ? d->y_stride : d->x_stride, *other = d->residual_stride;
    const int64_t dst_row = from->row_step * stride[AXIS_H], dst_step = from->column_step * stride[AXIS_W];
    fc_finish finish = plan->finish;
    finish.residual_channel = other[AXIS_C];
    finish.residual_row = from->row_step * other[AXIS_H];
    finish.residual_step = from->column_step * other[AXIS_W];
    if (from->bias) finish.bias = fc_at(from->bias, from->index[AXIS_C], k->element);
    if (from->residual) finish.residual = fc_at(from->residual, at(from->index, other), k->element);

    int64_t index[FC_AXES], rows = from->rows, columns = from->columns;
    for (int a = 0; a < FC_AXES; ++a) index[a] = from->index[a] / (plan->pool2 && a >= AXIS_H ? 2 : 1);
    void *dst = fc_at(from->dst, at(index, stride), k->element);
    if (plan->pool2) {
        for (int64_t r = 0; r < rows / 2; ++r) {
            k->lanes_max2x2(fc_at(dst, r * dst_row, k->element), stride[AXIS_C], dst_step,
                            fc_at(from->sums, 2 * r * columns * from->ld, k->element), from->ld, columns * from->ld,
                            from->filters, columns / 2, &finish);
            if (finish.residual) finish.residual = fc_at(finish.residual, 2 * finish.residual_row, k->element);
        }
        return;
    }
    if (dst_row == columns * dst_step && (!from->residual || finish.residual_row == columns * finish.residual_step)) {
        columns *= rows;
        rows = 1;
    }
    for (int64_t r = 0; r < rows; ++r) {
        k->lanes_out(fc_at(dst, r * dst_row, k->element), stride[AXIS_C], dst_step,
                     fc_at(from->sums, r * columns * from->ld, k->element), from->ld, from->filters, columns, &finish);
        if (finish.residual) finish.residual = fc_at(finish.residual, finish.residual_row, k->element);
    }
}
