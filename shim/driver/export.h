/* What the library shows to the process: the doors and the wrappers, nothing else. */
#ifndef LOWTIDE_EXPORT_H
#define LOWTIDE_EXPORT_H

#define LT_EXPORT __attribute__((visibility("default")))

#endif
