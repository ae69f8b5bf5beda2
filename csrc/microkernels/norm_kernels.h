/* norm_kernels.h: the leaf kernels of batch normalisation and of scaled channels (norm.h). Each exists twice: [FC_NORM_PLANES] for elements of one
 * channel, where a coefficient is one number, and [FC_NORM_PIXELS] for rows whose columns are channels, where it is one
 * number a column. */
#ifndef FC_NORM_KERNELS_H
#define FC_NORM_KERNELS_H

#include <stdint.h>

#include "fastconv.h"

enum { FC_NORM_PLANES, FC_NORM_PIXELS, FC_NORM_WAYS };

/* Rows of `count` neighbours, `stride` apart. */
typedef struct fc_norm_rows {
    int64_t rows, count, stride;
} fc_norm_rows;

/* What is done to the elements of a channel; see apply and gradient. */
typedef struct fc_norm_scale {
    const void *mean, *scale, *slope, *shift;
    fc_activation activation;
    double parameter;
} fc_norm_scale;

typedef struct fc_norm_kernels {
    /* Takes rows into the mean, and into the sum of squared distances from it, of the `before` elements seen so far. Few
     * rows, in the nearest cache: they are read twice. */
    void (*moments[FC_NORM_WAYS])(const fc_norm_rows *at, const void *x, double before, double *mean, double *squares);
    /* y = activation((x - mean) * scale + shift + residual); each but x may be NULL: 0, 1, 0 and 0; y may be x or residual */
    void (*apply[FC_NORM_WAYS])(const fc_norm_rows *at, const fc_norm_scale *by, const void *x, const void *residual,
                                void *y);
    /* sum += d, dot += d * (x - mean), d the gradient dy times the activation's derivative, which the output y tells */
    void (*sums[FC_NORM_WAYS])(const fc_norm_rows *at, const fc_norm_scale *by, const void *x, const void *y,
                               const void *dy, double *sum, double *dot);
    /* dx = d * scale + (x - mean) * slope + shift, or d * scale where x is NULL; dx may be dy, x or y */
    void (*gradient[FC_NORM_WAYS])(const fc_norm_rows *at, const fc_norm_scale *by, const void *x, const void *y,
                                   const void *dy, void *dx);
    /* Rows of layer normalisation: y = (x - mean) * inverse * scale[i] + shift[i],  i < count, inverse = 1 / sqrt(variance +
     * epsilon); scale and shift may be NULL: 1 and 0; mean and inverse, one for each row, too: not wanted */
    void (*lines)(int64_t rows, int64_t count, double epsilon, const void *x, const void *scale, const void *shift,
                  void *y, void *mean, void *inverse);
} fc_norm_kernels;

#endif
