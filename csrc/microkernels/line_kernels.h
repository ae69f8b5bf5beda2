/* line_kernels.h: the leaf kernels of filters along one axis (lines.h); float64 only. */
#ifndef FC_LINE_KERNELS_H
#define FC_LINE_KERNELS_H

#include <stdint.h>

#include "fastconv.h"

typedef enum fc_line_symmetry { FC_LINE_PLAIN, FC_LINE_EVEN, FC_LINE_ODD } fc_line_symmetry;

typedef struct fc_line_kernels {
    /* dst[q] = (sum over t of weight[t] * tap[t][q]) / divisor,  q < count, count >= lanes. Even and odd kernels, whose
     * number of taps is odd, add or subtract the elements on both sides before they are multiplied; terms go from the
     * middle, or the last one, to the first and on inwards, and no product is fused into its sum. */
    void (*correlate)(const double *const *tap, int64_t taps, fc_line_symmetry symmetry, const double *weight,
                      double divisor, int64_t count, double *dst);
    /* dst[i] = src[i],  i < count: to float64 from every type, and back; NULL for types that are not served. */
    void (*widen[FC_DTYPES])(void *dst, const void *src, int64_t count);
    void (*narrow[FC_DTYPES])(void *dst, const void *src, int64_t count);
} fc_line_kernels;

#endif
