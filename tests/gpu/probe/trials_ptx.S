/* PTX texts, each ended by a zero byte: kernels that one trial alone needs, and that not every card takes. */
	.section .rodata
	.globl probe_dependent_ptx
probe_dependent_ptx:
	.incbin "tests/gpu/probe/dependent.ptx"
	.byte 0
	.globl probe_recheck_ptx
probe_recheck_ptx:
	.incbin "tests/gpu/probe/recheck.ptx"
	.byte 0
	.section .note.GNU-stack,"",%progbits
