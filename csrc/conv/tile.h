/* tile.h: the small padded copy of the source that the kernels run on.
 *
 * A tile holds what one block of outputs (one depth, rows, columns) reads from one image: for every channel and
 * every depth tap, one plane per (row residue, column residue) modulo the stride. Inside a plane neighbouring
 * outputs are neighbours, so a flattened output number q = row * pitch + column addresses every tap as offset + q,
 * whatever the stride and dilation. Borders exist only while the tile is filled. */
#ifndef FC_CONV_TILE_H
#define FC_CONV_TILE_H

#include "conv/geometry.h"
#include "core/numbers.h"
#include "microkernels/kernels.h"

/* Where a pass reads: sizes and element strides of the source, and the taps of its three axes, which it borrows. */
typedef struct fc_source {
    int64_t size[FC_SPATIAL], stride[FC_SPATIAL], channel_stride;
    const fc_axis *axis[FC_SPATIAL];
    fc_border border;
    double border_value;
} fc_source;

typedef struct fc_tile {
    int64_t rows, columns; /* of the block of outputs */
    int64_t pitch, plane, depth_stride, channel_stride;
    int64_t taps; /* per channel */
} fc_tile;

/* The tile of a block of rows x columns outputs. Sizes that 32-bit offsets cannot reach come out as 2^31. */
fc_tile fc_tile_layout(const fc_source *source, int64_t rows, int64_t columns);

/* Number of flattened outputs of rows x columns in this tile, up to the last wanted one. */
static inline int64_t fc_tile_outputs(const fc_tile *tile, int64_t rows, int64_t columns) {
    return fc_capped_product(rows - 1, tile->pitch) + columns;
}

/* Elements to allocate for `channels` channels; the slack lets the last vector read past the end, and what it reads
 * there never reaches a stored output. */
int64_t fc_tile_elements(const fc_tile *tile, int64_t channels, int lanes);

/* off[c * taps + t]: where tap t of channel c starts. Taps run depth, height, width, the last fastest. */
void fc_tile_offsets(const fc_tile *tile, const fc_source *source, int64_t channels, int32_t *off);

/* tap[t]: element offset of tap t inside a kernel with these axis strides, in the order of fc_tile_offsets. */
void fc_weight_taps(const fc_source *source, const int64_t stride[FC_SPATIAL], int64_t *tap);

/* Fills `channels` channels of the tile of the block of outputs that starts at start[] and has `rows` <= tile->rows
 * rows, from the image at src. */
void fc_tile_fill(const fc_tile *tile, const fc_source *source, const fc_kernels *kernels, const void *src,
                  int64_t channels, const int64_t start[FC_SPATIAL], int64_t rows, void *dst);

#endif
