/* PTX texts, each ended by a zero byte: the probe's own kernels, and the content hash as the library carries it. */
	.section .rodata
	.globl probe_kernels_ptx
probe_kernels_ptx:
	.incbin "tests/gpu/probe/kernels.ptx"
	.byte 0
	.globl probe_hash_ptx
probe_hash_ptx:
	.incbin "shim/memory/kernels.ptx"
	.byte 0
	.section .note.GNU-stack,"",%progbits
