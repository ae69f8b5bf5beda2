#include "conv/geometry.h"

#include <stdlib.h>

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

static fc_status allocate(fc_axis *axis, int64_t capacity) {
    int64_t *block = malloc(sizeof(int64_t) * 5 * (size_t)(capacity > 0 ? capacity : 1));
    if (!block) return FC_NO_MEMORY;
    axis->kernel = block;
    axis->offset = block + capacity;
    axis->phase = block + 2 * capacity;
    axis->index = block + 3 * capacity;
    axis->residue = block + 4 * capacity;
    return FC_OK;
}

/* Derives low, phases and indices from the offsets. */
static void number_phases(fc_axis *axis) {
    axis->low = 0;
    axis->reach = 0;
    axis->phases = 0;
    for (int64_t t = 0; t < axis->taps; ++t)
        if (t == 0 || axis->offset[t] < axis->low) axis->low = axis->offset[t];
    for (int64_t t = 0; t < axis->taps; ++t) {
        const int64_t distance = axis->offset[t] - axis->low, residue = distance % axis->step;
        int64_t phase = 0;
        while (phase < axis->phases && axis->residue[phase] != residue) ++phase;
        if (phase == axis->phases) axis->residue[axis->phases++] = residue;
        axis->phase[t] = phase;
        axis->index[t] = distance / axis->step;
        if (axis->index[t] > axis->reach) axis->reach = axis->index[t];
    }
}

fc_status fc_axis_forward(fc_axis *axis, int64_t outputs, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad,
                          int flip) {
    *axis = (fc_axis){.step = stride, .outputs = outputs, .taps = kernel};
    if (allocate(axis, kernel) != FC_OK) return FC_NO_MEMORY;
    for (int64_t k = 0; k < kernel; ++k) {
        axis->kernel[k] = flip ? kernel - 1 - k : k;
        axis->offset[k] = k * dilation - pad;
    }
    number_phases(axis);
    return FC_OK;
}

/* Input i receives dy[o] w[k] where o*stride + k*dilation - pad = i. With i = start + j*stride the taps that divide evenly
 * read o = j + (start + pad - k*dilation) / stride: a stride-1 correlation over j. */
fc_status fc_axis_backward(fc_axis *axis, int64_t outputs, int64_t start, int64_t kernel, int64_t stride,
                           int64_t dilation, int64_t pad, int flip) {
    *axis = (fc_axis){.step = 1, .outputs = outputs};
    if (allocate(axis, kernel) != FC_OK) return FC_NO_MEMORY;
    for (int64_t k = kernel - 1; k >= 0; --k) {
        const int64_t numerator = start + pad - k * dilation;
        if (modulo(numerator, stride) != 0) continue;
        axis->kernel[axis->taps] = flip ? kernel - 1 - k : k;
        axis->offset[axis->taps] = (numerator - modulo(numerator, stride)) / stride;
        ++axis->taps;
    }
    number_phases(axis);
    return FC_OK;
}

void fc_axis_release(fc_axis *axis) {
    free(axis->kernel);
    axis->kernel = NULL;
}
