/* pixel_tile.h: the small padded copy of the source with the channels of a position side by side.
 *
 * A pixel tile holds a box of consecutive source positions, borders included, as [depth][row][column][channels],
 * positions `pitch` >= channels elements apart.
 * Neighbouring channels, and the channels of neighbouring columns, are one run of elements, however few channels there
 * are. Whatever the stride and dilation, a tap is an offset. Borders exist only while the tile is filled. */
#ifndef FC_CONV_PIXEL_TILE_H
#define FC_CONV_PIXEL_TILE_H

#include "conv/tile.h"

/* Fills dst with the positions start[a] <= p < start[a] + size[a] of each axis (start may be negative) of the image at
 * src: transposing where positions are neighbours, copying where channels are. What lies between channels and pitch is not
 * defined. */
void fc_pixel_fill(const fc_source *source, const fc_kernels *kernels, const void *src, int64_t channels, int64_t pitch,
                   const int64_t start[FC_SPATIAL], const int64_t size[FC_SPATIAL], void *dst);

#endif
