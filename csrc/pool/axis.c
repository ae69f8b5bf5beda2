/* axis.c: see axis.h. */
#include "pool/axis.h"

static int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b > 0); }

fc_pool_window fc_pool_axis_window(const fc_pool_axis *axis, int64_t index) {
    if (axis->adaptive) {
        /* floor(index * in / out) and ceil((index + 1) * in / out), without the product that could overflow */
        const int64_t whole = axis->in / axis->out, part = axis->in % axis->out;
        const int64_t first = index * whole + index * part / axis->out;
        const int64_t end = (index + 1) * whole + divide_up((index + 1) * part, axis->out);
        return (fc_pool_window){first, end - first};
    }
    const int64_t start = index * axis->stride - axis->pad;
    if (start >= 0 && start + (axis->kernel - 1) * axis->dilation < axis->in)
        return (fc_pool_window){start, axis->kernel};
    const int64_t skipped = start < 0 ? divide_up(-start, axis->dilation) : 0;
    const int64_t room = axis->in > start ? divide_up(axis->in - start, axis->dilation) : 0;
    const int64_t taps = room < axis->kernel ? room : axis->kernel;
    return (fc_pool_window){start + skipped * axis->dilation, taps > skipped ? taps - skipped : 0};
}

int64_t fc_pool_axis_counted(const fc_pool_axis *axis, int64_t index) {
    if (axis->adaptive) return fc_pool_axis_window(axis, index).count;
    const int64_t room = axis->in + axis->pad_end - (index * axis->stride - axis->pad);
    if (room > (axis->kernel - 1) * axis->dilation) return axis->kernel;
    const int64_t taps = divide_up(room, axis->dilation);
    return taps < axis->kernel ? taps : axis->kernel;
}

void fc_pool_axis_interior(const fc_pool_axis *axis, int64_t *begin, int64_t *end) {
    if (axis->adaptive) {
        *begin = *end = 0;
        return;
    }
    const int64_t extent = (axis->kernel - 1) * axis->dilation + 1, room = axis->in + axis->pad - extent;
    *begin = divide_up(axis->pad, axis->stride);
    *end = room < 0 ? 0 : room / axis->stride + 1;
    if (*end > axis->out) *end = axis->out;
    if (*begin > *end) *begin = *end;
}

int64_t fc_pool_axis_widest(const fc_pool_axis *axis) {
    if (axis->adaptive) {
        const int64_t most = axis->in / axis->out + 2;
        return most < axis->in ? most : axis->in;
    }
    return axis->kernel < axis->in ? axis->kernel : axis->in;
}

int fc_pool_axis_untouched(const fc_pool_axis *axis) {
    return !axis->adaptive && axis->kernel == 1 && axis->stride == 1 && axis->pad == 0 && axis->out == axis->in;
}

int fc_pool_axis_tiles(const fc_pool_axis *axis) {
    return !axis->adaptive && axis->dilation == 1 && axis->pad == 0 && axis->stride == axis->kernel &&
           axis->in / axis->kernel == axis->out && axis->in % axis->kernel == 0;
}

static int covered_whole(const fc_pool_axis *axis) {
    return !axis->adaptive && axis->out == 1 && axis->kernel == axis->in && axis->dilation == 1 && axis->pad == 0 &&
           axis->pad_end == 0;
}

static fc_status axis_status(const fc_pool_axis *axis) {
    if (axis->in < 1 || axis->out < 1) return FC_INVALID;
    int64_t unused;
    if (axis->adaptive) return __builtin_mul_overflow(axis->out, axis->in % axis->out, &unused) ? FC_OVERFLOW : FC_OK;
    if (axis->kernel < 1 || axis->stride < 1 || axis->dilation < 1 || axis->pad < 0 || axis->pad_end < 0)
        return FC_INVALID;
    int64_t padded, extent, reach;
    if (__builtin_add_overflow(axis->in, axis->pad, &padded) ||
        __builtin_add_overflow(padded, axis->pad_end, &padded) ||
        __builtin_mul_overflow(axis->kernel - 1, axis->dilation, &extent) ||
        __builtin_mul_overflow(axis->out - 1, axis->stride, &reach) || __builtin_add_overflow(reach, extent, &reach) ||
        __builtin_add_overflow(padded, reach, &padded))
        return FC_OVERFLOW;
    int64_t begin, end;
    fc_pool_axis_interior(axis, &begin, &end);
    for (int64_t p = 0; p < axis->out; ++p) {
        if (p == begin && begin < end) p = end;
        if (p < axis->out && fc_pool_axis_window(axis, p).count < 1) return FC_INVALID;
    }
    return FC_OK;
}

fc_status fc_pool_axes(const fc_pool_desc *desc, fc_pool_axis axes[FC_SPATIAL]) {
    for (int i = 0; i < FC_SPATIAL; ++i) {
        fc_pool_axis *axis = &axes[i];
        *axis = (fc_pool_axis){desc->in[i],       desc->out[i], desc->kernel[i],  desc->stride[i],
                               desc->dilation[i], desc->pad[i], desc->pad_end[i], desc->adaptive};
        if (axis->adaptive && axis->in > 0 && axis->out > 0 && axis->in % axis->out == 0) {
            axis->kernel = axis->stride = axis->in / axis->out;
            axis->dilation = 1;
            axis->pad = axis->pad_end = 0;
            axis->adaptive = 0;
        }
        const fc_status status = axis_status(axis);
        if (status != FC_OK) return status;
        if (!axis->adaptive && axis->out == 1) axis->stride = 1;
        if (!axis->adaptive && axis->kernel == 1) axis->dilation = 1;
    }
    for (int i = FC_SPATIAL - 2; i >= 0; --i) {
        const fc_pool_axis *outer = &axes[i];
        fc_pool_axis *inner = &axes[FC_SPATIAL - 1];
        if (!covered_whole(outer) || !covered_whole(inner)) break;
        const int64_t pitch = inner->in * desc->x_stride[FC_AXES - 1];
        if (desc->x_stride[2 + i] != pitch && outer->in > 1) break;
        if (desc->pass != FC_FORWARD && desc->dx_stride[2 + i] != inner->in * desc->dx_stride[FC_AXES - 1] &&
            outer->in > 1)
            break;
        inner->in = inner->kernel = outer->in * inner->in;
        axes[i] = (fc_pool_axis){1, 1, 1, 1, 1, 0, 0, 0};
    }
    return FC_OK;
}
