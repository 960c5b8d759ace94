/* kernels.fatbin, aligned as its parts want to be; and the text of kernels.ptx, ended by a zero byte. */
#include "base/marks.inc"

	.section .rodata
	.globl lowtide_kernels_fatbin, lowtide_kernels_fatbin_end, lowtide_kernels_ptx
	.hidden lowtide_kernels_fatbin
	.hidden lowtide_kernels_fatbin_end
	.hidden lowtide_kernels_ptx
	.balign 64
lowtide_kernels_fatbin:
	.incbin "shim/memory/kernels.fatbin"
lowtide_kernels_fatbin_end:
lowtide_kernels_ptx:
	.incbin "shim/memory/kernels.ptx"
	.byte 0
	.section .note.GNU-stack,"",%progbits
