/* The text of kernels.ptx, ended by a zero byte. */
	.section .rodata
	.globl lowtide_kernels_ptx
	.hidden lowtide_kernels_ptx
lowtide_kernels_ptx:
	.incbin "shim/pager/kernels.ptx"
	.byte 0
	.section .note.GNU-stack,"",%progbits
