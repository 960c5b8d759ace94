/*
 * The less travelled roads into the driver, over memory that lies partly in VRAM and partly in
 * RAM. A case holds its own memory against what it should be, with or without the library; it
 * is a function of edges.def, in the file of its subject.
 */
#ifndef EDGES_H
#define EDGES_H

#include "program.h"

#define PIECES 8
#define BYTES (6 * UNIT) /* three blocks */
#define WORDS (BYTES / 4)

#define EDGE(name) void name(void);
#include "edges.def"
#undef EDGE

/* More than the cap holds, in pieces of three blocks: one of them lies in both homes. Piece i
 * is filled with 100 * i. */
void fill_pieces(CUdeviceptr *pieces);

/* Everything is used in turn: what may move does. Each piece gains 3. */
void stir(CUdeviceptr *pieces, CUstream stream);

#endif
