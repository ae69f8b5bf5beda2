/* geometry.c: where the taps of a pass fall, one axis at a time.
 *
 * The three passes read their source in one form, position = output*step + offset[tap]. A stride of the forward pass
 * is the step, and the tile undoes it by storing residues apart. A stride of backward_data picks taps instead: each
 * residue of the input position modulo the stride has taps of its own, found in one walk over the kernel. */
#include "conv/geometry.h"

#include <stdlib.h>

#include "core/numbers.h"

static int64_t modulo(int64_t a, int64_t b) {
    const int64_t r = a % b;
    return r < 0 ? r + b : r;
}

int64_t fc_border_index(fc_border border, int64_t p, int64_t size) {
    if (p >= 0 && p < size) return p;
    switch (border) {
    case FC_EDGE:
        return p < 0 ? 0 : size - 1;
    case FC_WRAP:
        return modulo(p, size);
    case FC_SYMMETRIC: { /* ... 1 0 | 0 1 .. n-1 | n-1 n-2 ... , period 2n */
        const int64_t q = modulo(p, 2 * size);
        return q < size ? q : 2 * size - 1 - q;
    }
    case FC_REFLECT: { /* ... 2 1 | 0 1 .. n-1 | n-2 n-3 ... , period 2n-2 */
        if (size == 1) return 0;
        const int64_t q = modulo(p, 2 * size - 2);
        return q < size ? q : 2 * size - 2 - q;
    }
    default:
        return -1;
    }
}

static fc_status allocate(fc_axis *axis, int64_t taps) {
    if (taps > INT32_MAX) return FC_UNSUPPORTED;
    if (taps == 0) return FC_OK;
    int64_t *block = malloc(sizeof(int64_t) * 5 * (size_t)taps);
    if (!block) return FC_NO_MEMORY;
    axis->kernel = block;
    axis->offset = block + taps;
    axis->phase = block + 2 * taps;
    axis->index = block + 3 * taps;
    axis->residue = block + 4 * taps;
    return FC_OK;
}

/* Derives low, phases and indices from the offsets. They ascend evenly, so the residues come round: from the first
 * that was met before, phases repeat. */
static void number_phases(fc_axis *axis) {
    if (axis->taps == 0) return;
    axis->low = axis->offset[0];
    for (int64_t t = 0; t < axis->taps; ++t) {
        const int64_t distance = axis->offset[t] - axis->low, residue = distance % axis->step;
        if (t == axis->phases && (t == 0 || residue != axis->residue[0])) axis->residue[axis->phases++] = residue;
        axis->phase[t] = t % axis->phases;
        axis->index[t] = distance / axis->step;
    }
    axis->reach = axis->index[axis->taps - 1];
}

fc_status fc_axis_forward(fc_axis *axis, const fc_conv_desc *desc, int number) {
    const int64_t taps = desc->kernel[number];
    *axis = (fc_axis){.step = desc->stride[number], .outputs = desc->out[number], .taps = taps};
    const fc_status status = allocate(axis, taps);
    if (status != FC_OK) return status;
    for (int64_t k = 0; k < taps; ++k) {
        axis->kernel[k] = desc->flip ? taps - 1 - k : k;
        axis->offset[k] = k * desc->dilation[number] - desc->pad[number];
    }
    number_phases(axis);
    return FC_OK;
}

/* Input i receives dy[o] w[k] where o*stride + k*dilation - pad = i. With i = s + j*stride the taps k of residue s read
 * o = j + (s + pad - k*dilation) / stride: a unit-step correlation over j. */
fc_status fc_axes_backward(fc_axis *axes, int64_t count, const fc_conv_desc *desc, int number) {
    const int64_t taps = desc->kernel[number], stride = desc->stride[number];
    const int64_t dilation = desc->dilation[number], pad = desc->pad[number];
    if (taps > INT32_MAX) return FC_UNSUPPORTED;
    for (int64_t k = 0; k < taps; ++k) {
        const int64_t s = modulo(k * dilation - pad, stride);
        if (s < count) ++axes[s].taps;
    }
    for (int64_t s = 0; s < count; ++s) {
        const fc_status status = allocate(&axes[s], axes[s].taps);
        if (status != FC_OK) return status;
        axes[s].step = 1;
        axes[s].outputs = fc_ceil_div(desc->in[number] - s, stride);
        axes[s].taps = 0;
    }
    for (int64_t k = taps - 1; k >= 0; --k) {
        const int64_t s = modulo(k * dilation - pad, stride);
        if (s >= count) continue;
        const int64_t t = axes[s].taps++;
        axes[s].kernel[t] = desc->flip ? taps - 1 - k : k;
        axes[s].offset[t] = (s + pad - k * dilation) / stride;
    }
    for (int64_t s = 0; s < count; ++s) number_phases(&axes[s]);
    return FC_OK;
}

int64_t fc_tap_distance(const fc_axis *axis) { return axis->taps > 1 ? axis->offset[1] - axis->offset[0] : 1; }

void fc_axis_release(fc_axis *axis) {
    free(axis->kernel);
    axis->kernel = NULL;
}
