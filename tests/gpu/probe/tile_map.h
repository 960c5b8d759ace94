/* A tensor map of a matrix of 32-bit words, 64 a row, in boxes of 32 rows: what
 * probe_copy_tensor (access_sm90.cu) walks. `bytes` is a multiple of a box (8 KiB). Any thread.
 */
#ifndef PROBE_TILE_MAP_H
#define PROBE_TILE_MAP_H

#include <cuda.h>
#include <stdint.h>

CUresult tile_map_encode(CUtensorMap *map, CUdeviceptr at, uint64_t bytes);

#endif
