/* lane_tile.h: the small padded copy of the source with channels in the vector lanes.
 *
 * A lane tile holds a box of consecutive source positions, borders included, as
 * [channel block][depth][row][column][lanes]; lanes beyond the channels are zero. Whatever the stride and dilation, a
 * tap is an offset, and neighbouring outputs lie stride*lanes elements apart: what the outer kernel reads. Borders
 * exist only while the tile is filled. */
#ifndef FC_CONV_LANE_TILE_H
#define FC_CONV_LANE_TILE_H

#include "conv/tile.h"

/* Elements of a lane tile of this many positions, or 2^31 where 32-bit offsets cannot reach them. */
int64_t fc_lane_elements(int64_t channels, const int64_t size[FC_SPATIAL], int lanes);

/* Fills dst with the positions start[a] <= p < start[a] + size[a] of each axis (start may be negative) of the image at
 * src: transposing where positions are neighbours, copying where channels are. */
void fc_lane_fill(const fc_source *source, const fc_kernels *kernels, const void *src, int64_t channels,
                  const int64_t start[FC_SPATIAL], const int64_t size[FC_SPATIAL], void *dst);

/* The same for few channels, without the empty lanes: dst[depth][row][column][channels]. */
void fc_dense_fill(const fc_source *source, const fc_kernels *kernels, const void *src, int64_t channels,
                   const int64_t start[FC_SPATIAL], const int64_t size[FC_SPATIAL], void *dst);

#endif
